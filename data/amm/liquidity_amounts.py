"""Liquidity and amounts in exact integers: what a range holds.

Root prices are fixed point with 96 fractional bits, amounts raw. The pool rounds in its own favour: up what is paid in, down
what is paid out (Adams et al. 2021, Uniswap v3 Core, eq. 6.29 and 6.30).
"""


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
