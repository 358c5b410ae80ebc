"""Slots: short bars gathered into a few named parts of the trading day, such as morning, afternoon and evening."""

from collections.abc import Callable
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pandas as pd

from data.errors import DataError, SpecError
from data.findings import Finding
from data.panel import Floats, Panel, Times

Whole = npt.NDArray[np.int64]

_AGGREGATIONS: tuple[str, ...] = ("open", "high", "low", "close", "volume")


def minute_of(text: str) -> int:
    """Return the minute of the day that ``HH:MM`` names.

    Raises:
        SpecError: when it names none.
    """
    hours, _, minutes = text.partition(":")
    if not (hours.isdigit() and minutes.isdigit() and int(hours) < 24 and int(minutes) < 60):
        raise SpecError(f"time was '{text}'; allowed: HH:MM from 00:00 to 23:59")
    return 60 * int(hours) + int(minutes)


@dataclass(frozen=True)
class Slot:
    """A part of the trading day, in local time; it holds the bars that end after ``start`` and no later than ``end``.

    Attributes:
        name: of the slot.
        start: ``HH:MM``.
        end: ``HH:MM``, when the slot is complete.
        bars: bars of a full slot.
    """

    name: str
    start: str
    end: str
    bars: int


@dataclass(frozen=True)
class SlotPlan:
    """The slots of a day.

    Attributes:
        slots: in the order of the day, not overlapping.
        zone: time zone of their times.
        least_share: share of its bars that a slot needs; with fewer it is left out and reported.

    Raises:
        SpecError: when a time, zone, count or share cannot be, or slots overlap.
    """

    slots: tuple[Slot, ...]
    zone: str
    least_share: float = 0.8

    def __post_init__(self) -> None:
        edges = [minute_of(text) for slot in self.slots for text in (slot.start, slot.end)]
        rises = all(a < b for a, b in zip(edges[::2], edges[1::2], strict=True))
        if not self.slots or not rises or sorted(edges) != edges:
            words = ", ".join(f"{slot.name} {slot.start}-{slot.end}" for slot in self.slots)
            raise SpecError(f"slots were '{words}'; each must end after it starts and before the next starts")
        if not 0.0 < self.least_share <= 1.0 or any(slot.bars < 1 for slot in self.slots):
            raise SpecError(
                f"least_share was {self.least_share:g} and bars {[slot.bars for slot in self.slots]}; allowed: a share above "
                "0 and up to 1, and 1 bar or more"
            )
        try:
            ZoneInfo(self.zone)
        except (KeyError, ValueError, OSError) as error:
            raise SpecError(f"zone '{self.zone}' is unknown; allowed: names such as Asia/Kolkata") from error


NSE_SLOTS = SlotPlan(
    (
        Slot("morning", "09:00", "11:30", 27),
        Slot("afternoon", "11:30", "13:30", 24),
        Slot("evening", "13:30", "15:30", 24),
    ),
    "Asia/Kolkata",
)
"""Three slots a day of five-minute bars on the NSE, 9:15 to 15:30 (Mehtab and Sen 2020, arXiv 2004.11697)."""


@dataclass(frozen=True, eq=False)
class SlotTable:
    """A panel with one row a slot.

    Attributes:
        panel: (T, S, F) stamped at the end of the slot, UTC; NaN where a series had too few bars.
        slots: (T,) position of the row's slot in the plan.
        days: (T,) the local date.
        bars: (T, S) bars observed in the slot.
        findings: slots that were left out, and bars outside every slot.
    """

    panel: Panel
    slots: Whole
    days: Times
    bars: Whole
    findings: tuple[Finding, ...]


