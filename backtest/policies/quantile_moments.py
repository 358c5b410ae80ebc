"""Moments of a distribution given by quantiles.

The quantile function is taken as linear between neighbouring levels and flat outside the outermost two, so every
expectation is a sum over the levels weighted by their masses: the trapezoid rule in probability, with each tail's mass on
its outermost quantile. Flat tails understate variance and tail losses.
"""

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

from data.panel import Floats


def level_weights(levels: Floats) -> Floats:
    """Return the probability mass of each level, (Q,), positive, adding up to one.

    Args:
        levels: (Q,) strictly increasing, inside (0, 1).
    """
    levels = np.asarray(levels, np.float64)
    middles = 0.5 * (levels[1:] + levels[:-1])
    return np.diff(np.concatenate([[0.0], middles, [1.0]]))


def normal_scale(values: Floats, levels: Floats) -> Floats:
    """Return the standard deviation of the normal with the same outer quantile spread, (..., Q) to (...).

    The pair used is the outermost inside 5 % to 95 %, or the outermost of all when fewer than two lie inside. A single
    level has no spread: the scale is 0.
    """
    low, high = _outer_pair(np.asarray(levels, np.float64).tolist())
    if low == high:
        return np.zeros(values.shape[:-1])
    normal = NormalDist()
    width = normal.inv_cdf(float(levels[high])) - normal.inv_cdf(float(levels[low]))
    return np.asarray((values[..., high] - values[..., low]) / width)


def _outer_pair(levels: Sequence[float]) -> tuple[int, int]:
    inside = [q for q, level in enumerate(levels) if 0.05 - 1e-9 <= level <= 0.95 + 1e-9]
    return (inside[0], inside[-1]) if len(inside) >= 2 else (0, len(levels) - 1)
