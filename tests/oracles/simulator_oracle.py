"""Simulator, the slow way: one block after another, one unit of code an event, plain Python floats and whole tokens nowhere."""

import math


def slow_swaps(fee, ranges, looks, orders, root):
    """Return (block, before, after, amount0, amount1, is_noise) of every swap.

    ranges: [(lower, upper, liquidity)]; looks: {block: (low, high)}; orders: {block: [(is_up, raw gross input)]}, the input
    a number or a function of the root price.
    """
    swaps = []
    for block in sorted({*looks, *orders}):
        if block in looks:
            low, high = looks[block]
            if root < low:
                swaps.append((block, *to_price(fee, ranges, root, low), False))
                root = low
            elif root > high:
                swaps.append((block, *to_price(fee, ranges, root, high), False))
                root = high
        for is_up, paid in orders.get(block, []):
            end = after_paying(fee, ranges, root, is_up, paid(root) if callable(paid) else paid)
            swaps.append((block, *to_price(fee, ranges, root, end), True))
            root = end
    return swaps


def to_price(fee, ranges, start, end):
    """Return the move with what the pool receives of each token: the change of every range's inventory, and the fee."""
    change0 = sum(held0(r, end) - held0(r, start) for r in ranges)
    change1 = sum(held1(r, end) - held1(r, start) for r in ranges)
    gross0 = change0 / (1 - fee) if change0 > 0 else change0
    gross1 = change1 / (1 - fee) if change1 > 0 else change1
    return start, end, gross0, gross1


def after_paying(fee, ranges, start, is_up, gross):
    """Return the root price at which a gross input is spent, by bisection."""
    held = held1 if is_up else held0
    low, high = (start, start * 50) if is_up else (start / 50, start)
    for _ in range(200):
        middle = math.sqrt(low * high)
        spent = sum(held(r, middle) - held(r, start) for r in ranges)
        if (spent > gross * (1 - fee)) == is_up:
            high = middle
        else:
            low = middle
    return math.sqrt(low * high)


def held0(part, root):
    lower, upper, liquidity = part
    return liquidity * (1 / min(max(root, lower), upper) - 1 / upper)


def held1(part, root):
    lower, upper, liquidity = part
    return liquidity * (min(max(root, lower), upper) - lower)
