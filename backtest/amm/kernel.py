"""Kernel: one compiled loop over swaps and bar ends for the open ranges of one account.

A swap from s to s' pays every unit of liquidity on its way, whatever its volume: rate1 * (B - A) of token1 on the way up
and rate0 * (1/A - 1/B) of token0 on the way down, written (B - A) / (A B), which keeps its digits, A and B being the ends of the overlap with a range. The order of every
float operation is fixed, sums go on where they stood, and nothing is allocated, so pieces give the bits of the whole.
The slow twin is ``tests/oracles``.
"""

import math
from typing import NamedTuple

import numpy as np

from backtest.engine.layout import Flags, Integers
from data.amm.compiled import compiled, inlined
from data.panel import Floats

PRICE, REFERENCE, DIVERGENCE, LVR, LVR_CLOSED_FORM, INVESTED, CONCENTRATION, PATH_UP, PATH_DOWN = range(9)
SUMS = 9


class Moves(NamedTuple):
    """Swaps as the kernel reads them: (N,) instants in nanoseconds, root prices before and after, active liquidity."""

    times: Integers
    before: Floats
    after: Floats
    liquidity: Floats


class Open(NamedTuple):
    """Open ranges and the tokens beside them.

    Attributes:
        low: (P,) lower root prices.
        high: (P,) upper root prices.
        liquidity: (P,) of each position.
        fees: (P, 2) uncollected, written to.
        edges: (K + 1,) every root price at which a range begins or ends, rising; empty without positions.
        inside: (K,) the account's own liquidity between two edges.
        tokens: (4,) idle token0 and token1, then those of the hold basket.
        sums: (SUMS,) the price stood at and everything that is summed up, written to.
    """

    low: Floats
    high: Floats
    liquidity: Floats
    fees: Floats
    edges: Floats
    inside: Floats
    tokens: Floats
    sums: Floats


class Marks(NamedTuple):
    """Bar ends in nanoseconds, (M,), and the root price of the reference at each; none where the pool's own is meant."""

    times: Integers
    references: Floats


class Trace(NamedTuple):
    """What the kernel writes at each of M bar ends.

    Attributes:
        held: (M, 2) raw tokens in all.
        uncollected: (M, 2) raw tokens of fees that are not collected.
        sqrt_price: (M,) of the pool.
        in_range: (M,) whether an open range holds it.
        divergence: (M,) so far, whole quote tokens.
        lvr: (M,) so far.
    """

    held: Floats
    uncollected: Floats
    sqrt_price: Floats
    in_range: Flags
    divergence: Floats
    lvr: Floats


class Rules(NamedTuple):
    """What stays the same: fee rates, whether values are in token1, whole quote tokens per raw one, who shares fees."""

    rate0: float
    rate1: float
    in_token1: bool
    scale: float
    dilutes: bool


def trace_for(count: int) -> Trace:
    """Return an empty trace of so many bar ends."""
    return Trace(
        np.zeros((count, 2)),
        np.zeros((count, 2)),
        np.zeros(count),
        np.zeros(count, np.bool_),
        np.zeros(count),
        np.zeros(count),
    )


@inlined
def _value(amount0: float, amount1: float, sqrt_price: float, rules: Rules) -> float:
    if rules.in_token1:
        return (amount0 * (sqrt_price * sqrt_price) + amount1) * rules.scale
    return (amount0 + amount1 / (sqrt_price * sqrt_price)) * rules.scale


@inlined
def _pay(before: float, after: float, liquidity: float, ranges: Open, rules: Rules) -> None:
    """Add what one swap pays, interval by interval between the account's own edges, so that its ranges share."""
    low, high = min(before, after), max(before, after)
    last = len(ranges.edges) - 1
    if last < 1 or high <= ranges.edges[0] or low >= ranges.edges[last]:
        return
    for k in range(last):
        a, b = max(low, ranges.edges[k]), min(high, ranges.edges[k + 1])
        if b <= a or ranges.inside[k] <= 0.0:
            continue
        side = 1 if after > before else 0
        growth = rules.rate1 * (b - a) if after > before else rules.rate0 * ((b - a) / (a * b))
        if rules.dilutes:
            growth *= liquidity / (liquidity + ranges.inside[k])
        for p in range(len(ranges.low)):
            if ranges.low[p] <= ranges.edges[k] and ranges.edges[k + 1] <= ranges.high[p]:
                ranges.fees[p, side] += ranges.liquidity[p] * growth


@compiled
def earn(moves: Moves, first: int, stop: int, ranges: Open, rules: Rules) -> None:
    """Add the fees and the path of swaps ``first`` to ``stop - 1``."""
    for i in range(first, stop):
        before, after = moves.before[i], moves.after[i]
        _pay(before, after, moves.liquidity[i], ranges, rules)
        if after > before:
            ranges.sums[PATH_UP] += after - before
        else:
            ranges.sums[PATH_DOWN] += (before - after) / (before * after)
        ranges.sums[PRICE] = after


