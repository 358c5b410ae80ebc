"""Kernel: one compiled loop over bars and series, used by history, walk-forward and paper stepping alike.

Within a bar, in this order: dividends on units held, splits, borrow fees on shorts, sells, buys, marks, equity, and
only then the sizing of new targets, so that no order can match the bar it was decided on. The order of every float
operation is fixed and nothing is allocated; the caller owns all arrays. The slow twin is ``tests/oracles``.
"""

from collections.abc import Callable
from typing import NamedTuple, ParamSpec, TypeVar, cast

import numba
import numpy as np
import numpy.typing as npt

from data.panel import Floats

Integers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

TARGET, SPLIT, CASH_IN_LIEU, LIQUIDATION = 0, 1, 2, 3
DONE, NO_PRICE, NOT_FINITE = 0, 1, 2

WHOLE = 1e-9
"""A split result this close to a whole number (relative) is that number: 300 units * 1/3 are 100."""

CASH_MARGIN = 1.0 - 2.0**-40
"""Scaled buys leave this little of the cash, so that their rounded sum never exceeds it."""


class Feed(NamedTuple):
    """Bars: ``prices`` fill orders; (T, S) arrays and (S,) ``tradable``."""

    prices: Floats
    closes: Floats
    volumes: Floats
    splits: Floats
    dividends: Floats
    tradable: Flags


class Account(NamedTuple):
    """Changed in place: (1,) ``cash`` and ``bankrupt``, (S,) the others; ``buys`` holds the bar's orders to buy."""

    cash: Floats
    units: Floats
    marks: Floats
    goals: Floats
    buys: Floats
    bankrupt: Flags


class Rates(NamedTuple):
    """Fractions of value, one way; ``borrow`` per bar; ``participation`` infinite for no cap."""

    commission: float
    half_spread: float
    slippage: float
    borrow: float
    participation: float
    integer: bool


class Trace(NamedTuple):
    """Outputs: (T,) each, ``weights`` (T, S)."""

    equity: Floats
    cash: Floats
    gross: Floats
    net: Floats
    turnover: Floats
    costs: Floats
    dividends: Floats
    weights: Floats


class Log(NamedTuple):
    """Fills: (1,) ``filled``, (N,) rows, columns and reasons, (N, 5) units, price, commission, spread, slippage."""

    filled: Integers
    rows: Integers
    columns: Integers
    reasons: Integers
    values: Floats


