"""Fees and losses along a path, slow and obvious: one swap and one range after the other, fees in exact fractions."""

from fractions import Fraction
from itertools import pairwise

import numpy as np


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
    """Loss versus rebalancing per unit of liquidity, raw token1: (s' - s)^2 / s of what of each step lies in the range.

    Milionis et al. 2022, the discrete form; marks are root prices of the reference.
    """
    inside = np.clip(marks, lower, upper)
    return float((np.diff(inside) ** 2 / inside[:-1]).sum())
