"""Stamps: rows whose time is missing, repeated, out of order, off the clock, or marks the wrong end of the bar."""

from collections.abc import Iterator

import numpy as np

from data.findings import Finding
from data.quality.bars import SeriesBars, are, plural, shown
from data.quality.grid import Flags, Grid, Rows

MOST = 0.5
"""Above this share of stamps off the grid, the zone or the clock is wrong rather than the stamps."""

START_SHARE = 0.8
"""Share of sessions that must begin with a stamp at the open and lack one at the close."""

_FEWEST_SESSIONS = 5


def missing_stamps(bars: SeriesBars, grid: Grid) -> Iterator[Finding]:
    """Yield ``missing_stamp`` (error): rows that cannot be placed in time."""
    missing = np.isnat(bars.times)
    if missing.any():
        never = np.datetime64("NaT", "ns")
        message = f"{plural(int(missing.sum()), 'row')} without a stamp cannot be placed in time; loading refuses the file."
        yield Finding(
            bars.series, "time", "missing_stamp", "error", never, never, int(missing.sum()), np.nan, message
        )


def one_row(bars: SeriesBars, grid: Grid) -> Iterator[Finding]:
    """Yield ``one_row`` (error): a series with a single row has no return."""
    if len(bars) == 1:
        message = "The series has a single row: no return can be computed, so it can neither be forecast nor traded."
        yield bars.found("one_row", "error", np.array([0]), message, field="time")


def unsorted(bars: SeriesBars, grid: Grid) -> Iterator[Finding]:
    """Yield ``unsorted`` (error): rows that come after a row of a later time."""
    back = np.flatnonzero(np.diff(bars.times) < np.timedelta64(0, "ns")) + 1
    if len(back):
        first = back[0]
        message = (
            f"{are(len(back), 'row')} out of order, first {shown(bars.times[first])} after {shown(bars.times[first - 1])}: "
            "read in this order, a backtest would see the future; loading refuses the file unless it is to be sorted."
        )
        yield bars.found("unsorted", "error", back, message, field="time")


def duplicates(bars: SeriesBars, grid: Grid) -> Iterator[Finding]:
    """Yield ``duplicate`` (warning) for repeated stamps with equal values, ``conflicting_duplicate`` (error) otherwise."""
    order = np.argsort(bars.times, kind="stable")
    stamps = bars.times[order]
    is_first = np.ones(len(stamps), dtype=bool)
    is_first[1:] = stamps[1:] != stamps[:-1]
    heads = order[np.maximum.accumulate(np.where(is_first, np.arange(len(stamps)), 0))]
    repeated = ~is_first & ~np.isnat(stamps)
    if not repeated.any():
        return
    rows, heads = order[repeated], heads[repeated]
    same, worst = _same_values(bars, rows, heads)
    if same.any():
        message = (
            f"{plural(int(same.sum()), 'row')} with a repeated stamp and equal values: each would count twice in returns and "
            "volume; choose a repair (duplicates: keep_first)."
        )
        yield bars.found("duplicate", "warning", rows[same], message, field="time")
    if not same.all():
        message = (
            f"{plural(int((~same).sum()), 'row')} with a repeated stamp and other values (prices differ by up to {worst:.2%}): "
            "nobody knows which is right; choose a repair (duplicates: keep_first or keep_last)."
        )
        yield bars.found("conflicting_duplicate", "error", rows[~same], message, field="time", value=worst)


def _same_values(bars: SeriesBars, rows: Rows, heads: Rows) -> tuple[Flags, float]:
    """Return whether each row equals the first row of its stamp, (M,), and the largest relative price difference."""
    same = np.ones(len(rows), dtype=bool)
    worst = 0.0
    for name, column in bars.columns.items():
        one, other = column[rows], column[heads]
        same &= (one == other) | (np.isnan(one) & np.isnan(other))
        if name in bars.prices:
            known = np.isfinite(one) & np.isfinite(other) & (other != 0)
            worst = max([worst, *np.abs(one[known] / other[known] - 1)])
    return same, worst


def off_grid(bars: SeriesBars, grid: Grid) -> Iterator[Finding]:
    """Yield ``off_grid``: stamps at which no bar of the clock ends (error where they are most of the stamps)."""
    off = ~grid.is_end(bars.times)
    if not off.any():
        return
    count, share, first = int(off.sum()), float(off.mean()), bars.times[off][0]
    where = f"{grid.clock.calendar}, {grid.clock.bar}"
    if share > MOST:
        message = (
            f"{share:.0%} of the stamps (first {shown(first)}) are no bar end of the clock ({where}): the zone, the "
            "stamps option, the calendar or the bar length is probably wrong, and orders would fill at the wrong time."
        )
        yield bars.found("off_grid", "error", off, message, field="time", value=share)
        return
    message = (
        f"{are(count, 'stamp')} no bar end of the clock ({where}): "
        "such rows do not line up with other series, and the steps of a forecast are not the bars that follow."
    )
    yield bars.found("off_grid", "warning", off, message, field="time", value=share)


def start_stamps(bars: SeriesBars, grid: Grid) -> Iterator[Finding]:
    """Yield ``start_stamps`` (error): stamps that mark the start of their bar, told by the first and last of sessions.

    Only bars shorter than a session of an exchange can tell: with stamps of the start the first bar of a session is
    stamped at the open and none at the close.
    """
    if grid.clock.bar == "session" or not grid.is_exchange or not len(grid.ends):
        return
    ends_session = grid.session(grid.ends)
    firsts = np.flatnonzero(np.r_[True, np.diff(ends_session) != 0])
    opens = grid.ends[firsts] - grid.step
    closes = grid.ends[np.r_[firsts[1:] - 1, len(grid.ends) - 1]]
    seen = np.isin(ends_session[firsts], grid.session(bars.times))
    if seen.sum() < _FEWEST_SESSIONS:
        return
    is_start = np.isin(opens[seen], bars.times) & ~np.isin(closes[seen], bars.times)
    if is_start.mean() >= START_SHARE:
        message = (
            f"{is_start.mean():.0%} of the sessions have a bar stamped at the open and none at the close: the stamps mark "
            "the start of bars, so every bar would be known one bar too early; read the file with stamps: start."
        )
        everything = np.arange(len(bars))
        yield bars.found(
            "start_stamps", "error", everything, message, field="time", value=float(is_start.mean())
        )
