"""Capacity: how much capital an account's orders could carry beside the volume they were filled in.

Orders are scaled with the capital: an account of k times the money would have traded k times the units at the same
times. Volatility and volume are those of the whole test, so these numbers describe the past and decide nothing.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from backtest.engine.bars import Bars
from backtest.errors import MetricError
from backtest.metrics.columns import checked_column, checked_periods
from backtest.metrics.metric import Metric, measured
from data.panel import Floats

CAP = 0.05
"""Largest share of a bar's volume an order may be."""

QUANTILE = 0.95
"""The order that has to fit: larger ones are one in twenty."""

MOST_UNKNOWN = 0.01
"""A capacity is stated when at most this share of the orders has no known volume."""

NOT_TRADED = frozenset({"split", "cash_in_lieu", "liquidation", "delisting"})
"""Reasons of fills that took no volume from the market."""


@dataclass(frozen=True, eq=False)
class Orders:
    """N filled orders of one account beside the bars they were filled in.

    Attributes:
        participation: (N,) units over the bar's volume, NaN = volume not known or none reported.
        weights: (N,) traded value over the equity before the bar, not negative.
        volatility: (N,) standard deviation of the series' returns a bar, NaN = not known.
        equity: (N,) equity before the bar, account currency, positive.
        profit: sum of the account's net simple returns, before any impact.
        periods_per_year: periods in a year, from the calendar of the data.

    Raises:
        MetricError: when shapes differ, or a value is not finite or below what it can be.
    """

    participation: Floats
    weights: Floats
    volatility: Floats
    equity: Floats
    profit: float
    periods_per_year: float

    def __post_init__(self) -> None:
        count = np.size(self.participation)
        for name in ("participation", "weights", "volatility", "equity"):
            unknown = name in ("participation", "volatility")
            column = checked_column(name, getattr(self, name), count, least=0.0, unknown=unknown)
            object.__setattr__(self, name, column)
        if not (self.equity > 0).all():
            raise MetricError(f"equity holds {self.equity.min()}; positive values are needed")
        if not math.isfinite(self.profit):
            raise MetricError(f"profit was {self.profit}; a finite sum of returns is needed")
        checked_periods(self.periods_per_year)

    def __len__(self) -> int:
        return len(self.participation)

    @property
    def known(self) -> npt.NDArray[np.bool_]:
        """Whether an order's volume and volatility are known, (N,)."""
        return np.asarray(np.isfinite(self.participation) & np.isfinite(self.volatility))

    @property
    def shares(self) -> Floats:
        """Participation per unit of capital of the orders that are known."""
        return np.asarray((self.participation / self.equity)[self.known])


def orders_from(fills: pd.DataFrame, bars: Bars, equity: Floats, periods_per_year: float) -> Orders:
    """Return the orders of one lane of the run table ``fills``.

    The equity before an order is that at the close before its bar; a fill in the first bar takes the start capital.
    Fills of one series in one bar with the same sign are one order.

    Args:
        fills: rows of one lane; splits and other flows that traded nothing are left out.
        bars: the bars of the test, with volume and close.
        equity: (T,) the account at the close of each bar, the start capital first, up to its ruin at most.
        periods_per_year: periods in a year, from the calendar of the data.

    Raises:
        MetricError: when a fill names a bar or series the bars do not have, or comes after the end of the equity.
    """
    traded = fills[~fills["reason"].isin(NOT_TRADED)]
    rows = pd.DatetimeIndex(np.array(bars.times)).get_indexer(pd.DatetimeIndex(traded["time"]))
    columns = pd.Index(bars.series).get_indexer(pd.Index(traded["series"]))
    if (rows < 0).any() or (columns < 0).any() or (rows >= len(equity)).any():
        raise MetricError("a fill lies outside the bars or the equity; both must cover all fills")
    units = traded["units"].to_numpy(np.float64)
    frame = pd.DataFrame({
        "row": rows, "column": columns, "sign": np.sign(units), "units": np.abs(units),
        "value": np.abs(units) * traded["price"].to_numpy(np.float64),
    })  # fmt: skip
    merged = frame.groupby(["row", "column", "sign"], as_index=False).sum()
    return _orders(merged, bars, equity, periods_per_year)


