"""Dealing: one trade, its price against the trader, its costs, and its lines in the log."""

from typing import NamedTuple

import numpy as np

from backtest.engine.layout import Account, Feed, Log, Rates, helper, inlined

WHOLE = 1e-9
"""A result this close to a whole number (relative) is that number: 300 units * 1/3 are 100."""


class Deal(NamedTuple):
    """``units`` to trade at ``price`` before costs.

    ``bound`` is the worst price a limit allows, NaN for none; a ``passive`` deal waited at its price and pays neither
    half-spread nor slippage. ``reason`` and ``order`` go to the log.
    """

    units: float
    price: float
    bound: float
    passive: bool
    reason: int
    order: int


@inlined
def record(log: Log, place: tuple[int, int], reason: int, order: int, units: float, price: float) -> int:
    """Append a fill without costs; return its position. Zeros stand in a new log already and are not written."""
    n = log.filled[0]
    log.places[0, n] = place[0]
    log.places[1, n] = place[1]
    log.places[2, n] = reason
    if order != 0:
        log.places[3, n] = order
    log.values[0, n] = units
    log.values[1, n] = price
    log.filled[0] = n + 1
    return int(n)


@helper
def refuse(log: Log, place: tuple[int, int], reason: int, order: int, units: float) -> None:
    """Append units that will not be traded."""
    n = log.refused[0]
    log.refusals[0, n] = place[0]
    log.refusals[1, n] = place[1]
    log.refusals[2, n] = reason
    log.refusals[3, n] = order
    log.remainders[n] = units
    log.refused[0] = n + 1


@inlined
def to_lot(units: float, lot: float) -> float:
    """Return units truncated toward zero to whole lots; a lot of 0 leaves them as they are."""
    if lot == 0.0:
        return units
    if lot == 1.0:
        return float(np.trunc(units) + 0.0)
    lots = units / lot
    nearest = np.rint(lots)
    if abs(lots - nearest) > WHOLE * abs(lots):
        nearest = np.trunc(lots)
    return float(nearest * lot + 0.0)


@helper
def whole_units(units: float) -> float:
    """Return units truncated toward zero, after forgiving the rounding of the split ratio."""
    nearest = np.rint(units)
    if abs(units - nearest) <= WHOLE * abs(units):
        return float(nearest + 0.0)
    return float(np.trunc(units) + 0.0)


@inlined
def within_volume(feed: Feed, account: Account, rates: Rates, place: tuple[int, int], units: float) -> float:
    """Return the units that the bar's volume allows, beside what the account traded in this bar already."""
    t, s = place
    # An unknown volume makes the cap NaN, which no comparison exceeds: no cap.
    cap = rates.participation * feed.volumes[t, s]
    if account.orders.counts[0] > 0:
        cap -= account.used[s]
    cap = to_lot(cap, rates.lot)
    if units > cap:
        return float(max(cap, 0.0))
    if units < -cap:
        return float(-max(cap, 0.0))
    return units


@inlined
def against(feed: Feed, rates: Rates, place: tuple[int, int], units: float) -> float:
    """Return how far the price moves against the trader, as a fraction: half-spread, slippage and impact."""
    move = rates.half_spread + rates.slippage
    if rates.impact > 0.0:
        share = abs(units) / feed.volumes[place[0], place[1]]
        # An unknown volume has no impact; the participation is at most 1 where there is one.
        if share > 0.0:
            move += rates.impact * np.sqrt(share)
    return float(move)


@inlined
def price_paid(feed: Feed, rates: Rates, place: tuple[int, int], deal: Deal) -> float:
    """Return the price of a deal, costs included and its limit kept."""
    if deal.passive:
        return deal.price
    move = against(feed, rates, place, deal.units)
    if deal.units > 0.0:
        paid = deal.price * (1.0 + move)
        return deal.bound if paid > deal.bound else paid
    paid = deal.price * (1.0 - move)
    return deal.bound if paid < deal.bound else paid


@inlined
def commission(account: Account, rates: Rates, value: float, units: float) -> float:
    """Return the commission on units of a value, the minimum not yet applied."""
    fee = value * account.terms[0]
    if rates.per_unit > 0.0:
        fee += units * rates.per_unit
    return float(fee)


@helper
def above_minimum(rates: Rates, before: float, fee: float) -> float:
    """Return what an order still owes for one more part, when parts worth ``before`` were charged (-1 for none)."""
    if before < 0.0:
        return float(max(fee, rates.minimum))
    return float(max(before + fee, rates.minimum) - max(before, rates.minimum))


@inlined
def deal_at(
    feed: Feed, account: Account, rates: Rates, log: Log, place: tuple[int, int], deal: Deal, before: float
) -> tuple[float, float, float]:
    """Book a deal in cash and log, not in units; return traded value, costs, and commission before the minimum.

    ``before`` is the commission of the order's earlier parts before the minimum, -1 for none.
    """
    paid = price_paid(feed, rates, place, deal)
    size = abs(deal.units)
    fee = commission(account, rates, size * paid, size)
    raw = before
    if rates.minimum > 0.0:
        raw = max(before, 0.0) + fee
        fee = above_minimum(rates, before, fee)
    account.cash[0] -= deal.units * paid + fee
    n = record(log, place, deal.reason, deal.order, deal.units, paid)
    spread = size * deal.price * rates.half_spread
    slippage = size * deal.price * rates.slippage
    if deal.passive:
        spread = 0.0
        slippage = 0.0
    elif rates.impact > 0.0 or deal.bound == paid:
        total = size * abs(paid - deal.price)
        spread = min(spread, total)
        slippage = total - spread
    if fee != 0.0:
        log.values[2, n] = fee
    if spread != 0.0:
        log.values[3, n] = spread
    if slippage != 0.0:
        log.values[4, n] = slippage
    return size * paid, fee + spread + slippage, raw
