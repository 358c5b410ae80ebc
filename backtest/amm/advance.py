"""Advance: an account brought forward over swaps, in one call or in pieces, to the same bits."""

from dataclasses import dataclass

import numpy as np

from backtest.amm.account import PoolAccount
from backtest.amm.policies.base import RangeDecision
from backtest.amm.rebalance import PoolAction
from backtest.amm.terms import PoolTerms
from backtest.engine.layout import Flags
from data.amm.pool import Pool
from data.amm.pool_log import SwapPath
from data.panel import Floats, Times

__all__ = ["Advanced", "PoolAction", "advance", "place", "start", "start_with_position"]


@dataclass(frozen=True, eq=False)
class Advanced:
    """What happened up to M bar ends; all sums run from the account's start, in quote tokens.

    Attributes:
        account: after the last bar end.
        time: (M,) bar ends.
        equity: (M,) worth of everything held.
        hold: (M,) worth of the basket of the start.
        sqrt_price: (M,) root price of the pool.
        in_range: (M,) whether the price was inside an open range.
        fees: (M,) earned so far, valued as the account values them.
        divergence: (M,) so far.
        gas: (M,) so far.
        conversion: (M,) so far.
        lvr: (M,) so far, against the reference prices.
        actions: decisions executed or refused, in order.
    """

    account: PoolAccount
    time: Times
    equity: Floats
    hold: Floats
    sqrt_price: Floats
    in_range: Flags
    fees: Floats
    divergence: Floats
    gas: Floats
    conversion: Floats
    lvr: Floats
    actions: tuple[PoolAction, ...] = ()


def start(terms: PoolTerms, capital: float, sqrt_price: float, time: np.datetime64) -> PoolAccount:
    """Return an account with half its capital in each token, which is also its hold basket; the split costs nothing."""
    raise NotImplementedError


def start_with_position(
    pool: Pool, lower: int, upper: int, liquidity: float, sqrt_price: float, time: np.datetime64
) -> PoolAccount:
    """Return an account with one position just opened; its hold basket is what was deposited."""
    raise NotImplementedError


def place(account: PoolAccount, decision: RangeDecision) -> PoolAccount:
    """Return the account with the decision pending; it replaces one that still waits."""
    raise NotImplementedError


def advance(
    account: PoolAccount,
    swaps: SwapPath,
    marks: Times,
    terms: PoolTerms,
    reference: Floats | None = None,
) -> Advanced:
    """Return the account at the last mark, with what happened on the way.

    Args:
        account: before the first of these swaps.
        swaps: of the pool; those after the account's time and up to the last mark count, others are left out.
        marks: (M,) bar ends, rising, all after the account's time.
        terms: pool, costs and dilution.
        reference: (M,) root prices that ``lvr`` is measured against; None takes the pool's own at the bar ends and
            at the account's own actions.
    """
    raise NotImplementedError
