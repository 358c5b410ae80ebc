"""Check: all findings of a long frame of bars, or of a loaded history."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from data.events import CorporateActions
from data.findings import Finding
from data.frames import to_long
from data.history import History
from data.panel import Panel, Times
from data.quality.bars import Check, SeriesBars, action_times, shown, split_series, stamps_of
from data.quality.gaps import gaps, short_sessions
from data.quality.grid import Grid, grid_of
from data.quality.identity import price_spikes, reused_ticker, ticker_reuses
from data.quality.jumps import large_jumps, large_moves, split_ratio, splits
from data.quality.session_bars import session_bars
from data.quality.staleness import stale_opens, stale_prices
from data.quality.stamps import duplicates, missing_stamps, off_grid, one_row, start_stamps, unsorted
from data.quality.values import (
    decimals,
    empty_fields,
    empty_rows,
    inconsistent_bars,
    infinite_values,
    non_positive_prices,
    partial_bars,
    zero_bars,
)
from data.quality.volume import volume_units, zero_volume
from data.sessions import BarClock

INSIDE = 20
"""Rows that a series may lack at either end of a panel without being told as partial."""

_OF_ROWS: tuple[Check, ...] = (
    missing_stamps,
    one_row,
    unsorted,
    duplicates,
    empty_fields,
    empty_rows,
    partial_bars,
    infinite_values,
    zero_bars,
    non_positive_prices,
    inconsistent_bars,
)
"""Checks of every row in the file's order, repeated stamps included."""

_OF_BARS: tuple[Check, ...] = (
    off_grid,
    start_stamps,
    gaps,
    short_sessions,
    stale_prices,
    stale_opens,
    zero_volume,
    volume_units,
    price_spikes,
    decimals,
)
"""Checks of the rows in the order of time, each stamp once."""


def check_bars(
    long: pd.DataFrame, clock: BarClock, *, actions: CorporateActions | None = None
) -> list[Finding]:
    """Return the defects of bars, at most one finding a series, field, kind and stretch of time.

    Timing: findings describe the whole file, so they use rows that a backtest does not know yet; they are for people
    and reports, never inputs of a model.

    Args:
        long: a frame in the long form of ``data.frames``; row order, repeated rows and NaN are looked at as they are.
        clock: calendar and bar length that the stamps are held against.
        actions: known splits; a price jump on the bar of a known split is no finding.

    Raises:
        SpecError: when the calendar is not published for the span of the stamps.
    """
    grid = grid_of(clock, stamps_of(long))
    return [found for bars in split_series(long) for found in _check_series(bars, grid, actions)]


def check_panel(history: History) -> list[Finding]:
    """Return the defects of a loaded history: those of its bars, with its own actions taken as known.

    Bars at which nothing was observed are no rows here; they show as gaps against the clock.
    """
    bars = check_bars(to_long(history.panel), history.clock, actions=history.actions)
    return [*bars, *_partial_histories(history.panel)]


def _partial_histories(panel: Panel) -> Iterator[Finding]:
    """Yield ``partial_history`` (info) for each series that starts or ends well inside the panel; value: its share."""
    seen = np.asarray(~np.isnan(panel.values).all(axis=2))
    for s, name in enumerate(panel.series):
        rows = np.flatnonzero(seen[:, s])
        if not len(rows) or (rows[0] <= INSIDE and rows[-1] >= len(panel) - 1 - INSIDE):
            continue
        first, last = panel.times[rows[0]], panel.times[rows[-1]]
        message = (
            f"{name} has bars from {shown(first)} to {shown(last)} only ({len(rows):,} of {len(panel):,} rows): folds outside "
            "that span neither learn from it nor trade it."
        )
        yield Finding(
            name, "time", "partial_history", "info", first, last, len(rows), len(rows) / len(panel), message
        )


def _check_series(bars: SeriesBars, grid: Grid, actions: CorporateActions | None) -> Iterator[Finding]:
    for check in _OF_ROWS:
        yield from check(bars, grid)
    ordered = bars.rows(~np.isnat(bars.times)).ordered()
    if not len(ordered):
        return
    for check in _OF_BARS:
        yield from check(ordered, grid)
    yield from _check_jumps(ordered, grid, action_times(actions, bars.series))


def _check_jumps(bars: SeriesBars, grid: Grid, explained: Times) -> Iterator[Finding]:
    """Yield each large jump under one name: ticker re-use first, then a split, else a move taken as real."""
    if bars.price is None:
        return
    sessions = session_bars(bars, grid)
    if len(sessions) < 2:
        return
    jumps = large_jumps(sessions, explained)
    reuses = ticker_reuses(sessions, jumps)
    yield from (reused_ticker(bars, sessions, reuse) for reuse in reuses)
    taken = {session for reuse in reuses for session in reuse.sessions}
    left = [jump for jump in jumps if jump.session not in taken]
    yield from splits(bars, sessions, left)
    yield from large_moves(bars, sessions, [jump for jump in left if split_ratio(jump) is None])
