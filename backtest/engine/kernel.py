"""Kernel: one compiled loop over bars and series, used by history, walk-forward and paper stepping alike.

Within a bar, in this order: interest on cash, dividends on units held, splits, delistings, borrow fees on shorts, sells,
buys, orders touched on the way, marks, orders at the close, funding, equity, margin call, and only then the sizing of new
targets and the placing of new orders, so that nothing can match the bar it was decided on. The order of every float
operation is fixed and nothing is allocated; the caller owns all arrays. The slow twin is ``tests/oracles``.
"""

import numpy as np

from backtest.engine.dealing import (
    WHOLE,
    Deal,
    above_minimum,
    against,
    commission,
    deal_at,
    to_lot,
    within_volume,
)
from backtest.engine.flows import book_actions, charge_borrow, credit_interest, delist, liquidate, pay_funding
from backtest.engine.layout import (
    DONE,
    END_ORDER,
    FULL,
    GONE,
    MARGIN_CALL,
    NO_PRICE,
    NOT_FINITE,
    TARGET,
    Account,
    Feed,
    Flags,
    Integers,
    Log,
    Rates,
    Trace,
    compiled,
    helper,
    inlined,
)
from backtest.engine.margins import call_margin, cut_short, need, refuse_rest, room, share_of, toward_zero
from backtest.engine.matching import match_close, match_on_the_way, match_open
from backtest.engine.resting import close_orders, open_orders, place_orders
from data.panel import Floats

__all__ = [
    "DONE",
    "FULL",
    "GONE",
    "NOT_FINITE",
    "NO_PRICE",
    "Flags",
    "Integers",
    "bar_step",
    "compiled",
    "equity_of",
    "room_needed",
    "run",
    "set_goals",
    "size",
]


@inlined
def equity_of(account: Account) -> float:
    """Return cash plus positions at their marks, added in the order of the series."""
    equity = account.cash[0]
    for s in range(len(account.units)):
        if account.units[s] != 0.0:
            equity += account.units[s] * account.marks[s]
    return float(equity)


@inlined
def set_goals(account: Account, tradable: Flags, weights: Floats, lot: float) -> int:
    """Turn target weights into unit goals at the marks; return the series that has no price, or -1.

    NaN leaves a position and its resting order alone, ``END_ORDER`` the position only; a goal that is already held ends
    the resting order. A margin call is never undone: of its goal and the decided one the smaller position stands.
    """
    equity = equity_of(account)
    for s in range(len(weights)):
        weight = weights[s]
        if np.isnan(weight):
            continue
        goal = 0.0
        if weight == END_ORDER:
            goal = account.units[s]
        elif weight != 0.0:
            if np.isnan(account.marks[s]) or not tradable[s] or account.delisted[s]:
                return s
            goal = to_lot(weight * equity / account.marks[s], lot)
        if account.called[s] and not abs(goal) < abs(account.goals[s]):
            continue
        account.goals[s] = np.nan if goal == account.units[s] else goal
        account.fees[s] = -1.0
        account.called[s] = False
    return -1


@compiled
def size(account: Account, tradable: Flags, weights: Floats, lot: float) -> int:
    """Do what ``set_goals`` does, for a single decision."""
    return set_goals(account, tradable, weights, lot)


@inlined
def wanted(feed: Feed, account: Account, rates: Rates, place: tuple[int, int]) -> float:
    """Return the units a resting target would trade in this bar within its volume, 0 for none."""
    t, s = place
    goal = account.goals[s]
    if np.isnan(goal) or np.isnan(feed.prices[t, s]):
        return 0.0
    return within_volume(feed, account, rates, place, goal - account.units[s])


@inlined
def fill(
    feed: Feed, account: Account, rates: Rates, log: Log, place: tuple[int, int], change: float
) -> tuple[float, float]:
    """Trade ``change`` units toward the target; return traded value and costs."""
    s = place[1]
    deal = Deal(change, feed.prices[place], np.nan, False, MARGIN_CALL if account.called[s] else TARGET, 0)
    value, costs, account.fees[s] = deal_at(feed, account, rates, log, place, deal, account.fees[s])
    if change == account.goals[s] - account.units[s]:
        account.units[s] = account.goals[s]
        account.goals[s] = np.nan
        account.called[s] = False
    else:
        account.units[s] += change
    account.used[s] += abs(change)
    return value, costs


