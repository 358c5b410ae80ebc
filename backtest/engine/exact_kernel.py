"""Exact kernel: one compiled loop that keeps accounts as backtrader 1.9.78.123 does, to the last bit.

Within a bar, in this order: the cash check of the orders created at the close before, one first-in-first-out pass over
all pending orders, marks, value, and only then new orders. The order of every float operation is part of the result.
Written from a description of the package's behaviour, not from its code. The slow twin is in ``tests/oracles``.
"""

import math
from typing import NamedTuple

import numpy as np

from backtest.engine.layout import Flags, Integers, compiled, helper, inlined
from data.panel import Floats

PERCENT, VALUE, SIZE = 0, 1, 2
DONE, NO_OPEN, NO_RANGE, NOT_FINITE, FULL, TOO_MANY = 0, 1, 2, 3, 4, 5
AT_SUBMISSION, AT_FILL = 0, 1
MOST_UNITS = 2.0**53
"""The package counts whole units exactly; beyond this a float does not."""

WAITS = -1.0
"""Price of an order that is not filled in this bar; real prices are above 0."""


class Feed(NamedTuple):
    """Bars: (T,) ``times`` in nanoseconds, (T, S) prices; a close of NaN is an absent bar."""

    times: Integers
    opens: Floats
    highs: Floats
    lows: Floats
    closes: Floats


class Account(NamedTuple):
    """Changed in place: (1,) ``cash`` and ``touches``, (S,) the others.

    ``averages`` are entry prices; ``marks``, ``opens``, ``highs``, ``lows``, ``stamps`` are of each series' last bar, the
    middle three only where ``Rates.recalls``; ``touched`` holds the series in the order their positions were first looked at, the first ``touches`` of it; ``seen`` says the
    same by series; ``clones`` are the sizes that the cash check pretends to.
    """

    cash: Floats
    units: Floats
    averages: Floats
    marks: Floats
    opens: Floats
    highs: Floats
    lows: Floats
    stamps: Integers
    touched: Integers
    touches: Integers
    seen: Flags
    clones: Floats


class Rates(NamedTuple):
    """Commission and slippage as fractions, the flags of slippage, cheat-on-close and the kind of target.

    ``recalls``: an order may be matched against a bar already gone, so the last open, high and low are kept. ``waits``:
    nothing is decided before every traded series has had a bar.
    """

    commission: float
    slippage: float
    slip_match: bool
    slip_out: bool
    cheat: bool
    recalls: bool
    waits: bool
    kind: int


class Orders(NamedTuple):
    """Pending orders, first in first out: (2,) ``pending``, the accepted and all; ``prices`` are closes at creation.

    ``buys`` is the side, which what flips left over of an order keeps whatever its sign.
    """

    pending: Integers
    columns: Integers
    units: Floats
    prices: Floats
    stamps: Integers
    buys: Flags


class Trace(NamedTuple):
    """Outputs: (T,) each, ``weights`` (T, S)."""

    equity: Floats
    cash: Floats
    gross: Floats
    net: Floats
    turnover: Floats
    costs: Floats
    weights: Floats


class Log(NamedTuple):
    """Fills: (1,) ``filled``, (N,) each; ``slips`` has no room when there is no slippage."""

    filled: Integers
    stamps: Integers
    columns: Integers
    units: Floats
    prices: Floats
    commissions: Floats
    slips: Floats


class Refused(NamedTuple):
    """Rejections: (1,) ``refused``, (N,) each."""

    refused: Integers
    rows: Integers
    columns: Integers
    units: Floats
    reasons: Integers


class Books(NamedTuple):
    """All that the loop writes to."""

    account: Account
    orders: Orders
    trace: Trace
    log: Log
    refused: Refused


@inlined
def floor_divide(a: float, b: float) -> float:
    """Return Python's ``a // b`` for a >= 0 and b > 0; only next to a whole number does it take the slow, exact path."""
    ratio = a / b
    quotient = np.floor(ratio)
    rest = a - quotient * b
    tolerance = 1e-9 * b * (1.0 + 1e-6 * quotient)
    if rest >= tolerance and rest <= b - tolerance:
        return float(quotient)
    return exact_floor_divide(a, b)


@helper
def exact_floor_divide(a: float, b: float) -> float:
    """Return Python's ``a // b`` for a >= 0 and b > 0, through the exact remainder."""
    quotient = (a - np.fmod(a, b)) / b
    whole = np.floor(quotient)
    if quotient - whole > 0.5:
        whole += 1.0
    return float(whole)


