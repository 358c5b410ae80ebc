"""Review: one position of a person, from its mint to now, and what a policy would do with it today."""

import math
from dataclasses import dataclass

import numpy as np

from backtest.amm.account import PoolAccount
from backtest.amm.advance import Advanced, advance, start_with_position
from backtest.amm.contest import Contest, make_contest
from backtest.amm.desk import ForecastDesk
from backtest.amm.policies.base import AbstractLiquidityPolicy, PoolView
from backtest.amm.ranges import liquidity_per_value
from backtest.amm.spec import LiquiditySpec
from backtest.amm.statement import Statement, in_usd, statement
from backtest.amm.suggestion import Suggestion, suggest
from backtest.amm.walk import pool_log
from backtest.errors import EngineError
from data.amm.pool import Pool, sqrts_of, tick_of
from data.errors import nearest
from data.history import History
from forecast.randomness import RandomStreams


@dataclass(frozen=True)
class HeldPosition:
    """A position as a person knows it.

    Attributes:
        ticks: lower and upper end.
        opened: instant of its mint.
        capital: worth of its deposit then, whole quote tokens.

    Raises:
        EngineError: when the capital is not above 0.
    """

    ticks: tuple[int, int]
    opened: np.datetime64
    capital: float

    def __post_init__(self) -> None:
        if not 0 < self.capital < math.inf:
            raise EngineError(f"capital was {self.capital:g}; it must be finite and above 0")


@dataclass(frozen=True, eq=False)
class Review:
    """What became of a position by the end of a history.

    Attributes:
        opening: the account right after the mint.
        account: the account now.
        advanced: what happened at every bar's end between.
        statement: fees, divergence, gas and net in the quote token.
        in_usd: the same in US dollars of now; None without their price.
    """

    opening: PoolAccount
    account: PoolAccount
    advanced: Advanced
    statement: Statement
    in_usd: Statement | None


def ticks_between(pool: Pool, low: float, high: float) -> tuple[int, int]:
    """Return the usable range nearest to two prices, whole quote tokens per whole base token.

    Raises:
        EngineError: when the prices are not above 0 and finite, or do not rise.
    """
    if not 0 < low < high < math.inf:
        raise EngineError(f"range was {low:g} to {high:g}; two rising finite prices above 0 are needed")
    one, other = sorted(tick_of(pool.sqrt_price(price)) for price in (low, high))
    return pool.range_around(one, other)


def review(spec: LiquiditySpec, history: History, held: HeldPosition) -> Review:
    """Return what became of a position by the last bar, fees by the path formula.

    Timing: it is minted at the price of the last swap at or before ``opened``; later swaps pay it. Nothing is collected and
    nothing moved since, so the only gas is the mint's.

    Raises:
        TickError: when the range is none of the pool's.
        EngineError: when no swap is known when it opens, or no bar ends after that.
    """
    log, terms = pool_log(history), make_contest(spec, history).terms
    known = log.swaps.until(held.opened)
    if not len(known):
        raise EngineError(
            f"no swap is known at {held.opened}; the pool's first one is at {log.swaps.times[0]}"
        )
    marks = history.times[history.times > held.opened]
    if not len(marks):
        raise EngineError(f"no bar ends after {held.opened}; the last one ends at {history.cutoff}")
    root, ends = float(known.sqrt_after[-1]), sqrts_of(np.array(held.ticks))
    liquidity = held.capital * float(liquidity_per_value(terms.pool, ends[:1], ends[1:], root)[0])
    opening = start_with_position(
        terms.pool, held.ticks, liquidity, root, held.opened, gas=spec.costs.mint_gas
    )
    advanced = advance(opening, log.swaps, marks, terms)
    made = statement(advanced.account)
    return Review(opening, advanced.account, advanced, made, in_usd(made, history))


def todays_suggestion(
    spec: LiquiditySpec, history: History, account: PoolAccount, label: str | None = None
) -> tuple[str, Suggestion]:
    """Return a policy's label and what it would do with an account at the last bar.

    Policy and forecaster are those of the experiment as it configures them, fitted to every bar there is.

    Args:
        spec: the experiment.
        history: ends now.
        account: stands at the last bar's end.
        label: the policy; None takes the experiment's first that is no upper bound.

    Raises:
        EngineError: when the experiment has no such policy, or it looks at the future.
    """
    contest, rng = make_contest(spec, history), RandomStreams(spec.seed, history.cutoff)
    name, policy = _policy(contest, label)
    predict = ForecastDesk(contest.forecasters, history, spec.seed).forecast(policy.forecaster)
    fitted = policy.fit(history, contest.terms, spec.capital, rng)
    forecast = None if predict is None else predict(history, rng)
    view = PoolView(history, forecast, account, contest.terms, spec.windows.bars)
    return name, suggest(fitted, view, rng)


def _policy(contest: Contest, label: str | None) -> tuple[str, AbstractLiquidityPolicy]:
    honest = {
        each: contest.policies[each] for each in contest.asked if not contest.policies[each].is_upper_bound
    }
    asked = next(iter(honest), None) if label is None else label
    if asked not in honest:
        raise EngineError(f"policy '{asked}' cannot suggest anything here{nearest(str(asked), honest)}")
    return asked, honest[asked]
