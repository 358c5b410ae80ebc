"""Settlement: what a policy wishes, made into target weights of an account; compiled, for one decision and for sweeps alike.

The rules every wish is settled by:

- a series that cannot be traded at the cutoff gets NaN: its position is left alone and counts toward the gross limit;
- where the calibrated set was unbounded at a step the policy used, no position is opened or enlarged; it may shrink;
- a position the policy would keep exactly as it is gets NaN;
- absolute weights stay within ``max_weight``, and are shrunk by one factor when they exceed ``max_gross`` together;
- an account whose equity is not above zero asks for nothing but zeros.

Then the limits of the run apply. Sums over series are exact, so no result depends on the order of the series. Nothing is
allocated; the slow twins are ``tests/oracles/settlement_oracle.py`` and ``math.fsum``.
"""

from typing import NamedTuple

import numpy as np

from backtest.book import Book
from backtest.engine.kernel import Flags, compiled
from backtest.policies.base import Market
from backtest.policies.wishes import Wager, Wishes
from data.panel import Floats

HALVINGS = 40
"""Bisection steps: a growth-optimal position is found to 1e-12 of its range."""

MOST_PARTIALS = 64
"""Room for the partial sums of an exact sum: float64 spans 2,098 binary places in steps of 53, and two more."""


class Holding(NamedTuple):
    """An account at a close: (1,) ``cash``, (S,) ``units`` and ``marks``."""

    cash: Floats
    units: Floats
    marks: Floats


class Bounds(NamedTuple):
    """What a decision may ask for; ``round_trip`` is (S,), the cost of opening and closing as a fraction of value."""

    round_trip: Floats
    max_gross: float
    max_weight: float
    min_trade: float
    long_only: bool


class Scratch(NamedTuple):
    """Room to work in: (S,) ``held`` weights and ``wanted`` weights, and the partial sums."""

    held: Floats
    wanted: Floats
    partials: Floats


@compiled
def add_exactly(partials: Floats, count: int, value: float) -> int:
    """Add a value to a sum kept as ``count`` partials that do not overlap; return their new count (Shewchuk 1997)."""
    kept = 0
    for i in range(count):
        other = partials[i]
        if abs(value) < abs(other):
            value, other = other, value
        high = value + other
        low = other - (high - value)
        if low != 0.0:
            partials[kept] = low
            kept += 1
        value = high
    partials[kept] = value
    return kept + 1


@compiled
def rounded(partials: Floats, count: int) -> float:
    """Return the sum of the partials, rounded once, half to even."""
    if count == 0:
        return 0.0
    n = count - 1
    high, low = partials[n], 0.0
    while n > 0:
        n -= 1
        before, other = high, partials[n]
        high = before + other
        low = other - (high - before)
        if low != 0.0:
            break
    # A tie is decided by the sign of what is left below it.
    if n > 0 and ((low < 0.0 and partials[n - 1] < 0.0) or (low > 0.0 and partials[n - 1] > 0.0)):
        doubled = high + low * 2.0
        if low * 2.0 == doubled - high:
            return float(doubled)
    return float(high)


@compiled
def hold(holding: Holding, scratch: Scratch) -> float:
    """Write the held weights, zeros without positive equity; return the equity."""
    count = add_exactly(scratch.partials, 0, holding.cash[0])
    for s in range(len(holding.units)):
        if holding.units[s] != 0.0 and not np.isnan(holding.marks[s]):
            count = add_exactly(scratch.partials, count, holding.units[s] * holding.marks[s])
    equity = rounded(scratch.partials, count)
    for s in range(len(holding.units)):
        scratch.held[s] = 0.0
        if equity > 0.0 and holding.units[s] != 0.0 and not np.isnan(holding.marks[s]):
            scratch.held[s] = holding.units[s] * holding.marks[s] / equity
    return equity


