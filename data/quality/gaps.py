"""Gaps: bars that the clock promises and the file lacks."""

from collections.abc import Iterator

import numpy as np

from data.findings import Finding
from data.quality.bars import SeriesBars, plural, shown
from data.quality.grid import Grid
from data.quality.stamps import MOST

SHORT_SHARE = 0.75
"""A session with fewer than this share of its bars is short."""


def gaps(bars: SeriesBars, grid: Grid) -> Iterator[Finding]:
    """Yield ``gap`` (warning): missing bars between the first and last row; value: the longest run of them, in bars.

    Where the stamps lie off the grid a bar counts as present when any row is stamped in it. Files most of whose stamps
    are off the grid are left to ``off_grid``.
    """
    if len(bars) < 2 or (~grid.is_end(bars.times)).mean() > MOST:
        return
    places = grid.position(bars.times)
    missing = np.maximum(np.diff(places) - 1, 0)
    total, worst = int(missing.sum()), int(missing.argmax())
    if not total:
        return
    runs, share = int((missing > 0).sum()), total / (total + len(bars))
    first = int(np.flatnonzero(missing)[0])
    last = int(np.flatnonzero(missing)[-1])
    message = (
        f"{plural(total, 'bar')} of the clock missing in {plural(runs, 'gap')} ({share:.2%} of the span); the longest lasts "
        f"{plural(int(missing[worst]), 'bar')} from {shown(bars.times[worst])} to {shown(bars.times[worst + 1])}: no order can "
        "fill there, and a return over a gap covers more than one bar."
    )
    yield Finding(
        series=bars.series,
        field="time",
        kind="gap",
        severity="warning",
        time=grid.at(int(places[first]) + 1),
        until=grid.at(int(places[last + 1]) - 1),
        count=total,
        value=float(missing[worst]),
        message=message,
    )


def short_sessions(bars: SeriesBars, grid: Grid) -> Iterator[Finding]:
    """Yield ``short_session`` (info): sessions of an exchange with under 75 % of the bars that the calendar promises.

    Half days that the calendar knows are measured against their own length. Value: the smallest share.
    """
    if grid.clock.bar == "session" or not grid.is_exchange or not len(grid.ends):
        return
    expected = np.bincount(grid.session(grid.ends), minlength=len(grid.closes) + 1)
    seen = np.bincount(grid.session(bars.times[grid.is_end(bars.times)]), minlength=len(grid.closes) + 1)
    first, last = grid.session(bars.times[[0, -1]])
    inner = np.zeros(len(seen), dtype=bool)
    # The file may begin or end inside a session, which says nothing about the market.
    inner[first + 1 : last] = True
    short = np.flatnonzero(inner & (seen > 0) & (seen < SHORT_SHARE * expected))
    if not len(short):
        return
    shares = seen[short] / expected[short]
    worst = int(shares.argmin())
    message = (
        f"{plural(len(short), 'session')} with under {SHORT_SHARE:.0%} of the bars, the shortest on "
        f"{shown(grid.closes[short[worst]].astype('datetime64[D]'))} with {seen[short[worst]]} of {expected[short[worst]]}: "
        "an intraday strategy cannot count on being able to close before the session ends."
    )
    yield Finding(
        series=bars.series,
        field="time",
        kind="short_session",
        severity="info",
        time=grid.closes[short[0]],
        until=grid.closes[short[-1]],
        count=len(short),
        value=float(shares[worst]),
        message=message,
    )