@inlined
def value_of(account: Account) -> float:
    """Return cash plus positions at their marks, added in the order of first touch; gains are added on their own."""
    total = 0.0
    for k in range(account.touches[0]):
        s = account.touched[k]
        worth = account.units[s] * account.marks[s]
        gain = account.units[s] * (account.marks[s] - account.averages[s])
        is_long = worth > 0.0
        total += worth - gain if is_long else worth
        total += gain if is_long else 0.0
    return float(account.cash[0] + total)


@helper
def refuse(refused: Refused, t: int, s: int, units: float, reason: int) -> None:
    """Append a rejection."""
    n = refused.refused[0]
    refused.rows[n] = t
    refused.columns[n] = s
    refused.units[n] = units
    refused.reasons[n] = reason
    refused.refused[0] = n + 1


@inlined
def keep(orders: Orders, k: int, n: int) -> None:
    """Move order n to place k."""
    orders.columns[k] = orders.columns[n]
    orders.units[k] = orders.units[n]
    orders.prices[k] = orders.prices[n]
    orders.stamps[k] = orders.stamps[n]
    orders.buys[k] = orders.buys[n]


@inlined
def check_submitted(books: Books, commission: float, t: int) -> None:
    """Accept the new orders for which a pretended run at their closes leaves cash; what is refused is not undone.

    Opening a short adds cash. The pretended cash and sizes stay changed after a refusal, so that a sale behind a
    refused purchase may be refused as well.
    """
    orders, clones = books.orders, books.account.clones
    cash, kept = books.account.cash[0], orders.pending[0]
    for n in range(orders.pending[0], orders.pending[1]):
        s, units, price = orders.columns[n], orders.units[n], orders.prices[n]
        old = clones[s]
        new = old + units
        if (old > 0.0 and new < 0.0) or (old < 0.0 and new > 0.0):
            cash += old * price
            cash -= abs(old) * commission * price
            cash -= new * price
            cash -= abs(new) * commission * price
        else:
            cash -= units * price
            cash -= abs(units) * commission * price
        clones[s] = new
        if cash >= 0.0:
            if kept != n:
                keep(orders, kept, n)
            kept += 1
        else:
            refuse(books.refused, t, s, units, AT_SUBMISSION)
    orders.pending[0] = kept
    orders.pending[1] = kept


@inlined
def slipped(price: float, buys: bool, low: float, high: float, rates: Rates) -> float:
    """Return the price moved against the trader, held inside the bar as the flags say, or WAITS."""
    if buys:
        moved = price * (1.0 + rates.slippage)
        inside = moved <= high
        bound = high
    else:
        moved = price * (1.0 - rates.slippage)
        inside = moved >= low
        bound = low
    if inside:
        return float(moved)
    if not rates.slip_match:
        return WAITS
    return float(moved if rates.slip_out else bound)


@inlined
def close_part(account: Account, s: int, closed: float, price: float, commission: float) -> float:
    """Book the part of an order that closes a position, never refused; return its commission."""
    average = account.averages[s]
    fee = abs(closed) * commission * price
    cash = account.cash[0] + (-closed * average + -closed * (price - average))
    account.cash[0] = cash - fee
    account.units[s] += closed
    if account.units[s] == 0.0:
        account.averages[s] = 0.0
    return float(fee)


@inlined
def open_part(account: Account, s: int, opened: float, price: float, commission: float) -> float:
    """Book the part of an order that opens or adds, if cash stays above or at 0; return its commission, or WAITS."""
    fee = abs(opened) * commission * price
    cash = account.cash[0] - opened * price
    cash -= fee
    if cash < 0.0:
        return WAITS
    account.cash[0] = cash
    old = account.units[s]
    new = old + opened
    account.units[s] = new
    account.averages[s] = price if old == 0.0 else (account.averages[s] * old + opened * price) / new
    return float(fee)


@inlined
def execute(books: Books, rates: Rates, t: int, n: int, price: float) -> tuple[float, float, float]:
    """Fill order n at the price as far as cash goes; return units traded, their commission, and what is left of it.

    An order that turns a position around closes and opens apart. With fractions of units the two need not add up to the
    order; the difference stays pending.
    """
    account, s, units = books.account, books.orders.columns[n], books.orders.units[n]
    old = account.units[s]
    new = old + units
    closed, opened = 0.0, 0.0
    if old == 0.0 or (old > 0.0) == (units > 0.0):
        opened = units
    elif new == 0.0 or (old > 0.0) == (new > 0.0):
        closed = units
    else:
        closed, opened = -old, new
    fee = 0.0
    if closed != 0.0:
        fee = close_part(account, s, closed, price, rates.commission)
    if opened != 0.0:
        paid = open_part(account, s, opened, price, rates.commission)
        if paid < 0.0:
            refuse(books.refused, t, s, units - closed, AT_FILL)
            return closed, fee, 0.0
        fee += paid
    done = closed + opened
    return done, fee, units - done


