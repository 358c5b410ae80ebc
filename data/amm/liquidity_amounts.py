"""Liquidity and amounts in exact integers: what a range holds, and the liquidity that amounts buy.

Root prices are fixed point with 96 fractional bits, amounts raw. The pool rounds in its own favour: up what is paid in, down
what is paid out (Adams et al. 2021, Uniswap v3 Core, eq. 6.29 and 6.30).
"""

from data.amm.tick_math import Q96, check_sqrt
from data.errors import PoolError


def amount0(sqrt_a: int, sqrt_b: int, liquidity: int, *, is_paid_in: bool) -> int:
    """Return the raw token0 between two root prices: L * (1 / a - 1 / b), both divisions rounded the same way."""
    if sqrt_a > sqrt_b:
        sqrt_a, sqrt_b = sqrt_b, sqrt_a
    scaled = (liquidity << 96) * (sqrt_b - sqrt_a)
    if is_paid_in:
        above = -(-scaled // sqrt_b)
        return -(-above // sqrt_a)
    return scaled // sqrt_b // sqrt_a


def amount1(sqrt_a: int, sqrt_b: int, liquidity: int, *, is_paid_in: bool) -> int:
    """Return the raw token1 between two root prices: L * (b - a)."""
    scaled = liquidity * abs(sqrt_b - sqrt_a)
    return -(-scaled >> 96) if is_paid_in else scaled >> 96


def amounts(
    sqrt: int, sqrt_lower: int, sqrt_upper: int, liquidity: int, *, is_paid_in: bool
) -> tuple[int, int]:
    """Return raw token0 and token1 of a range at a root price: what a mint pays in, or what a burn pays out."""
    inside = min(max(sqrt, sqrt_lower), sqrt_upper)
    return (
        amount0(inside, sqrt_upper, liquidity, is_paid_in=is_paid_in),
        amount1(sqrt_lower, inside, liquidity, is_paid_in=is_paid_in),
    )


def liquidity_of_amount0(sqrt_a: int, sqrt_b: int, amount: int) -> int:
    """Return the most liquidity that raw token0 buys between two root prices: amount * a * b / (b - a)."""
    low, high = _ordered(sqrt_a, sqrt_b)
    return amount * low * high // ((high - low) << 96)


def router_liquidity_of_amount0(sqrt_a: int, sqrt_b: int, amount: int) -> int:
    """Return what the deployed router computes instead: a * b is cut to 96 bits first, so it may be a little less."""
    low, high = _ordered(sqrt_a, sqrt_b)
    return amount * (low * high // Q96) // (high - low)


def liquidity_of_amount1(sqrt_a: int, sqrt_b: int, amount: int) -> int:
    """Return the most liquidity that raw token1 buys between two root prices: amount / (b - a)."""
    low, high = _ordered(sqrt_a, sqrt_b)
    return (amount << 96) // (high - low)


def liquidity_of_amounts(
    sqrt: int, sqrt_lower: int, sqrt_upper: int, most: tuple[int, int], *, is_router: bool = False
) -> int:
    """Return the most liquidity of a range that raw amounts pay for at a root price.

    Args:
        sqrt: root price of the pool.
        sqrt_lower: root price at the lower tick.
        sqrt_upper: root price at the upper tick.
        most: raw token0 and token1 at hand.
        is_router: whether to compute the token0 side as the deployed router does.

    Raises:
        PoolError: when the range is empty, or an amount or price is not allowed.
    """
    check_sqrt(sqrt)
    of_amount0 = router_liquidity_of_amount0 if is_router else liquidity_of_amount0
    low, high = _ordered(sqrt_lower, sqrt_upper)
    if sqrt <= low:
        return of_amount0(low, high, most[0])
    if sqrt >= high:
        return liquidity_of_amount1(low, high, most[1])
    return min(of_amount0(sqrt, high, most[0]), liquidity_of_amount1(low, sqrt, most[1]))


def _ordered(sqrt_a: int, sqrt_b: int) -> tuple[int, int]:
    if sqrt_a == sqrt_b:
        raise PoolError(f"both ends of the range have root price {sqrt_a}; a range needs two")
    return (sqrt_a, sqrt_b) if sqrt_a < sqrt_b else (sqrt_b, sqrt_a)
