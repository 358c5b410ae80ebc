"""Path: what ranges earn and lose along the root prices of swaps, in one pass over many ranges.

Fees need neither volume nor liquidity: a swap from s to s' pays each unit of liquidity on its way (Adams et al. 2021,
Uniswap v3 Core, eq. 6.14 and 6.16). Every function adds swap after swap in their order and never across ranges. So a range's
sum does not depend on what else is asked for, and a call that continues ``since`` an earlier sum returns the bits of one call.
"""

import math
from typing import TypeAlias

import numpy as np

from data.amm.compiled import compiled
from data.amm.pool_log import SwapPath
from data.errors import PoolError
from data.panel import Floats

Rates: TypeAlias = tuple[float, float]


def fee_growth(
    swaps: SwapPath,
    lower: Floats,
    upper: Floats,
    rates: Rates,
    *,
    own_liquidity: Floats | None = None,
    since: Floats | None = None,
) -> Floats:
    """Return what each of R ranges earned per unit of its liquidity, (R, 2): raw token0 and raw token1.

    A swap down earns rate0 (1/B - 1/A) in token0, one up rate1 (B - A) in token1, with A and B where it enters and leaves
    the range. Timing: a range earns of every swap given, so give those after its mint.

    Args:
        swaps: moves of the root price.
        lower: (R,) lower root prices, 0 for no end.
        upper: (R,) upper root prices, infinity for no end.
        rates: fee per unit of net input in token0 and token1, ``Pool.rates``.
        own_liquidity: (R,) raw liquidity l of the account's own that stands beside the L of each swap, so that a unit earns
            L / (L + l) of it; without it the account is too small to matter.
        since: (R, 2) what an earlier call returned for the swaps before these; the result goes on from it.

    Raises:
        PoolError: when a range is inverted or no number, or shapes differ.
    """
    lower, upper = checked_ranges(lower, upper)
    sums, both = _begun(since, (len(lower), 2)), (float(rates[0]), float(rates[1]))
    if own_liquidity is None:
        _fee_growth(swaps.sqrt_before, swaps.sqrt_after, (lower, upper), both, sums)
        return _joined(sums)
    own = np.ascontiguousarray(own_liquidity, np.float64)
    if own.shape != lower.shape or not (own >= 0).all():
        raise PoolError(
            f"own_liquidity has shape {own.shape}; {lower.shape} of 0 or more is needed, one per range"
        )
    places = swaps.sqrt_before, swaps.sqrt_after, swaps.liquidity
    _diluted_growth(*places, (lower, upper), both, own, sums)
    return _joined(sums)


def traversal(swaps: SwapPath, edges: Floats, *, since: Floats | None = None) -> Floats:
    """Return the path inside each of B bins, (B, 2): the sum of s' - s of swaps up, and of 1/s' - 1/s of swaps down.

    Times a rate this is the fee of one unit of liquidity in the bin.

    Args:
        swaps: moves of the root price.
        edges: (B + 1,) rising root prices; the first and last bin also take what lies beyond them.
        since: (B, 2) what an earlier call returned for the swaps before these.

    Raises:
        PoolError: when there is no bin or the edges do not rise.
    """
    edges = np.ascontiguousarray(edges, np.float64)
    if edges.ndim != 1 or len(edges) < 2 or not (np.diff(edges) > 0).all():
        raise PoolError(f"edges of shape {edges.shape} do not rise; bins need two or more rising root prices")
    sums = _begun(since, (len(edges) - 1, 2))
    _traversal(swaps.sqrt_before, swaps.sqrt_after, edges[1:-1], sums)
    return _joined(sums)


def log_path(swaps: SwapPath, *, since: tuple[float, float] = (0.0, 0.0)) -> tuple[float, float]:
    """Return the sum of ln s' - ln s over the swaps up, and over those down with its sign turned; both 0 or more.

    Args:
        swaps: moves of the root price.
        since: what an earlier call returned for the swaps before these.
    """
    up, down = _log_path(swaps.sqrt_before, swaps.sqrt_after, float(since[0]), float(since[1]))
    return float(up), float(down)