@inlined
def record(books: Books, n: int, stamp: int, fill: tuple[float, float, float], slip: float) -> None:
    """Append a fill of order n: units, price, commission and the slippage paid."""
    log = books.log
    k = log.filled[0]
    log.stamps[k] = stamp
    log.columns[k] = books.orders.columns[n]
    log.units[k], log.prices[k], log.commissions[k] = fill
    if len(log.slips) > 0:
        log.slips[k] = slip
    log.filled[0] = k + 1


@inlined
def base_of(feed: Feed, books: Books, rates: Rates, t: int, n: int) -> float:
    """Return the price of order n before slippage: its close when cheating, else an open, or WAITS.

    An order waits for a bar of its series after its own. What flips left over of an order already had one, and is
    matched against that bar again when the series has none now.
    """
    orders, s = books.orders, books.orders.columns[n]
    if rates.cheat:
        return float(orders.prices[n])
    if not np.isnan(feed.closes[t, s]):
        return float(feed.opens[t, s])
    if rates.recalls and orders.stamps[n] < books.account.stamps[s]:
        return float(books.account.opens[s])
    return WAITS


@inlined
def price_of(feed: Feed, books: Books, rates: Rates, place: tuple[int, int], base: float) -> float:
    """Return the price at which order n is filled in bar t, WAITS when it is not, NaN when it is unknown."""
    t, n = place
    if base == WAITS or rates.slippage == 0.0 or np.isnan(base):
        return base
    s = books.orders.columns[n]
    absent = np.isnan(feed.closes[t, s])
    high = books.account.highs[s] if absent else feed.highs[t, s]
    low = books.account.lows[s] if absent else feed.lows[t, s]
    if np.isnan(high) or np.isnan(low):
        return np.nan
    return slipped(base, books.orders.buys[n], low, high, rates)


@inlined
def stamp_of(feed: Feed, books: Books, rates: Rates, t: int, n: int) -> int:
    """Return the end of the bar a fill is dated to: the decision's when cheating, else that of the price."""
    s = books.orders.columns[n]
    if rates.cheat:
        return int(books.orders.stamps[n])
    return int(books.account.stamps[s] if np.isnan(feed.closes[t, s]) else feed.times[t])


@inlined
def fill_pending(feed: Feed, books: Books, rates: Rates, t: int) -> tuple[float, float, int]:
    """Go once over the pending orders, first in first out; return traded value, costs, and the series without a price."""
    orders, traded, costs, kept = books.orders, 0.0, 0.0, 0
    for n in range(orders.pending[0]):
        base = base_of(feed, books, rates, t, n)
        price = price_of(feed, books, rates, (t, n), base)
        if np.isnan(price):
            return traded, costs, orders.columns[n]
        rest = orders.units[n]
        if price != WAITS:
            units, fee, rest = execute(books, rates, t, n, price)
            if units != 0.0:
                slip = units * (price - base)
                record(books, n, stamp_of(feed, books, rates, t, n), (units, price, fee), slip)
                traded += abs(units) * price
                costs += fee + slip
        if rest != 0.0:
            orders.units[n] = rest
            if kept != n:
                keep(orders, kept, n)
            kept += 1
    orders.pending[0] = kept
    orders.pending[1] = kept
    return traded, costs, -1


@inlined
def mark(feed: Feed, account: Account, recalls: bool, t: int) -> None:
    """Take over the bars of row t; series without one keep their last."""
    for s in range(len(account.units)):
        close = feed.closes[t, s]
        present = not np.isnan(close)
        account.marks[s] = close if present else account.marks[s]
        account.stamps[s] = feed.times[t] if present else account.stamps[s]
    if recalls:
        for s in range(len(account.units)):
            present = not np.isnan(feed.closes[t, s])
            account.opens[s] = feed.opens[t, s] if present else account.opens[s]
            account.highs[s] = feed.highs[t, s] if present else account.highs[s]
            account.lows[s] = feed.lows[t, s] if present else account.lows[s]