@compiled
def cost_of_moving(held: float, round_trip: float, position: float, side: float) -> tuple[float, float]:
    """Return the cost of moving from the held position, and its derivative to the right (1) or left (-1)."""
    leave = 0.5 * round_trip
    # Mirrored so that the present position is not negative.
    mirror = -1.0 if held < 0.0 else 1.0
    present, here, side_here = abs(held), mirror * position, mirror * side
    opened = max(here - present, 0.0) + max(-here, 0.0)
    closed = min(max(present - here, 0.0), present)
    marginal = -leave
    if here > present or (here == present and side_here > 0.0):
        marginal = round_trip
    elif here < 0.0 or (here == 0.0 and side_here < 0.0):
        marginal = -round_trip
    return round_trip * opened + leave * closed, mirror * marginal


@compiled
def slope(
    wager: Wager, place: tuple[int, int], present: tuple[float, float], position: float, side: float
) -> float:
    """Return the one-sided derivative of mean log growth; toward zero wherever everything could be lost."""
    k, s = place
    cost, marginal = cost_of_moving(present[0], present[1], position, side)
    total = 0.0
    for q in range(len(wager.masses)):
        wealth = 1.0 + position * wager.returns[k, s, q] - cost
        if not wealth > 0.0:
            return float(-np.sign(position))
        total += wager.masses[q] * ((wager.returns[k, s, q] - marginal) / wealth)
    return total


@compiled
def is_kink(
    wager: Wager,
    place: tuple[int, int],
    present: tuple[float, float],
    position: float,
    bounds: tuple[float, float],
) -> bool:
    """Return whether a position inside the bounds is the best: growth rises up to it and does not rise after it."""
    low, high = bounds
    if position < low or position > high:
        return False
    no_more = position >= high or slope(wager, place, present, position, 1.0) <= 0.0
    return no_more and (position <= low or slope(wager, place, present, position, -1.0) >= 0.0)


@compiled
def best_position(
    wager: Wager, place: tuple[int, int], present: tuple[float, float], bounds: tuple[float, float]
) -> tuple[float, bool]:
    """Return the growth-optimal position inside the bounds, and whether it is exactly the held one.

    The growth rate is concave in the position with kinks at zero and at the held position; bisection of its slope finds
    the rest. Positions that could lose everything are never chosen. ``present`` is the held position and its round trip.
    """
    if is_kink(wager, place, present, present[0], bounds):
        return present[0], True
    if is_kink(wager, place, present, 0.0, bounds):
        return 0.0, False
    below, above = bounds
    for _ in range(HALVINGS):
        middle = 0.5 * (below + above)
        if slope(wager, place, present, middle, 1.0) > 0.0:
            below = middle
        else:
            above = middle
    return 0.5 * (below + above), False


@compiled
def wished(wishes: Wishes, place: tuple[int, int], held: float, bounds: Bounds) -> float:
    """Return the weight wished for one tradable series that holds ``held``, before limits shared by the series."""
    k, s = place
    weight = wishes.weights[k, s]
    if np.isnan(weight):
        weight = held
        if wishes.wager.returns.shape[0] > 0:
            fraction = wishes.wager.fraction
            most = bounds.max_weight / fraction
            least = 0.0 if wishes.long_only else -most
            best, stays = best_position(
                wishes.wager, place, (held / fraction, bounds.round_trip[s]), (least, most)
            )
            weight = held if stays else fraction * best
        elif wishes.long_only:
            weight = max(weight, 0.0)
    weight = min(max(weight, -bounds.max_weight), bounds.max_weight)
    if wishes.risky[k, s]:
        if np.sign(weight) != np.sign(held):
            return 0.0
        weight = np.sign(held) * min(abs(weight), abs(held))
    return float(weight)


