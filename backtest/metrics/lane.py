"""Lane: what the tables of a run say of one account, as the metrics read it."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from backtest.engine.bars import Bars
from backtest.errors import MetricError
from backtest.metrics.activity import Activity
from backtest.metrics.capacity import orders_from
from backtest.metrics.pair import Pair
from backtest.metrics.returns import Returns, returns_from_equity, until_ruin
from backtest.metrics.table import Beside
from backtest.metrics.trades import trades_from
from data.panel import Floats


def lane_samples(
    tables: Mapping[str, pd.DataFrame], lane: str, bars: Bars, periods_per_year: float
) -> tuple[Returns, list[Beside]]:
    """Return the net returns of an account and what is known beside them: activity, trades, orders and benchmark.

    A ruined account ends with its ruin. The benchmark is that of the table ``equity``; an account that is the benchmark
    is compared with nothing. Both are net of costs and read at the same closes.

    Args:
        tables: the run tables ``equity``, ``trades`` and ``fills``.
        lane: label of the account.
        bars: the bars of the test, one a row of the lane's equity.
        periods_per_year: periods in a year, from the calendar of the data.

    Raises:
        MetricError: when the account has not one row a bar, or a fill or trade does not fit.
    """
    equity, trades, fills = (_of(tables[name], lane) for name in ("equity", "trades", "fills"))
    if len(equity) != len(bars):
        raise MetricError(
            f"account '{lane}' has {len(equity)} rows and the test {len(bars)} bars; they must match"
        )
    curve = until_ruin(equity["equity"].to_numpy())
    held = [
        equity[name].to_numpy()[1 : len(curve)] for name in ("turnover", "gross_exposure", "net_exposure")
    ]
    known: list[Beside] = [
        Activity(held[0], held[1], held[2], periods_per_year),
        trades_from(trades, periods_per_year),
        orders_from(fills[fills["time"].isin(equity["time"][: len(curve)])], bars, curve, periods_per_year),
    ]
    benchmark = equity["benchmark"].to_numpy()
    if not np.array_equal(benchmark, equity["equity"].to_numpy()):
        known.append(_pair(curve, until_ruin(benchmark), periods_per_year))
    return returns_from_equity(curve, periods_per_year), known


def _of(table: pd.DataFrame, lane: str) -> pd.DataFrame:
    return table[table["lane"] == lane].reset_index(drop=True)


def _pair(curve: Floats, benchmark: Floats, periods_per_year: float) -> Pair:
    """Return the account beside its benchmark up to the earlier ruin of the two."""
    count = min(len(curve), len(benchmark))
    own, other = (returns_from_equity(each[:count], periods_per_year) for each in (curve, benchmark))
    return Pair(own, other)