@inlined
def expose(account: Account, trace: Trace, t: int, equity: float) -> None:
    """Write the bar's weights, gross and net exposure; what is held has no weight where equity is 0."""
    gross, net = 0.0, 0.0
    equity = equity if equity != 0.0 else np.nan
    for s in range(len(account.units)):
        weight = account.units[s] * account.marks[s] / equity if account.units[s] != 0.0 else 0.0
        trace.weights[t, s] = weight
        gross += abs(weight)
        net += weight
    trace.gross[t] = gross
    trace.net[t] = net


@inlined
def change(kind: int, target: float, value: float, held: float, price: float) -> float:
    """Return the units an order for a target is for: the difference is truncated toward zero, not the target."""
    if kind == PERCENT:
        target = target * value
    if target == 0.0:
        return -held
    if kind == SIZE:
        return target - held
    gap = target - held * price
    return math.copysign(floor_divide(abs(gap), price), gap)


@inlined
def call(account: Account, orders: Orders, kind: int, targets: Floats, value: float) -> int:
    """Create the orders of one close in the order of the series; NaN is no call. Return a series of too many units, or -1."""
    n, crowded = orders.pending[1], -1
    for s in range(len(targets)):
        target, price = targets[s], account.marks[s]
        if np.isnan(target) or np.isnan(price):
            continue
        if not account.seen[s]:
            account.seen[s] = True
            account.touched[account.touches[0]] = s
            account.touches[0] += 1
        held = account.units[s]
        account.clones[s] = held
        units = change(kind, target, value, held, price)
        if units != 0.0:
            orders.columns[n] = s
            orders.units[n] = units
            orders.prices[n] = price
            orders.stamps[n] = account.stamps[s]
            orders.buys[n] = units > 0.0
            n += 1
        if kind != SIZE and abs(held) + abs(units) > MOST_UNITS:
            crowded = s
    orders.pending[1] = n
    return crowded


@compiled
def count_calls(targets: Floats) -> tuple[int, int]:
    """Return how many of (N,) targets are finite, and how many are infinite."""
    finite, infinite = 0, 0
    for i in range(len(targets)):
        finite += abs(targets[i]) < np.inf
        infinite += abs(targets[i]) == np.inf
    return finite, infinite


@inlined
def any_bar(closes: Floats, t: int) -> bool:
    """Return whether any series has a bar in row t."""
    s = 0
    while s < closes.shape[1] and np.isnan(closes[t, s]):
        s += 1
    return bool(s < closes.shape[1])


@inlined
def all_started(account: Account, traded: Flags) -> bool:
    """Return whether every traded series has had a bar."""
    s = 0
    while s < len(traded) and not (traded[s] and np.isnan(account.marks[s])):
        s += 1
    return s == len(traded)


@compiled
def place(account: Account, orders: Orders, kind: int, targets: Floats, waited_for: Flags) -> int:
    """Create the orders of the account's close, if every series waited for has had a bar; return as ``call`` does."""
    if all_started(account, waited_for):
        return call(account, orders, kind, targets, value_of(account))
    return -1


@compiled
def run(feed: Feed, books: Books, rates: Rates, targets: Floats, traded: Flags) -> tuple[int, int, int]:
    """Advance the account over all bars; return (DONE, -1, -1) or a fault with its row and column.

    ``targets`` is (T, S), or (0, S) for none. A row without any bar is no bar: nothing is checked, filled or created.
    """
    account, trace = books.account, books.trace
    equity = value_of(account)
    started = not rates.waits or all_started(account, traded)
    for t in range(feed.closes.shape[0]):
        before, turnover, costs = equity, 0.0, 0.0
        has_bar = any_bar(feed.closes, t)
        if has_bar:
            if books.log.filled[0] + books.orders.pending[1] > len(books.log.units):
                return FULL, t, -1
            check_submitted(books, rates.commission, t)
            turnover, costs, missing = fill_pending(feed, books, rates, t)
            if missing >= 0:
                return (NO_OPEN if np.isnan(feed.opens[t, missing]) else NO_RANGE), t, missing
            mark(feed, account, rates.recalls, t)
            started = started or all_started(account, traded)
            equity = value_of(account)
            if not np.isfinite(equity):
                return NOT_FINITE, t, -1
        trace.equity[t] = equity
        trace.cash[t] = account.cash[0]
        trace.costs[t] = costs
        trace.turnover[t] = turnover / before if turnover > 0.0 and before > 0.0 else 0.0
        expose(account, trace, t, equity)
        if has_bar and started and targets.shape[0] > 0:
            crowded = call(account, books.orders, rates.kind, targets[t], equity)
            if crowded >= 0:
                return TOO_MANY, t, crowded
    return DONE, -1, -1
