"""Decisions the slow, obvious way: one array expression a rule, for one account at one close."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from backtest.policies.quantile_moments import level_weights

HALVINGS = 40


def expectation(values: Any, masses: Any) -> Any:
    return (values * masses).sum(axis=-1)


def held_weights(book: Any) -> Any:
    values = np.where(book.units != 0, book.units * np.nan_to_num(book.marks), 0.0)
    equity = math.fsum([book.cash, *values])
    return values / equity if equity > 0 else np.zeros(len(book.series))


def sign_decision(forecast: Any, book: Any, market: Any, long_only: bool) -> Any:
    """Long, short or flat by the sign of the median return; the held weight where it is not worth its cost."""
    columns, rows = counted(forecast, book, market)
    gain = forecast.returns()[rows, -1, len(forecast.levels) // 2]
    held, cost = held_weights(book)[columns], market.round_trip_cost[columns]
    weights = np.where(np.abs(gain) > cost, np.sign(gain) * market.max_weight, held)
    return decided(np.maximum(weights, 0.0) if long_only else weights, forecast, book, market)


def kelly_decision(forecast: Any, book: Any, market: Any, fraction: float, long_only: bool) -> Any:
    columns, rows = counted(forecast, book, market)
    held, most = held_weights(book)[columns], market.max_weight / fraction
    wager = Wager(
        forecast.returns()[rows, -1],
        level_weights(forecast.levels),
        held / fraction,
        market.round_trip_cost[columns],
    )
    best, stay = growth_optimal(wager, 0.0 if long_only else -most, most)
    return decided(np.where(stay, held, fraction * best), forecast, book, market)


def counted(forecast: Any, book: Any, market: Any) -> tuple[list[int], list[int]]:
    """Columns of the book, and rows of the forecast, of the tradable series that were forecast."""
    columns = [s for s, name in enumerate(book.series) if market.tradable[s] and name in forecast.series]
    return columns, [forecast.series.index(book.series[s]) for s in columns]


def decided(weights: Any, forecast: Any, book: Any, market: Any) -> Any:
    """Weights wanted for the counted series, made a decision on the whole book."""
    columns, rows = counted(forecast, book, market)
    held = held_weights(book)
    capped = np.clip(weights, -market.max_weight, market.max_weight)
    smaller = np.sign(held[columns]) * np.minimum(np.abs(capped), np.abs(held[columns]))
    smaller = np.where(np.sign(capped) == np.sign(held[columns]), smaller, 0.0)
    wanted = np.zeros(len(book.series))
    wanted[columns] = np.where(forecast.unbounded[rows, -1].any(axis=1), smaller, capped)
    return within_limits(wanted, held, book, market)


def within_limits(wanted: Any, held: Any, book: Any, market: Any) -> Any:
    if not book.equity > 0:
        return np.where(market.tradable, 0.0, np.nan)
    wanted = np.clip(np.where(market.tradable, wanted, 0.0), -market.max_weight, market.max_weight)
    room = max(0.0, market.max_gross - math.fsum(np.abs(held[~market.tradable])))
    asked = math.fsum(np.abs(wanted))
    if asked > room:
        wanted = wanted * (room / asked)
    kept = (wanted == held) & (held != 0)
    return np.where(market.tradable & ~kept, wanted + 0.0, np.nan)


def limited(weights: Any, book: Any, market: Any, min_trade: float, long_only: bool) -> Any:
    held = held_weights(book)
    wanted = np.where(market.tradable, weights, np.nan)
    wanted = np.clip(wanted, 0.0 if long_only else -market.max_weight, market.max_weight)
    after = np.where(np.isnan(wanted), held, wanted)
    fixed = math.fsum(np.abs(held[np.isnan(wanted)]))
    room, asked = max(0.0, market.max_gross - fixed), math.fsum(np.abs(np.nan_to_num(wanted)))
    if asked > room:
        wanted = wanted * (room / asked)
        after = np.where(np.isnan(wanted), held, wanted)
    small = (np.abs(after - held) < min(min_trade, market.max_weight / 2)) & (after != 0)
    return np.where(small, np.nan, wanted)


@dataclass(frozen=True, eq=False)
class Wager:
    """N independent choices of a position.

    Attributes:
        returns: (N, Q) possible returns of one unit of weight.
        masses: (Q,) their probabilities.
        held: (N,) present positions.
        round_trip: (N,) cost of opening and closing, as a fraction of value.
    """

    returns: Any
    masses: Any
    held: Any
    round_trip: Any


def growth_optimal(wager: Wager, low: float, high: float) -> Any:
    """Return the best positions in [low, high], (N,), and where the best is exactly the present one.

    The growth rate is concave in the position with kinks at zero and at the present position; bisection of its slope
    finds the rest. Positions that could lose everything are never chosen.
    """
    below = np.full(len(wager.held), low)
    above = np.full(len(wager.held), high)
    for _ in range(HALVINGS):
        middle = 0.5 * (below + above)
        rising = _slope(wager, middle, 1.0) > 0
        below, above = np.where(rising, middle, below), np.where(rising, above, middle)
    zero = np.zeros(len(wager.held))
    flat = _is_kink(wager, zero, low, high)
    stay = _is_kink(wager, wager.held, low, high)
    return np.where(stay, wager.held, np.where(flat, 0.0, 0.5 * (below + above))), stay


def _is_kink(wager: Wager, position: Any, low: float, high: float) -> Any:
    """Return where a position inside the bounds is the best: growth rises up to it and does not rise after it."""
    no_more = (_slope(wager, position, 1.0) <= 0) | (position >= high)
    no_less = (_slope(wager, position, -1.0) >= 0) | (position <= low)
    return np.asarray((position >= low) & (position <= high) & no_more & no_less)


def _slope(wager: Wager, position: Any, side: float) -> Any:
    """Return the one-sided derivative of mean log growth, (N,); toward zero wherever everything could be lost."""
    cost, marginal = _cost(wager, position, side)
    wealth = 1.0 + position[:, None] * wager.returns - cost[:, None]
    safe = wealth.min(axis=1) > 0
    gain = (wager.returns - marginal[:, None]) / np.where(safe[:, None], wealth, 1.0)
    return np.where(safe, expectation(gain, wager.masses), -np.sign(position))


def _cost(wager: Wager, position: Any, side: float) -> tuple[Any, Any]:
    """Return the cost of moving from the present position, and its derivative to the right (1) or left (-1)."""
    enter, leave = wager.round_trip, 0.5 * wager.round_trip
    # Mirrored so that the present position is not negative.
    mirror = np.where(wager.held < 0, -1.0, 1.0)
    present, here, side_here = np.abs(wager.held), mirror * position, mirror * side
    opened = np.maximum(here - present, 0.0) + np.maximum(-here, 0.0)
    closed = np.clip(present - here, 0.0, present)
    above = (here > present) | ((here == present) & (side_here > 0))
    below = (here < 0) | ((here == 0) & (side_here < 0))
    marginal = np.where(above, enter, np.where(below, -enter, -leave))
    return enter * opened + leave * closed, mirror * marginal
