"""Matching: which resting orders a bar fills, at which price, and in which order.

At the open market orders and whatever the gap reached; then what the bar touched on its way, stops before limits, so that
a double touch is resolved against the trader; at the close the orders that asked for it. An order is filled at most once
a bar, and never in the bar it was placed at.
"""

import numpy as np

from backtest.engine.dealing import Deal, deal_at, price_paid, within_volume
from backtest.engine.layout import (
    ALIVE,
    AT_CLOSE,
    AT_OPEN,
    BEGUN,
    CASH,
    EXTREME,
    FEES,
    FILLED,
    FIRST_KIND,
    ID,
    INSIDE,
    IS_FRACTION,
    KIND,
    LIMIT,
    LIMIT_PRICE,
    MARGIN,
    MARKET,
    MARKET_ON_CLOSE,
    ON_THE_WAY,
    RELEASED,
    SERIES,
    SHORTABLE,
    STOP_LIMIT,
    STOP_PRICE,
    TRAIL,
    TRAILING_STOP,
    TRIED,
    TRIGGERED,
    UNITS,
    Account,
    Feed,
    Log,
    OrderBook,
    Rates,
    helper,
)
from backtest.engine.margins import covered_by_margin, paid_by_cash, within_shortable
from backtest.engine.resting import after_fill, end_order, range_of


@helper
def at_or_better(units: float, price: float, limit: float) -> bool:
    """Return whether a limit allows a price."""
    return price <= limit if units > 0.0 else price >= limit


@helper
def beyond(units: float, price: float, limit: float) -> bool:
    """Return whether a price traded through a limit."""
    return price < limit if units > 0.0 else price > limit


@helper
def reached(units: float, price: float, stop: float) -> bool:
    """Return whether a price sets off a stop."""
    return price >= stop if units > 0.0 else price <= stop


@helper
def stop_of(orders: OrderBook, i: int) -> float:
    """Return the price at which an order sets off; a trailing one's follows the extremes through the last bar."""
    if orders.codes[i, KIND] != TRAILING_STOP:
        return float(orders.numbers[i, STOP_PRICE])
    extreme, trail = orders.numbers[i, EXTREME], orders.numbers[i, TRAIL]
    if orders.codes[i, IS_FRACTION] == 1:
        trail = extreme * trail
    return float(extreme - trail if orders.numbers[i, UNITS] < 0.0 else extreme + trail)


@helper
def waits_at_limit(orders: OrderBook, i: int) -> bool:
    """Return whether an order waits at its limit, as a stop-limit does once it was set off."""
    kind = orders.codes[i, KIND]
    return bool(kind == LIMIT or (kind == STOP_LIMIT and orders.codes[i, TRIGGERED] == 1))


@helper
def price_at(orders: OrderBook, i: int, price: float) -> float:
    """Return the price if the order fills at a known first price, NaN if not; a stop may be set off by it, for good."""
    kind, units = orders.codes[i, KIND], orders.numbers[i, UNITS]
    if kind == MARKET:
        return price
    if kind == MARKET_ON_CLOSE:
        return np.nan
    if not waits_at_limit(orders, i):
        if orders.codes[i, TRIGGERED] == 0 and not reached(units, price, stop_of(orders, i)):
            return np.nan
        orders.codes[i, TRIGGERED] = 1
        if kind != STOP_LIMIT:
            return price
    return price if at_or_better(units, price, orders.numbers[i, LIMIT_PRICE]) else np.nan


@helper
def price_at_limit(feed: Feed, orders: OrderBook, i: int, t: int) -> float:
    """Return the limit if the bar traded through it while the order waited, NaN if not or if that cannot be told."""
    place = (t, orders.codes[i, SERIES])
    units, limit = orders.numbers[i, UNITS], orders.numbers[i, LIMIT_PRICE]
    low, high = range_of(feed, place)
    seen = low if units > 0.0 else high
    if orders.codes[i, INSIDE] == ON_THE_WAY:
        seen = feed.closes[place]
    return limit if beyond(units, seen, limit) else np.nan


@helper
def price_on_the_way(feed: Feed, orders: OrderBook, i: int, t: int) -> tuple[float, bool]:
    """Return the price at which the bar fills the order after its open, NaN for none, and whether it waited there."""
    begun = orders.numbers[i, BEGUN]
    if not np.isnan(begun):
        price = price_at(orders, i, begun)
        if not np.isnan(price):
            return price, False
    kind, units = orders.codes[i, KIND], orders.numbers[i, UNITS]
    if kind in (MARKET, MARKET_ON_CLOSE):
        return np.nan, False
    if waits_at_limit(orders, i):
        return price_at_limit(feed, orders, i, t), True
    low, high = range_of(feed, (t, orders.codes[i, SERIES]))
    stop = stop_of(orders, i)
    if not reached(units, high if units > 0.0 else low, stop):
        return np.nan, False
    orders.codes[i, TRIGGERED] = 1
    if kind != STOP_LIMIT:
        return stop, False
    orders.codes[i, INSIDE] = ON_THE_WAY
    return (stop if at_or_better(units, stop, orders.numbers[i, LIMIT_PRICE]) else np.nan), False


