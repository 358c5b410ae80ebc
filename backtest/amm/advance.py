"""Advance: an account brought forward over swaps, in one call or in pieces, to the same bits."""

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from backtest.amm import kernel
from backtest.amm.account import Amount, PoolAccount, PoolPosition, whole_tokens
from backtest.amm.policies.base import RangeDecision
from backtest.amm.rebalance import PoolAction, check_decision, rebalance
from backtest.amm.terms import PoolTerms
from backtest.engine.layout import Flags
from backtest.errors import EngineError
from data.amm.pool import Pool, sqrt_of
from data.amm.pool_log import SwapPath
from data.errors import EventGapError, PoolError
from data.panel import Floats, Times, as_time, read_only

__all__ = ["Advanced", "PoolAction", "advance", "place", "start", "start_with_position"]

_GAP = 1e-9


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
    """Return an account with half its capital in each token, which is also its hold basket; the split costs nothing.

    Args:
        terms: of the pool.
        capital: worth in quote tokens.
        sqrt_price: of the pool at that time, raw.
        time: the account's first bar begins here.

    Raises:
        EngineError: when the capital is not above 0.
    """
    if not (np.isfinite(capital) and capital > 0):
        raise EngineError(f"capital was {capital}; it must be finite and above 0")
    half0 = capital / 2.0 / terms.pool.value(1.0, 0.0, sqrt_price)
    half1 = capital / 2.0 / terms.pool.value(0.0, 1.0, sqrt_price)
    return replace(_begun(terms.pool, time, sqrt_price, (half0, half1), ()), capital=float(capital))


def start_with_position(
    pool: Pool,
    ticks: tuple[int, int],
    liquidity: float,
    sqrt_price: float,
    time: np.datetime64,
    *,
    gas: float = 0.0,
) -> PoolAccount:
    """Return an account with one position just opened and nothing beside it.

    Its hold basket is what was deposited, and the quote tokens that the opening's gas took.

    Args:
        pool: of the position.
        ticks: lower and upper end.
        liquidity: raw units.
        sqrt_price: of the pool at that time, raw.
        time: when it was opened; later swaps pay it.
        gas: quote tokens paid for opening it.

    Raises:
        TickError: when the range is inverted, off the tick spacing or outside the pool.
        EngineError: when the liquidity is not above 0.
    """
    pool.check_range(*ticks)
    if not (np.isfinite(liquidity) and liquidity > 0):
        raise EngineError(f"liquidity was {liquidity}; it must be finite and above 0")
    position = PoolPosition(*ticks, liquidity, 0.0, 0.0, as_time(time))
    amount0, amount1 = position.amounts(sqrt_price)
    paid0, paid1 = (
        (gas * 10.0**pool.decimals0, 0.0) if pool.quote == "token0" else (0.0, gas * 10.0**pool.decimals1)
    )
    begun = _begun(pool, time, sqrt_price, (amount0 + paid0, amount1 + paid1), (position,))
    return replace(begun, gas=gas)


def _begun(
    pool: Pool,
    time: np.datetime64,
    sqrt_price: float,
    basket: tuple[float, float],
    positions: tuple[PoolPosition, ...],
) -> PoolAccount:
    """Return an account whose basket is idle, or was spent on its positions."""
    idle0, idle1 = (0.0, 0.0) if positions else basket
    return PoolAccount(
        pool=pool,
        time=time,
        sqrt_price=sqrt_price,
        idle0=idle0,
        idle1=idle1,
        positions=positions,
        hold0=basket[0],
        hold1=basket[1],
        capital=pool.value(*basket, sqrt_price),
        start_time=time,
        start_sqrt_price=sqrt_price,
        reference=sqrt_price,
    )


def place(account: PoolAccount, decision: RangeDecision) -> PoolAccount:
    """Return the account with the decision pending; it replaces one that still waits.

    A decision without ranges leaves the account, and a decision that waits, as they are.

    Raises:
        TickError: when a range is inverted, off the tick spacing or outside the pool.
        EngineError: when it was not made at the account's time, or its shares are impossible.
    """
    if as_time(decision.cutoff) != account.time:
        raise EngineError(
            f"decision was made at {decision.cutoff}; the account stands at {account.time}, advance it first"
        )
    if decision.ranges is None:
        return account
    check_decision(decision, account.pool)
    nothing_to_close = not decision.ranges and not account.positions
    return replace(account, pending=None if nothing_to_close else decision)


