"""Scores of forecasts: elementwise functions of arrays; the caller averages.

A truth of NaN gives a score of NaN: that forecast is not scored. ``*_loss`` and ``*_error``: smaller is better.
"""

from typing import NamedTuple

import numpy as np

from data.panel import Floats
from forecast.errors import ForecastError


def pinball_loss(truth: Floats, quantiles: Floats, levels: Floats) -> Floats:
    """Return the pinball loss of each level, (..., Q), in the unit of the truth.

    (level - 1{truth < quantile}) * (truth - quantile); Koenker and Bassett (1978), Gneiting (2011), eq. 24.

    Args:
        truth: (...) what happened; NaN where not known.
        quantiles: (..., Q) finite, non-decreasing along Q.
        levels: (Q,) increasing, inside (0, 1).

    Raises:
        ForecastError: when the shapes disagree.

    Example:
        >>> pinball_loss(np.array([3.0]), np.array([[1.0, 2.0]]), np.array([0.1, 0.5]))
        array([[0.2, 0.5]])
    """
    _check_shapes(truth, quantiles, levels)
    gap = truth[..., None] - quantiles
    return np.asarray(np.maximum(levels * gap, (levels - 1.0) * gap))


def crps_loss(truth: Floats, quantiles: Floats, levels: Floats) -> Floats:
    """Return the continuous ranked probability score read off a grid of quantiles, (...), in the unit of the truth.

    CRPS = 2 * integral over (0, 1) of the pinball loss; Gneiting and Ranjan (2011), eq. 7. Between the outermost levels
    the integral is the trapezoid rule. Below the first level and above the last one the distribution is taken to end at
    the outermost quantile, for which the integral is exact; a truth beyond it pays its full distance. For a normal
    forecast on the default 21 levels and a truth within two standard deviations the result lies within 0.006 standard
    deviations of the closed form, within 0.013 up to four.

    Args:
        truth: (...) what happened; NaN where not known.
        quantiles: (..., Q) finite, non-decreasing along Q.
        levels: (Q,) increasing, inside (0, 1).
    """
    return crps_from_pinball(pinball_loss(truth, quantiles, levels), truth, quantiles, levels)


def crps_from_pinball(losses: Floats, truth: Floats, quantiles: Floats, levels: Floats) -> Floats:
    """Return ``crps_loss`` when the pinball losses (..., Q) are already there."""
    widths = np.diff(levels)
    weights = np.zeros(len(levels))
    weights[:-1] += widths / 2
    weights[1:] += widths / 2
    below = truth - quantiles[..., 0]
    above = quantiles[..., -1] - truth
    return np.asarray(2.0 * (losses @ weights + _tail(below, levels[0]) + _tail(above, 1.0 - levels[-1])))


def _tail(inward: Floats, mass: float) -> Floats:
    """Return the integral of the pinball loss over a tail of this mass whose quantiles all lie at its inner end."""
    small, large = mass**2 / 2, mass - mass**2 / 2
    return np.maximum(small * inward, -large * inward)


def winkler_loss(truth: Floats, lower: Floats, upper: Floats, coverage: float) -> Floats:
    """Return the interval score of a central interval, (...), in the unit of the truth.

    (upper - lower) + 2/a * (lower - truth)+ + 2/a * (truth - upper)+ with a = 1 - coverage; Winkler (1972), Gneiting and
    Raftery (2007), eq. 43.

    Args:
        truth: (...) what happened; NaN where not known.
        lower: (...) quantile of level a / 2.
        upper: (...) quantile of level 1 - a / 2.
        coverage: nominal coverage of the interval, inside (0, 1).
    """
    if not 0 < coverage < 1:
        raise ForecastError(f"coverage was {coverage:g}; allowed: above 0 and below 1")
    outside = np.maximum(lower - truth, 0.0) + np.maximum(truth - upper, 0.0)
    return np.asarray(upper - lower + 2.0 / (1.0 - coverage) * outside)


def coverage_score(truth: Floats, lower: Floats, upper: Floats) -> Floats:
    """Return 1 where lower <= truth <= upper and 0 elsewhere, (...); NaN where the truth is not known."""
    inside = (lower <= truth) & (truth <= upper)
    return np.where(np.isnan(truth), np.nan, inside.astype(np.float64))


def probability_integral(truth: Floats, quantiles: Floats, levels: Floats) -> Floats:
    """Return the forecast probability of a value at most the truth, (...); uniform when forecasts are honest.

    Dawid (1984). Linear between quantiles. A truth outside the grid gets the middle of the bin it fell in: half the
    first level below it, halfway between the last level and 1 above it. Where several quantiles equal the truth, the
    middle of their levels.

    Args:
        truth: (...) what happened; NaN where not known.
        quantiles: (..., Q) finite, non-decreasing along Q.
        levels: (Q,) increasing, inside (0, 1).
    """
    _check_shapes(truth, quantiles, levels)
    left = (quantiles < truth[..., None]).sum(axis=-1)
    right = (quantiles <= truth[..., None]).sum(axis=-1)
    inner = np.clip(left, 1, len(levels) - 1)
    low = np.take_along_axis(quantiles, (inner - 1)[..., None], axis=-1)[..., 0]
    high = np.take_along_axis(quantiles, inner[..., None], axis=-1)[..., 0]
    share = (truth - low) / np.where(high > low, high - low, 1.0)
    between = levels[inner - 1] + share * (levels[inner] - levels[inner - 1])
    tied = (levels[np.minimum(left, len(levels) - 1)] + levels[np.maximum(right - 1, 0)]) / 2
    value = np.where(right > left, tied, between)
    value = np.where(right == 0, levels[0] / 2, value)
    value = np.where(left == len(levels), (1.0 + levels[-1]) / 2, value)
    return np.where(np.isnan(truth), np.nan, value)


