"""Staleness: prices that do not move, and opens that are yesterday's closes."""

from collections.abc import Iterator

import numpy as np

from data.findings import Finding
from data.quality.bars import SeriesBars, plural, shown
from data.quality.grid import Flags, Grid, Rows

FLAT_BARS = 5
"""Flat bars in a row that make a price stale, when they also last ``FLAT_SPAN`` or more."""

FLAT_SPAN = np.timedelta64(60, "m")

LONE_BARS = 10
"""Equal values in a row that make a series of closes alone stale."""

STALE_SHARE = 0.5
"""A year is one of stale opens when at least this share of its sessions opens at the previous close."""

FEWEST_SESSIONS = 20
"""Years with fewer sessions than this are not judged."""


def stale_prices(bars: SeriesBars, grid: Grid) -> Iterator[Finding]:
    """Yield ``stale_price`` (warning): runs of bars in which nothing traded away from the last close; value: longest.

    A bar is flat when its open, high, low and close all equal the close before it.
    """
    if bars.price is None:
        return
    price = bars.columns[bars.price]
    known = bars.rows(np.isfinite(price))
    price = known.columns[bars.price]
    flat = np.zeros(len(price), dtype=bool)
    flat[1:] = price[1:] == price[:-1]
    for name in known.prices:
        flat &= (known.columns[name] == price) | np.isnan(known.columns[name])
    starts, lengths = _runs(flat)
    least = FLAT_BARS if len(known.prices) == 4 else LONE_BARS
    spans = known.times[starts + lengths - 1] - known.times[starts - 1]
    is_long = (lengths >= least) & (spans >= FLAT_SPAN)
    starts, lengths = starts[is_long], lengths[is_long]
    if not len(starts):
        return
    worst = int(lengths.argmax())
    rows = np.concatenate([np.arange(s, s + n) for s, n in zip(starts, lengths, strict=True)])
    message = (
        f"{plural(len(rows), 'bar')} in {plural(len(starts), 'run')} repeat the price before them, the longest run "
        f"{plural(int(lengths[worst]), 'bar')} from {shown(known.times[starts[worst]])} at {price[starts[worst]]:.6g}: nothing "
        "traded or the feed stood still, so fills there are fiction and volatility is understated."
    )
    yield known.found("stale_price", "warning", rows, message, field=bars.price, value=float(lengths[worst]))


def stale_opens(bars: SeriesBars, grid: Grid) -> Iterator[Finding]:
    """Yield ``stale_open`` (warning) for each stretch of years whose sessions mostly open at the previous close.

    Only the first bar of a session is judged: in a market that never pauses the next open is the close. Value: the
    share of such opens over the stretch.
    """
    if grid.is_continuous or not {"open", "close"} <= set(bars.columns):
        return
    known = bars.rows(np.isfinite(bars.columns["open"]) & np.isfinite(bars.columns["close"]))
    if len(known) < FEWEST_SESSIONS:
        return
    opens = np.flatnonzero(np.diff(grid.session(known.times)) > 0) + 1
    same = known.columns["open"][opens] == known.columns["close"][opens - 1]
    # An open on a day without any move is no sign of a copied close.
    moved = known.columns["close"][opens] != known.columns["close"][opens - 1]
    opens, same = opens[moved], same[moved]
    years = known.times[opens].astype("datetime64[Y]").astype(np.int64)
    for first, last in _stretches(years, same):
        rows = opens[(years >= first) & (years <= last) & same]
        total = int(((years >= first) & (years <= last)).sum())
        share = len(rows) / total
        message = (
            f"{share:.0%} of the opens from {first + 1970} to {last + 1970} equal the previous close: nobody could trade at "
            "them, and next-open fills would be same-close fills."
        )
        yield known.found("stale_open", "warning", rows, message, field="open", value=share)


def _stretches(years: Rows, same: Flags) -> Iterator[tuple[int, int]]:
    """Yield first and last year of each stretch of neighbouring years with mostly stale opens."""
    stretch: list[int] = []
    for year in np.unique(years):
        own = same[years == year]
        if len(own) >= FEWEST_SESSIONS and own.mean() >= STALE_SHARE:
            if stretch and year != stretch[-1] + 1:
                yield stretch[0], stretch[-1]
                stretch = []
            stretch.append(int(year))
    if stretch:
        yield stretch[0], stretch[-1]


def _runs(flags: Flags) -> tuple[Rows, Rows]:
    """Return where each run of True begins and how long it is, (R,) each."""
    edges = np.diff(np.r_[0, flags.astype(np.int8), 0])
    starts = np.flatnonzero(edges == 1)
    return starts, np.flatnonzero(edges == -1) - starts
