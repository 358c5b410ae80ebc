"""Input recovery: what the trader asked for, from a Swap event and the pool before it.

The log of a swap holds what flowed, not what was asked. An order is taken for the trader's when the exact pool does with it
what the event says, to the last unit: first the whole input, then the whole output, then the price reached as the limit.
"""

from typing import Literal, NamedTuple

from data.amm.event_log import SwapEvent
from data.amm.exact_pool import ExactPool
from data.amm.exact_swap import SwapOrder, SwapOutcome, outcome
from data.errors import PoolError

Mode = Literal["exact_in", "exact_out", "price_limit"]

_EVERYTHING = (1 << 255) - 1


class RecoveredOrder(NamedTuple):
    """An order that reproduces a swap.

    Attributes:
        mode: what the trader fixed: the input, the output, or the last price.
        order: the order.
        outcome: what it does to the pool, equal to the event.
    """

    mode: Mode
    order: SwapOrder
    outcome: SwapOutcome


def recovered_order(pool: ExactPool, event: SwapEvent) -> RecoveredOrder | None:
    """Return the order that makes a pool do what a Swap event says; None when none of the three modes does.

    Args:
        pool: the pool right before the swap.
        event: the swap.
    """
    for mode, order in _candidates(pool.sqrt_x96, event):
        try:
            done = outcome(pool, order)
        except PoolError:  # the pool cannot fill this one; the trader asked for something else
            continue
        if _is_reproduced(done, event):
            return RecoveredOrder(mode, order, done)
    return None


def _candidates(sqrt_x96: int, event: SwapEvent) -> list[tuple[Mode, SwapOrder]]:
    """Return the orders a swap from a root price may have been, in the order they are tried."""
    down = is_down(sqrt_x96, event)
    paid, received = (event.amount0, event.amount1) if down else (event.amount1, event.amount0)
    found: list[tuple[Mode, SwapOrder]] = []
    if paid:
        found.append(("exact_in", SwapOrder(paid, down)))
    if received:
        found.append(("exact_out", SwapOrder(received, down)))
    if event.sqrt_x96 != sqrt_x96:
        found.append(("price_limit", limit_order(sqrt_x96, event.sqrt_x96)))
    return found


def limit_order(sqrt_x96: int, limit: int) -> SwapOrder:
    """Return the order that takes the price from one root price to another, whatever that costs."""
    return SwapOrder(_EVERYTHING, limit < sqrt_x96, limit)


def is_down(sqrt_x96: int, event: SwapEvent) -> bool:
    """Return whether token0 was paid in; where nothing flowed, whether the price fell."""
    flow = event.amount0 - event.amount1
    return flow > 0 if flow else event.sqrt_x96 < sqrt_x96


def _is_reproduced(done: SwapOutcome, event: SwapEvent) -> bool:
    """Return whether an outcome is what the event says, to the last unit."""
    return done[:5] == (event.amount0, event.amount1, event.sqrt_x96, event.tick, event.liquidity)
