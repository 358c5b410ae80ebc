"""Flows: what changes cash and units besides trading, from dividends to funding."""

import numpy as np

from backtest.engine.dealing import WHOLE, record, whole_units
from backtest.engine.layout import (
    CASH_IN_LIEU,
    DELISTED,
    DELISTING,
    LIQUIDATION,
    SPLIT,
    Account,
    Feed,
    Log,
    Rates,
    helper,
    inlined,
)
from backtest.engine.resting import end_orders, split_orders


@helper
def credit_interest(account: Account, rates: Rates) -> float:
    """Pay one bar of the rate known at the last close on the cash, below zero too; return the interest."""
    if account.bankrupt[0]:
        return 0.0
    rate = account.marks[rates.cash_rate]
    if np.isnan(rate):
        return 0.0
    interest = account.cash[0] * rate / rates.periods
    account.cash[0] += interest
    return float(interest)


@helper
def split(feed: Feed, account: Account, log: Log, place: tuple[int, int], integer: bool) -> None:
    """Multiply units and resting orders by the ratio, divide the mark; fractions are paid out at the open."""
    t, s = place
    ratio = feed.splits[t, s]
    account.marks[s] = account.marks[s] / ratio
    if account.orders.counts[0] > 0:
        split_orders(account.orders, s, ratio, integer)
    if not np.isnan(account.goals[s]):
        goal = account.goals[s] * ratio
        account.goals[s] = whole_units(goal) if integer else goal
    held = account.units[s]
    if held != 0.0:
        scaled = held * ratio
        record(log, place, SPLIT, 0, scaled - held, 0.0)
        kept = whole_units(scaled) if integer else scaled
        fraction = scaled - kept
        if abs(fraction) > WHOLE * abs(scaled):
            price = feed.prices[t, s]
            if np.isnan(price):
                price = feed.closes[t, s]
            if np.isnan(price):
                price = account.marks[s]
            account.cash[0] += fraction * price
            record(log, place, CASH_IN_LIEU, 0, -fraction, price)
        account.units[s] = kept
    if account.goals[s] == account.units[s]:
        account.goals[s] = np.nan
        account.called[s] = False


@inlined
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


@helper
def delist(feed: Feed, account: Account, log: Log, t: int) -> None:
    """Pay out the series that are delisted in this bar and end their orders for good."""
    for s in range(len(account.units)):
        price = feed.delistings[t, s]
        if np.isnan(price) or account.delisted[s]:
            continue
        if account.units[s] != 0.0:
            record(log, (t, s), DELISTING, 0, -account.units[s], price)
            account.cash[0] += account.units[s] * price
        account.units[s] = 0.0
        account.goals[s] = np.nan
        account.called[s] = False
        account.delisted[s] = True
        end_orders(account, log, t, s, DELISTED)


@inlined
def charge_borrow(account: Account, borrow: float) -> float:
    """Charge one bar of borrowing on the shorts at their marks; return the fee."""
    value = 0.0
    for s in range(len(account.units)):
        if account.units[s] < 0.0:
            value -= account.units[s] * account.marks[s]
    fee = value * borrow
    account.cash[0] -= fee
    return fee


@helper
def pay_funding(feed: Feed, account: Account, t: int) -> float:
    """Exchange funding at the close on the units held then; return what was received, below zero when paid."""
    received = 0.0
    for s in range(len(account.units)):
        rate = feed.funding[t, s]
        if account.units[s] != 0.0 and not np.isnan(rate):
            received -= account.units[s] * account.marks[s] * rate
    account.cash[0] += received
    return received


@helper
def liquidate(account: Account, log: Log, t: int) -> None:
    """Close a bankrupt account at its marks and end all its orders."""
    for s in range(len(account.units)):
        if account.units[s] != 0.0:
            record(log, (t, s), LIQUIDATION, 0, -account.units[s], account.marks[s])
            account.cash[0] += account.units[s] * account.marks[s]
        account.units[s] = 0.0
        account.goals[s] = np.nan
        account.called[s] = False
    account.orders.counts[0] = 0
    account.bankrupt[0] = True
