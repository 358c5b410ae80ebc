"""Activity: how much an account traded and how much it held."""

import math
from dataclasses import dataclass

import numpy as np

from backtest.errors import MetricError
from backtest.metrics.columns import checked_column, checked_periods
from backtest.metrics.metric import Metric, if_short, measured
from data.panel import Floats


@dataclass(frozen=True, eq=False)
class Activity:
    """Trading and holding of one account, one row a period.

    Attributes:
        traded: (T,) traded value, buys and sells added, over the equity before; finite, not negative.
        gross: (T,) sum of |weights| at the end of the period, finite, not negative.
        net: (T,) sum of weights at the end of the period, finite.
        periods_per_year: periods in a year, from the calendar of the data.

    Raises:
        MetricError: when shapes differ, a value is not finite or is negative where it cannot be.
    """

    traded: Floats
    gross: Floats
    net: Floats
    periods_per_year: float

    def __post_init__(self) -> None:
        count = np.size(self.traded)
        if not count:
            raise MetricError("activity has no periods; at least 1 is needed")
        for name, least in (("traded", 0.0), ("gross", 0.0), ("net", -math.inf)):
            object.__setattr__(self, name, checked_column(name, getattr(self, name), count, least=least))
        checked_periods(self.periods_per_year)

    def __len__(self) -> int:
        return len(self.traded)


def annual_turnover(activity: Activity) -> Metric:
    """Return the one-way turnover a year: half of buys plus sells over equity; a full swap is 1."""
    return measured(
        "annual_turnover", activity, "one-way: half of buys plus sells over equity, a full swap is 1, a year",
        if_short(activity), lambda: 0.5 * float(activity.traded.mean()) * activity.periods_per_year,
    )  # fmt: skip


def average_gross_exposure(activity: Activity) -> Metric:
    """Return the mean sum of |weights| at the ends of periods."""
    return measured(
        "average_gross_exposure", activity, "mean sum of |weights|", "", lambda: float(activity.gross.mean())
    )


def average_net_exposure(activity: Activity) -> Metric:
    """Return the mean sum of weights at the ends of periods."""
    return measured(
        "average_net_exposure", activity, "mean sum of weights", "", lambda: float(activity.net.mean())
    )


def time_in_market(activity: Activity) -> Metric:
    """Return the share of periods that end with a position, in [0, 1]."""
    return measured(
        "time_in_market", activity, "share of periods that end with a position", "",
        lambda: float(np.mean(activity.gross > 0)),
    )  # fmt: skip
