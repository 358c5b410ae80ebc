"""Slot features: the columns of the three-slots paper, read from the slot before the target's or, as a leak, from its own."""

from pathlib import Path

import numpy as np
import pandas as pd

from backtest.lint import FeatureTable
from data.errors import DataError
from data.frames import canonical, to_panel
from data.history import History
from data.panel import Floats, Panel, Times
from data.sessions import DAY, BarClock
from data.slots import NSE_SLOTS, slot_table

FIELDS = ("open", "high", "low", "close")
INDEX = "NIFTY 50"


def read_bars(path: Path, first_day: str, last_day: str) -> Panel:
    """Return five-minute bars of some days; stamps are bar ends in Indian time, and a file without ``symbol`` is the index.

    Raises:
        DataError: when no bar lies in these days.
    """
    long = canonical(pd.read_parquet(path), default_series=INDEX, zone=NSE_SLOTS.zone)
    # Trading ends in the afternoon UTC of the same day.
    found = to_panel(long, FIELDS).between(first_day, np.datetime64(last_day, "ns") + DAY)
    if not len(found):
        raise DataError(f"{path.name} has no bar from {first_day} to {last_day}")
    return found


def slot_history(bars: Panel, index: Panel, bonuses: dict[str, str]) -> History:
    """Return bars and index as one history, the index last, prices adjusted forward for the bonuses.

    Args:
        bars: of the stocks, or of the index itself.
        index: of the index; its bars at other times than the stocks' are not needed.
        bonuses: series -> first day without a one-for-one bonus; prices count double from then on.
    """
    if INDEX in bars.series:
        return History(bars, BarClock(bar="5min"))
    values = np.full((len(bars), len(bars.series) + 1, len(FIELDS)), np.nan)
    values[:, :-1] = bars.values
    _, here, there = np.intersect1d(bars.times, index.times, assume_unique=True, return_indices=True)
    values[here, -1] = index.values[there, 0]
    for name, day in bonuses.items():
        values[bars.times >= np.datetime64(day), bars.series_index(name)] *= 2.0
    return History(Panel(bars.times, (*bars.series, INDEX), FIELDS, values), BarClock(bar="5min"))


def slot_features(history: History, is_leaking: bool) -> FeatureTable:
    """Return one row a slot and stock: its move (percent of the close before it) beside features and calendar.

    The percentages belong to the slot before, whose end is the decision; leaking, to the target's own slot, without its
    close, as the paper's do. Rows without features are left out, a target that is not known is NaN. A history of the index
    alone makes rows of the index.

    Args:
        history: as ``slot_history`` gives.
        is_leaking: whether to read the target's own slot.
    """
    table = slot_table(history.panel, NSE_SLOTS)
    columns = slot_columns(table.panel)
    moves = columns["close_perc"]
    names = [name for name in columns if not (is_leaking and name == "close_perc")]
    if len(history.panel.series) == 1:
        names.remove("nifty_perc")
    own = np.stack([columns[name] for name in names], axis=2)
    read = own[1:] if is_leaking else own[:-1]
    calendar = calendar_of(table.days[1:], table.slots[1:])
    stocks = max(1, len(history.panel.series) - 1)
    shared = np.repeat(calendar[:, None], stocks, axis=1)
    features = np.concatenate([read[:, :stocks], shared], axis=2).reshape(-1, len(names) + calendar.shape[1])
    kept = ~np.isnan(features).any(axis=1)
    times = table.panel.times
    return FeatureTable(
        (*names, "month", "day_month", "day_week", "slot"),
        features[kept],
        moves[1:, :stocks].reshape(-1)[kept],
        np.repeat(times[:-1], stocks)[kept],
        np.repeat(times[1:], stocks)[kept],
    )


def slot_columns(panel: Panel) -> dict[str, Floats]:
    """Return the percentages of every slot and series by name, (T, S) each, NaN where a slot is missing."""
    columns = {f"{name}_perc": percent(panel.field(name)) for name in FIELDS}
    close = panel.field("close")
    before = np.vstack([np.full((1, close.shape[1]), np.nan), close[:-1]])
    columns["range_diff"] = 100.0 * (panel.field("high") - panel.field("low")) / before
    nifty = columns["close_perc"][:, panel.series_index(INDEX)]
    columns["nifty_perc"] = np.repeat(nifty[:, None], len(panel.series), axis=1)
    return columns


def percent(values: Floats) -> Floats:
    """Return the change from the row before in percent, (T, S), the first row NaN."""
    changed = np.full(values.shape, np.nan)
    changed[1:] = 100.0 * (values[1:] / values[:-1] - 1.0)
    return changed


def calendar_of(days: Times, slots: np.ndarray) -> Floats:
    """Return month, day of the month, day of the week and slot of each target, (N, 4); calendars are known ahead."""
    dates = pd.DatetimeIndex(np.asarray(days).astype("datetime64[ns]"))
    return np.column_stack([dates.month, dates.day, dates.day_of_week, slots]).astype(np.float64)
