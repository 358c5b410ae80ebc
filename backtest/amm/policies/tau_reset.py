"""Tau-reset: a range kept until the price is tau ticks away from its centre, then set again around the price."""

from typing import Annotated

import annotated_types as at

from backtest.amm.policies.base import AbstractLiquidityPolicy, PoolView, RangeDecision, WantedRange
from backtest.amm.policies.static import Width
from backtest.amm.policies.wanted import centred, tried, unchanged
from data.amm.pool import tick_of
from data.registry import spec
from forecast.randomness import RandomStreams

Ticks = Annotated[int, at.Ge(1)]


@spec
class TauReset(AbstractLiquidityPolicy):
    """Uniform liquidity around the price, set again when a bar ends more than tau ticks from its centre.

    A tau below half the range moves before the price has left it, a larger one waits outside for a return. The family is that
    of Fan et al. (2023), "Strategic Liquidity Provision in Uniswap v3", arXiv 2106.12033; their buckets are here one range.

    Attributes:
        width: of the range: upper over lower price, less one.
        tau: ticks between the price and the range's centre at which it is set again.
        tried: other values of tau tried on the validation window.
    """

    every: Annotated[int, at.Ge(1)] = 1
    on_exit: bool = False
    width: Width = 0.25
    tau: Ticks = 1200
    tried: tuple[Ticks, ...] = (300, 600, 1200, 2400)

    def candidates(self) -> tuple[AbstractLiquidityPolicy, ...]:
        """Return the values of tau tried on the validation window."""
        return tried(self, "tau", self.tried)

    def decide(self, view: PoolView, rng: RandomStreams) -> RangeDecision:
        """Return a range around the price when there is none or the price has gone too far from its centre."""
        ranges = tuple(WantedRange(each.lower, each.upper) for each in view.account.positions)
        limits = self.trigger_ticks(ranges)
        if limits is None:
            return centred(view, self.width, "open")
        if limits[0] <= tick_of(view.account.sqrt_price) <= limits[1]:
            return unchanged(view, f"within {self.tau} ticks of the centre")
        return centred(view, self.width, f"{self.tau} ticks from the centre")

    def trigger_ticks(self, ranges: tuple[WantedRange, ...]) -> tuple[float, float] | None:
        """Return the centre of the ranges, less tau and plus tau."""
        if not ranges:
            return None
        centre = 0.5 * (min(each.lower for each in ranges) + max(each.upper for each in ranges))
        return centre - self.tau, centre + self.tau