@inlined
def frees(account: Account, rates: Rates, s: int) -> bool:
    """Return whether a resting target would bring cash, or room under the margin, once it can be filled."""
    goal, held = account.goals[s], account.units[s]
    if np.isnan(goal):
        return False
    return bool(toward_zero(held, goal - held) != 0.0 if rates.initial > 0.0 else goal < held)


@inlined
def sell_all(feed: Feed, account: Account, rates: Rates, log: Log, t: int) -> tuple[float, float, bool]:
    """Fill the sells in series order and note the buys; return value, costs, and whether a sell is waiting.

    On margin what brings a position nearer to zero takes the place of the sells, and what opens one that of the buys.
    """
    traded, costs, waiting = 0.0, 0.0, False
    for s in range(len(account.units)):
        change = wanted(feed, account, rates, (t, s))
        if change < 0.0 and feed.shortable.shape[0] > 0:
            change = cut_short(feed, account, rates, log, (t, s), change)
        account.buys[s] = change
        first = min(change, 0.0)
        if rates.initial > 0.0:
            first = toward_zero(account.units[s], change)
            account.buys[s] = change - first
        if first != 0.0:
            value, cost = fill(feed, account, rates, log, (t, s), first)
            traded += value
            costs += cost
        waiting = waiting or frees(account, rates, s)
    return traded, costs, waiting


@inlined
def affordable(feed: Feed, account: Account, rates: Rates, t: int) -> float:
    """Return the share of the bar's buys that the cash pays for, 1 for all."""
    needed, fixed = 0.0, 0.0
    for s in range(len(account.units)):
        change = account.buys[s]
        if change > 0.0:
            paid = feed.prices[t, s] * (1.0 + against(feed, rates, (t, s), change))
            needed += change * paid + commission(account, rates, change * paid, change)
            if rates.minimum > 0.0:
                fixed += above_minimum(rates, account.fees[s], 0.0)
    return share_of(max(account.cash[0], 0.0), needed, fixed)


@helper
def coverable(feed: Feed, account: Account, rates: Rates, t: int) -> float:
    """Return the share of the bar's opening trades that the margin covers, 1 for all."""
    needed, fixed = 0.0, 0.0
    for s in range(len(account.units)):
        change = account.buys[s]
        if change != 0.0:
            needed += need(feed, account, rates, (t, s), change, feed.prices[t, s])
            fixed += rates.minimum / rates.initial
    return share_of(room(feed, account, rates, t, False), needed, fixed)


@inlined
def buy_all(
    feed: Feed, account: Account, rates: Rates, log: Log, t: int, waiting: bool
) -> tuple[float, float]:
    """Fill the buys in series order, all cut by one factor when cash is short; return traded value and costs.

    What cash could not buy keeps resting while a sell is still waiting, since more cash may come; else it ends.
    """
    share = coverable(feed, account, rates, t) if rates.initial > 0.0 else affordable(feed, account, rates, t)
    traded, costs = 0.0, 0.0
    for s in range(len(account.units)):
        change = account.buys[s]
        if change == 0.0 or (change < 0.0 and rates.initial == 0.0):
            continue
        if share < 1.0:
            change = to_lot(change * share, rates.lot)
        elif rates.initial > 0.0:
            # After a first part toward zero, the rest is measured anew: rounding would leave dust of it resting.
            rest = account.goals[s] - account.units[s]
            change = rest if abs(rest - change) <= WHOLE * abs(change) else change
        if change != 0.0:
            value, cost = fill(feed, account, rates, log, (t, s), change)
            traded += value
            costs += cost
        if share < 1.0 and not waiting and not np.isnan(account.goals[s]):
            refuse_rest(log, rates, (t, s), 0, account.goals[s] - account.units[s])
            account.goals[s] = np.nan
    return traded, costs


@inlined
def mark(feed: Feed, account: Account, t: int) -> None:
    """Mark every series at its close; an absent close keeps the mark."""
    for s in range(len(account.units)):
        if not np.isnan(feed.closes[t, s]):
            account.marks[s] = feed.closes[t, s]


@inlined
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


@inlined
def open_month(feed: Feed, account: Account, rates: Rates, t: int) -> None:
    """Set the bar's commission rate by the value traded in its month before it."""
    account.terms[0] = rates.commission
    if rates.tiers.shape[0] > 0:
        if account.month[1] != feed.months[t]:
            account.month[0] = 0.0
            account.month[1] = feed.months[t]
        for k in range(len(rates.tiers)):
            if account.month[0] >= rates.tiers[k, 0]:
                account.terms[0] = rates.tiers[k, 1]


