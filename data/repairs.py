"""Repairs: what may be changed about bars before use, only as the configuration says, every change reported."""

from collections.abc import Callable
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from data.errors import DataError
from data.findings import Finding
from data.frames import ID, PRICES, TIME
from data.quality.bars import plural, shown, stamps_of
from data.quality.grid import Grid, grid_of
from data.quality.values import ROUNDING
from data.registry import spec
from data.sessions import BarClock

Flags = npt.NDArray[np.bool_]
Repaired = tuple[pd.DataFrame, list[Finding]]

_TRADED: tuple[str, ...] = ("open", "high", "low", "close")


@spec
class Repairs:
    """What to do about defects. Nothing is changed by default.

    Attributes:
        unsorted: rows out of order inside a series are refused, or sorted by time (equal stamps keep the file's order).
        off_grid: stamps at which no bar of the clock ends are kept, dropped, or moved to the next bar end. Moving is
            never to an earlier end, so nothing is known too early.
        duplicates: repeated stamps of a series are refused, or the first or last row of the file is kept.
        empty_rows: rows without any value of a bar are kept or dropped.
        bad_bars: bars with an infinite price, a price of zero or below, or a high or low inside its other prices are
            kept, or all their prices become missing (untradable bars).
        volume: volumes below zero or infinite, and a volume that is zero throughout, are kept or become missing.
    """

    unsorted: Literal["refuse", "sort"] = "refuse"
    off_grid: Literal["keep", "drop", "snap"] = "keep"
    duplicates: Literal["refuse", "keep_first", "keep_last"] = "refuse"
    empty_rows: Literal["keep", "drop"] = "keep"
    bad_bars: Literal["keep", "mask"] = "keep"
    volume: Literal["keep", "mask"] = "keep"


def repair(long: pd.DataFrame, repairs: Repairs, clock: BarClock) -> Repaired:
    """Return the frame after the repairs asked for, and one finding a series and kind of change (``repaired_*``).

    Order: sort, off-grid stamps, duplicates, empty rows, bad bars, volume. The frame given is never written to.

    Timing: every repair of a row uses that row and its stamp only, except the choice among repeated stamps and the test
    for a volume that is zero throughout, which look at the whole file.

    Args:
        long: a frame in the long form of ``data.frames``.
        repairs: what to change.
        clock: calendar and bar length that stamps are held against.

    Raises:
        DataError: when rows are out of order or stamps repeated and the repairs refuse that, or no row is left.
    """
    findings: list[Finding] = []
    frame = long.reset_index(drop=True)
    for step in _STEPS:
        frame, made = step(frame, repairs, clock)
        findings.extend(made)
    if not len(frame):
        raise DataError(f"the repairs dropped all {len(long)} rows; at least one must be left")
    return frame, findings


def _sorted(frame: pd.DataFrame, repairs: Repairs, clock: BarClock) -> Repaired:
    codes, _ = pd.factorize(frame[ID])
    stamps = stamps_of(frame)
    rows = np.argsort(codes, kind="stable")
    back = (np.diff(codes[rows]) == 0) & (np.diff(stamps[rows]) < np.timedelta64(0, "ns"))
    if not back.any():
        return frame, []
    moved = np.zeros(len(frame), dtype=bool)
    moved[rows[1:][back]] = True
    if repairs.unsorted == "refuse":
        row = int(np.flatnonzero(moved)[0])
        raise DataError(
            f"series '{frame[ID].iloc[row]}' is out of order at {shown(stamps[row])} ({int(moved.sum())} such rows in all); "
            "allowed with repairs: {unsorted: sort}"
        )
    told = _told(frame, moved, "repaired_unsorted", "{} out of order moved to the place of their stamp.")
    return frame.iloc[np.lexsort((stamps, codes))].reset_index(drop=True), told


def _aligned(frame: pd.DataFrame, repairs: Repairs, clock: BarClock) -> Repaired:
    if repairs.off_grid == "keep":
        return frame, []
    stamps = stamps_of(frame)
    grid = grid_of(clock, stamps)
    off = ~grid.is_end(stamps) & ~np.isnat(stamps)
    if not off.any():
        return frame, []
    if repairs.off_grid == "drop":
        told = _told(frame, off, "repaired_off_grid", "{} at no bar end of the clock dropped.")
        return frame[~off].reset_index(drop=True), told
    told = _told(frame, off, "repaired_off_grid", "{} at no bar end of the clock moved to the next bar end.")
    moved = stamps.copy()
    moved[off] = _next_ends(grid, stamps[off])
    return frame.assign(**{TIME: moved}), told


