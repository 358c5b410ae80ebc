"""Simulation kernel: swaps of arbitrageurs and noise traders against fixed ranges, block after block.

Inside a range of liquidity L the root price moves with the net input: s' = s + net1 / L up, 1 / s' = 1 / s + net0 / L down
(Adams et al. 2021, Uniswap v3 Core, eq. 6.13 to 6.16). The slow twin is ``tests/oracles/simulator_oracle.py``.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from data.amm.compiled import compiled
from data.amm.hourly_streams import Orders
from data.amm.pool_log import Counts
from data.panel import Floats


class Ranges(NamedTuple):
    """Open ranges: (K,) lower and upper root prices and liquidity, raw units."""

    lower: Floats
    upper: Floats
    liquidity: Floats


class Looks(NamedTuple):
    """Looks of the arbitrageurs: (M,) block numbers and the root prices of the band in which no trade pays, raw units."""

    blocks: Counts
    low: Floats
    high: Floats


class Rules(NamedTuple):
    """Fee as a share of the gross input, raw quote tokens per whole one, and whether token1 is the quote token."""

    fee: float
    scale: float
    is_quote1: bool


class Wish(NamedTuple):
    """What a trader wants: to move the root price to a target, or to pay a net input if that comes first; up or down."""

    target: float
    net: float
    is_up: bool


class Trace(NamedTuple):
    """Room for every swap that may happen, (N,) each."""

    blocks: Counts
    before: Floats
    after: Floats
    amount0: Floats
    amount1: Floats
    liquidity: Floats
    is_noise: npt.NDArray[np.bool_]

    def first(self, count: int) -> "Trace":
        """Return the first swaps."""
        return Trace._make(column[:count] for column in self)


def room_for(count: int) -> Trace:
    """Return room for this many swaps."""
    before, after, amount0, amount1, liquidity = (np.empty(count) for _ in range(5))
    return Trace(
        np.empty(count, np.int64), before, after, amount0, amount1, liquidity, np.zeros(count, np.bool_)
    )


@compiled
def run_span(
    root: float, ranges: Ranges, looks: Looks, orders: Orders, rules: Rules, trace: Trace, done: int
) -> tuple[float, int]:
    """Trade through a span in which no range changes; return the root price at its end and the number of swaps so far.

    In a block arbitrageurs come first, then noise traders in their order.

    Args:
        root: root price at the start, raw units.
        ranges: open ranges.
        looks: looks of the span, in order.
        orders: orders of the span, in order.
        rules: fee and units.
        trace: receives the swaps, from row ``done`` on.
        done: swaps before the span.
    """
    row, order = done, 0
    for look in range(len(looks.blocks)):
        while order < len(orders.blocks) and orders.blocks[order] < looks.blocks[look]:
            root, row = _trade_noise(root, ranges, orders, order, rules, trace, row)
            order += 1
        if root < looks.low[look]:
            root, row = _swap(root, ranges, Wish(looks.low[look], np.inf, True), rules.fee, trace, row)
            trace.blocks[row - 1] = looks.blocks[look]
        elif root > looks.high[look]:
            root, row = _swap(root, ranges, Wish(looks.high[look], np.inf, False), rules.fee, trace, row)
            trace.blocks[row - 1] = looks.blocks[look]
    while order < len(orders.blocks):
        root, row = _trade_noise(root, ranges, orders, order, rules, trace, row)
        order += 1
    return root, row


@compiled
def _trade_noise(
    root: float, ranges: Ranges, orders: Orders, order: int, rules: Rules, trace: Trace, row: int
) -> tuple[float, int]:
    """Carry out one noise trader's order; return the root price and the number of swaps so far."""
    is_up = orders.is_up[order]
    paid = orders.values[order] * rules.scale
    if is_up and not rules.is_quote1:
        paid *= root * root
    elif rules.is_quote1 and not is_up:
        paid /= root * root
    wish = Wish(np.inf if is_up else 0.0, paid * (1.0 - rules.fee), is_up)
    root, row = _swap(root, ranges, wish, rules.fee, trace, row)
    trace.blocks[row - 1] = orders.blocks[order]
    trace.is_noise[row - 1] = True
    return root, row


@compiled
def _swap(root: float, ranges: Ranges, wish: Wish, fee: float, trace: Trace, row: int) -> tuple[float, int]:
    """Carry out a wish as far as there is liquidity; return the root price and the number of swaps so far."""
    target, rest, is_up = wish
    here, paid, received = root, 0.0, 0.0
    while here != target and rest > 0.0:
        liquidity, edge = _segment(here, ranges, is_up)
        if liquidity <= 0.0:
            break
        stop = min(edge, target) if is_up else max(edge, target)
        need = liquidity * (stop - here if is_up else 1.0 / stop - 1.0 / here) if stop > 0.0 else np.inf
        if need > rest:
            stop = here + rest / liquidity if is_up else 1.0 / (1.0 / here + rest / liquidity)
            need = rest
        paid += need
        received += liquidity * (1.0 / here - 1.0 / stop if is_up else here - stop)
        rest -= need
        here = stop
    gross = paid / (1.0 - fee)
    trace.before[row], trace.after[row] = root, here
    trace.amount0[row], trace.amount1[row] = (-received, gross) if is_up else (gross, -received)
    trace.liquidity[row] = _segment(here, ranges, True)[0]
    return here, row + 1


@compiled
def _segment(root: float, ranges: Ranges, is_up: bool) -> tuple[float, float]:
    """Return the liquidity that the next move meets and the root price at which it changes."""
    liquidity, edge = 0.0, np.inf if is_up else 0.0
    for k in range(len(ranges.lower)):
        low, high = ranges.lower[k], ranges.upper[k]
        if is_up:
            if low <= root < high:
                liquidity += ranges.liquidity[k]
            if low > root:
                edge = min(edge, low)
            if high > root:
                edge = min(edge, high)
        else:
            if low < root <= high:
                liquidity += ranges.liquidity[k]
            if low < root:
                edge = max(edge, low)
            if high < root:
                edge = max(edge, high)
    return liquidity, edge
