"""Shapes: how a span's path is spread over prices, in units of its expected deviation."""

import numpy as np
from scipy.special import ndtr

from data.panel import Floats
from forecast.errors import FitError
from forecast.models.liquidity.rows import PoolRows
from forecast.models.liquidity.spans import Origins
from forecast.models.liquidity.truth import span_profile

UNIT_EDGES: Floats = np.linspace(-5.0, 5.0, 51)
"""Edges of the bins of a standardised shape, in deviations of the log price; the outermost take what lies beyond."""


def standardised_shares(rows: PoolRows, origins: Origins, deviations: Floats, horizon: int) -> Floats:
    """Return the share of the path in each standardised bin, (N, Z, 2), of the spans after N bars.

    Up and down add up to 1 together; a span in which nobody traded has 0 everywhere.

    Args:
        rows: bars and swaps that hold every span.
        origins: bars after which the spans begin.
        deviations: (N,) deviation of the log price over the span that was expected at each.
        horizon: bars of a span.
    """
    root, times = rows.field("sqrt_price"), rows.times
    found = np.empty((len(origins), len(UNIT_EDGES) - 1, 2))
    for i, (t, deviation) in enumerate(zip(origins, deviations, strict=True)):
        swaps = rows.swaps.between(times[t], times[t + horizon])
        path = span_profile(swaps, float(root[t]), UNIT_EDGES * deviation)
        found[i] = path / max(path.sum(), np.finfo(float).tiny)
    return found


def mean_shape(shares: Floats) -> Floats:
    """Return the mean of (N, Z, 2) shares over the spans in which somebody traded, (Z, 2), adding up to 1.

    Raises:
        FitError: when nobody traded in any of them.
    """
    mean = shares.mean(axis=0)
    if not mean.sum() > 0.0:
        raise FitError(f"nobody traded in any of {len(shares)} spans; a shape needs a path")
    return np.asarray(mean / mean.sum())


def spread_shape(shape: Floats, deviation: float, edges: Floats) -> Floats:
    """Return a standardised shape (Z, 2) on other bins, (B, 2); the outermost take what lies beyond.

    Args:
        shape: shares by standardised bin, even inside each.
        deviation: of the log price over the span.
        edges: (B + 1,) rising changes of the log price.
    """
    within = np.concatenate([np.zeros((1, 2)), np.cumsum(shape, axis=0)])
    inner = edges[1:-1] / max(deviation, np.finfo(float).tiny)
    up, down = (np.interp(inner, UNIT_EDGES, within[:, way]) for way in (0, 1))
    steps = [
        np.diff(part, prepend=0.0, append=whole)
        for part, whole in ((up, within[-1, 0]), (down, within[-1, 1]))
    ]
    return np.asarray(np.maximum(np.column_stack(steps), 0.0))


def brownian_shape(deviation: float, edges: Floats) -> Floats:
    """Return the share of a Brownian log price's expected path in each bin, (B, 2), up and down adding up to 1 together.

    The path is spread as the variance is: the expected local time at x of a motion with variance V is the integral of the
    normal density phi(x / sqrt(v)) / sqrt(v) over v up to V (Borodin and Salminen 2002, part I). Its tail beyond z sqrt(V) is
    (1 + z^2) (1 - Phi(z)) - z phi(z) of the whole. Inside a bin, ways up count by the mean of s / s(cutoff) and ways down
    by its inverse, as a profile does.

    Args:
        deviation: sqrt(V) of the log price over the span.
        edges: (B + 1,) rising changes of the log price.
    """
    z = edges[1:-1] / max(deviation, np.finfo(float).tiny)
    below = np.where(z < 0, _tail(np.abs(z)), 1.0 - _tail(np.abs(z)))
    occupied = np.maximum(np.diff(below, prepend=0.0, append=1.0), 0.0)
    middle = 0.5 * (edges[1:] + edges[:-1])
    ways = np.column_stack([occupied * np.exp(0.5 * middle), occupied * np.exp(-0.5 * middle)])
    return np.asarray(ways / ways.sum())


def _tail(z: Floats) -> Floats:
    """Return the share of the path beyond z deviations, z at or above 0."""
    bounded = np.minimum(z, 40.0)
    density = np.exp(-0.5 * bounded**2) / np.sqrt(2.0 * np.pi)
    return np.asarray((1.0 + bounded**2) * ndtr(-bounded) - bounded * density)
