"""Comparisons of two forecasts by their losses, and the correction for many comparisons.

Losses are time series, one number a decision, oldest first. ``lags`` counts in *decisions*: how many later decisions were
made before the truth of the present one was known. Deciding every h bars on h bars gives 0, deciding every bar gives h - 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.stats import chi2, norm, t

from data.panel import Floats
from forecast.errors import ForecastError

Flag = Literal["", "bartlett", "identical", "constant"]
"""What was unusual: ``bartlett`` the rectangular variance was not positive and Bartlett weights were used; ``identical``
the losses are equal, so p is 1; ``constant`` their difference never varies, so p is 0 or 1 by its sign alone."""


@dataclass(frozen=True)
class Comparison:
    """The test of forecast A against forecast B.

    Attributes:
        statistic: the statistic that ``p_value`` belongs to; negative where A is better, except chi-squared ones.
        p_value: one-sided, small where A is better; two-sided for the chi-squared test.
        mean_difference: mean loss of A minus that of B.
        count: number of losses.
        lags: lags of the variance.
        flag: what was unusual, "" if nothing.
        uncorrected: the statistic before the small-sample correction.
    """

    statistic: float
    p_value: float
    mean_difference: float
    count: int
    lags: int
    flag: Flag
    uncorrected: float


def diebold_mariano(losses_a: Floats, losses_b: Floats, lags: int) -> Comparison:
    """Return the Diebold-Mariano test that A has the lower expected loss, with the HLN correction.

    d = loss A - loss B, V = (g_0 + 2 sum_{k <= lags} g_k) / T with equal weights; Diebold and Mariano (1995), eq. 4-5.
    The statistic is multiplied by sqrt((T + 1 - 2h + h(h-1)/T) / T), h = lags + 1, and compared with Student's t on T - 1
    degrees; Harvey, Leybourne and Newbold (1997), eq. 9. V <= 0 is replaced by its Bartlett-weighted form and flagged.

    Args:
        losses_a: (T,) finite.
        losses_b: (T,) finite, of the same decisions.
        lags: decisions that overlap; see the module.

    Raises:
        ForecastError: when lengths disagree, a loss is not finite, or T is not above 2 * (lags + 1).
    """
    d = _difference(losses_a, losses_b, lags)
    mean, count = float(d.mean()), len(d)
    trivial = _without_variance(d, lags)
    if trivial is not None:
        return trivial
    variance, flag = _long_run_variance(d - mean, lags)
    plain = mean / np.sqrt(variance / count)
    h = lags + 1
    statistic = plain * np.sqrt((count + 1 - 2 * h + h * (h - 1) / count) / count)
    p_value = float(t.cdf(statistic, count - 1))
    return Comparison(float(statistic), p_value, mean, count, lags, flag, float(plain))


def giacomini_white(losses_a: Floats, losses_b: Floats, lags: int) -> Comparison:
    """Return the test of equal *conditional* predictive ability; the p-value is two-sided.

    Z = (1, d_t) * d_{t+h}, h = lags + 1; n * mean(Z)' Omega^-1 mean(Z) against chi-squared with 2 degrees; Giacomini and
    White (2006), theorems 1 and 3. At h = 1 this is n R^2 of regressing 1 on Z; beyond it Omega has Bartlett weights on
    h - 1 lags. Models must have been fitted on windows of bounded length.

    Args:
        losses_a: (T,) finite.
        losses_b: (T,) finite, of the same decisions.
        lags: decisions that overlap; see the module.

    Raises:
        ForecastError: as ``diebold_mariano``.
    """
    d = _difference(losses_a, losses_b, lags)
    mean, h = float(d.mean()), lags + 1
    trivial = _without_variance(d, lags)
    if trivial is not None:
        return trivial
    moments = np.column_stack([d[h:], d[:-h] * d[h:]])
    # Scaling leaves the statistic as it is and keeps the matrix far from singular.
    moments = moments / np.sqrt((moments**2).mean(axis=0, keepdims=True)).clip(np.finfo(float).tiny)
    omega = _bartlett_matrix(moments, lags)
    centre = moments.mean(axis=0)
    statistic = float(len(moments) * centre @ np.linalg.pinv(omega, hermitian=True) @ centre)
    p_value = float(chi2.sf(statistic, np.linalg.matrix_rank(omega, hermitian=True)))
    return Comparison(statistic, p_value, mean, len(d), lags, "", statistic)


def clark_west(truth: Floats, nested: Floats, larger: Floats, lags: int) -> Comparison:
    """Return the test that the larger model beats the one nested in it; squared errors, one-sided.

    f = (y - nested)^2 - [(y - larger)^2 - (nested - larger)^2]; mean(f) / se against the normal; Clark and West (2007),
    eq. 3.1. The adjustment takes out the noise that a larger model pays for estimating what is zero.

    Args:
        truth: (T,) finite.
        nested: (T,) point forecasts of the smaller model.
        larger: (T,) point forecasts of the larger model.
        lags: decisions that overlap; see the module.

    Raises:
        ForecastError: as ``diebold_mariano``.
    """
    gain = (truth - nested) ** 2 - ((truth - larger) ** 2 - (nested - larger) ** 2)
    return clark_west_of(-gain, lags)


def clark_west_of(adjusted_differences: Floats, lags: int) -> Comparison:
    """Return ``clark_west`` of adjusted differences (T,), larger minus nested, averaged over series before."""
    d = _difference(adjusted_differences, np.zeros_like(adjusted_differences), lags)
    trivial = _without_variance(d, lags)
    if trivial is not None:
        return trivial
    mean = float(d.mean())
    variance, flag = _long_run_variance(d - mean, lags)
    statistic = float(mean / np.sqrt(variance / len(d)))
    return Comparison(statistic, float(norm.cdf(statistic)), mean, len(d), lags, flag, statistic)


def holm(p_values: Sequence[float] | Floats) -> Floats:
    """Return the p-values adjusted for all of them being tested, same order; NaN stays NaN and counts for nothing.

    The i-th smallest of m is multiplied by m - i + 1, made non-decreasing and cut at 1; Holm (1979).
    """
    given = np.asarray(p_values, np.float64)
    adjusted = np.full(given.shape, np.nan)
    tested = np.flatnonzero(~np.isnan(given))
    order = tested[np.argsort(given[tested], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(given[order] * factors), 1.0)
    return adjusted


def _difference(losses_a: Floats, losses_b: Floats, lags: int) -> Floats:
    a, b = np.asarray(losses_a, np.float64), np.asarray(losses_b, np.float64)
    if a.shape != b.shape or a.ndim != 1:
        raise ForecastError(f"losses have shapes {a.shape} and {b.shape}; two equal lengths are needed")
    if lags < 0:
        raise ForecastError(f"lags was {lags}; allowed: 0 or more decisions")
    if len(a) <= 2 * (lags + 1):
        raise ForecastError(
            f"{len(a)} losses were given; with {lags} lags more than {2 * (lags + 1)} are needed"
        )
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        row = int(np.flatnonzero(~(np.isfinite(a) & np.isfinite(b)))[0])
        raise ForecastError(
            f"losses at row {row} are {a[row]} and {b[row]}; they must be finite: leave out decisions that were not scored"
        )
    return a - b


def _without_variance(d: Floats, lags: int) -> Comparison | None:
    """Return the flagged result of a difference that never varies, else None."""
    mean, count = float(d.mean()), len(d)
    if not d.any():
        return Comparison(0.0, 1.0, 0.0, count, lags, "identical", 0.0)
    if d.std() <= 1e-12 * abs(mean):
        limit = float(np.copysign(np.inf, mean))
        return Comparison(limit, float(mean > 0), mean, count, lags, "constant", limit)
    return None


def _long_run_variance(centred: Floats, lags: int) -> tuple[float, Flag]:
    """Return T times the variance of the mean: rectangular weights, Bartlett ones where that is not positive."""
    count = len(centred)
    covariances = np.array([centred[k:] @ centred[: count - k] / count for k in range(lags + 1)])
    rectangular = float(covariances[0] + 2.0 * covariances[1:].sum())
    if rectangular > 0:
        return rectangular, ""
    weights = 1.0 - np.arange(1, lags + 1) / (lags + 1)
    return float(covariances[0] + 2.0 * weights @ covariances[1:]), "bartlett"


def _bartlett_matrix(moments: Floats, lags: int) -> Floats:
    """Return the uncentred long-run covariance of (T, K) moments with Bartlett weights."""
    count = len(moments)
    omega = moments.T @ moments / count
    for k in range(1, lags + 1):
        cross = moments[k:].T @ moments[: count - k] / count
        omega = omega + (1.0 - k / (lags + 1)) * (cross + cross.T)
    return np.asarray(omega)
