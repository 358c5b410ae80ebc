"""Null worlds: returns in which no rule has an edge, and the crossover rules that are tried on them.

Every published p-value is calibrated here: what it calls significant in these worlds is luck. Returns are of one series, a
position decided at the close of one period earns the return of the next, nothing costs anything.
"""

import math

import numpy as np

from backtest.errors import MetricError
from data.panel import Floats

WINDOWS = tuple((fast, slow) for fast in (2, 5, 10, 20) for slow in (30, 50, 80, 110, 150))
"""Fast and slow moving averages of the twenty rules."""

WARM_UP = max(slow for _, slow in WINDOWS)
"""Periods before every rule has a position."""

VOLATILITY = 0.01
"""Standard deviation of a period's return in the made-up worlds."""


def independent(rng: np.random.Generator, periods: int) -> Floats:
    """Return independent normal returns (T,)."""
    return np.asarray(VOLATILITY * rng.normal(size=periods))


def garch_t(rng: np.random.Generator, periods: int) -> Floats:
    """Return GARCH(1, 1) returns (T,), omega .05, alpha .05, beta .90 in percent, with Student t innovations on 5 degrees.

    The unconditional variance is 1 squared percent, where the recursion starts (Bollerslev 1987).
    """
    shocks = (rng.standard_t(5, periods) * math.sqrt(3 / 5)).tolist()
    variance, found = 1.0, []
    for shock in shocks:
        found.append(math.sqrt(variance) * shock)
        variance = 0.05 + 0.05 * found[-1] ** 2 + 0.90 * variance
    return VOLATILITY * np.array(found)


def autoregressive(rng: np.random.Generator, periods: int, coefficient: float = 0.1) -> Floats:
    """Return returns (T,) with correlation ``coefficient`` between neighbours, as stale prices show.

    Rules that read these prices would have an edge: in a null world they read others.
    """
    shocks = rng.normal(size=periods).tolist()
    found = [shocks[0]]
    for shock in shocks[1:]:
        found.append(coefficient * found[-1] + math.sqrt(1 - coefficient**2) * shock)
    return VOLATILITY * np.array(found)


def seasonal_hours(rng: np.random.Generator, periods: int) -> Floats:
    """Return hourly returns (T,) of a market that never closes: loud afternoons, quiet weekends, t5 innovations."""
    hours = np.arange(periods)
    level = 1 + 0.5 * np.sin(2 * np.pi * (hours % 24) / 24)
    weekend = np.where(hours // 24 % 7 >= 5, 0.6, 1.0)
    return np.asarray(VOLATILITY * level * weekend * rng.standard_t(5, periods) * math.sqrt(3 / 5))


def sign_randomised(rng: np.random.Generator, periods: int, past: Floats) -> Floats:
    """Return a random stretch (T,) of one series of real returns ``past`` (P, K), each sign thrown anew.

    Raises:
        MetricError: when there are fewer past periods than ``periods``.
    """
    return np.asarray(np.abs(_stretch(rng, periods, past)) * rng.choice([-1.0, 1.0], periods))


def block_permuted(rng: np.random.Generator, periods: int, past: Floats, block: int = 20) -> Floats:
    """Return a random stretch (T,) of one series of real returns ``past`` (P, K), less its mean, its blocks shuffled.

    Raises:
        MetricError: when there are fewer past periods than ``periods``.
    """
    stretch = _stretch(rng, periods, past)
    parts = np.array_split(stretch - stretch.mean(), max(1, periods // block))
    return np.concatenate([parts[place] for place in rng.permutation(len(parts))])


def equicorrelated(rng: np.random.Generator, periods: int, count: int, correlation: float) -> Floats:
    """Return t5 returns (T, N) of N strategies without skill, every pair equally correlated.

    Raises:
        MetricError: when the correlation is outside [0, 1].
    """
    if not 0 <= correlation <= 1:
        raise MetricError(f"correlation was {correlation}; a number from 0 to 1 is needed")
    shared, own = rng.standard_t(5, (periods, 1)), rng.standard_t(5, (periods, count))
    mixed = math.sqrt(correlation) * shared + math.sqrt(1 - correlation) * own
    return np.asarray(VOLATILITY * math.sqrt(3 / 5) * mixed)


def crossover_positions(returns: Floats) -> Floats:
    """Return the positions (T, 20), each +1 or -1, of the rules at the close of every period of returns (T,).

    A rule is long while the mean of its last ``fast`` prices is above that of its last ``slow`` ones, else short. Rows
    before ``WARM_UP`` read a history that is too short and must not be used.
    """
    prices = np.cumprod(1 + returns)
    sums = np.concatenate([[0.0], np.cumsum(prices)])
    ends = np.arange(1, len(prices) + 1)
    means = {
        span: (sums[ends] - sums[np.maximum(ends - span, 0)]) / span
        for span in {w for p in WINDOWS for w in p}
    }
    return np.column_stack([np.where(means[fast] > means[slow], 1.0, -1.0) for fast, slow in WINDOWS])


def rule_returns(earned: Floats, positions: Floats, lag: int = 1) -> Floats:
    """Return what the rules earn, (T - WARM_UP, 20): the position of ``lag`` periods before times the return.

    One period is honest; none is the leak of trading at a close that the decision has already seen.
    """
    if lag:
        return np.asarray(positions[WARM_UP - lag : -lag] * earned[WARM_UP:, None])
    return np.asarray(positions[WARM_UP:] * earned[WARM_UP:, None])


def _stretch(rng: np.random.Generator, periods: int, past: Floats) -> Floats:
    if len(past) < periods:
        raise MetricError(f"there were {len(past)} past periods; at least {periods} are needed for a world")
    start = rng.integers(len(past) - periods + 1)
    return np.asarray(past[start : start + periods, rng.integers(past.shape[1])])
