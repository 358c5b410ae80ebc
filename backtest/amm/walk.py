"""The walk of a liquidity account: one pure step a bar, for windows of a backtest and for an account that lives on."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from backtest.amm.account import PoolAccount
from backtest.amm.advance import Advanced, advance, place, start
from backtest.amm.policies.base import AbstractLiquidityPolicy, PoolView, RangeDecision
from backtest.amm.rebalance import PoolAction
from backtest.amm.terms import PoolTerms
from backtest.amm.windows import Span
from backtest.errors import EngineError
from data.amm.pool_log import PoolLog, SwapPath
from data.history import History
from data.panel import Times
from forecast.liquidity import LiquidityForecast
from forecast.randomness import RandomStreams

Forecast = Callable[[History, RandomStreams], LiquidityForecast]
"""A fitted forecaster's ``predict``, or a remembered answer of it."""


@dataclass(frozen=True, eq=False)
class LiquidityLane:
    """One account: a fitted policy, what it reads, and the terms it acts on.

    Attributes:
        label: distinct name.
        policy: the rule, fitted.
        forecast: of the policy's forecaster; None when it reads none.
        terms: pool, costs and latency.
        seed: of everything random.
        future: the swaps of its whole window, for a policy that is an upper bound; None for every other one.

    Raises:
        EngineError: when the future is shown to an ordinary policy, or hidden from an upper bound.
    """

    label: str
    policy: AbstractLiquidityPolicy
    forecast: Forecast | None
    terms: PoolTerms
    seed: int
    future: SwapPath | None = None

    def __post_init__(self) -> None:
        if (self.future is not None) != self.policy.is_upper_bound:
            raise EngineError(f"lane '{self.label}': the future is shown to upper bounds, and to nobody else")


@dataclass(frozen=True, eq=False)
class LiquidityStep:
    """What a lane did at one bar's end: marks and actions of the bar, and the decision if one was due."""

    advanced: Advanced
    decision: RangeDecision | None


@dataclass(frozen=True, eq=False)
class Played:
    """An account's life through a span.

    Attributes:
        account: after the last bar.
        marks: (M,) values at each bar end, by the name of ``Advanced``'s column.
        actions: what was executed or refused, in order.
        decisions: every decision, in order.
    """

    account: PoolAccount
    marks: Mapping[str, npt.NDArray[Any]]
    actions: tuple[PoolAction, ...]
    decisions: tuple[RangeDecision, ...]


MARKS: tuple[str, ...] = (
    "time", "equity", "hold", "sqrt_price", "in_range", "fees", "divergence", "gas", "conversion", "lvr",
)  # fmt: skip
"""Columns of ``Advanced`` that a played span keeps."""


def open_account(lane: LiquidityLane, history: History, capital: float) -> PoolAccount:
    """Return an account opened at the end of ``history``, half of the capital in each token."""
    price = float(history.panel.field("sqrt_price")[-1, 0])
    return start(lane.terms, capital, price, history.cutoff)


def step(
    lane: LiquidityLane, account: PoolAccount, history: History, remaining_bars: int
) -> tuple[PoolAccount, LiquidityStep]:
    """Return the account after the bar that ends ``history`` and the decision made there, if one was due.

    Pure, and the account is all that the next step needs: the swaps since the last step move it, a waiting decision is
    executed among them, and the policy decides at regular bars and when the price is seen outside every range. Nothing after
    the last row exists here.

    Args:
        lane: the account's rule and terms.
        account: after the previous bar.
        history: up to this bar's end.
        remaining_bars: to the end of the account's window.
    """
    advanced = _advanced(lane, account, history, history.times[-1:])
    account, decision = decide_if_due(lane, advanced.account, history, remaining_bars)
    return account, LiquidityStep(advanced, decision)


def decide_if_due(
    lane: LiquidityLane, account: PoolAccount, history: History, remaining_bars: int
) -> tuple[PoolAccount, RangeDecision | None]:
    """Return the account with a decision placed when one is due: at the opening, every ``every`` bars, or out of range."""
    regular = account.bars % lane.policy.every == 0
    if not (regular or _is_left(lane, account)) or account.pending is not None or remaining_bars < 1:
        return account, None
    rng = RandomStreams(lane.seed, history.cutoff)
    forecast = None if lane.forecast is None else lane.forecast(history, rng)
    future = None if lane.future is None else _after(lane.future, history.cutoff)
    view = PoolView(history, forecast, account, lane.terms, remaining_bars, future)
    decision = lane.policy.decide(view, rng)
    return place(account, decision), decision


def _is_left(lane: LiquidityLane, account: PoolAccount) -> bool:
    """Return whether the price is outside every range and the policy wants to be asked about that."""
    return lane.policy.on_exit and bool(account.positions) and not account.in_range


def _after(swaps: SwapPath, cutoff: np.datetime64) -> SwapPath:
    return swaps.rows(int(np.searchsorted(swaps.times, cutoff, side="right")), len(swaps))


def play(lane: LiquidityLane, history: History, span: Span, capital: float) -> Played:
    """Return the life of an account that opens at the first bar's end of a span and is marked last at its last one.

    As ``step`` bar by bar, to the last bit: bars at which nothing can be decided are passed in one stride.
    """
    seen = history.until(history.times[span.first])
    account, decision = decide_if_due(lane, open_account(lane, seen, capital), seen, span.last - span.first)
    decisions, passed, bar = [decision], list[Advanced](), span.first
    while bar < span.last:
        advanced = _stride(lane, account, history, Span(bar, span.last))
        bar += len(advanced.time)
        seen = history.until(history.times[bar])
        account, decision = decide_if_due(lane, advanced.account, seen, span.last - bar)
        passed.append(advanced)
        decisions.append(decision)
    return Played(
        account,
        {name: np.concatenate([getattr(each, name) for each in passed]) for name in MARKS},
        tuple(action for each in passed for action in each.actions),
        tuple(each for each in decisions if each is not None),
    )


def _stride(lane: LiquidityLane, account: PoolAccount, history: History, left: Span) -> Advanced:
    """Return the account at the next bar's end at which something may be decided.

    That is the next regular one, an earlier one that sees the price outside every range, or the very next bar while the price
    is there already or a decision waits for its execution.
    """
    policy = lane.policy
    is_restless = account.pending is not None or _is_left(lane, account)
    due = 1 if is_restless else policy.every - account.bars % policy.every
    marks = history.times[left.first + 1 : min(left.first + due, left.last) + 1]
    advanced = _advanced(lane, account, history, marks)
    if not (policy.on_exit and account.positions) or advanced.in_range[:-1].all():
        return advanced
    seen_outside = int(np.argmin(advanced.in_range))
    return _advanced(lane, account, history, marks[: seen_outside + 1])


def _advanced(lane: LiquidityLane, account: PoolAccount, history: History, marks: Times) -> Advanced:
    return advance(account, pool_log(history).swaps, marks, lane.terms)


def pool_log(history: History) -> PoolLog:
    """Return the pool of a history.

    Raises:
        EngineError: when it has none.
    """
    if history.pool is None:
        raise EngineError(
            "the data have no pool; liquidity needs a source of pool events, such as 'pool_swaps'"
        )
    return history.pool
