"""Rebalance: a decision about ranges carried out at one root price; the account is worth what it was less what it paid."""

import math
from dataclasses import dataclass, replace

import numpy as np

from backtest.amm.account import PoolAccount, PoolPosition
from backtest.amm.conversion import Conversion, Market, Needs, conversion_for, market_of
from backtest.amm.policies.base import RangeDecision, WantedRange
from backtest.amm.terms import PoolTerms
from backtest.errors import EngineError, RefusedError
from data.amm.pool import Pool

_DUST = 1e-12
"""Share of an account that is too little to open a position with."""

REFUSED = "refused"
"""Kind of an action that the account could not do."""


@dataclass(frozen=True)
class PoolAction:
    """A decision after its execution.

    Attributes:
        decided: the bar end it was decided at.
        executed: instant of the swap after which it was executed.
        sqrt_price: root price after that swap.
        kind: ``open``, ``move`` or ``close``; ``hold`` without ranges; ``refused`` when the account could not do it and
            nothing was changed.
        ranges: what was wanted.
        gas: quote tokens paid for gas.
        conversion: quote tokens lost to the fee and impact of the conversion.
        reason: the decision's reason; of a refused one, why it was.
    """

    decided: np.datetime64
    executed: np.datetime64
    sqrt_price: float
    kind: str
    ranges: tuple[WantedRange, ...]
    gas: float
    conversion: float
    reason: str


def check_decision(decision: RangeDecision, pool: Pool) -> None:
    """Raise unless a decision's ranges and shares are possible in a pool.

    Raises:
        TickError: when a range is inverted, off the tick spacing or outside the pool.
        EngineError: when a share is not above 0 or the shares exceed 1.
    """
    for wanted in decision.ranges or ():
        pool.check_range(wanted.lower, wanted.upper)
        if not (math.isfinite(wanted.share) and wanted.share > 0):
            raise EngineError(
                f"share of range {wanted.lower} to {wanted.upper} was {wanted.share}; allowed: above 0"
            )
    total = sum(wanted.share for wanted in decision.ranges or ())
    if total > 1.0 + 1e-9:
        raise EngineError(f"shares of a decision sum to {total:g}; allowed: 1 or less")


def rebalance(
    account: PoolAccount, decision: RangeDecision, executed: np.datetime64, liquidity: float, terms: PoolTerms
) -> tuple[PoolAccount, PoolAction]:
    """Return the account after the decision, at the price it stands at, and what was done.

    Every position is closed and its fees collected; the tokens the new ranges lack are bought in one conversion; gas is paid
    in the quote token, for each position closed and each range opened. With ``converts`` each range gets its share of what
    is left; without it each takes what tokens there are, in order, whatever its share, and only gas may force a conversion.
    What fits no range stays idle. A policy that wants to know a price asks with its account and throws the account away.

    Args:
        account: stands at the price of execution.
        decision: with ranges; one without leaves the account as it is.
        executed: instant of the swap after which it is done.
        liquidity: active liquidity of the pool, which a conversion moves the price in.
        terms: what it costs.

    Raises:
        TickError: when a range is inverted, off the tick spacing or outside the pool.
        EngineError: when shares are impossible.
    """
    check_decision(decision, account.pool)
    ranges = decision.ranges or ()
    try:
        after, kind = (
            (account, "hold")
            if decision.ranges is None
            else _moved(account, decision, executed, liquidity, terms)
        )
        reason = decision.reason
    except RefusedError as refused:
        after, kind, reason = account, REFUSED, str(refused)
    return replace(after, pending=None), PoolAction(
        decided=decision.cutoff,
        executed=executed,
        sqrt_price=account.sqrt_price,
        kind=kind,
        ranges=ranges,
        gas=after.gas - account.gas,
        conversion=after.conversion - account.conversion,
        reason=reason,
    )


