"""Margins: how much an account may hold, by its cash, its equity and what can be borrowed."""

import numpy as np

from backtest.engine.dealing import above_minimum, against, commission, refuse, to_lot
from backtest.engine.layout import (
    CALLED,
    CASH,
    MARGIN,
    SHORTABLE,
    Account,
    Feed,
    Log,
    Rates,
    helper,
    inlined,
)
from backtest.engine.resting import end_orders

CASH_MARGIN = 1.0 - 2.0**-40
"""Scaled trades leave this little of the room, so that their rounded sum never exceeds it."""


@helper
def toward_zero(held: float, units: float) -> float:
    """Return the part of a trade that brings a position nearer to zero."""
    if held * units >= 0.0:
        return 0.0
    return -held if abs(units) > abs(held) else units


@helper
def within_shortable(
    feed: Feed, account: Account, rates: Rates, place: tuple[int, int], units: float
) -> float:
    """Return a sale cut so that the short position stays within what can be borrowed."""
    limit = feed.shortable[place]
    held = account.units[place[1]]
    if np.isnan(limit) or units >= 0.0 or held + units >= -limit:
        return units
    return min(0.0, -to_lot(max(held, 0.0) + max(limit + min(held, 0.0), 0.0), rates.lot))


@helper
def room(feed: Feed, account: Account, rates: Rates, t: int, at_close: bool) -> float:
    """Return the value of positions that may be opened: equity / initial margin less what is held.

    Valued at the bar's fill prices, marks where there is none or ``at_close``.
    """
    equity, gross = account.cash[0], 0.0
    for s in range(len(account.units)):
        if account.units[s] != 0.0:
            price = feed.prices[t, s]
            if at_close or np.isnan(price):
                price = account.marks[s]
            equity += account.units[s] * price
            gross += abs(account.units[s]) * price
    return float(equity / rates.initial - gross)


@helper
def need(
    feed: Feed, account: Account, rates: Rates, place: tuple[int, int], units: float, price: float
) -> float:
    """Return the room that opening units takes: their value, and their costs over the initial margin."""
    size = abs(units)
    moved = size * price * against(feed, rates, place, units)
    fee = commission(account, rates, size * price + moved, size)
    return float(size * price + (moved + fee) / rates.initial)


@inlined
def share_of(room: float, needed: float, fixed: float) -> float:
    """Return the share of trades that a room allows, 1 for all; ``fixed`` of it is taken whatever the share."""
    if needed == 0.0 or needed + fixed <= room:
        return 1.0
    return float(max(room - fixed, 0.0) / needed * CASH_MARGIN)


@helper
def paid_by_cash(account: Account, rates: Rates, price: float, units: float, before: float) -> float:
    """Return a purchase cut to the cash, at a price that includes its costs."""
    needed = units * price + commission(account, rates, units * price, units)
    fixed = above_minimum(rates, before, 0.0) if rates.minimum > 0.0 else 0.0
    share = share_of(max(account.cash[0], 0.0), needed, fixed)
    return units if share == 1.0 else to_lot(units * share, rates.lot)


@helper
def covered_by_margin(
    feed: Feed,
    account: Account,
    rates: Rates,
    place: tuple[int, int],
    units: float,
    price: float,
    at_close: bool,
) -> float:
    """Return a trade of which the part that opens a position is cut to the room."""
    less = toward_zero(account.units[place[1]], units)
    more = units - less
    if more == 0.0:
        return units
    share = share_of(
        room(feed, account, rates, place[0], at_close) + abs(less) * price,
        need(feed, account, rates, place, more, price),
        rates.minimum / rates.initial,
    )
    return units if share == 1.0 else less + to_lot(more * share, rates.lot)


@helper
def refuse_rest(log: Log, rates: Rates, place: tuple[int, int], order: int, units: float) -> None:
    """Refuse what cash or margin did not allow."""
    if units != 0.0:
        refuse(log, place, MARGIN if rates.initial > 0.0 else CASH, order, units)


@helper
def cut_short(
    feed: Feed, account: Account, rates: Rates, log: Log, place: tuple[int, int], units: float
) -> float:
    """Return a target's sale within what can be borrowed; what is beyond is refused and no longer wanted."""
    allowed = within_shortable(feed, account, rates, place, units)
    if allowed != units:
        s = place[1]
        wished = account.goals[s]
        account.goals[s] = account.units[s] + allowed
        refuse(log, place, SHORTABLE, 0, wished - account.goals[s])
        if allowed == 0.0:
            account.goals[s] = np.nan
    return allowed


@helper
def call_margin(account: Account, rates: Rates, log: Log, t: int, equity: float) -> None:
    """Order every position reduced to the initial margin where equity is below the maintenance margin."""
    gross = 0.0
    for s in range(len(account.units)):
        if account.units[s] != 0.0:
            gross += abs(account.units[s]) * account.marks[s]
    if equity >= rates.maintenance * gross:
        return
    share = equity / rates.initial / gross
    for s in range(len(account.units)):
        account.goals[s] = np.nan
        account.called[s] = False
        goal = to_lot(account.units[s] * share, rates.lot)
        if abs(goal) < abs(account.units[s]):
            account.goals[s] = goal
            account.fees[s] = -1.0
            account.called[s] = True
    end_orders(account, log, t, -1, CALLED)
    account.orders.counts[0] = 0
