"""Passive rebalance: a range around the price and a one-sided order with what is left over, and never a swap."""

import math
from typing import Annotated

import annotated_types as at

from backtest.amm.policies.base import AbstractLiquidityPolicy, PoolView, RangeDecision, WantedRange
from backtest.amm.policies.static import WIDTHS, Width
from backtest.amm.policies.wanted import tried, unchanged
from backtest.amm.ranges import range_of_width, width_ticks
from data.amm.pool import Pool, sqrt_of, tick_of
from data.registry import spec
from forecast.randomness import RandomStreams


@spec
class PassiveRebalance(AbstractLiquidityPolicy):
    """A base range filled from both tokens, and the surplus of one of them as an order on its side of the price.

    The order is bought or sold by the market when the price comes its way, so the account finds its balance again without
    paying for a conversion. Both are renewed at every regular decision, at the price of then (the rule of Charm's Alpha
    Vaults, 2021).

    Attributes:
        width: of the base range: upper over lower price, less one.
        order_width: of the one-sided order, from the usable tick next to the price outwards.
        tried: other widths of the base range tried on the validation window.
    """

    every: Annotated[int, at.Ge(1)] = 48
    on_exit: bool = False
    width: Width = 0.25
    order_width: Width = 0.05
    tried: tuple[Width, ...] = WIDTHS

    def candidates(self) -> tuple[AbstractLiquidityPolicy, ...]:
        """Return the widths of the base range tried on the validation window."""
        return tried(self, "width", self.tried)

    def decide(self, view: PoolView, rng: RandomStreams) -> RangeDecision:
        """Return the base range and the order that use up both tokens at the present price."""
        wanted = self._wanted(view)
        if [(each.lower, each.upper) for each in wanted] == [
            (each.lower, each.upper) for each in view.account.positions
        ]:
            return unchanged(view, "ranges are the same")
        order = 1.0 - wanted[0].share
        reason = f"base range and an order of {order:.1%}" if len(wanted) > 1 else "one range"
        return RangeDecision(view.history.cutoff, wanted, converts=False, reason=reason)

    def _wanted(self, view: PoolView) -> tuple[WantedRange, ...]:
        """Return the base range and the order; the order only where it is worth more than the gas it takes."""
        pool, account, costs = view.terms.pool, view.account, view.terms.costs
        base = range_of_width(pool, account.sqrt_price, self.width)
        share, surplus_is_0 = balanced_share(pool, base, account.sqrt_price, account.amounts())
        if (1.0 - share) * account.equity <= costs.mint_gas + costs.burn_gas:
            return (WantedRange(*base),)
        order = WantedRange(
            *order_range(pool, account.sqrt_price, self.order_width, surplus_is_0), 1.0 - share
        )
        return (WantedRange(*base, share), order) if share > 0 else (order,)


def balanced_share(
    pool: Pool, ticks: tuple[int, int], sqrt_price: float, amounts: tuple[float, float]
) -> tuple[float, bool]:
    """Return the share of an account's worth that fits a range as it is, and whether the surplus is token0.

    Args:
        pool: tells what value is counted in.
        ticks: the range.
        sqrt_price: the pool's root price.
        amounts: raw token0 and token1 held.
    """
    low, high = sqrt_of(ticks[0]), sqrt_of(ticks[1])
    inside = min(max(sqrt_price, low), high)
    need0, need1 = 1.0 / inside - 1.0 / high, inside - low
    affords = [
        held / need if need > 0 else math.inf for held, need in zip(amounts, (need0, need1), strict=True)
    ]
    liquidity = min(affords)
    worth = pool.value(*amounts, sqrt_price)
    share = pool.value(liquidity * need0, liquidity * need1, sqrt_price) / worth if worth > 0 else 0.0
    return min(share, 1.0), affords[0] > affords[1]


def order_range(pool: Pool, sqrt_price: float, width: float, is_token0: bool) -> tuple[int, int]:
    """Return the range of a width on one side of the price: above it for token0, below it for token1."""
    spacing, tick, span = pool.spacing, tick_of(sqrt_price), width_ticks(width)
    if is_token0:
        edge = math.ceil(tick / spacing) * spacing
        return pool.range_around(edge, edge + span)
    edge = math.floor(tick / spacing) * spacing
    low, high = pool.range_around(edge - span, edge)
    return low, high
