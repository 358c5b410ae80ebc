"""Volatility target policy: long positions sized so that the forecast volatility of the account is as asked."""

import math
from typing import Annotated, Literal

import annotated_types as at
import numpy as np

from backtest.policies.base import AbstractBookFreePolicy, Terms
from backtest.policies.outlook import Outlook
from backtest.policies.quantile_moments import normal_scale
from backtest.policies.wishes import Wishes, wishes_of
from data.panel import Floats
from data.registry import spec
from forecast.distribution import QuantileForecast

LEAST_VOLATILITY = 1e-9
"""Annual volatility below which a series is taken to be constant, and gets no position."""


@spec
class VolatilityTarget(AbstractBookFreePolicy):
    """Long weights whose forecast annual volatility is ``target``, less where the limits bind.

    A forecast of variance gives each series' volatility as the root of its median variance, the mean over all steps; a forecast of level or log return
    gives it through the quantile spread of the cumulative return at the last step (``normal_scale``), divided by the
    square root of the steps. The account's volatility follows from one assumed correlation ``c`` between all series:
    ``sqrt((1 - c) * sum((w s)^2) + c * (sum(w s))^2)``. At 1, the default, it is an upper bound, so the account is
    calmer than asked whenever series diversify.

    Attributes:
        target: annual volatility of the account, for example 0.10.
        weighting: ``equal`` weights, or ``inverse`` to each series' volatility.
        assumed_correlation: between every two series.
    """

    target: Annotated[float, at.Gt(0)] = 0.10
    weighting: Literal["equal", "inverse"] = "equal"
    assumed_correlation: Annotated[float, at.Ge(0), at.Le(1)] = 1.0

    def decide_many(self, outlook: Outlook, terms: Terms) -> Wishes:
        """Return the weights; a series forecast not to move at all gets 0."""
        first = outlook.forecasts[0]
        is_variance = first.quantity == "variance"
        if is_variance:
            volatility = outlook.each(lambda forecast: variance_volatility(forecast, terms.periods_per_year))
        else:
            bars = terms.periods_per_year / first.horizon
            volatility = normal_scale(outlook.returns, outlook.levels) * math.sqrt(bars)
        weights = np.zeros(outlook.tradable.shape)
        for k, counts in enumerate(outlook.counts):
            weights[k, counts] = self._weights(volatility[k, counts])
        return wishes_of(weights, outlook.unbounded(every_step=is_variance))

    def _weights(self, volatility: Floats) -> Floats:
        moving = volatility > LEAST_VOLATILITY
        shape = np.where(moving, 1.0, 0.0)
        if self.weighting == "inverse":
            shape = shape / np.where(moving, volatility, 1.0)
        risk = shape * volatility
        together, apart = math.fsum(risk) ** 2, math.fsum(risk * risk)
        account = math.sqrt(self.assumed_correlation * together + (1.0 - self.assumed_correlation) * apart)
        return shape * (self.target / account) if account > 0 else np.zeros(len(volatility))


def variance_volatility(forecast: QuantileForecast, periods_per_year: float) -> Floats:
    """Return the annual volatility of each series, (S,), from the medians of a forecast of one-bar variances.

    The median is the point forecast of every model in this house, and the one that variance scores judge.
    """
    per_bar = np.maximum(forecast.median, 0.0)
    total = np.zeros(len(forecast.series))
    for step in range(forecast.horizon):
        total = total + per_bar[:, step]
    return np.sqrt(total / forecast.horizon * periods_per_year)
