"""Review: one position of a person, from its mint to now, and what a policy would do with it today."""

import math
from dataclasses import dataclass

import numpy as np

from backtest.amm.account import PoolAccount, PoolPosition
from backtest.amm.advance import Advanced, advance, start_with_position
from backtest.amm.desk import ForecastDesk
from backtest.amm.policies.base import LIQUIDITY_POLICIES, AbstractLiquidityPolicy, PoolView
from backtest.amm.spec import LiquiditySpec
from backtest.amm.statement import Statement, in_currency, statement
from backtest.amm.suggestion import Suggestion, suggest
from backtest.amm.terms import PoolTerms
from backtest.amm.walk import pool_log
from backtest.errors import EngineError
from data.amm.pool import Pool, tick_of
from data.errors import nearest
from data.history import History
from forecast.liquidity import LIQUIDITY_FORECASTERS
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
    log, terms = pool_log(history), terms_of(spec, history)
    known = log.swaps.until(held.opened)
    if not len(known):
        raise EngineError(
            f"no swap is known at {held.opened}; the pool's first one is at {log.swaps.times[0]}"
        )
    marks = history.times[history.times > held.opened]
    if not len(marks):
        raise EngineError(f"no bar ends after {held.opened}; the last one ends at {history.cutoff}")
    root = float(known.sqrt_after[-1])
    liquidity = _liquidity(terms.pool, held, root)
    opening = start_with_position(
        terms.pool, held.ticks, liquidity, root, held.opened, gas=spec.costs.mint_gas
    )
    advanced = advance(opening, log.swaps.between(held.opened, marks[-1]), marks, terms)
    made = statement(advanced.account)
    return Review(opening, advanced.account, advanced, made, _in_usd(made, history))


def todays_suggestion(
    spec: LiquiditySpec, history: History, account: PoolAccount, kind: str | None = None
) -> tuple[str, Suggestion]:
    """Return a policy's kind and what it would do with an account at the last bar.

    Policy and forecaster are those of the experiment as it configures them, fitted to every bar there is.

    Args:
        spec: the experiment.
        history: ends now.
        account: stands at the last bar's end.
        kind: the policy; None takes the experiment's first that is no upper bound.

    Raises:
        EngineError: when the experiment has no such policy, or it looks at the future.
    """
    name, policy = _policy(spec, kind)
    forecasters = {LIQUIDITY_FORECASTERS.kind_of(each): each for each in reversed(spec.forecasters)}
    predict = ForecastDesk(forecasters, history, spec.seed).forecast(policy.forecaster)
    terms, rng = terms_of(spec, history), RandomStreams(spec.seed, history.cutoff)
    fitted = policy.fit(history, terms, spec.capital, rng)
    forecast = None if predict is None else predict(history, rng)
    view = PoolView(history, forecast, account, terms, spec.windows.bars)
    return name, suggest(fitted, view, rng)


def terms_of(spec: LiquiditySpec, history: History) -> PoolTerms:
    """Return the pool of a history under the costs of an experiment.

    Raises:
        EngineError: when the history has no pool.
    """
    return PoolTerms(pool=pool_log(history).pool, costs=spec.costs, own_dilution=spec.own_dilution)


def _policy(spec: LiquiditySpec, kind: str | None) -> tuple[str, AbstractLiquidityPolicy]:
    honest = {
        LIQUIDITY_POLICIES.kind_of(each): each for each in reversed(spec.policies) if not each.is_upper_bound
    }
    if kind is None and honest:
        kind = list(honest)[-1]
    if kind not in honest:
        raise EngineError(f"policy '{kind}' cannot suggest anything here{nearest(str(kind), honest)}")
    return kind, honest[kind]


def _liquidity(pool: Pool, held: HeldPosition, root: float) -> float:
    """Return the liquidity that the capital buys in the range."""
    unit = PoolPosition(*held.ticks, 1.0, 0.0, 0.0, held.opened)
    return held.capital / pool.value(*unit.amounts(root), root)


def _in_usd(made: Statement, history: History) -> Statement | None:
    if "usd" not in history.panel.fields:
        return None
    price = float(history.panel.field("usd")[-1, 0])
    return None if np.isnan(price) else in_currency(made, price, "USD")