def advance(
    account: PoolAccount,
    swaps: SwapPath,
    marks: Times,
    terms: PoolTerms,
    reference: Floats | None = None,
) -> Advanced:
    """Return the account at the last mark, with what happened on the way.

    The pending decision is executed after the first swap that is later than the account's time and no earlier than the
    decision plus latency, at the price that swap leaves; old ranges earn of that swap, new ones do not.

    Args:
        account: before the first of these swaps.
        swaps: of the pool; those after the account's time and up to the last mark count, others are left out.
        marks: (M,) bar ends, rising, all after the account's time.
        terms: pool, costs and dilution.
        reference: (M,) root prices that ``lvr`` is measured against; None takes the pool's own at the bar ends and
            at the account's own actions. The first step begins at ``account.reference``.

    Raises:
        EngineError: when marks, reference or pool do not fit the account.
        EventGapError: when the first swap does not begin where the account stands.
        PoolError: when a swap's liquidity is needed and not known.
    """
    marks = np.asarray(marks, "datetime64[ns]")
    _check_fit(account, marks, terms, reference)
    path = swaps.between(account.time, marks[-1]) if len(marks) else swaps.rows(0, 0)
    _check_continues(account, path)
    walk, actions = _Walk(path, marks, terms, reference), []
    decision = account.pending
    at = len(path) if decision is None else _execution(decision, path, terms)
    _check_liquidity(path if terms.own_dilution else path.rows(at, at + 1))
    if decision is not None and at < len(path):
        account, action = walk.execute(account, decision, at)
        actions.append(action)
    return walk.result(walk.to_marks(account, len(marks)), tuple(actions))


class _Walk:
    """One call's way over swaps and bar ends."""

    def __init__(self, path: SwapPath, marks: Times, terms: PoolTerms, reference: Floats | None) -> None:
        self.path, self.marks, self.terms = path, marks, terms
        self.moves = kernel.Moves(
            path.times.view(np.int64), path.sqrt_before, path.sqrt_after, path.liquidity
        )
        own = np.empty(0) if reference is None else np.array(reference, np.float64)
        self.ends = kernel.Marks(read_only(marks.astype(np.int64)), read_only(own))
        self.rules = _rules(terms)
        self.trace = kernel.trace_for(len(marks))
        self.paid = np.zeros((3, len(marks)))
        self.swap, self.row = 0, 0

    def to_marks(self, account: PoolAccount, stop: int) -> PoolAccount:
        """Return the account at bar end ``stop - 1``."""
        if stop == self.row:
            return account
        ranges = _ranges(account)
        self.swap = kernel.run(
            self.moves, self.swap, self.ends, (self.row, stop), ranges, self.trace, self.rules
        )
        part = slice(self.row, stop)
        self.paid[:, part] = np.array([[account.collected], [account.gas], [account.conversion]])
        inside, count = int(self.trace.in_range[part].sum()), stop - self.row
        self.row = stop
        return _with_sums(
            account,
            ranges,
            time=self.marks[stop - 1],
            bars=account.bars + count,
            bars_in_range=account.bars_in_range + inside,
        )

    def execute(
        self, account: PoolAccount, decision: RangeDecision, at: int
    ) -> tuple[PoolAccount, PoolAction]:
        """Return the account after swap ``at`` and the decision, and what was done."""
        executed = self.path.times[at]
        account = self.to_marks(account, int(np.searchsorted(self.marks, executed, side="left")))
        ranges = _ranges(account)
        kernel.finish(self.moves, self.swap, at + 1, not len(self.ends.references), ranges, self.rules)
        self.swap = at + 1
        liquidity = float(self.path.liquidity[at])
        return rebalance(_with_sums(account, ranges), decision, executed, liquidity, self.terms)

    def result(self, account: PoolAccount, actions: tuple[PoolAction, ...]) -> Advanced:
        """Return what happened as columns."""
        trace, pool = self.trace, self.terms.pool
        prices = pool.prices(trace.sqrt_price)
        columns = {
            "equity": _worth(pool, trace.held[:, 0], trace.held[:, 1], prices),
            "hold": _worth(pool, account.hold0, account.hold1, prices),
            "sqrt_price": trace.sqrt_price,
            "fees": self.paid[0] + _worth(pool, trace.uncollected[:, 0], trace.uncollected[:, 1], prices),
            "divergence": trace.divergence,
            "gas": self.paid[1],
            "conversion": self.paid[2],
            "lvr": trace.lvr,
        }
        return Advanced(
            account=account,
            time=read_only(self.marks),
            in_range=read_only(trace.in_range),
            actions=actions,
            **{name: read_only(column) for name, column in columns.items()},
        )