def _orders(merged: pd.DataFrame, bars: Bars, equity: Floats, periods_per_year: float) -> Orders:
    rows, columns = merged["row"].to_numpy(), merged["column"].to_numpy()
    volume = bars.volume[rows, columns]
    before = equity[np.maximum(rows - 1, 0)]
    units = merged["units"].to_numpy()
    return Orders(
        np.divide(units, volume, out=np.full(len(units), np.nan), where=volume > 0),
        merged["value"].to_numpy() / before,
        _volatility(bars)[columns],
        before,
        float((equity[1:] / equity[:-1] - 1).sum()),
        periods_per_year,
    )


def _volatility(bars: Bars) -> Floats:
    """Return each series' standard deviation (ddof 1) of returns between observed closes, splits undone, (S,)."""
    closes = np.asarray(bars.close) * np.cumprod(bars.splits, axis=0)
    found = np.full(closes.shape[1], np.nan)
    for column in np.flatnonzero(bars.tradable):
        seen = closes[np.isfinite(closes[:, column]), column]
        if len(seen) > 2:
            found[column] = (seen[1:] / seen[:-1] - 1).std(ddof=1)
    return found


def median_participation(orders: Orders) -> Metric:
    """Return the median order's share of its bar's volume."""
    return _participation("median_participation", orders, 0.5)


def high_participation(orders: Orders) -> Metric:
    """Return the share of volume that one order in twenty exceeds."""
    return _participation("high_participation", orders, QUANTILE)


def largest_participation(orders: Orders) -> Metric:
    """Return the largest order's share of its bar's volume."""
    return _participation("largest_participation", orders, 1.0)


def capacity_at_participation(orders: Orders) -> Metric:
    """Return the capital at which the 95th percentile order is 5 % of its bar's volume, account currency.

    cap / q95(participation / equity): with constant capital C each order would take participation C / equity.
    """
    return _stated(
        "capacity_at_participation", orders,
        f"capital at which the {QUANTILE:.0%} quantile of participation is {CAP:.0%} of a bar's volume",
        lambda: CAP * _whole_volume(orders),
    )  # fmt: skip


def capacity_at_impact(orders: Orders) -> Metric:
    """Return the capital at which square-root impact takes the whole profit, account currency.

    An order of participation p in a series of volatility s a bar pays s sqrt(p) of its value (Grinold and Kahn 2000;
    Toth et al. 2011, eq. 1, with their factor of order one taken as 1). With constant capital C the sum over orders of
    w s sqrt(p C / equity) equals the sum of returns at C = (profit / sum w s sqrt(p / equity))^2. The profit is what is
    left after the costs of the run, so impact comes on top of them; a run that already pays for impact pays twice here, on
    the safe side. NaN when there is no profit to lose, and when the 95th percentile order would by then be more than the
    bar's volume, where no law of impact holds: volume binds first.
    """
    at_risk = (orders.weights * orders.volatility)[orders.known]
    paid = float((at_risk * np.sqrt(orders.shares)).sum())
    flag = "" if orders.profit > 0 else "no profit that impact could take"
    if not flag and not paid**2 * _whole_volume(orders) >= orders.profit**2:
        flag = "volume binds first: impact takes less than the profit while orders fit their bars"
    return _stated(
        "capacity_at_impact", orders,
        "capital at which impact of volatility x sqrt(participation) takes the net profit, no compounding",
        lambda: (orders.profit / paid) ** 2, flag,
    )  # fmt: skip


def _whole_volume(orders: Orders) -> float:
    """Return the capital at which the 95th percentile order is its bar's whole volume; infinity without known orders."""
    shares = orders.shares
    return 1 / float(np.quantile(shares, QUANTILE)) if len(shares) and shares.min() > 0 else math.inf


def _participation(name: str, orders: Orders, level: float) -> Metric:
    words = "largest" if level == 1 else f"{level:.0%} quantile of"
    return _stated(
        name, orders, f"{words} units / volume of the bar, by order",
        lambda: float(np.quantile(orders.participation[orders.known], level)),
    )  # fmt: skip


def _stated(
    name: str, orders: Orders, convention: str, compute: Callable[[], float], flag: str = ""
) -> Metric:
    """Return the metric over the orders whose volume is known; NaN when more than 1 % are not."""
    unknown = len(orders) - int(orders.known.sum())
    told = f"volume of {unknown} of {len(orders)} orders not known"
    if not len(orders):
        flag = "no orders"
    elif unknown > MOST_UNKNOWN * len(orders):
        flag = told
    metric = measured(name, orders, convention, flag, compute)
    return metric.with_flag(f"{told}, left out") if unknown and not metric.flag else metric