@compiled
def shrink(tradable: Flags, max_gross: float, scratch: Scratch) -> None:
    """Scale the wanted weights to the room that untouched positions leave; NaN wants nothing and is untouched."""
    fixed, asked = 0, 0
    for s in range(len(tradable)):
        if not tradable[s] or np.isnan(scratch.wanted[s]):
            fixed = add_exactly(scratch.partials, fixed, abs(scratch.held[s]))
    room = max(0.0, max_gross - rounded(scratch.partials, fixed))
    for s in range(len(tradable)):
        if not np.isnan(scratch.wanted[s]):
            asked = add_exactly(scratch.partials, asked, abs(scratch.wanted[s]))
    total = rounded(scratch.partials, asked)
    if total > room:
        factor = room / total
        for s in range(len(tradable)):
            scratch.wanted[s] *= factor


@compiled
def settle(
    wishes: Wishes, k: int, holding: Holding, tradable: Flags, bounds: Bounds, scratch: Scratch
) -> None:
    """Write the weights wanted at decision k into ``scratch.wanted``, NaN where a position is left alone."""
    equity = hold(holding, scratch)
    bought = False
    for s in range(len(tradable)):
        bought = bought or holding.units[s] != 0.0
        scratch.wanted[s] = 0.0
        if tradable[s] and equity > 0.0:
            scratch.wanted[s] = wished(wishes, (k, s), scratch.held[s], bounds)
    shrink(tradable, bounds.max_gross, scratch)
    for s in range(len(tradable)):
        kept = equity > 0.0 and scratch.held[s] != 0.0 and scratch.wanted[s] == scratch.held[s]
        scratch.wanted[s] += 0.0
        if kept or not tradable[s] or (wishes.once and bought):
            scratch.wanted[s] = np.nan


@compiled
def limit(tradable: Flags, bounds: Bounds, scratch: Scratch) -> None:
    """Bring ``scratch.wanted`` inside the limits: clipped, scaled to the gross limit, small changes left alone.

    ``scratch.held`` holds the present weights.
    """
    low = 0.0 if bounds.long_only else -bounds.max_weight
    for s in range(len(tradable)):
        if not tradable[s]:
            scratch.wanted[s] = np.nan
        if not np.isnan(scratch.wanted[s]):
            scratch.wanted[s] = min(max(scratch.wanted[s], low), bounds.max_weight)
    shrink(tradable, bounds.max_gross, scratch)
    least = min(bounds.min_trade, bounds.max_weight / 2.0)
    for s in range(len(tradable)):
        if scratch.wanted[s] != 0.0 and abs(scratch.wanted[s] - scratch.held[s]) < least:
            scratch.wanted[s] = np.nan


def settled(wishes: Wishes, k: int, book: Book, market: Market) -> Floats:
    """Return the weights, (S,), that decision k of the wishes asks of an account; NaN leaves a position alone."""
    scratch = room_for(len(book.series))
    bounds = Bounds(np.array(market.round_trip_cost), market.max_gross, market.max_weight, 0.0, False)
    settle(wishes, k, holding_of(book), np.array(market.tradable), bounds, scratch)
    return scratch.wanted


def limited(weights: Floats, book: Book, market: Market, min_trade: float, long_only: bool) -> Floats:
    """Return the weights, (S,), inside the limits of a run; NaN leaves a position alone."""
    scratch = room_for(len(book.series))
    hold(holding_of(book), scratch)
    scratch.wanted[:] = weights
    bounds = Bounds(
        np.array(market.round_trip_cost), market.max_gross, market.max_weight, min_trade, long_only
    )
    limit(np.array(market.tradable), bounds, scratch)
    return scratch.wanted


def room_for(series: int) -> Scratch:
    """Return room to settle decisions on a number of series."""
    return Scratch(np.zeros(series), np.zeros(series), np.empty(MOST_PARTIALS))


def holding_of(book: Book) -> Holding:
    """Return what a book holds, as writable arrays (the compiled functions know one kind of array only)."""
    return Holding(np.array([book.cash]), np.array(book.units), np.array(book.marks))
