"""Quantiles of normal forecasts, and the scale (log or as it is) on which they are made."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from scipy.special import ndtri

from data.panel import Floats

Scale = Literal["log", "none"]
"""``log``: the model sees the logarithm of the value and forecasts ratios; ``none``: it sees the value itself."""

MIN_SPREAD = 1e-8
"""Smallest standard deviation of a forecast, as a share of the value: what a constant series is given."""


def normal_quantiles(mean: Floats, deviation: Floats, levels: Sequence[float]) -> Floats:
    """Return mean + deviation * z(level), (..., Q), non-decreasing along the last axis.

    Args:
        mean: (...) centre of each forecast.
        deviation: (...) standard deviations, not negative.
        levels: Q increasing levels inside (0, 1).
    """
    return np.asarray(mean[..., None] + deviation[..., None] * ndtri(np.asarray(levels, np.float64)))


def to_scale(values: Floats, scale: Scale) -> Floats:
    """Return the values on the model's scale, same shape; the log scale needs values above 0."""
    return np.log(values) if scale == "log" else values


def from_scale(quantiles: Floats, scale: Scale) -> Floats:
    """Return quantiles in the field's own unit; a monotone map takes quantiles to quantiles."""
    values = np.exp(quantiles) if scale == "log" else quantiles
    return np.maximum.accumulate(values, axis=-1)


def smallest_deviation(value: float, scale: Scale) -> float:
    """Return the least standard deviation a forecast may have, on the model's scale."""
    return MIN_SPREAD if scale == "log" else MIN_SPREAD * max(abs(value), MIN_SPREAD)