@helper
def permitted(
    feed: Feed, account: Account, rates: Rates, place: tuple[int, int], deal: Deal, before: float, moment: int
) -> tuple[float, int]:
    """Return the units of a deal that what can be borrowed, cash or margin allow, and what cut them."""
    units, reason = deal.units, SHORTABLE
    if feed.shortable.shape[0] > 0:
        units = within_shortable(feed, account, rates, place, units)
    if units == 0.0:
        return units, reason
    paid = price_paid(feed, rates, place, deal)
    allowed = units
    if rates.initial > 0.0:
        allowed = covered_by_margin(feed, account, rates, place, units, paid, moment == AT_CLOSE)
    elif units > 0.0:
        allowed = paid_by_cash(account, rates, paid, units, before)
    if allowed != units:
        reason = MARGIN if rates.initial > 0.0 else CASH
    return allowed, reason


@helper
def fill_order(
    feed: Feed,
    account: Account,
    rates: Rates,
    log: Log,
    place: tuple[int, int],
    i: int,
    found: tuple[float, bool, int],
) -> bool:
    """Fill an order at (price, it waited there, moment) as far as volume, cash and margin allow; say if it was."""
    orders = account.orders
    t, s = place
    price, passive, moment = found
    numbers = orders.numbers[i]
    orders.codes[i, TRIED] = 1
    left = numbers[RELEASED] - abs(numbers[FILLED])
    wanted = left if numbers[UNITS] > 0.0 else -left
    units = within_volume(feed, account, rates, place, wanted)
    if units == 0.0:
        return False
    kind, own = orders.codes[i, KIND], orders.codes[i, ID]
    bound = np.nan if passive else numbers[LIMIT_PRICE]
    deal = Deal(units, price, bound, passive, FIRST_KIND + kind, own)
    allowed, cause = permitted(feed, account, rates, place, deal, numbers[FEES], moment)
    if allowed != 0.0:
        deal = Deal(allowed, price, bound, passive, FIRST_KIND + kind, own)
        value, cost, numbers[FEES] = deal_at(feed, account, rates, log, place, deal, numbers[FEES])
        account.units[s] += allowed
        account.used[s] += abs(allowed)
        account.terms[1] += value
        account.terms[2] += cost
        done = numbers[RELEASED] if numbers[UNITS] > 0.0 else -numbers[RELEASED]
        numbers[FILLED] = done if allowed == wanted else numbers[FILLED] + allowed
        after_fill(orders, i, price, moment)
    if allowed != units:
        end_order(account, log, t, i, cause)
    return bool(allowed != 0.0)


@helper
def may_fill(orders: OrderBook, i: int) -> bool:
    """Return whether an order may still be filled in this bar."""
    waiting = orders.codes[i, ALIVE] == 1 and orders.codes[i, TRIED] == 0
    return bool(waiting and orders.numbers[i, RELEASED] > abs(orders.numbers[i, FILLED]))


@helper
def match_open(feed: Feed, account: Account, rates: Rates, log: Log, t: int, side: float) -> bool:
    """Fill what the open fills, of one side; return whether a market order of that side is left waiting."""
    orders = account.orders
    waiting = False
    for k in range(orders.counts[0]):
        i = orders.alive[k]
        if orders.numbers[i, UNITS] * side < 0.0 or not may_fill(orders, i):
            continue
        place = (t, orders.codes[i, SERIES])
        if np.isnan(orders.numbers[i, BEGUN]) and not np.isnan(feed.prices[place]):
            price = price_at(orders, i, feed.prices[place])
            if not np.isnan(price):
                fill_order(feed, account, rates, log, place, i, (price, False, AT_OPEN))
        waiting = waiting or (orders.codes[i, KIND] == MARKET and may_rest(orders, i))
    return waiting


@helper
def may_rest(orders: OrderBook, i: int) -> bool:
    """Return whether an order still has units to fill, in this bar or later."""
    unfilled = orders.numbers[i, RELEASED] > abs(orders.numbers[i, FILLED])
    return bool(orders.codes[i, ALIVE] == 1 and unfilled)


@helper
def match_one(feed: Feed, account: Account, rates: Rates, log: Log, t: int, limits: bool) -> bool:
    """Fill the first order that the bar touched on its way, of those that wait at a limit or of the others."""
    orders = account.orders
    for k in range(orders.counts[0]):
        i = orders.alive[k]
        if waits_at_limit(orders, i) != limits or not may_fill(orders, i):
            continue
        place = (t, orders.codes[i, SERIES])
        if np.isnan(feed.prices[place]):
            continue
        price, passive = price_on_the_way(feed, orders, i, t)
        if not np.isnan(price) and fill_order(
            feed, account, rates, log, place, i, (price, passive, ON_THE_WAY)
        ):
            return True
    return False


@helper
def match_on_the_way(feed: Feed, account: Account, rates: Rates, log: Log, t: int) -> None:
    """Fill what the bar touched after its open: whenever a stop can be filled it goes before any limit."""
    found = True
    while found:
        found = match_one(feed, account, rates, log, t, False) or match_one(
            feed, account, rates, log, t, True
        )


@helper
def match_close(feed: Feed, account: Account, rates: Rates, log: Log, t: int) -> None:
    """Fill the orders that asked for the close, in their order."""
    orders = account.orders
    for k in range(orders.counts[0]):
        i = orders.alive[k]
        if orders.codes[i, KIND] != MARKET_ON_CLOSE or not may_fill(orders, i):
            continue
        place = (t, orders.codes[i, SERIES])
        price = feed.closes[place]
        if not np.isnan(price) and not np.isnan(feed.prices[place]):
            fill_order(feed, account, rates, log, place, i, (price, False, AT_CLOSE))
