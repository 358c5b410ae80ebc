"""Scenery: what the pool looked like in the test windows: its price, and its liquidity by price through time."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd

from backtest.amm.contest import Contest
from backtest.amm.walk import pool_log
from backtest.amm.windows import JudgedWindow
from data.amm.pool import sqrts_of, tick_of
from data.amm.quote import Trade, quote
from data.amm.tick_map import liquidity_profile, tick_map
from data.errors import EventGapError
from data.panel import Floats

POINTS = 2000
MOMENTS = 60
PRICE_BINS = 60
TRADES = (0.1, 1.0, 10.0)
"""Sizes of the trades that are quoted, in multiples of the capital."""

MARGIN = 0.25
"""Share of the price's own spread, in ticks, that the heat map shows beyond its extremes."""


def scenery_tables(contest: Contest, windows: Sequence[JudgedWindow]) -> dict[str, pd.DataFrame]:
    """Return the tables ``prices``, ``heat`` and ``slippage`` of the span of all test windows."""
    return {
        "prices": prices_table(contest, windows),
        "heat": heat_table(contest, windows),
        "slippage": slippage_table(contest, windows),
    }


def prices_table(contest: Contest, windows: Sequence[JudgedWindow]) -> pd.DataFrame:
    """Return the price at up to 2,000 bar ends: columns time, close."""
    rows = _rows(windows, POINTS)
    close = contest.history.panel.field("close")[rows, 0]
    return pd.DataFrame({"time": contest.history.times[rows], "close": close})


def heat_table(contest: Contest, windows: Sequence[JudgedWindow]) -> pd.DataFrame:
    """Return the raw liquidity by price at 60 instants: columns time, low_price, high_price, liquidity.

    Without a history of liquidity changes the table is empty.
    """
    columns = ["time", "low_price", "high_price", "liquidity"]
    log, history = pool_log(contest.history), contest.history
    if log.changes is None:
        return pd.DataFrame(columns=columns).astype({"time": "datetime64[ns]"})
    edges = _tick_edges(history.panel.field("sqrt_price")[_rows(windows, POINTS), 0])
    prices = log.pool.prices(sqrts_of(edges))
    low, high = np.minimum(prices[1:], prices[:-1]), np.maximum(prices[1:], prices[:-1])
    parts = [
        pd.DataFrame(
            {
                "time": time,
                "low_price": low,
                "high_price": high,
                "liquidity": liquidity_profile(tick_map(log.changes.until(time)), edges),
            }
        )
        for time in history.times[_rows(windows, MOMENTS)]
    ]
    return pd.concat(parts, ignore_index=True)


def slippage_table(contest: Contest, windows: Sequence[JudgedWindow]) -> pd.DataFrame:
    """Return what a trader would have paid at the start of each window: columns time, size, side, slippage_bps.

    Sizes are multiples of the experiment's capital, in quote tokens, beyond the fee. Without a history of liquidity changes,
    and where liquidity runs out before the trade is filled, there is no row.
    """
    columns = ["time", "size", "side", "slippage_bps"]
    log, history = pool_log(contest.history), contest.history
    sides: tuple[Literal["buy", "sell"], ...] = ("buy", "sell")
    rows = []
    for time in history.times[[window.test.first for window in windows]] if log.changes is not None else ():
        known = log.until(time)
        ticks, root = tick_map(known.changes), float(known.swaps.sqrt_after[-1])
        for multiple in TRADES:
            size = multiple * contest.spec.capital
            for side in sides:
                try:
                    found = quote(log.pool, ticks, root, Trade(side=side, size=size, unit="quote"))
                except EventGapError:
                    continue
                rows.append((time, size, side, found.slippage_bps))
    return pd.DataFrame(rows, columns=columns).astype({"time": "datetime64[ns]"})


def _rows(windows: Sequence[JudgedWindow], points: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    first, last = windows[0].test.first, windows[-1].test.last
    return np.unique(np.linspace(first, last, min(points, last - first + 1)).astype(np.int64))


def _tick_edges(sqrt_prices: Floats) -> Floats:
    low, high = tick_of(float(np.min(sqrt_prices))), tick_of(float(np.max(sqrt_prices)))
    room = MARGIN * max(high - low, 1.0)
    return np.linspace(low - room, high + room, PRICE_BINS + 1)