def _next_ends(grid: Grid, stamps: npt.NDArray[np.datetime64]) -> npt.NDArray[np.datetime64]:
    """Return the first bar end after each stamp, (M,)."""
    if grid.is_continuous:
        return np.array([grid.at(place + 1) for place in grid.position(stamps)], "datetime64[ns]")
    later = np.r_[grid.ends, grid.clock.next(stamps.max(), 1)]
    return np.asarray(later[np.searchsorted(later, stamps, side="right")])


def _unique(frame: pd.DataFrame, repairs: Repairs, clock: BarClock) -> Repaired:
    last = repairs.duplicates == "keep_last"
    repeated = frame.duplicated([ID, TIME], keep="last" if last else "first").to_numpy()
    if not repeated.any():
        return frame, []
    if repairs.duplicates == "refuse":
        row = int(np.flatnonzero(repeated)[0])
        raise DataError(
            f"series '{frame[ID].iloc[row]}' has more than one row at {shown(stamps_of(frame)[row])} "
            f"({int(repeated.sum())} repeated in all); remedy: repairs: {{duplicates: keep_first}}"
        )
    kept = "last" if last else "first"
    told = _told(
        frame,
        repeated,
        "repaired_duplicate",
        "{} that repeat a stamp dropped; the " + kept + " row was kept.",
    )
    return frame[~repeated].reset_index(drop=True), told


def _without_empty(frame: pd.DataFrame, repairs: Repairs, clock: BarClock) -> Repaired:
    fields = [name for name in frame.columns if name in PRICES] or [
        name for name in frame.columns if name not in (ID, TIME)
    ]
    empty = frame[fields].isna().all(axis=1).to_numpy()
    if repairs.empty_rows == "keep" or not empty.any():
        return frame, []
    told = _told(frame, empty, "repaired_empty_row", "{} without a price dropped.")
    return frame[~empty].reset_index(drop=True), told


def _masked_bars(frame: pd.DataFrame, repairs: Repairs, clock: BarClock) -> Repaired:
    prices = [name for name in PRICES if name in frame.columns]
    if repairs.bad_bars == "keep" or not prices:
        return frame, []
    bad = _bad_bars(frame)
    if not bad.any():
        return frame, []
    told = _told(frame, bad, "repaired_bad_bar", "The prices of {} that cannot be right are now missing.")
    return frame.assign(**{name: frame[name].mask(bad) for name in prices}), told


def _bad_bars(frame: pd.DataFrame) -> Flags:
    """Return the rows with an infinite or non-positive price, or a high or low inside the bar's other prices."""
    present = [name for name in PRICES if name in frame.columns]
    table = frame[present].to_numpy(dtype=np.float64, na_value=np.nan)
    bad = (np.isinf(table) | (table <= 0)).any(axis=1)
    traded = frame[[name for name in _TRADED if name in frame.columns]]
    if "high" in frame.columns:
        bad |= (traded.max(axis=1) > frame["high"] * (1 + ROUNDING)).to_numpy()
    if "low" in frame.columns:
        bad |= (traded.min(axis=1) < frame["low"] * (1 - ROUNDING)).to_numpy()
    return np.asarray(bad)


def _masked_volume(frame: pd.DataFrame, repairs: Repairs, clock: BarClock) -> Repaired:
    if repairs.volume == "keep" or "volume" not in frame.columns:
        return frame, []
    volume = frame["volume"]
    never = volume.groupby(frame[ID]).transform("max").eq(0) & volume.eq(0)
    bad = (never | (volume < 0) | volume.isin([np.inf, -np.inf])).to_numpy()
    if not bad.any():
        return frame, []
    told = _told(
        frame, bad, "repaired_volume", "Volumes of {} that measure nothing are now missing.", "volume"
    )
    return frame.assign(volume=volume.mask(bad)), told


_STEPS: tuple[Callable[[pd.DataFrame, Repairs, BarClock], Repaired], ...] = (
    _sorted,
    _aligned,
    _unique,
    _without_empty,
    _masked_bars,
    _masked_volume,
)


def _told(frame: pd.DataFrame, changed: Flags, kind: str, message: str, field: str = "bar") -> list[Finding]:
    """Return one finding a series for the rows changed; ``{}`` in the message becomes their number."""
    names, stamps = frame[ID].to_numpy()[changed], stamps_of(frame)[changed]
    findings = []
    for name in pd.unique(names):
        own = stamps[names == name]
        text = message.format(plural(len(own), "row"))
        findings.append(Finding(str(name), field, kind, "info", own.min(), own.max(), len(own), np.nan, text))
    return findings
