"""Kelly policy: the weight that maximises mean log growth over the forecast's quantiles, net of costs."""

from dataclasses import dataclass
from typing import Annotated

import annotated_types as at
import numpy as np
import numpy.typing as npt

from backtest.book import Book
from backtest.policies.base import AbstractPolicy, Decision, Market
from backtest.policies.candidates import candidates, decision
from backtest.policies.quantile_moments import expectation, level_weights
from data.panel import Floats
from data.registry import spec
from forecast.distribution import QuantileForecast
from forecast.randomness import RandomStreams

HALVINGS = 40
"""Bisection steps: the weight is found to 1e-12 of its range."""


@spec
class QuantileKelly(AbstractPolicy):
    """A fraction of the growth-optimal weight of each series, one by one.

    For the full-Kelly position ``u`` and the present one ``u0`` it maximises

        sum_q p_q * log(1 + u * R_q - K(u)),

    where ``R_q`` are the quantiles of the cumulative return over the horizon, ``p_q`` their masses
    (``quantile_moments``), and ``K`` the cost of changing: the round trip for what is opened or enlarged, since it has
    to be closed again, and one way for what is closed. The weight is ``fraction * u``, with ``u0 = held / fraction``,
    so a position is opened only when its expected return exceeds the round trip, and is left alone when no change
    pays for itself. Correlations between series are not known to marginal forecasts and are ignored.

    Kelly (1956), "A New Interpretation of Information Rate", Bell System Technical Journal 35, 917-926; fractions:
    Thorp (2006), "The Kelly Criterion in Blackjack, Sports Betting, and the Stock Market", section 7.

    Attributes:
        fraction: share of the growth-optimal position that is taken.
        long_only: refuse short positions.
    """

    fraction: Annotated[float, at.Gt(0), at.Le(1)] = 0.25
    long_only: bool = False

    def decide(self, forecast: QuantileForecast, book: Book, market: Market, rng: RandomStreams) -> Decision:
        """Return the fractional Kelly weights within the limits."""
        chosen = candidates(forecast, book, market)
        wager = Wager(
            chosen.returns(), level_weights(forecast.levels), chosen.held / self.fraction, chosen.cost
        )
        most = market.max_weight / self.fraction
        best, stay = growth_optimal(wager, 0.0 if self.long_only else -most, most)
        return decision(chosen, np.where(stay, chosen.held, self.fraction * best), book, market)


@dataclass(frozen=True, eq=False)
class Wager:
    """N independent choices of a position.

    Attributes:
        returns: (N, Q) possible returns of one unit of weight.
        masses: (Q,) their probabilities.
        held: (N,) present positions.
        round_trip: (N,) cost of opening and closing, as a fraction of value.
    """

    returns: Floats
    masses: Floats
    held: Floats
    round_trip: Floats


def growth_optimal(wager: Wager, low: float, high: float) -> tuple[Floats, npt.NDArray[np.bool_]]:
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


def _is_kink(wager: Wager, position: Floats, low: float, high: float) -> npt.NDArray[np.bool_]:
    """Return where a position inside the bounds is the best: growth rises up to it and does not rise after it."""
    no_more = (_slope(wager, position, 1.0) <= 0) | (position >= high)
    no_less = (_slope(wager, position, -1.0) >= 0) | (position <= low)
    return np.asarray((position >= low) & (position <= high) & no_more & no_less)


def _slope(wager: Wager, position: Floats, side: float) -> Floats:
    """Return the one-sided derivative of mean log growth, (N,); toward zero wherever everything could be lost."""
    cost, marginal = _cost(wager, position, side)
    wealth = 1.0 + position[:, None] * wager.returns - cost[:, None]
    safe: npt.NDArray[np.bool_] = wealth.min(axis=1) > 0
    gain = (wager.returns - marginal[:, None]) / np.where(safe[:, None], wealth, 1.0)
    return np.where(safe, expectation(gain, wager.masses), -np.sign(position))


def _cost(wager: Wager, position: Floats, side: float) -> tuple[Floats, Floats]:
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
