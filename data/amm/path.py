"""Path: what ranges earn along the root prices of swaps, in one pass over many ranges.

Fees need neither volume nor liquidity: a swap from s to s' pays each unit of liquidity on its way (Adams et al. 2021,
Uniswap v3 Core, eq. 6.14 and 6.16). Both functions add swap after swap in their order and never across ranges, so a range's
sum does not depend on what else is asked for. ``sums`` has one row a token, so that the inner loop runs along memory.
"""

from typing import TypeAlias

import numpy as np

from data.amm.compiled import compiled
from data.amm.pool_log import SwapPath
from data.errors import PoolError
from data.panel import Floats

Rates: TypeAlias = tuple[float, float]


def fee_growth(swaps: SwapPath, lower: Floats, upper: Floats, rates: Rates) -> Floats:
    """Return what each of R ranges earned per unit of its liquidity, (R, 2): raw token0 and raw token1.

    A swap down earns rate0 (1/B - 1/A) in token0, one up rate1 (B - A) in token1, with A and B where it enters and leaves
    the range; liquidity so small that it takes nothing from the others. Timing: a range earns of every swap given, so give
    those after its mint.

    Args:
        swaps: moves of the root price.
        lower: (R,) lower root prices, 0 for no end.
        upper: (R,) upper root prices, infinity for no end.
        rates: fee per unit of net input in token0 and token1, ``Pool.rates``.

    Raises:
        PoolError: when a range is inverted or no number, or shapes differ.
    """
    ends, both = _ends(lower, upper), (float(rates[0]), float(rates[1]))
    sums = np.zeros((2, len(ends[0])))
    _fee_growth(swaps.sqrt_before, swaps.sqrt_after, ends, both, sums)
    return np.ascontiguousarray(sums.T)


def traversal(swaps: SwapPath, edges: Floats) -> Floats:
    """Return the path inside each of B bins, (B, 2): the sum of s' - s of swaps up, and of 1/s' - 1/s of swaps down.

    Times a rate this is the fee of one unit of liquidity in the bin.

    Args:
        swaps: moves of the root price.
        edges: (B + 1,) rising root prices; the first and last bin also take what lies beyond them.

    Raises:
        PoolError: when there is no bin or the edges do not rise.
    """
    edges = np.ascontiguousarray(edges, np.float64)
    if edges.ndim != 1 or len(edges) < 2 or not (np.diff(edges) > 0).all():
        raise PoolError(f"edges of shape {edges.shape} do not rise; bins need two or more rising root prices")
    sums = np.zeros((2, len(edges) - 1))
    _traversal(swaps.sqrt_before, swaps.sqrt_after, edges[1:-1], sums)
    return np.ascontiguousarray(sums.T)


def _ends(lower: Floats, upper: Floats) -> tuple[Floats, Floats]:
    """Return the ends of R ranges as contiguous arrays."""
    low, high = (np.ascontiguousarray(ends, np.float64) for ends in (lower, upper))
    if low.ndim != 1 or low.shape != high.shape:
        raise PoolError(f"{low.shape} lower and {high.shape} upper root prices do not make ranges")
    if (wrong := ~((low >= 0) & (low < high))).any():
        row = int(np.flatnonzero(wrong)[0])
        raise PoolError(
            f"range {row} was {low[row]} to {high[row]} in root prices; its ends must be 0 or more and rise"
        )
    return low, high


@compiled
def _fee_growth(
    before: Floats, after: Floats, ranges: tuple[Floats, Floats], rates: Rates, sums: Floats
) -> None:
    lower, upper = ranges
    rate0, rate1 = rates
    paid0, paid1 = sums[0], sums[1]
    for i in range(len(before)):
        s, t = before[i], after[i]
        if t > s:
            for r in range(len(lower)):
                a = lower[r] if lower[r] > s else s
                b = upper[r] if upper[r] < t else t
                paid1[r] += rate1 * (b - a if b > a else 0.0)
        elif t < s:
            for r in range(len(lower)):
                a = upper[r] if upper[r] < s else s
                b = lower[r] if lower[r] > t else t
                # (A - B) / (A B) keeps the digits that 1/B - 1/A loses where the move is small.
                paid0[r] += rate0 * ((a - b if a > b else 0.0) / (a * b))


@compiled
def _traversal(before: Floats, after: Floats, inner: Floats, sums: Floats) -> None:
    bins = len(inner) + 1
    place = 0
    for i in range(len(before)):
        s, t = before[i], after[i]
        while place < bins - 1 and inner[place] <= s:
            place += 1
        while place > 0 and inner[place - 1] > s:
            place -= 1
        while t > s:
            b = inner[place] if place < bins - 1 and inner[place] < t else t
            sums[0, place] += b - s
            s = b
            if s < t:
                place += 1
        while t < s:
            b = inner[place - 1] if place > 0 and inner[place - 1] > t else t
            sums[1, place] += (s - b) / (s * b)
            s = b
            if s > t:
                place -= 1