def _moved(
    account: PoolAccount, decision: RangeDecision, executed: np.datetime64, liquidity: float, terms: PoolTerms
) -> tuple[PoolAccount, str]:
    freed, closed = _closed(account), len(account.positions)
    units = [_unit(wanted, executed) for wanted in decision.ranges or ()]
    if not decision.converts:
        units = [unit for unit in units if _takes_some(unit, freed)]
        if decision.ranges and not units:
            raise RefusedError("no range can take the tokens there are, and the decision does not convert")
    market = market_of(freed, liquidity, terms)
    shares = [wanted.share for wanted in decision.ranges or ()] if decision.converts else None
    gas = len(units) * terms.costs.mint_gas + closed * terms.costs.burn_gas
    needs = _needs(freed, units, shares, market, (gas, terms.costs.swap_gas))
    conversion = conversion_for(needs, market)
    paid = _paid(freed, conversion, gas + (terms.costs.swap_gas if conversion.given else 0.0), market)
    kind = "close" if not units else "move" if closed else "open"
    return replace(_opened(paid, units, shares), actions=account.actions + 1), kind


def _closed(account: PoolAccount) -> PoolAccount:
    """Return the account with every position turned into idle tokens, fees included."""
    idle0, idle1 = account.amounts()
    return replace(account, idle0=idle0, idle1=idle1, positions=(), collected=account.fees)


def _unit(wanted: WantedRange, executed: np.datetime64) -> PoolPosition:
    return PoolPosition(wanted.lower, wanted.upper, 1.0, 0.0, 0.0, executed)


def _needs(
    freed: PoolAccount,
    units: list[PoolPosition],
    shares: list[float] | None,
    market: Market,
    gas: tuple[float, float],
) -> Needs:
    held = freed.idle0 * market.price0, freed.idle1 * market.price1
    wanted = [0.0, 0.0]
    for unit, share in zip(units, shares or [0.0] * len(units), strict=True):
        amount0, amount1 = unit.amounts(freed.sqrt_price)
        value0, value1 = amount0 * market.price0, amount1 * market.price1
        wanted[0] += share * value0 / (value0 + value1)
        wanted[1] += share * value1 / (value0 + value1)
    return Needs(held, (wanted[0], wanted[1]), *gas, quote=_quote_side(freed.pool))


def _quote_side(pool: Pool) -> int:
    return 1 if pool.quote == "token1" else 0


def _paid(freed: PoolAccount, conversion: Conversion, gas: float, market: Market) -> PoolAccount:
    """Return the account after its conversion and gas; what rounding leaves below nothing is nothing."""
    idle, prices = [freed.idle0, freed.idle1], (market.price0, market.price1)
    idle[conversion.side] -= conversion.given / prices[conversion.side]
    idle[1 - conversion.side] += conversion.received / prices[1 - conversion.side]
    quote = _quote_side(freed.pool)
    idle[quote] -= gas / prices[quote]
    return replace(
        freed,
        idle0=max(idle[0], 0.0),
        idle1=max(idle[1], 0.0),
        gas=freed.gas + gas,
        conversion=freed.conversion + conversion.loss,
    )


def _opened(paid: PoolAccount, units: list[PoolPosition], shares: list[float] | None) -> PoolAccount:
    """Return the account with its ranges filled in order, each up to its share when there are shares."""
    worth, price = paid.value(paid.idle0, paid.idle1), paid.sqrt_price
    idle0, idle1, positions = paid.idle0, paid.idle1, []
    for unit, share in zip(units, shares or [math.inf] * len(units), strict=True):
        amount0, amount1 = unit.amounts(price)
        each = paid.value(amount0, amount1)
        liquidity = min(share * worth / each, _room(unit, idle0, idle1, price))
        if liquidity * each <= _DUST * worth:
            continue
        idle0, idle1 = max(idle0 - liquidity * amount0, 0.0), max(idle1 - liquidity * amount1, 0.0)
        positions.append(replace(unit, liquidity=liquidity))
    return replace(paid, idle0=idle0, idle1=idle1, positions=tuple(positions))


def _takes_some(unit: PoolPosition, freed: PoolAccount) -> bool:
    price = freed.sqrt_price
    most = _room(unit, freed.idle0, freed.idle1, price) * freed.value(*unit.amounts(price))
    return most > _DUST * freed.value(freed.idle0, freed.idle1)


def _room(unit: PoolPosition, idle0: float, idle1: float, sqrt_price: float) -> float:
    """Return the most liquidity that tokens can fill a range with."""
    amount0, amount1 = unit.amounts(sqrt_price)
    return min(held / each for held, each in ((idle0, amount0), (idle1, amount1)) if each > 0)