def _rules(terms: PoolTerms) -> kernel.Rules:
    in_token1 = terms.pool.quote == "token1"
    decimals = terms.pool.decimals1 if in_token1 else terms.pool.decimals0
    return kernel.Rules(*terms.pool.rates, in_token1, 10.0**-decimals, terms.own_dilution)


def _ranges(account: PoolAccount) -> kernel.Open:
    positions = account.positions
    ends = [(sqrt_of(each.lower), sqrt_of(each.upper)) for each in positions]
    edges = sorted({end for pair in ends for end in pair})
    inside = [
        sum(
            each.liquidity
            for each, (low, high) in zip(positions, ends, strict=True)
            if low <= a and b <= high
        )
        for a, b in pairwise(edges)
    ]
    return kernel.Open(
        np.array([low for low, _ in ends], np.float64),
        np.array([high for _, high in ends], np.float64),
        np.array([each.liquidity for each in positions], np.float64),
        np.array([(each.fees0, each.fees1) for each in positions], np.float64).reshape(-1, 2),
        np.array(edges, np.float64),
        np.array(inside, np.float64),
        np.array((account.idle0, account.idle1, account.hold0, account.hold1)),
        np.array([getattr(account, name) for name in _SUMS]),
    )


_SUMS = (
    "sqrt_price",
    "reference",
    "divergence",
    "lvr",
    "lvr_closed_form",
    "invested",
    "concentration",
    "path_up",
    "path_down",
)
"""Fields of the account in the order of the kernel's sums."""


def _with_sums(account: PoolAccount, ranges: kernel.Open, **others: Any) -> PoolAccount:
    fees = ranges.fees.tolist()
    positions = tuple(
        replace(each, fees0=fees0, fees1=fees1)
        for each, (fees0, fees1) in zip(account.positions, fees, strict=True)
    )
    sums = dict(zip(_SUMS, ranges.sums.tolist(), strict=True))
    return replace(account, positions=positions, **sums, **others)


def _worth(pool: Pool, amount0: Amount, amount1: Amount, prices: Floats) -> Floats:
    cash, units = whole_tokens(pool, amount0, amount1)
    return np.asarray(cash + units * prices)


def _execution(decision: RangeDecision, path: SwapPath, terms: PoolTerms) -> int:
    """Return the row of the swap after which a decision is executed; the number of swaps when it still has to wait."""
    latency = np.timedelta64(round(terms.costs.latency_seconds * 1e9), "ns")
    return int(np.searchsorted(path.times, as_time(decision.cutoff) + latency, side="left"))


def _check_fit(account: PoolAccount, marks: Times, terms: PoolTerms, reference: Floats | None) -> None:
    if terms.pool != account.pool:
        raise EngineError(f"terms are for {terms.pool}; the account is in {account.pool}")
    if len(marks) and not (marks[0] > account.time and (np.diff(marks) > np.timedelta64(0, "ns")).all()):
        raise EngineError(
            f"marks from {marks[0]} to {marks[-1]} must rise and come after the account's time {account.time}"
        )
    if reference is None:
        return
    if np.shape(reference) != marks.shape:
        raise EngineError(
            f"reference has shape {np.shape(reference)}; one root price for each of {len(marks)} marks is needed"
        )
    if (wrong := ~(np.isfinite(reference) & (reference > 0))).any():
        row = int(np.flatnonzero(wrong)[0])
        raise EngineError(
            f"reference at {marks[row]} was {reference[row]}; a root price is finite and above 0"
        )


def _check_continues(account: PoolAccount, path: SwapPath) -> None:
    if len(path) and abs(path.sqrt_before[0] / account.sqrt_price - 1.0) > _GAP:
        raise EventGapError(
            f"the swap at {path.where(0)} begins at root price {path.sqrt_before[0]:.12g}, the account stands at "
            f"{account.sqrt_price:.12g}; events are missing between them"
        )


def _check_liquidity(path: SwapPath) -> None:
    if (wrong := ~(np.isfinite(path.liquidity) & (path.liquidity >= 0))).any():
        row = int(np.flatnonzero(wrong)[0])
        raise PoolError(
            f"active liquidity after the swap at {path.where(row)} was {path.liquidity[row]}; sharing fees and "
            "converting need it, 0 or more"
        )
