"""Volatility band: a range as wide as the price is expected to move, renewed when the price has left it."""

import math
from typing import Annotated

import annotated_types as at
import numpy as np

from backtest.amm.expectation import forecast_bars
from backtest.amm.policies.base import AbstractLiquidityPolicy, PoolView, RangeDecision
from backtest.amm.policies.wanted import one_range, tried, unchanged
from backtest.amm.ranges import range_holding
from data.amm.pool import LOG_TICK, tick_of
from data.history import History
from data.registry import spec
from forecast.randomness import RandomStreams

Multiple = Annotated[float, at.Gt(0)]


@spec
class VolatilityBand(AbstractLiquidityPolicy):
    """Half-width ``multiple * sigma * sqrt(horizon)`` on the log scale around the price, renewed when a bar ends outside it.

    Sigma is that of the last ``lookback`` bars, or a forecaster's, whose variance over its own horizon is scaled to this one.

    Attributes:
        multiple: k, standard deviations to each side.
        horizon: bars over which the price may move that far.
        lookback: bars of history sigma is measured on when there is no forecaster.
        forecaster: kind of the liquidity forecaster whose variance is used; None for the history's.
        tried: other multiples tried on the validation window.
    """

    multiple: Multiple = 4.0
    horizon: Annotated[int, at.Ge(1)] = 24
    lookback: Annotated[int, at.Ge(2)] = 168
    forecaster: str | None = None
    tried: tuple[Multiple, ...] = (2.0, 4.0, 8.0, 16.0)

    def candidates(self) -> tuple[AbstractLiquidityPolicy, ...]:
        """Return the multiples tried on the validation window."""
        return tried(self, "multiple", self.tried)

    def decide(self, view: PoolView, rng: RandomStreams) -> RangeDecision:
        """Return a band around the price, unless an open one holds it or no variance is known yet."""
        if view.account.in_range:
            return unchanged(view, "price is in range")
        variance = self.horizon * self._variance_per_bar(view)
        if math.isnan(variance):
            return unchanged(view, "no variance is known yet")
        half = self.multiple * math.sqrt(variance) / LOG_TICK
        band = range_holding(view.terms.pool, tick_of(view.account.sqrt_price), half)
        return one_range(view, band, f"sigma {math.sqrt(variance):.3g} over {self.horizon} bars")

    def _variance_per_bar(self, view: PoolView) -> float:
        if view.forecast is not None:
            return view.forecast.variance / forecast_bars(view.forecast, view.history.clock)
        return mean_variance(view.history, self.lookback)


def mean_variance(history: History, lookback: int) -> float:
    """Return the mean variance of the log price per bar over the last bars that have one; NaN when none has."""
    recent = history.panel.last(lookback).field("variance")[:, 0]
    known = recent[~np.isnan(recent)]
    return float(known.mean()) if len(known) else float("nan")
