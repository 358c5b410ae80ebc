"""Static policies: a range opened once and never touched again."""

from typing import Annotated

import annotated_types as at

from backtest.amm.policies.base import AbstractLiquidityPolicy, PoolView, RangeDecision
from backtest.amm.policies.wanted import centred, one_range, tried, unchanged
from data.registry import spec
from forecast.randomness import RandomStreams

Width = Annotated[float, at.Gt(0)]
"""Upper over lower price of a range, less one."""

WIDTHS: tuple[float, ...] = (0.1, 0.25, 0.5, 1.0)
"""Widths a policy with one range tries on the validation window, unless told otherwise."""


@spec
class FullRange(AbstractLiquidityPolicy):
    """Liquidity at every price, as in a pool without ranges; opened once and never touched again."""

    on_exit: bool = False

    def decide(self, view: PoolView, rng: RandomStreams) -> RangeDecision:
        """Return the full range for an account without positions, nothing for any other."""
        if view.account.positions:
            return unchanged(view, "full range is open")
        return one_range(view, view.terms.pool.full_range, "open the full range")


@spec
class StaticRange(AbstractLiquidityPolicy):
    """A range around the price at the opening, kept wherever the price goes.

    Attributes:
        width: upper over lower price, less one.
        tried: other widths tried on the validation window.
    """

    on_exit: bool = False
    width: Width = 0.25
    tried: tuple[Width, ...] = WIDTHS

    def candidates(self) -> tuple[AbstractLiquidityPolicy, ...]:
        """Return the widths tried on the validation window."""
        return tried(self, "width", self.tried)

    def decide(self, view: PoolView, rng: RandomStreams) -> RangeDecision:
        """Return a range around the price for an account without positions, nothing for any other."""
        if view.account.positions:
            return unchanged(view, "range is open")
        return centred(view, self.width, f"open {self.width:.4g} around the price")
