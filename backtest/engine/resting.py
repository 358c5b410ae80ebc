"""Resting: orders that wait, from the close they were placed at to their end."""

import numpy as np

from backtest.engine.dealing import refuse, whole_units
from backtest.engine.layout import (
    ALIVE,
    AT_CLOSE,
    AT_OPEN,
    BEGUN,
    DAY,
    EXPIRED,
    EXPIRES,
    EXTREME,
    FEES,
    FILLED,
    GROUP,
    ID,
    INSIDE,
    IS_FRACTION,
    KIND,
    LIMIT_PRICE,
    PARENT,
    RELEASED,
    ROW,
    SERIES,
    STOP_PRICE,
    TRAIL,
    TRAILING_STOP,
    TRIED,
    UNITS,
    Account,
    Feed,
    Log,
    OrderBook,
    helper,
)

DAY_NS = 86_400_000_000_000


@helper
def end_orders(account: Account, log: Log, t: int, series: int, reason: int) -> None:
    """End the orders of a series (-1 for all) and refuse what was not filled."""
    orders = account.orders
    for k in range(orders.counts[0]):
        i = orders.alive[k]
        if orders.codes[i, ALIVE] == 1 and series in (-1, orders.codes[i, SERIES]):
            end_order(account, log, t, i, reason)


@helper
def end_order(account: Account, log: Log, t: int, i: int, reason: int) -> None:
    """End one order and refuse what was not filled."""
    orders = account.orders
    orders.codes[i, ALIVE] = 0
    left = orders.numbers[i, UNITS] - orders.numbers[i, FILLED]
    refuse(log, (t, orders.codes[i, SERIES]), reason, orders.codes[i, ID], left)


@helper
def split_orders(orders: OrderBook, series: int, ratio: float, integer: bool) -> None:
    """Multiply the units of a series' orders by the ratio and divide their prices."""
    for k in range(orders.counts[0]):
        i = orders.alive[k]
        if orders.codes[i, SERIES] != series:
            continue
        numbers = orders.numbers[i]
        for column in (UNITS, FILLED, RELEASED):
            units = numbers[column] * ratio
            numbers[column] = whole_units(units) if integer else units
        for column in (LIMIT_PRICE, STOP_PRICE, EXTREME):
            numbers[column] = numbers[column] / ratio
        if orders.codes[i, IS_FRACTION] == 0:
            numbers[TRAIL] = numbers[TRAIL] / ratio


@helper
def open_orders(feed: Feed, account: Account, log: Log, t: int) -> None:
    """Begin a bar: end the orders that expired before its end, and forget the last bar."""
    orders = account.orders
    account.terms[1] = 0.0
    account.terms[2] = 0.0
    account.used[:] = 0.0
    now = feed.times[t]
    for k in range(orders.counts[0]):
        i = orders.alive[k]
        orders.numbers[i, BEGUN] = np.nan
        orders.codes[i, INSIDE] = AT_OPEN
        orders.codes[i, TRIED] = 0
        if orders.codes[i, EXPIRES] == DAY:
            # A bar that ends at midnight belongs to the day that ends with it.
            orders.codes[i, EXPIRES] = (now - 1) // DAY_NS * DAY_NS + DAY_NS
        if orders.codes[i, ALIVE] == 1 and now > orders.codes[i, EXPIRES]:
            end_order(account, log, t, i, EXPIRED)


@helper
def after_fill(orders: OrderBook, i: int, price: float, moment: int) -> None:
    """End the rest of the order's group and its parent's remainder; release its children at the price it was filled at."""
    group, parent, own = orders.codes[i, GROUP], orders.codes[i, PARENT], orders.codes[i, ID]
    for k in range(orders.counts[0]):
        j = orders.alive[k]
        if j == i:
            continue
        if (group != 0 and orders.codes[j, GROUP] == group) or (
            parent != 0 and orders.codes[j, ID] == parent
        ):
            orders.codes[j, ALIVE] = 0
        if orders.codes[j, PARENT] == own:
            if orders.numbers[j, RELEASED] == 0.0:
                orders.numbers[j, BEGUN] = price
                orders.numbers[j, EXTREME] = price
                orders.codes[j, INSIDE] = moment
            orders.numbers[j, RELEASED] = min(abs(orders.numbers[j, UNITS]), abs(orders.numbers[i, FILLED]))


@helper
def rests(orders: OrderBook, i: int) -> bool:
    """Return whether an order has something left to do; one whose parent ended is its own from then on."""
    if orders.codes[i, ALIVE] == 0:
        return False
    parent = orders.codes[i, PARENT]
    if parent != 0:
        for k in range(orders.counts[0]):
            j = orders.alive[k]
            if orders.codes[j, ID] == parent and orders.codes[j, ALIVE] == 1:
                return True
        orders.codes[i, PARENT] = 0
    return bool(orders.numbers[i, RELEASED] > abs(orders.numbers[i, FILLED]))


@helper
def range_of(feed: Feed, place: tuple[int, int]) -> tuple[float, float]:
    """Return the lowest and highest price known of a bar, NaN when there is none."""
    low, high = feed.lows[place], feed.highs[place]
    if np.isnan(low):
        low = np.fmin(feed.prices[place], feed.closes[place])
    if np.isnan(high):
        high = np.fmax(feed.prices[place], feed.closes[place])
    return float(low), float(high)


@helper
def follow(feed: Feed, orders: OrderBook, i: int, t: int) -> None:
    """Let a trailing stop follow the bar's extreme, or its close when the order was released inside the bar."""
    if orders.codes[i, INSIDE] == AT_CLOSE or orders.numbers[i, RELEASED] == 0.0:
        return
    place = (t, orders.codes[i, SERIES])
    low, high = range_of(feed, place)
    if orders.codes[i, INSIDE] != AT_OPEN:
        low, high = feed.closes[place], feed.closes[place]
    extreme = orders.numbers[i, EXTREME]
    sells = orders.numbers[i, UNITS] < 0.0
    orders.numbers[i, EXTREME] = np.fmax(extreme, high) if sells else np.fmin(extreme, low)


@helper
def close_orders(feed: Feed, account: Account, t: int) -> None:
    """End a bar: keep what still rests, in its order of priority, and let trailing stops follow."""
    orders = account.orders
    kept = 0
    for k in range(orders.counts[0]):
        i = orders.alive[k]
        if not rests(orders, i):
            orders.codes[i, ALIVE] = 0
    for k in range(orders.counts[0]):
        i = orders.alive[k]
        if orders.codes[i, ALIVE] == 0:
            continue
        if orders.codes[i, KIND] == TRAILING_STOP:
            follow(feed, orders, i, t)
        orders.alive[kept] = i
        kept += 1
    orders.counts[0] = kept


@helper
def place_orders(account: Account, t: int) -> int:
    """Let the orders placed at close t rest; return the series of one that was delisted, or -1."""
    orders = account.orders
    while orders.counts[1] < len(orders.codes) and orders.codes[orders.counts[1], ROW] == t:
        i = orders.counts[1]
        series = orders.codes[i, SERIES]
        if account.delisted[series]:
            return int(series)
        orders.counts[1] = i + 1
        if account.bankrupt[0]:
            continue
        numbers = orders.numbers[i]
        numbers[FILLED] = 0.0
        numbers[RELEASED] = abs(numbers[UNITS]) if orders.codes[i, PARENT] == 0 else 0.0
        numbers[EXTREME] = account.marks[series]
        numbers[FEES] = -1.0
        orders.codes[i, ALIVE] = 1
        orders.alive[orders.counts[0]] = i
        orders.counts[0] += 1
    return -1