@inlined
def trade(feed: Feed, account: Account, rates: Rates, log: Log, t: int) -> tuple[float, float]:
    """Fill what the open and the way of bar t fill; return traded value and costs of the targets."""
    busy = account.orders.counts[0] > 0
    if busy:
        open_orders(feed, account, log, t)
    sold, sell_costs, waiting = sell_all(feed, account, rates, log, t)
    if busy:
        waiting = match_open(feed, account, rates, log, t, -1.0) or waiting
    bought, buy_costs = buy_all(feed, account, rates, log, t, waiting)
    if busy:
        match_open(feed, account, rates, log, t, 1.0)
        match_on_the_way(feed, account, rates, log, t)
    return sold + bought, sell_costs + buy_costs


@inlined
def flow_before(feed: Feed, account: Account, rates: Rates, trace: Trace, log: Log, t: int) -> float:
    """Book what comes before trading and write it to the trace; return the borrow fee."""
    if rates.cash_rate >= 0:
        trace.interest[t] = credit_interest(account, rates)
    if feed.has_actions:
        trace.dividends[t] = book_actions(feed, account, log, t, rates.integer)
    if feed.delistings.shape[0] > 0:
        delist(feed, account, log, t)
    fee = 0.0
    if rates.borrow > 0.0:
        fee = charge_borrow(account, rates.borrow)
        trace.borrow[t] = fee
    return fee


@inlined
def bar_step(feed: Feed, account: Account, rates: Rates, trace: Trace, log: Log, t: int) -> int:
    """Advance the account over bar t and write row t of the trace; return DONE or NOT_FINITE.

    Targets and new orders are not part of it: ``set_goals`` and ``place_orders`` take those decided at close t afterwards.
    """
    before = equity_of(account)
    fee = flow_before(feed, account, rates, trace, log, t)
    open_month(feed, account, rates, t)
    traded, costs = trade(feed, account, rates, log, t)
    mark(feed, account, t)
    costs += fee
    if account.orders.counts[0] > 0:
        match_close(feed, account, rates, log, t)
        close_orders(feed, account, t)
        traded += account.terms[1]
        costs += account.terms[2]
    account.month[0] += traded
    if feed.funding.shape[0] > 0:
        trace.funding[t] = pay_funding(feed, account, t)
    equity = equity_of(account)
    if not np.isfinite(equity):
        return NOT_FINITE
    if equity <= 0.0:
        if not account.bankrupt[0]:
            liquidate(account, log, t)
        equity = account.cash[0]
    elif rates.initial > 0.0:
        call_margin(account, rates, log, t, equity)
    trace.equity[t] = equity
    trace.cash[t] = account.cash[0]
    trace.costs[t] = costs
    trace.turnover[t] = traded / before if before > 0.0 else 0.0
    expose(account, trace, t, equity)
    return DONE


@compiled
def room_needed(account: Account) -> int:
    """Return the most lines that one bar can add to a log."""
    return 6 * len(account.units) + 2 * len(account.orders.codes)


@compiled
def run(
    feed: Feed, account: Account, rates: Rates, targets: Floats, trace: Trace, log: Log, first: int
) -> tuple[int, int, int]:
    """Advance the account over the bars from row ``first``; return (DONE, T, -1) or a fault with its row and column.

    ``targets`` is (T, S), or (0, S) for none. Row t is sized at close t and first filled in bar t + 1. FULL is no fault:
    empty the log and go on at its row.
    """
    lines = room_needed(account)
    for t in range(first, feed.closes.shape[0]):
        if max(log.filled[0], log.refused[0]) + lines > log.values.shape[1]:
            return FULL, t, -1
        fault = bar_step(feed, account, rates, trace, log, t)
        if fault != DONE:
            return fault, t, -1
        if targets.shape[0] > 0 and not account.bankrupt[0]:
            missing = set_goals(account, feed.tradable, targets[t], rates.lot)
            if missing >= 0:
                return NO_PRICE, t, missing
        if account.orders.counts[1] < len(account.orders.codes):
            gone = place_orders(account, t)
            if gone >= 0:
                return GONE, t, gone
    return DONE, feed.closes.shape[0], -1
