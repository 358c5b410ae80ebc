"""Volume: bars without any, and changes of the unit it is counted in."""

from collections.abc import Iterator

import numpy as np

from data.findings import Finding, Severity
from data.panel import Floats
from data.quality.bars import SeriesBars, plural, shown
from data.quality.grid import Grid
from data.quality.session_bars import SessionBars, session_bars

UNIT_FACTOR = 30.0
"""Lasting changes of the level of volume by less than this factor may be the market's own."""

WINDOW = 20
"""Sessions with volume on each side of a change of unit that must lie on their own side of it."""

_MANY_ZEROS = 0.01
_LONG_RUN = 5


def zero_volume(bars: SeriesBars, grid: Grid) -> Iterator[Finding]:
    """Yield ``no_volume`` where every volume is zero, ``zero_volume`` where some are; value: longest run, in bars.

    A warning when the volume is zero throughout, on over 1 % of the bars, or for five bars in a row; else information.
    """
    volume = bars.columns.get("volume")
    if volume is None or not np.isfinite(volume).any():
        return
    zero = volume == 0
    if not zero.any():
        return
    if not (volume > 0).any():
        message = (
            "The volume is zero throughout: it measures nothing (an index, or prices that were computed), so no fill can be "
            "limited by it and nobody need have traded at these prices."
        )
        yield bars.found("no_volume", "warning", zero, message, field="volume", value=float(zero.sum()))
        return
    longest, start = _longest_run(zero)
    priced = bars.columns[bars.price] if bars.price else np.full(len(bars), np.nan)
    moved = int((zero[1:] & (np.diff(priced) != 0) & np.isfinite(np.diff(priced))).sum())
    severity: Severity = "warning" if zero.mean() > _MANY_ZEROS or longest >= _LONG_RUN else "info"
    message = (
        f"{plural(int(zero.sum()), 'bar')} without volume ({zero.mean():.1%}; the close moved on {moved:,} of them), the longest "
        f"run {plural(longest, 'bar')} from {shown(bars.times[start])}: nothing traded, or the volume is not recorded; fills "
        "there are doubtful."
    )
    yield bars.found("zero_volume", severity, zero, message, field="volume", value=float(longest))


def volume_units(bars: SeriesBars, grid: Grid) -> Iterator[Finding]:
    """Yield ``volume_unit`` (warning) for each lasting change of the level of volume by a factor of 30 or more.

    Volume is summed a session. A change lies where the median log volume of the 20 sessions before and after differs by
    the factor and nine tenths of either side lie nearer to their own median; single wild sessions change nothing. Value:
    the factor.
    """
    if "volume" not in bars.columns:
        return
    sessions = session_bars(bars, grid)
    traded = np.flatnonzero(sessions.volume > 0)
    logs = np.log(sessions.volume[traded])
    for place, step in _level_changes(logs):
        yield _unit_change(bars, sessions, int(traded[place]), step)


def _unit_change(bars: SeriesBars, sessions: SessionBars, session: int, step: float) -> Finding:
    factor = float(np.exp(abs(step)))
    power = 10 ** round(np.log10(factor))
    first = sessions.first_times[session]
    message = (
        f"The level of volume {'rises' if step > 0 else 'falls'} about {factor:,.0f}-fold at {shown(first)} and stays (nearest "
        f"power of ten: {power:,}): the unit, the source or the instrument changed, so features of volume and limits on traded volume do not "
        "compare across it."
    )
    after = np.flatnonzero(bars.times >= first)
    return bars.found("volume_unit", "warning", after, message, field="volume", value=factor)


def _level_changes(logs: Floats) -> list[tuple[int, float]]:
    """Return (place, step) of each lasting change of level, in order; ``place`` is the first value of the new level."""
    if len(logs) < 2 * WINDOW:
        return []
    windows = np.lib.stride_tricks.sliding_window_view(logs, WINDOW)
    past, coming = windows[:-WINDOW], windows[WINDOW:]
    before, after = np.median(past, axis=1), np.median(coming, axis=1)
    step = after - before
    middle = (before + after) / 2
    rises = (step > 0)[:, None]
    settled = ((past < middle[:, None]) == rises).mean(axis=1) + ((coming > middle[:, None]) == rises).mean(
        axis=1
    )
    is_change = (np.abs(step) >= np.log(UNIT_FACTOR)) & (settled >= 1.8)
    changes = []
    places = np.flatnonzero(is_change)
    for group in np.split(places, np.flatnonzero(np.diff(places) > WINDOW) + 1) if len(places) else []:
        # Neighbouring places see the same change; where most values are on their own side is the change itself.
        best = group[np.argmax(settled[group] * 1e3 + np.abs(step[group]))]
        changes.append((int(best) + WINDOW, float(step[best])))
    return changes


def _longest_run(flags: "np.ndarray[tuple[int], np.dtype[np.bool_]]") -> tuple[int, int]:
    """Return length and first place of the longest run of True."""
    edges = np.diff(np.r_[0, flags.astype(np.int8), 0])
    starts, stops = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    worst = int((stops - starts).argmax())
    return int(stops[worst] - starts[worst]), int(starts[worst])
