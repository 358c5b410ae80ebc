"""The Theta method: half a straight line, half exponential smoothing, with normal quantiles."""

from typing import Annotated, Any, Self

import annotated_types as at
import numpy as np
from pydantic import model_validator
from scipy.optimize import minimize_scalar
from scipy.signal import lfilter

from data.panel import Floats
from data.registry import spec
from forecast.models.normal_quantiles import (
    Scale,
    from_scale,
    normal_quantiles,
    smallest_deviation,
    to_scale,
)
from forecast.models.univariate import (
    AbstractUnivariate,
    Parameters,
    SeriesFit,
    SeriesRows,
    check_quantity,
)

LEAST_WEIGHT, MOST_WEIGHT = 1e-4, 1.0 - 1e-4
"""Bounds of the smoothing weight, those of statsmodels' ``ThetaModel``."""


@spec
class Theta(AbstractUnivariate):
    """Theta (Assimakopoulos and Nikolopoulos 2000) in the form of Hyndman and Billah (2003).

    The forecast is that of simple exponential smoothing plus (theta - 1) / theta times the slope b of a straight line,
    h - 1 + 1/alpha - (1 - alpha)^T / alpha bars on (statsmodels' ``ThetaModel`` without season). alpha minimises the
    squared one-step errors of the smoothing and b is the least-squares slope, both on the training rows and held until
    the next fit; a forecast smooths the last ``context`` rows. Quantiles are normal with the h-step variance of smoothing
    with drift: sigma^2 (1 + (h - 1) alpha^2), sigma from the one-step errors of the whole forecast in training. A
    constant series is forecast at its value with a spread of 1e-8 of it.

    It loses when the training slope was luck (most prices over a few years), on seasons, and when volatility moves,
    because its spread never does.

    Attributes:
        theta: curvature of the second line; 2 is the classical method, 1 is plain smoothing.
        scale: whether the logarithm of the value is smoothed, or the value.
    """

    theta: Annotated[float, at.Ge(1), at.Le(100)] = 2.0
    scale: Scale = "log"

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_quantity(self.quantity, "theta")
        return self

    @property
    def needs_positive(self) -> bool:
        """Whether the model takes logarithms of the target."""
        return self.scale == "log"

    @property
    def least_rows(self) -> int:
        """Observed rows a series needs to be fitted."""
        return max(self.context + self.horizon, 10)

    def fit_series(self, rows: SeriesRows, rng: np.random.Generator) -> SeriesFit:
        """Return alpha, slope and residual deviation."""
        values = to_scale(rows.seen, self.scale)
        if np.std(np.diff(values)) <= smallest_deviation(float(rows.values[-1]), self.scale):
            return SeriesFit({"values": np.array([MOST_WEIGHT, 0.0, 0.0])})
        found = minimize_scalar(
            smoothing_loss, bounds=(LEAST_WEIGHT, MOST_WEIGHT), args=(values,), method="bounded"
        )
        weight, slope = float(found.x), line_slope(values)
        seen = np.arange(1, len(values))
        ahead = smoothed(values, weight)[:-1] + self._drift(weight, slope, seen, 1)
        deviation = float(np.sqrt(np.mean((values[1:] - ahead) ** 2)))
        return SeriesFit({"values": np.array([weight, slope, deviation])}, bool(found.success))

    def forecast_series(self, fit: Parameters, rows: SeriesRows, rng: np.random.Generator) -> Floats:
        """Return the quantiles of one series, (H, Q)."""
        weight, slope, deviation = (float(value) for value in fit["values"])
        values = to_scale(rows.seen, self.scale)
        ahead = np.arange(1, self.horizon + 1)
        mean = smoothed(values, weight)[-1] + self._drift(weight, slope, np.array(len(values)), ahead)
        spread = deviation * np.sqrt(1.0 + (ahead - 1) * weight**2)
        floor = smallest_deviation(float(rows.values[-1]), self.scale)
        return from_scale(normal_quantiles(mean, np.maximum(spread, floor), self.levels), self.scale)

    def _drift(self, weight: float, slope: float, seen: Any, ahead: Any) -> Floats:
        """Return what the line adds h bars ahead after ``seen`` values were smoothed."""
        lag = (1.0 - (1.0 - weight) ** seen) / weight
        return np.asarray((self.theta - 1.0) / self.theta * slope * (ahead - 1 + lag))


def smoothed(values: Floats, weight: float) -> Floats:
    """Return the smoothed level after each value, (T,), started at the first value."""
    levels, _ = lfilter([weight], [1.0, weight - 1.0], values, zi=[(1.0 - weight) * values[0]])
    return np.asarray(levels)


def smoothing_loss(weight: float, values: Floats) -> float:
    """Return the mean squared one-step error of simple exponential smoothing."""
    return float(np.mean((values[1:] - smoothed(values, weight)[:-1]) ** 2))


def line_slope(values: Floats) -> float:
    """Return the least-squares slope of the values on time, per bar."""
    time = np.arange(len(values)) - (len(values) - 1) / 2.0
    return float(time @ values / (time @ time))