def lvr_path(marks: Floats, lower: Floats, upper: Floats, *, since: Floats | None = None) -> Floats:
    """Return the loss versus rebalancing of each of R ranges per unit of liquidity, (R,) in raw token1.

    A step of the reference from s to s' loses (s' - s)^2 / s (Milionis et al. 2022, the discrete form), taken over the part
    of the step inside the range: it is split at the range's ends.

    Args:
        marks: (M,) root prices of the reference, in time order. The value depends on how densely they stand: say which
            reference and step. A call that continues an earlier one begins with the mark that one ended with.
        lower: (R,) lower root prices.
        upper: (R,) upper root prices.
        since: (R,) what an earlier call returned.

    Raises:
        PoolError: when a mark is not above 0, or a range is inverted.
    """
    lower, upper = checked_ranges(lower, upper)
    marks = np.ascontiguousarray(marks, np.float64)
    if (wrong := ~(np.isfinite(marks) & (marks > 0))).any():
        row = int(np.flatnonzero(wrong)[0])
        raise PoolError(f"mark {row} of the reference was {marks[row]}; it must be above 0")
    sums = _begun(since, lower.shape)
    _lvr(marks, lower, upper, sums)
    return sums


def checked_ranges(lower: Floats, upper: Floats) -> tuple[Floats, Floats]:
    """Return the ends of R ranges as contiguous arrays.

    Raises:
        PoolError: when a range is inverted, negative or no number, or there are not as many lower as upper ends.
    """
    low, high = (np.ascontiguousarray(ends, np.float64) for ends in (lower, upper))
    if low.ndim != 1 or low.shape != high.shape:
        raise PoolError(f"{low.shape} lower and {high.shape} upper root prices do not make ranges")
    if (wrong := ~((low >= 0) & (low < high))).any():
        row = int(np.flatnonzero(wrong)[0])
        raise PoolError(
            f"range {row} was {low[row]} to {high[row]} in root prices; its ends must be 0 or more and rise"
        )
    return low, high


def _begun(since: Floats | None, shape: tuple[int, ...]) -> Floats:
    """Return the sums to go on from, one row a quantity, so that the inner loop runs along memory."""
    if since is None:
        return np.zeros(shape[::-1])
    if np.shape(since) != shape:
        raise PoolError(f"the sums to go on from have shape {np.shape(since)}; {shape} is needed")
    return np.array(np.transpose(since), np.float64, order="C")


def _joined(sums: Floats) -> Floats:
    return np.ascontiguousarray(sums.T)


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
def _diluted_growth(
    before: Floats,
    after: Floats,
    liquidity: Floats,
    ranges: tuple[Floats, Floats],
    rates: Rates,
    own: Floats,
    sums: Floats,
) -> None:
    lower, upper = ranges
    rate0, rate1 = rates
    for i in range(len(before)):
        s, t = before[i], after[i]
        row = 1 if t > s else 0
        low, high = min(s, t), max(s, t)
        for r in range(len(lower)):
            a, b = max(lower[r], low), min(upper[r], high)
            if b > a:
                step = rate1 * (b - a) if row == 1 else rate0 * ((b - a) / (a * b))
                share = liquidity[i] / (liquidity[i] + own[r]) if own[r] > 0.0 else 1.0
                sums[row, r] += step * share


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


@compiled
def _log_path(before: Floats, after: Floats, up: float, down: float) -> tuple[float, float]:
    for i in range(len(before)):
        s, t = before[i], after[i]
        if t > s:
            up += math.log1p((t - s) / s)
        elif t < s:
            down += math.log1p((s - t) / t)
    return up, down


@compiled
def _lvr(marks: Floats, lower: Floats, upper: Floats, sums: Floats) -> None:
    for i in range(len(marks) - 1):
        s, t = marks[i], marks[i + 1]
        for r in range(len(lower)):
            a = lower[r] if lower[r] > s else s
            a = upper[r] if upper[r] < a else a
            b = lower[r] if lower[r] > t else t
            b = upper[r] if upper[r] < b else b
            sums[r] += (b - a) * (b - a) / a
