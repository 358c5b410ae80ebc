"""Exact swap: what the pool's contract does with an order, to the smallest unit of a token."""

from typing import NamedTuple

from data.amm.exact_pool import ExactPool
from data.amm.swap_step import swap_step
from data.amm.tick_math import MAX_SQRT_X96, MIN_SQRT_X96, sqrt_at_tick, tick_at_sqrt
from data.amm.tick_table import MASK_256, Crossing, TickTable
from data.errors import PoolError


class SwapOrder(NamedTuple):
    """What a trader asks for.

    Attributes:
        amount: raw input to be spent, fee included, above 0; raw output to be had as a number below 0.
        is_down: whether token0 is paid in, so that the price falls.
        limit: root price at which the swap ends early; the pool's limit when left out.
    """

    amount: int
    is_down: bool
    limit: int | None = None


class SwapOutcome(NamedTuple):
    """What an order does to a pool.

    Attributes:
        amount0: raw token0 into the pool, below 0 out of it.
        amount1: raw token1 into the pool, below 0 out of it.
        sqrt_x96: root price after it.
        tick: tick after it.
        liquidity: active liquidity after it.
        growth: fee growth of the token paid in, after it.
        protocol_fee: raw fee that went to the protocol, in the token paid in.
        crossings: initialized ticks that were crossed, in order.
    """

    amount0: int
    amount1: int
    sqrt_x96: int
    tick: int
    liquidity: int
    growth: int
    protocol_fee: int
    crossings: tuple[Crossing, ...]


def swap(pool: ExactPool, order: SwapOrder) -> tuple[ExactPool, SwapOutcome]:
    """Return the pool after an order, and what the order did.

    Raises:
        PoolError: what ``outcome`` raises.
    """
    done = outcome(pool, order)
    return settled(pool, order, done), done


def outcome(pool: ExactPool, order: SwapOrder) -> SwapOutcome:
    """Return what an order would do; the pool stays as it is.

    The swap goes from one initialized tick, or edge of a word of ticks, to the next one until the amount is used up or the
    limit is reached (Adams et al. 2021, Uniswap v3 Core, section 6.2.3 and figure 4).

    Raises:
        PoolError: when the amount is 0, the limit is not ahead of the price or outside the pool, or the ticks would take
            more liquidity than is active.
    """
    is_down = order.is_down
    limit = _limit(pool, order)
    fee_pips, table = pool.pool.fee_pips, pool.table
    share = pool.pool.protocol0 if is_down else pool.pool.protocol1
    sqrt, tick, liquidity = pool.sqrt_x96, pool.tick, pool.liquidity
    growth = pool.growth0 if is_down else pool.growth1
    remaining, other, protocol_fee = order.amount, 0, 0
    crossings: list[Crossing] = []
    while remaining and sqrt != limit:
        ahead, is_initialized = table.next_tick(tick, is_down=is_down)
        sqrt_ahead = sqrt_at_tick(ahead)
        target = max(sqrt_ahead, limit) if is_down else min(sqrt_ahead, limit)
        after, paid, received, fee = swap_step(sqrt, target, liquidity, remaining, fee_pips)
        if order.amount > 0:
            remaining -= paid + fee
            other -= received
        else:
            remaining += received
            other += paid + fee
        if share:
            protocol_fee += fee // share
            fee -= fee // share
        if liquidity:
            growth = growth + (fee << 128) // liquidity & MASK_256
        if after == sqrt_ahead:
            if is_initialized:
                growths = (growth, pool.growth1) if is_down else (pool.growth0, growth)
                crossings.append(Crossing(ahead, *growths))
                liquidity = _liquidity_beyond(table, ahead, liquidity, is_down)
            tick = ahead - 1 if is_down else ahead
        elif after != sqrt:
            tick = tick_at_sqrt(after)
        sqrt = after
    mine = order.amount - remaining
    amounts = (mine, other) if is_down == (order.amount > 0) else (other, mine)
    return SwapOutcome(*amounts, sqrt, tick, liquidity, growth, protocol_fee, tuple(crossings))


def settled(pool: ExactPool, order: SwapOrder, done: SwapOutcome) -> ExactPool:
    """Return the pool after an order whose outcome is known."""
    growth0, growth1 = pool.growth0, pool.growth1
    fees0, fees1 = pool.protocol_fees0, pool.protocol_fees1
    if order.is_down:
        growth0, fees0 = done.growth, fees0 + done.protocol_fee
    else:
        growth1, fees1 = done.growth, fees1 + done.protocol_fee
    table = pool.table.crossed(done.crossings) if done.crossings else pool.table
    return ExactPool(
        pool.pool, done.sqrt_x96, done.tick, table, done.liquidity, growth0, growth1, fees0, fees1, pool.positions
    )  # fmt: skip


def _limit(pool: ExactPool, order: SwapOrder) -> int:
    if order.amount == 0:
        raise PoolError("the amount of a swap was 0; allowed: above 0 for an input, below 0 for an output")
    if order.limit is None:
        return MIN_SQRT_X96 + 1 if order.is_down else MAX_SQRT_X96 - 1
    least, most = (MIN_SQRT_X96, pool.sqrt_x96) if order.is_down else (pool.sqrt_x96, MAX_SQRT_X96)
    if not least < order.limit < most:
        raise PoolError(
            f"the limit of a swap was root price {order.limit}; allowed: between {least} and {most}, neither included"
        )
    return order.limit


def _liquidity_beyond(table: TickTable, tick: int, liquidity: int, is_down: bool) -> int:
    net = table.ticks[tick].net
    beyond = liquidity - net if is_down else liquidity + net
    if beyond < 0:
        raise PoolError(
            f"crossing tick {tick} takes {liquidity - beyond} of the active liquidity {liquidity}; the ticks do not fit it"
        )
    return beyond
