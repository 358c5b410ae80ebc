"""Wanted: the decisions most policies make: open one range, or leave everything as it is."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from backtest.amm.policies.base import AbstractLiquidityPolicy, PoolView, RangeDecision, WantedRange
from backtest.amm.ranges import range_of_width


def one_range(view: PoolView, ticks: tuple[int, int], reason: str) -> RangeDecision:
    """Return the decision to put the whole account into one range."""
    return RangeDecision(view.history.cutoff, (WantedRange(*ticks),), reason=reason)


def centred(view: PoolView, width: float, reason: str) -> RangeDecision:
    """Return the decision to put the whole account into a range of a width around the price."""
    return one_range(view, range_of_width(view.terms.pool, view.account.sqrt_price, width), reason)


def unchanged(view: PoolView, reason: str) -> RangeDecision:
    """Return the decision to leave everything as it is."""
    return RangeDecision(view.history.cutoff, None, reason=reason)


def tried(
    policy: AbstractLiquidityPolicy, setting: str, others: Iterable[Any]
) -> tuple[AbstractLiquidityPolicy, ...]:
    """Return a policy, then itself with each other value of a setting."""
    own = getattr(policy, setting)
    return (policy, *(replace(policy, **{setting: other}) for other in others if other != own))