def absolute_scaled_error(truth: Floats, forecast: Floats, scale: Floats | float) -> Floats:
    """Return |truth - forecast| / scale, (...); its mean is the MASE of Hyndman and Koehler (2006), section 3.

    Args:
        truth: (...) what happened; NaN where not known.
        forecast: (...) point forecast.
        scale: in-sample error of the naive forecast (``naive_scale``); a scale of NaN or 0 gives NaN, as a series that
            never moved has no such error.
    """
    usable = np.where(np.asarray(scale) > 0, scale, np.nan)
    return np.asarray(np.abs(truth - forecast) / usable)


def naive_scale(train: Floats, season: int = 1) -> Floats:
    """Return the mean absolute error of the one-step (seasonal) naive forecast inside the training data, (S,).

    Hyndman and Koehler (2006), eq. 3. Differences with a value that was not observed are left out; NaN when none is left.

    Args:
        train: (T, S) values known before the first forecast.
        season: bars back that the naive forecast looks.

    Raises:
        ForecastError: when the season is below 1.
    """
    if season < 1:
        raise ForecastError(f"season was {season}; allowed: 1 or more bars")
    moves = np.abs(train[season:] - train[:-season])
    known = ~np.isnan(moves)
    total = np.where(known, moves, 0.0).sum(axis=0)
    count = known.sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def root_mean_squared_error(truth: Floats, forecast: Floats) -> float:
    """Return the root of the mean squared error over the known truths; NaN when none is known."""
    known = ~np.isnan(truth)
    return float(np.sqrt(np.mean((truth - forecast)[known] ** 2))) if known.any() else float("nan")


def relative_root_mean_squared_error(truth: Floats, forecast: Floats) -> float:
    """Return the root mean squared error over the mean of the known truths; NaN when that mean is 0 or unknown.

    The headline figure of Mehtab and Sen (2020). It flatters every model of a price: the naive one scores about 0.02 on
    an index, so it means something only beside the naive row.
    """
    known = ~np.isnan(truth)
    mean = float(truth[known].mean()) if known.any() else 0.0
    return root_mean_squared_error(truth, forecast) / mean if mean != 0 else float("nan")


class Direction(NamedTuple):
    """Accuracy of the calls, share of the commoner direction in the same cases, and their number."""

    accuracy: float
    base_rate: float
    n: int


def direction_score(truth: Floats, forecast: Floats, last: Floats) -> Direction:
    """Return how often the sign of the forecast move was right, with the base rate it has to beat.

    Counted are the cases in which the forecast calls a direction (forecast != last) and the value moved
    (truth != last). The base rate is what always calling the commoner direction of these same cases would score. Both
    are NaN when there is no such case, as for the naive forecast, which never calls.

    Args:
        truth: (...) what happened; NaN where not known.
        forecast: (...) point forecast.
        last: (...) last known value at the cutoff.
    """
    move, call = np.sign(truth - last), np.sign(forecast - last)
    counted = ~np.isnan(move) & (move != 0) & (call != 0)
    n = int(counted.sum())
    if n == 0:
        return Direction(float("nan"), float("nan"), 0)
    up = float((move[counted] > 0).mean())
    return Direction(float((move == call)[counted].mean()), max(up, 1.0 - up), n)


def qlike_loss(truth: Floats, variance: Floats) -> Floats:
    """Return log(variance) + truth / variance, (...): the loss of a variance forecast.

    Patton (2011), eq. 6: one of the losses that rank forecasts by the true variance even when the truth is a noisy
    unbiased proxy such as the squared return. Only differences between models mean anything: its level depends on the
    unit.

    Args:
        truth: (...) proxy of the variance, 0 or more; NaN where not known.
        variance: (...) forecast of it, above 0.

    Raises:
        ForecastError: when a forecast is not above 0.
    """
    if (variance <= 0).any():
        raise ForecastError(f"variance forecast was {float(np.min(variance)):g}; QLIKE needs one above 0")
    return np.asarray(np.log(variance) + truth / variance)


def _check_shapes(truth: Floats, quantiles: Floats, levels: Floats) -> None:
    if quantiles.shape != (*truth.shape, len(levels)):
        raise ForecastError(
            f"quantiles have shape {quantiles.shape}; truth and levels ask for {(*truth.shape, len(levels))}"
        )