def slot_table(panel: Panel, plan: SlotPlan) -> SlotTable:
    """Return the panel gathered into slots; a slot in which no series has bars enough has no row.

    A slot's open is that of its first observed bar, its close that of its last, high and low are the extremes, volume is
    the sum. Timing: bars are stamped with their end, so a slot is known at its own end, and not before.

    Args:
        panel: short bars, stamped with their ends, UTC; fields among open, high, low, close and volume, close among them.
        plan: the slots.

    Raises:
        DataError: when a field has no aggregation, there is no close, or no slot has bars enough.
    """
    _check_fields(panel.fields)
    local = _local(panel.times, plan.zone)
    days = local.astype("datetime64[D]")
    minutes = ((local - days) / np.timedelta64(1, "m")).astype(np.float64)
    slot = _slot_of(minutes, plan)
    inside = slot >= 0
    outside = _outside(panel, ~inside)
    if not inside.any():
        raise DataError(f"none of {len(panel)} bars ends in a slot; {_told(plan)}")
    keys = days[inside].astype(np.int64) * len(plan.slots) + slot[inside]
    found, starts = np.unique(keys, return_index=True)
    values, bars = _gathered(panel, panel.values[inside], starts)
    order = found % len(plan.slots)
    dates = (found // len(plan.slots)).astype("datetime64[D]")
    times = _ends(dates, order, plan)
    need = np.array([slot.bars for slot in plan.slots])[order]
    short = bars < plan.least_share * need[:, None]
    values[short] = np.nan
    kept = ~short.all(axis=1)
    if not kept.any():
        raise DataError(f"no slot has {plan.least_share:.0%} of its bars; {_told(plan)}")
    gathered = Panel(times[kept], panel.series, panel.fields, values[kept])
    incomplete = _incomplete(panel.series, times, bars, need, short)
    return SlotTable(gathered, order[kept], dates[kept], bars[kept], (*outside, *incomplete))


def _check_fields(fields: tuple[str, ...]) -> None:
    for name in fields:
        if name not in _AGGREGATIONS:
            raise DataError(
                f"field '{name}' cannot be gathered into slots; allowed: {', '.join(_AGGREGATIONS)}"
            )
    if "close" not in fields:
        raise DataError(f"fields were {', '.join(fields)}; slots need close")


def _local(times: Times, zone: str) -> Times:
    index = pd.DatetimeIndex(np.array(times)).tz_localize("UTC").tz_convert(zone).tz_localize(None)
    return np.asarray(index.to_numpy()).astype("datetime64[ns]")


def _ends(days: Times, slots: Whole, plan: SlotPlan) -> Times:
    ends = np.array([minute_of(slot.end) for slot in plan.slots])[slots]
    wall = days.astype("datetime64[ns]") + ends * np.timedelta64(60_000_000_000, "ns")
    utc = pd.DatetimeIndex(wall).tz_localize(plan.zone).tz_convert("UTC").tz_localize(None)
    return np.asarray(utc.to_numpy()).astype("datetime64[ns]")


def _slot_of(minutes: Floats, plan: SlotPlan) -> Whole:
    """Return the slot in which a bar ends (T,), -1 where none."""
    starts = np.array([minute_of(slot.start) for slot in plan.slots])
    ends = np.array([minute_of(slot.end) for slot in plan.slots])
    place = np.searchsorted(starts, minutes, side="left") - 1
    return np.where((place >= 0) & (minutes <= ends[np.maximum(place, 0)]), place, -1)


def _gathered(panel: Panel, values: Floats, starts: Whole) -> tuple[Floats, Whole]:
    """Return the values of every slot (G, S, F) and how many bars of it were observed (G, S)."""
    observed = ~np.isnan(values[:, :, panel.field_index("close")])
    bars = np.add.reduceat(observed.astype(np.int64), starts, axis=0)
    row = np.arange(len(values))[:, None]
    first = np.minimum.reduceat(np.where(observed, row, len(values) - 1), starts, axis=0)
    last = np.maximum.reduceat(np.where(observed, row, 0), starts, axis=0)
    made: dict[str, Callable[[Floats], Floats]] = {
        "open": lambda field: np.take_along_axis(field, first, axis=0),
        "high": lambda field: np.fmax.reduceat(field, starts, axis=0),
        "low": lambda field: np.fmin.reduceat(field, starts, axis=0),
        "close": lambda field: np.take_along_axis(field, last, axis=0),
        "volume": lambda field: np.where(
            np.logical_and.reduceat(np.isnan(field), starts, axis=0),
            np.nan,
            np.add.reduceat(np.nan_to_num(field), starts, axis=0),
        ),
    }
    return np.stack([made[name](values[:, :, f]) for f, name in enumerate(panel.fields)], axis=2), bars


def _outside(panel: Panel, outside: npt.NDArray[np.bool_]) -> list[Finding]:
    seen = ~np.isnan(panel.field("close")) & outside[:, None]
    found = []
    for s, name in enumerate(panel.series):
        times = panel.times[seen[:, s]]
        if len(times):
            message = f"{len(times)} bars end outside every slot and are left out"
            found.append(
                Finding(
                    name, "time", "outside_slots", "info", times[0], times[-1], len(times), np.nan, message
                )
            )
    return found


def _incomplete(
    series: tuple[str, ...], times: Times, bars: Whole, need: Whole, short: npt.NDArray[np.bool_]
) -> list[Finding]:
    """Return one finding a series with slots that hold some bars, but too few."""
    found = []
    for s, name in enumerate(series):
        rows = np.flatnonzero(short[:, s] & (bars[:, s] > 0))
        if len(rows):
            share = float((bars[rows, s] / need[rows]).min())
            message = (
                f"{len(rows)} slots hold too few bars, the emptiest {share:.0%} of them, and are left out"
            )
            found.append(
                Finding(
                    name,
                    "bar",
                    "incomplete_slot",
                    "warning",
                    times[rows[0]],
                    times[rows[-1]],
                    len(rows),
                    share,
                    message,
                )
            )
    return found


def _told(plan: SlotPlan) -> str:
    words = ", ".join(f"{slot.name} {slot.start}-{slot.end}" for slot in plan.slots)
    return f"the slots are {words} in {plan.zone}; bars are stamped with their end, UTC"