def compiled(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Return the function compiled on first call and cached on disk; plain IEEE arithmetic, no reordering.

    The caller owns every array, so reference counts (``_nrt``), an atomic write for each array that a helper takes,
    are left out: without this a bar of one series costs twenty times as much. Threads may call it side by side.
    """
    make = numba.njit(cache=True, error_model="numpy", nogil=True, forceinline=True, _nrt=False)
    return cast(Callable[Arguments, Result], make(function))


@compiled
def equity_of(account: Account) -> float:
    """Return cash plus positions at their marks, added in the order of the series."""
    equity = account.cash[0]
    for s in range(len(account.units)):
        if account.units[s] != 0.0:
            equity += account.units[s] * account.marks[s]
    return float(equity)


@compiled
def size(account: Account, tradable: Flags, weights: Floats, integer: bool) -> int:
    """Turn target weights into unit goals at the marks; return the series that has no price, or -1.

    NaN leaves a position and its resting order alone; a goal that is already held ends the resting order.
    """
    equity = equity_of(account)
    for s in range(len(weights)):
        weight = weights[s]
        if np.isnan(weight):
            continue
        goal = 0.0
        if weight != 0.0:
            if np.isnan(account.marks[s]) or not tradable[s]:
                return s
            goal = weight * equity / account.marks[s]
            if integer:
                goal = np.trunc(goal) + 0.0
        account.goals[s] = np.nan if goal == account.units[s] else goal
    return -1


@compiled
def record(log: Log, place: tuple[int, int], reason: int, units: float, price: float) -> int:
    """Append a fill without costs; return its position."""
    n = log.filled[0]
    log.rows[n] = place[0]
    log.columns[n] = place[1]
    log.reasons[n] = reason
    log.values[n, 0] = units
    log.values[n, 1] = price
    log.values[n, 2] = 0.0
    log.values[n, 3] = 0.0
    log.values[n, 4] = 0.0
    log.filled[0] = n + 1
    return int(n)


@compiled
def whole_units(units: float) -> float:
    """Return units truncated toward zero, after forgiving the rounding of the split ratio."""
    nearest = np.rint(units)
    if abs(units - nearest) <= WHOLE * abs(units):
        return float(nearest + 0.0)
    return float(np.trunc(units) + 0.0)


@compiled
def split(feed: Feed, account: Account, log: Log, place: tuple[int, int], integer: bool) -> None:
    """Multiply units and resting goal by the ratio, divide the mark; fractions are paid out at the open."""
    t, s = place
    ratio = feed.splits[t, s]
    account.marks[s] = account.marks[s] / ratio
    if not np.isnan(account.goals[s]):
        goal = account.goals[s] * ratio
        account.goals[s] = whole_units(goal) if integer else goal
    held = account.units[s]
    if held != 0.0:
        scaled = held * ratio
        record(log, place, SPLIT, scaled - held, 0.0)
        kept = whole_units(scaled) if integer else scaled
        fraction = scaled - kept
        if abs(fraction) > WHOLE * abs(scaled):
            price = feed.prices[t, s]
            if np.isnan(price):
                price = feed.closes[t, s]
            if np.isnan(price):
                price = account.marks[s]
            account.cash[0] += fraction * price
            record(log, place, CASH_IN_LIEU, -fraction, price)
        account.units[s] = kept
    if account.goals[s] == account.units[s]:
        account.goals[s] = np.nan


@compiled
def book_actions(feed: Feed, account: Account, log: Log, t: int, integer: bool) -> float:
    """Book the bar's dividends (shorts pay) and splits; return the cash received."""
    received = 0.0
    for s in range(len(account.units)):
        dividend = feed.dividends[t, s]
        if dividend != 0.0 and account.units[s] != 0.0:
            received += account.units[s] * dividend
        if feed.splits[t, s] != 1.0:
            split(feed, account, log, (t, s), integer)
    account.cash[0] += received
    return received


@compiled
def charge_borrow(account: Account, borrow: float) -> float:
    """Charge one bar of borrowing on the shorts at their marks; return the fee."""
    value = 0.0
    for s in range(len(account.units)):
        if account.units[s] < 0.0:
            value -= account.units[s] * account.marks[s]
    fee = value * borrow
    account.cash[0] -= fee
    return fee


@compiled
def wanted(feed: Feed, account: Account, rates: Rates, place: tuple[int, int]) -> float:
    """Return the units a resting order would trade in this bar within its volume, 0 for none."""
    t, s = place
    goal = account.goals[s]
    if np.isnan(goal) or np.isnan(feed.prices[t, s]):
        return 0.0
    change = goal - account.units[s]
    # An unknown volume makes the cap NaN, which no comparison exceeds: no cap.
    cap = rates.participation * feed.volumes[t, s]
    if rates.integer:
        cap = np.floor(cap)
    if change > cap:
        return float(cap)
    if -change > cap:
        return float(-cap)
    return float(change)


@compiled
def fill(
    feed: Feed, account: Account, rates: Rates, log: Log, place: tuple[int, int], change: float
) -> tuple[float, float]:
    """Trade ``change`` units against the trader; return traded value and costs."""
    t, s = place
    price = feed.prices[t, s]
    against = rates.half_spread + rates.slippage
    paid = price * (1.0 + against) if change > 0.0 else price * (1.0 - against)
    size = abs(change)
    commission = size * paid * rates.commission
    account.cash[0] -= change * paid + commission
    if change == account.goals[s] - account.units[s]:
        account.units[s] = account.goals[s]
        account.goals[s] = np.nan
    else:
        account.units[s] += change
    n = record(log, place, TARGET, change, paid)
    log.values[n, 2] = commission
    log.values[n, 3] = size * price * rates.half_spread
    log.values[n, 4] = size * price * rates.slippage
    return size * paid, commission + log.values[n, 3] + log.values[n, 4]


@compiled
def sell_all(feed: Feed, account: Account, rates: Rates, log: Log, t: int) -> tuple[float, float, bool]:
    """Fill the sells in series order and note the buys; return value, costs, and whether a sell is waiting."""
    traded, costs, waiting = 0.0, 0.0, False
    for s in range(len(account.units)):
        change = wanted(feed, account, rates, (t, s))
        account.buys[s] = change
        if change < 0.0:
            value, cost = fill(feed, account, rates, log, (t, s), change)
            traded += value
            costs += cost
        waiting = waiting or account.goals[s] < account.units[s]
    return traded, costs, waiting


@compiled
def affordable(feed: Feed, account: Account, rates: Rates, t: int) -> float:
    """Return the share of the bar's buys that the cash pays for, 1 for all."""
    needed = 0.0
    for s in range(len(account.units)):
        change = account.buys[s]
        if change > 0.0:
            paid = feed.prices[t, s] * (1.0 + (rates.half_spread + rates.slippage))
            needed += change * paid + change * paid * rates.commission
    if needed == 0.0 or needed <= account.cash[0]:
        return 1.0
    return float(max(account.cash[0], 0.0) / needed * CASH_MARGIN)


@compiled
def buy_all(
    feed: Feed, account: Account, rates: Rates, log: Log, t: int, waiting: bool
) -> tuple[float, float]:
    """Fill the buys in series order, all cut by one factor when cash is short; return traded value and costs.

    What cash could not buy keeps resting while a sell is still waiting, since more cash may come; else it ends.
    """
    share = affordable(feed, account, rates, t)
    traded, costs = 0.0, 0.0
    for s in range(len(account.units)):
        change = account.buys[s]
        if change <= 0.0:
            continue
        if share < 1.0:
            change = np.floor(change * share) if rates.integer else change * share
        if change > 0.0:
            value, cost = fill(feed, account, rates, log, (t, s), change)
            traded += value
            costs += cost
        if share < 1.0 and not waiting:
            account.goals[s] = np.nan
    return traded, costs


@compiled
def liquidate(account: Account, log: Log, t: int) -> None:
    """Close a bankrupt account at its marks and end all its orders."""
    for s in range(len(account.units)):
        if account.units[s] != 0.0:
            record(log, (t, s), LIQUIDATION, -account.units[s], account.marks[s])
            account.cash[0] += account.units[s] * account.marks[s]
        account.units[s] = 0.0
        account.goals[s] = np.nan
    account.bankrupt[0] = True


@compiled
def mark(feed: Feed, account: Account, t: int) -> None:
    """Mark every series at its close; an absent close keeps the mark."""
    for s in range(len(account.units)):
        if not np.isnan(feed.closes[t, s]):
            account.marks[s] = feed.closes[t, s]


@compiled
def expose(account: Account, trace: Trace, t: int, equity: float) -> None:
    """Write the bar's weights, gross and net exposure."""
    gross, net = 0.0, 0.0
    for s in range(len(account.units)):
        weight = account.units[s] * account.marks[s] / equity if account.units[s] != 0.0 else 0.0
        trace.weights[t, s] = weight
        gross += abs(weight)
        net += weight
    trace.gross[t] = gross
    trace.net[t] = net


@compiled
def bar_step(feed: Feed, account: Account, rates: Rates, trace: Trace, log: Log, t: int) -> int:
    """Advance the account over bar t and write row t of the trace; return DONE or NOT_FINITE.

    Targets are not part of it: ``size`` turns those decided at close t into orders afterwards.
    """
    before = equity_of(account)
    trace.dividends[t] = book_actions(feed, account, log, t, rates.integer)
    fee = charge_borrow(account, rates.borrow)
    sold, sell_costs, waiting = sell_all(feed, account, rates, log, t)
    bought, buy_costs = buy_all(feed, account, rates, log, t, waiting)
    mark(feed, account, t)
    equity = equity_of(account)
    if not np.isfinite(equity):
        return NOT_FINITE
    if equity <= 0.0 and not account.bankrupt[0]:
        liquidate(account, log, t)
        equity = account.cash[0]
    trace.equity[t] = equity
    trace.cash[t] = account.cash[0]
    trace.costs[t] = sell_costs + buy_costs + fee
    trace.turnover[t] = (sold + bought) / before if before > 0.0 else 0.0
    expose(account, trace, t, equity)
    return DONE


@compiled
def run(
    feed: Feed, account: Account, rates: Rates, targets: Floats, trace: Trace, log: Log
) -> tuple[int, int, int]:
    """Advance the account over all bars; return (DONE, -1, -1) or a fault with its row and column.

    ``targets`` is (T, S), or (0, S) for none. Row t is sized at close t and first filled in bar t + 1.
    """
    for t in range(feed.closes.shape[0]):
        fault = bar_step(feed, account, rates, trace, log, t)
        if fault != DONE:
            return fault, t, -1
        if targets.shape[0] > 0 and not account.bankrupt[0]:
            missing = size(account, feed.tradable, targets[t], rates.integer)
            if missing >= 0:
                return NO_PRICE, t, missing
    return DONE, -1, -1
