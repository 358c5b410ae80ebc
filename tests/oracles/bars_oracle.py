"""Bars of a pool in plain loops: one bar at a time, one swap at a time, nothing carried from bar to bar but the price."""

import itertools
import math

FIVE = 5 * 60 * 10**9


def bar(log, began, ended):
    """The eleven fields of the bar (began, ended], instants in ns; None before the first swap."""
    pool, swaps = log.pool, log.swaps
    times = [int(t) for t in swaps.times.astype("int64")]
    past = [i for i, t in enumerate(times) if t <= ended]
    if not past:
        return None
    inside = [i for i in past if t_after(times[i], began)]
    last = past[-1]
    root = float(swaps.sqrt_after[last])
    up = down = moved = bought = sold = 0.0
    for i in inside:
        before, after = float(swaps.sqrt_before[i]), float(swaps.sqrt_after[i])
        up += max(math.log(after / before), 0.0)
        down += max(math.log(before / after), 0.0)
        moved += abs(after - before)
        paid0, paid1 = max(float(swaps.amount0[i]), 0.0), max(float(swaps.amount1[i]), 0.0)
        average = math.sqrt(before * after)
        is_base_0 = pool.quote == "token1"
        bought += pool.value(0.0, paid1, average) if is_base_0 else pool.value(paid0, 0.0, average)
        sold += pool.value(paid0, 0.0, average) if is_base_0 else pool.value(0.0, paid1, average)
    return {
        "close": pool.price(root),
        "sqrt_price": root,
        "tick": math.log(root**2) / math.log(1.0001),
        "path_up": up,
        "path_down": down,
        "fee_growth": pool.fee / (1 - pool.fee) * moved,
        "variance": variance(swaps, times, began, ended),
        "volume": bought + sold,
        "flow": bought - sold,
        "swaps": len(inside),
        "liquidity": active(log, root, ended) if log.changes is not None else float(swaps.liquidity[last]),
    }


def t_after(time, began):
    """Whether a swap lies after the beginning of the bar; the first bar has no beginning."""
    return began is None or time > began


def variance(swaps, times, began, ended):
    """Squared changes of the log price between the bar's beginning, each five-minute mark and the bar's end."""
    begin = times[0] - 1 if began is None else began
    marks = [begin, *[m for m in range(begin // FIVE * FIVE, ended, FIVE) if m > begin], ended]
    prices = [2 * math.log(root_at(swaps, times, mark)) for mark in marks]
    return sum((b - a) ** 2 for a, b in itertools.pairwise(prices))


def root_at(swaps, times, mark):
    """Root price at an instant: what the last swap left, or what the first one began with."""
    past = [i for i, t in enumerate(times) if t <= mark]
    return float(swaps.sqrt_after[past[-1]] if past else swaps.sqrt_before[0])


def active(log, root, ended):
    """Sum of the ranges that hold the price."""
    tick, total = math.floor(2 * math.log(root) / math.log(1.0001)), 0.0
    for i in range(len(log.changes)):
        known = int(log.changes.times[i].astype("int64")) <= ended
        if known and log.changes.tick_lower[i] <= tick < log.changes.tick_upper[i]:
            total += float(log.changes.liquidity[i])
    return total
