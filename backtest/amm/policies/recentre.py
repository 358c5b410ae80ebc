"""Recentre when out: a range moved back around the price each time the price has left it."""

from backtest.amm.policies.base import AbstractLiquidityPolicy, PoolView, RangeDecision
from backtest.amm.policies.static import WIDTHS, Width
from backtest.amm.policies.wanted import centred, tried, unchanged
from data.registry import spec
from forecast.randomness import RandomStreams


@spec
class RecentreWhenOut(AbstractLiquidityPolicy):
    """A range around the price, replaced by one around the new price when a bar ends outside it.

    Attributes:
        width: upper over lower price, less one.
        tried: other widths tried on the validation window.
    """

    width: Width = 0.25
    tried: tuple[Width, ...] = WIDTHS

    def candidates(self) -> tuple[AbstractLiquidityPolicy, ...]:
        """Return the widths tried on the validation window."""
        return tried(self, "width", self.tried)

    def decide(self, view: PoolView, rng: RandomStreams) -> RangeDecision:
        """Return a range around the price, unless an open one holds it."""
        if view.account.in_range:
            return unchanged(view, "price is in range")
        return centred(view, self.width, "price left the range" if view.account.positions else "open")
