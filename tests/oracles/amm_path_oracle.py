"""The path kernels, slow and obvious: one swap and one range after the other, in exact fractions."""

from fractions import Fraction
from itertools import pairwise


def fee_growth(moves, lower, upper, rates):
    """(token0, token1) of one range per unit of liquidity, exactly; moves are pairs of root prices."""
    earned = [Fraction(0), Fraction(0)]
    for before, after in moves:
        low, high = max(min(before, after), lower), min(max(before, after), upper)
        if low >= high:
            continue
        low, high = Fraction(low), Fraction(high)
        if after > before:
            earned[1] += Fraction(rates[1]) * (high - low)
        else:
            earned[0] += Fraction(rates[0]) * (1 / low - 1 / high)
    return [float(each) for each in earned]


def traversal(moves, edges):
    """Rows (up, down) of each bin; the outer bins have no outer end."""
    ends = [0.0, *edges[1:-1], float("inf")]
    rows = [fee_growth(moves, low, high, (1.0, 1.0)) for low, high in pairwise(ends)]
    return [(up, down) for down, up in rows]


def lvr_path(marks, lower, upper):
    """The sum of (s' - s)^2 / s over what of each step lies in the range."""
    lost = Fraction(0)
    for before, after in pairwise(marks):
        a, b = (Fraction(min(max(mark, lower), upper)) for mark in (before, after))
        lost += (b - a) ** 2 / a
    return float(lost)


def worth(price_root, lower, upper):
    """Token1 value of one unit of liquidity at a root price, and the token0 in it."""
    s = min(max(price_root, lower), upper)
    held0, held1 = 1.0 / s - 1.0 / upper, s - lower
    return held0 * price_root**2 + held1, held0
