"""Sessions of a series: its bars summed up to one bar a session, where jumps and levels are judged."""

from dataclasses import dataclass

import numpy as np

from data.panel import Floats, Times
from data.quality.bars import SeriesBars
from data.quality.grid import Grid, Ints


@dataclass(frozen=True, eq=False)
class SessionBars:
    """One bar a session of a series; sessions without a positive price are left out.

    Attributes:
        first_times: (M,) stamp of the first bar of each session.
        times: (M,) stamp of its last bar.
        numbers: (M,) number of the session on the clock, increasing.
        open: (M,) first price: the first bar's open, or NaN where no open is known.
        high: (M,) highest price known.
        low: (M,) lowest price known.
        close: (M,) last price, positive.
        volume: (M,) sum of the volumes, NaN where none is known.
        ratio: (M,) adjusted over raw close at the session's last bar, NaN where unknown.
    """

    first_times: Times
    times: Times
    numbers: Ints
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    ratio: Floats

    def __len__(self) -> int:
        return len(self.times)


def session_bars(bars: SeriesBars, grid: Grid) -> SessionBars:
    """Return the sessions of bars that are in order of time.

    Timing: sessions are those of the clock; UTC days on 24/7 clocks. Rows between sessions count to the next one.
    """
    price = bars.columns[bars.price] if bars.price else np.ones(len(bars))
    with np.errstate(invalid="ignore"):
        known = bars.rows(np.isfinite(price) & (price > 0))
    price = known.columns[bars.price] if bars.price else np.ones(len(known))
    numbers = grid.session(known.times)
    heads = np.flatnonzero(np.r_[True, np.diff(numbers) != 0]) if len(known) else np.empty(0, np.int64)
    tails = np.r_[heads[1:] - 1, len(known) - 1] if len(heads) else heads
    adjusted = known.columns.get("adj_close", np.full(len(known), np.nan))
    return SessionBars(
        first_times=known.times[heads],
        times=known.times[tails],
        numbers=numbers[heads],
        open=_positive(known, "open")[heads],
        high=_reduce(np.fmax, np.fmax(price, _positive(known, "high")), heads),
        low=_reduce(np.fmin, np.fmin(price, _positive(known, "low")), heads),
        close=price[tails],
        volume=_sums(known.columns.get("volume", np.full(len(known), np.nan)), heads),
        ratio=adjusted[tails] / price[tails],
    )


def _positive(bars: SeriesBars, name: str) -> Floats:
    column = bars.columns.get(name, np.full(len(bars), np.nan))
    return np.where(np.isfinite(column) & (column > 0), column, np.nan)


def _reduce(function: np.ufunc, column: Floats, heads: Ints) -> Floats:
    return np.asarray(function.reduceat(column, heads)) if len(heads) else np.empty(0)


def _sums(column: Floats, heads: Ints) -> Floats:
    known = np.isfinite(column) & (column >= 0)
    counts = _reduce(np.add, known.astype(np.float64), heads)
    sums = _reduce(np.add, np.where(known, column, 0.0), heads)
    return np.where(counts > 0, sums, np.nan)
