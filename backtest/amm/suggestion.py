"""Suggestion: what a policy would do with an account now, and the prices at which it would act next."""

from dataclasses import dataclass

import numpy as np

from backtest.amm.policies.base import AbstractLiquidityPolicy, PoolView, RangeDecision, WantedRange
from data.amm.pool import Pool, sqrt_of
from forecast.randomness import RandomStreams


@dataclass(frozen=True)
class PricedRange:
    """A range in words of a person: prices in quote tokens per base token.

    Attributes:
        lower_price: the lower of the two prices.
        upper_price: the higher one.
        share: share of the account that goes into it.
    """

    lower_price: float
    upper_price: float
    share: float


@dataclass(frozen=True)
class Suggestion:
    """What a policy would do now, and when it would act next.

    Attributes:
        decision: the policy's.
        price: now, quote tokens per base token.
        ranges: those open after the decision; empty for no liquidity.
        act_below: price below which, seen at a bar's end, the policy acts before its next regular decision; None where it waits
            for that.
        act_above: price above which it does.
        next_decision: end of the bar of its next regular decision.
    """

    decision: RangeDecision
    price: float
    ranges: tuple[PricedRange, ...]
    act_below: float | None
    act_above: float | None
    next_decision: np.datetime64

    @property
    def moves(self) -> bool:
        """Whether the policy would change anything now."""
        return self.decision.ranges is not None


def suggest(policy: AbstractLiquidityPolicy, view: PoolView, rng: RandomStreams) -> Suggestion:
    """Return what a policy would do at a view's cutoff; nothing is carried out.

    Args:
        policy: fitted.
        view: of the account now; a view of an upper bound's future is not one, so such a policy refuses.
        rng: streams for what is random in it.

    Raises:
        EngineError: when the policy needs what the view does not have.
    """
    pool = view.terms.pool
    decision = policy.decide(view, rng)
    ranges = decision.ranges if decision.ranges is not None else _open_ranges(view)
    limits = policy.trigger_ticks(ranges)
    prices = (None, None) if limits is None else _prices(pool, *limits)
    return Suggestion(
        decision=decision,
        price=pool.price(view.account.sqrt_price),
        ranges=tuple(PricedRange(*_prices(pool, each.lower, each.upper), each.share) for each in ranges),
        act_below=prices[0],
        act_above=prices[1],
        next_decision=view.history.clock.next(view.history.cutoff, policy.every)[-1],
    )


def _open_ranges(view: PoolView) -> tuple[WantedRange, ...]:
    """Return the open ranges, each with its share of the account's worth."""
    account = view.account
    worth = [account.value(*each.amounts(account.sqrt_price)) for each in account.positions]
    return tuple(
        WantedRange(each.lower, each.upper, value / account.equity)
        for each, value in zip(account.positions, worth, strict=True)
    )


def _prices(pool: Pool, lower: float, upper: float) -> tuple[float, float]:
    """Return the prices at two ticks, the lower price first."""
    one, other = pool.price(sqrt_of(lower)), pool.price(sqrt_of(upper))
    return min(one, other), max(one, other)
