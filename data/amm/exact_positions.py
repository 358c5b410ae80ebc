"""Exact positions: mint, burn and collect as the pool's contract does them, each returning a new pool."""

from dataclasses import replace
from typing import NamedTuple

from data.amm.exact_pool import ExactPool, PositionKey, PositionState
from data.amm.liquidity_amounts import amounts
from data.amm.tick_math import sqrt_at_tick
from data.errors import PoolError

_MASK_128 = (1 << 128) - 1


class Settled(NamedTuple):
    """A pool after a change of a position, and the raw amounts of it, never below 0.

    Attributes:
        pool: the pool.
        amount0: raw token0 paid in by a mint, owed by a burn, or paid out by a collect.
        amount1: the same of token1.
    """

    pool: ExactPool
    amount0: int
    amount1: int


def mint(pool: ExactPool, key: PositionKey, liquidity: int) -> Settled:
    """Return the pool with liquidity added to a range, and what that costs.

    Raises:
        TickError: when the range is inverted, off the spacing or outside the pool.
        PoolError: when the liquidity is not above 0, or a tick would hold more than it may.
    """
    if liquidity <= 0:
        raise PoolError(f"liquidity to mint was {liquidity}; allowed: above 0")
    pool.pool.check_range(key.tick_lower, key.tick_upper)
    changed = _with_liquidity(pool, key, liquidity)
    return Settled(changed, *_amounts(pool, key, liquidity, is_paid_in=True))


def burn(pool: ExactPool, key: PositionKey, liquidity: int) -> Settled:
    """Return the pool with liquidity taken from a range: its amounts and the fees since the last touch are owed, not yet paid.

    A burn of 0 only books the fees.

    Raises:
        PoolError: when the position does not hold so much, or holds nothing at all.
    """
    held = pool.positions.get(key, PositionState()).liquidity
    if not 0 <= liquidity <= held or not held:
        raise PoolError(
            f"liquidity to burn was {liquidity}; the position {key.tick_lower} to {key.tick_upper} of '{key.owner}' holds {held}"
        )
    changed = _with_liquidity(pool, key, -liquidity)
    amount0, amount1 = _amounts(pool, key, liquidity, is_paid_in=False)
    state = changed.positions[key]
    owing = state._replace(owed0=state.owed0 + amount0 & _MASK_128, owed1=state.owed1 + amount1 & _MASK_128)
    return Settled(replace(changed, positions={**changed.positions, key: owing}), amount0, amount1)


def collect(pool: ExactPool, key: PositionKey, most0: int = _MASK_128, most1: int = _MASK_128) -> Settled:
    """Return the pool with owed tokens paid out, at most the given raw amounts of them.

    Fees since the last mint or burn of the position are not owed yet: a burn of 0 books them.

    Raises:
        PoolError: when the pool does not know the position, or an amount is below 0.
    """
    if key not in pool.positions:
        raise PoolError(f"the pool has no position {key.tick_lower} to {key.tick_upper} of '{key.owner}'")
    if most0 < 0 or most1 < 0:
        raise PoolError(f"amounts to collect were {most0} and {most1}; allowed: 0 or more")
    state = pool.positions[key]
    paid0, paid1 = min(most0, state.owed0), min(most1, state.owed1)
    left = state._replace(owed0=state.owed0 - paid0, owed1=state.owed1 - paid1)
    return Settled(replace(pool, positions={**pool.positions, key: left}), paid0, paid1)


def _with_liquidity(pool: ExactPool, key: PositionKey, change: int) -> ExactPool:
    """Return the pool with a range's liquidity changed and its fees booked; ticks that nobody uses any more are forgotten."""
    table = pool.table
    for tick, net in ((key.tick_lower, change), (key.tick_upper, -change)) if change else ():
        outside = (pool.growth0, pool.growth1) if tick <= pool.tick else (0, 0)
        table = table.changed(tick, change, net, outside)
    is_active = key.tick_lower <= pool.tick < key.tick_upper
    grown = replace(pool, table=table) if change > 0 else pool
    inside = grown.growth_inside(key.tick_lower, key.tick_upper)
    booked = _booked(pool.positions.get(key, PositionState()), inside, change)
    return replace(
        pool,
        table=table,
        liquidity=pool.liquidity + change if is_active else pool.liquidity,
        positions={**pool.positions, key: booked},
    )


def _booked(state: PositionState, inside: tuple[int, int], change: int) -> PositionState:
    earned0, earned1 = (
        ((now - then) % (1 << 256)) * state.liquidity >> 128
        for now, then in zip(inside, (state.inside0, state.inside1), strict=True)
    )
    return PositionState(
        state.liquidity + change,
        *inside,
        state.owed0 + earned0 & _MASK_128,
        state.owed1 + earned1 & _MASK_128,
    )


def _amounts(pool: ExactPool, key: PositionKey, liquidity: int, *, is_paid_in: bool) -> tuple[int, int]:
    low, high = sqrt_at_tick(key.tick_lower), sqrt_at_tick(key.tick_upper)
    return amounts(pool.sqrt_x96, low, high, liquidity, is_paid_in=is_paid_in)
