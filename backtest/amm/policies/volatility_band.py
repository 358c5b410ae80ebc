"""Volatility band: a range as wide as the price is expected to move, renewed when the price has left it."""

import math
from typing import Annotated, Self

import annotated_types as at
import numpy as np
from pydantic import model_validator

from backtest.amm.expectation import change_variance, forecast_bars
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

    The variance over the horizon is the mean squared change over that many bars, within the last ``lookback``; or a
    forecaster's, whose changes over its own span are scaled to the horizon. (Short steps of a pool's price are trends within
    the fee, and their squares say too little of longer ones.)

    Attributes:
        multiple: k, standard deviations to each side.
        horizon: bars over which the price may move that far.
        lookback: bars of history sigma is measured on when there is no forecaster; more than the horizon.
        forecaster: kind of the liquidity forecaster whose changes are used; None for the history's.
        tried: other multiples tried on the validation window.
    """

    multiple: Multiple = 4.0
    horizon: Annotated[int, at.Ge(1)] = 24
    lookback: Annotated[int, at.Ge(2)] = 168
    forecaster: str | None = None
    tried: tuple[Multiple, ...] = (2.0, 4.0, 8.0, 16.0)

    @model_validator(mode="after")
    def _lookback_holds_the_horizon(self) -> Self:
        if self.lookback <= self.horizon:
            raise ValueError(
                f"lookback was {self.lookback}; more bars than the horizon of {self.horizon} are needed"
            )
        return self

    def candidates(self) -> tuple[AbstractLiquidityPolicy, ...]:
        """Return the multiples tried on the validation window."""
        return tried(self, "multiple", self.tried)

    def decide(self, view: PoolView, rng: RandomStreams) -> RangeDecision:
        """Return a band around the price, unless an open one holds it or no variance is known yet."""
        if view.account.in_range:
            return unchanged(view, "price is in range")
        variance = self._variance(view)
        if math.isnan(variance):
            return unchanged(view, "no variance is known yet")
        half = self.multiple * math.sqrt(variance) / LOG_TICK
        band = range_holding(view.terms.pool, tick_of(view.account.sqrt_price), half)
        return one_range(view, band, f"sigma {math.sqrt(variance):.3g} over {self.horizon} bars")

    def _variance(self, view: PoolView) -> float:
        """Return the variance of the log price over the horizon; NaN where none is known."""
        if view.forecast is None:
            return horizon_variance(view.history, self.horizon, self.lookback)
        return (
            change_variance(view.forecast) * self.horizon / forecast_bars(view.forecast, view.history.clock)
        )


def horizon_variance(history: History, horizon: int, lookback: int) -> float:
    """Return the mean squared change of the log price over ``horizon`` bars in the last bars; NaN before there is one."""
    prices = np.log(history.panel.last(lookback + 1).field("close")[:, 0])
    squares = (prices[horizon:] - prices[:-horizon]) ** 2
    known = squares[~np.isnan(squares)]
    return float(known.mean()) if len(known) else float("nan")