@inlined
def _gap(sqrt_price: float, ranges: Open, rules: Rules) -> float:
    """Return the worth of the hold basket less that of the principal."""
    held0, held1 = ranges.tokens[0], ranges.tokens[1]
    for p in range(len(ranges.low)):
        inside = min(max(sqrt_price, ranges.low[p]), ranges.high[p])
        held0 += ranges.liquidity[p] * ((ranges.high[p] - inside) / (inside * ranges.high[p]))
        held1 += ranges.liquidity[p] * (inside - ranges.low[p])
    return _value(ranges.tokens[2] - held0, ranges.tokens[3] - held1, sqrt_price, rules)


@inlined
def _lose(start: float, end: float, ranges: Open, rules: Rules) -> None:
    """Add the loss versus rebalancing of one step of the reference: liquidity * (ds)**2 / s, split at range edges."""
    variance = (2.0 * math.log(end / start)) ** 2
    for p in range(len(ranges.low)):
        a = min(max(start, ranges.low[p]), ranges.high[p])
        b = min(max(end, ranges.low[p]), ranges.high[p])
        unit = rules.scale * ranges.liquidity[p]
        ranges.sums[LVR] += unit * ((b - a) ** 2 / a if rules.in_token1 else (b - a) ** 2 / (a * b * b))
        if ranges.low[p] <= start < ranges.high[p]:
            ranges.sums[LVR_CLOSED_FORM] += (
                unit * variance * (start if rules.in_token1 else 1.0 / start) / 4.0
            )


@inlined
def _settle(before: float, reference: float, ranges: Open, rules: Rules) -> None:
    ranges.sums[DIVERGENCE] += _gap(ranges.sums[PRICE], ranges, rules) - _gap(before, ranges, rules)
    if reference != ranges.sums[REFERENCE]:
        _lose(ranges.sums[REFERENCE], reference, ranges, rules)
        ranges.sums[REFERENCE] = reference


@inlined
def _mark(row: int, ranges: Open, trace: Trace, rules: Rules) -> None:
    sqrt_price = ranges.sums[PRICE]
    inside0, inside1, fees0, fees1, active = 0.0, 0.0, 0.0, 0.0, 0.0
    held0, held1 = ranges.tokens[0], ranges.tokens[1]
    for p in range(len(ranges.low)):
        inside = min(max(sqrt_price, ranges.low[p]), ranges.high[p])
        amount0 = ranges.liquidity[p] * ((ranges.high[p] - inside) / (inside * ranges.high[p]))
        amount1 = ranges.liquidity[p] * (inside - ranges.low[p])
        inside0, inside1 = inside0 + amount0, inside1 + amount1
        held0, held1 = held0 + amount0, held1 + amount1
        fees0, fees1 = fees0 + ranges.fees[p, 0], fees1 + ranges.fees[p, 1]
        if ranges.low[p] <= sqrt_price < ranges.high[p]:
            active += ranges.liquidity[p]
    held0, held1 = held0 + fees0, held1 + fees1
    trace.held[row, 0], trace.held[row, 1] = held0, held1
    trace.uncollected[row, 0], trace.uncollected[row, 1] = fees0, fees1
    trace.sqrt_price[row] = sqrt_price
    trace.in_range[row] = active > 0.0
    trace.divergence[row], trace.lvr[row] = ranges.sums[DIVERGENCE], ranges.sums[LVR]
    ranges.sums[INVESTED] += _value(inside0, inside1, sqrt_price, rules)
    full_range = active * _value(1.0 / sqrt_price, sqrt_price, sqrt_price, rules)
    ranges.sums[CONCENTRATION] += full_range / _value(held0, held1, sqrt_price, rules)


@compiled
def run(
    moves: Moves, first: int, marks: Marks, rows: tuple[int, int], ranges: Open, trace: Trace, rules: Rules
) -> int:
    """Bring the ranges to bar ends ``rows[0]`` to ``rows[1] - 1``; return the first swap after them."""
    i = first
    for row in range(rows[0], rows[1]):
        before, stop = ranges.sums[PRICE], i
        while stop < len(moves.times) and moves.times[stop] <= marks.times[row]:
            stop += 1
        earn(moves, i, stop, ranges, rules)
        i = stop
        reference = marks.references[row] if len(marks.references) else ranges.sums[PRICE]
        _settle(before, reference, ranges, rules)
        _mark(row, ranges, trace, rules)
    return i


@compiled
def finish(moves: Moves, first: int, stop: int, own_reference: bool, ranges: Open, rules: Rules) -> None:
    """Bring the ranges to the price after swap ``stop - 1``, within a bar: the account is about to change them."""
    before = ranges.sums[PRICE]
    earn(moves, first, stop, ranges, rules)
    _settle(before, ranges.sums[PRICE] if own_reference else ranges.sums[REFERENCE], ranges, rules)
