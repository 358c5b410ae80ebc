"""Tick mathematics in exact integers: the root price at a tick, and the tick at a root price.

Root prices are fixed-point: ``sqrt_x96`` = floor(sqrt(token1 / token0) * 2**96). The root price at a tick is a product over the
set bits i of |tick| of 2**128 / 1.0001**(2**i / 2), each rounded to the nearest integer, the product cut to 128 bits after
each factor, inverted for positive ticks and rounded up to 96 bits (Adams et al. 2021, Uniswap v3 Core, eq. 6.2). The
constants come from that formula in 120 decimal digits.
"""

import math
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from functools import lru_cache

from data.amm.pool import LOG_TICK, MAX_TICK
from data.errors import PoolError, TickError

MIN_TICK = -MAX_TICK
Q96 = 1 << 96
Q128 = 1 << 128

_MAX_256 = (1 << 256) - 1
_LOG_Q96 = 96.0 * math.log(2.0)


def _factors() -> tuple[int, ...]:
    with localcontext() as context:
        context.prec = 120
        base = Decimal("1.0001").sqrt()
        return tuple(
            int((Decimal(Q128) / base ** (1 << bit)).quantize(Decimal(1), rounding=ROUND_HALF_EVEN))
            for bit in range(MAX_TICK.bit_length())
        )


_FACTORS = _factors()


@lru_cache(maxsize=1 << 17)
def sqrt_at_tick(tick: int) -> int:
    """Return the root price at a tick, as fixed point with 96 fractional bits, rounded up.

    Raises:
        TickError: when the tick is outside the pool's limits.
    """
    if not MIN_TICK <= tick <= MAX_TICK:
        raise TickError(f"tick was {tick}; allowed: {MIN_TICK} to {MAX_TICK}")
    product, rest = Q128, abs(tick)
    for factor in _FACTORS:
        if rest & 1:
            product = product * factor >> 128
        rest >>= 1
    if tick > 0:
        product = _MAX_256 // product
    return -(-product >> 32)


MIN_SQRT_X96 = sqrt_at_tick(MIN_TICK)
"""Lowest root price a pool can have."""

MAX_SQRT_X96 = sqrt_at_tick(MAX_TICK)
"""First root price a pool cannot have."""


def tick_at_sqrt(sqrt_x96: int) -> int:
    """Return the greatest tick whose root price is not above the given one.

    Raises:
        PoolError: when the root price is outside the pool's limits.
    """
    check_sqrt(sqrt_x96)
    tick = math.floor(2.0 * (math.log(sqrt_x96) - _LOG_Q96) / LOG_TICK)
    tick = min(max(tick, MIN_TICK), MAX_TICK - 1)
    if sqrt_at_tick(tick) > sqrt_x96:
        return tick - 1
    return tick + 1 if sqrt_at_tick(tick + 1) <= sqrt_x96 else tick


def check_sqrt(sqrt_x96: int, what: str = "root price") -> None:
    """Raise unless a pool can have this root price.

    Raises:
        PoolError: when it is outside the limits.
    """
    if not MIN_SQRT_X96 <= sqrt_x96 < MAX_SQRT_X96:
        raise PoolError(f"{what} was {sqrt_x96}; allowed: {MIN_SQRT_X96} to {MAX_SQRT_X96 - 1}")


def max_liquidity_per_tick(spacing: int) -> int:
    """Return the most liquidity that the ranges ending at one tick may hold together."""
    ticks = 2 * (MAX_TICK // spacing) + 1
    return (Q128 - 1) // ticks
