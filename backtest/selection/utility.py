"""Utility: what a strategy is worth a year per unit of risk, the one unit in which selection compares strategies.

J = q mean[log(1 + rf + s(r - rf)) - log(1 + rf)], net of cost, with s = sigma*/sigmahat known one period before. Cash gives
exactly 0, and so does every period in which nothing is held.
"""

import math

import numpy as np
from scipy.signal import lfilter

from backtest.errors import MetricError
from backtest.metrics.dependence import long_run_variance, newey_west_lags
from backtest.metrics.returns import LEAST_INFERENCE
from data.panel import Floats

TARGET_VOLATILITY = 0.10
"""sigma*, annual."""

LARGEST_SCALE = 3.0
"""Returns are scaled by at most so much: a strategy that rarely trades is not blown up to the target."""

LEAST_WEALTH = 0.01
"""What at least is left of the account after one scaled period, so that ruin is a very bad number and not minus infinity."""

HALF_LIVES_PER_YEAR = 12.0
"""The volatility estimate halves the weight of a period within a month."""


def ex_ante_volatility(excess: Floats, periods_per_year: float) -> Floats:
    """Return sigmahat before each period, annual, (T,) or (T, N): NaN while fewer than 20 periods are known.

    Root of the exponentially weighted mean square of the earlier excess returns with a half-life of a month; the value at
    t has seen periods up to t - 1 only (RiskMetrics 1996, section 5.2, with weights that sum to one from the start).

    Args:
        excess: (T,) or (T, N) excess returns per period; NaN before a column begins.
        periods_per_year: periods in a year, from the calendar.
    """
    known = np.isfinite(excess)
    decay = 0.5 ** (HALF_LIVES_PER_YEAR / periods_per_year)
    squares = lfilter([1.0], [1.0, -decay], np.where(known, excess, 0.0) ** 2, axis=0)
    weights = lfilter([1.0], [1.0, -decay], known.astype(np.float64), axis=0)
    enough = np.cumsum(known, axis=0) >= LEAST_INFERENCE
    variance = np.divide(squares, weights, out=np.full_like(weights, np.nan), where=enough)
    before: Floats = np.full(variance.shape, np.nan)
    before[1:] = np.sqrt(np.maximum(variance[:-1], 0.0) * periods_per_year)
    return before


def scaled_excess(returns: Floats, periods_per_year: float, risk_free: float | Floats = 0.0) -> Floats:
    """Return s(r - rf) for each period, of the shape of ``returns``; NaN while the volatility is not known.

    s = min(sigma*/sigmahat, 3). The period's loss is at most 99 % of the account.

    Args:
        returns: (T,) or (T, N) net simple returns, at least -1; NaN before a strategy begins, after ruin 0.
        periods_per_year: periods in a year, from the calendar.
        risk_free: risk-free return per period, a number or (T,).

    Raises:
        MetricError: when a return is below -1 or infinite, or a setting is out of range.
    """
    values = np.asarray(returns, np.float64)
    _check(values, periods_per_year)
    rate = _column(risk_free, values)
    excess = values - rate
    volatility = ex_ante_volatility(excess, periods_per_year)
    # A strategy that held nothing so far has no volatility: the cap applies, not a division by zero.
    safe = np.maximum(volatility, TARGET_VOLATILITY / LARGEST_SCALE)
    return np.maximum(TARGET_VOLATILITY / safe * excess, LEAST_WEALTH - 1 - rate)


def utilities(returns: Floats, periods_per_year: float, risk_free: float | Floats = 0.0) -> Floats:
    """Return log(1 + rf + s(r - rf)) - log(1 + rf) for each period, not annualised; arguments as in ``scaled_excess``."""
    values = np.asarray(returns, np.float64)
    rate = _column(risk_free, values)
    scaled = scaled_excess(values, periods_per_year, risk_free)
    return np.asarray(np.log(1 + rate + scaled) - np.log(1 + rate))


def annual_value(utility: Floats, periods_per_year: float) -> Floats:
    """Return J = q mean(u) over the first axis, (T,) -> () or (T, N) -> (N,).

    Raises:
        MetricError: when there is no period or one is not finite.
    """
    values = np.asarray(utility, np.float64)
    if not len(values) or not np.isfinite(values).all():
        raise MetricError(
            f"utilities have shape {values.shape}; at least one period of finite ones is needed"
        )
    return np.asarray(periods_per_year * values.mean(axis=0))


def value_variance(utility: Floats, periods_per_year: float) -> float:
    """Return the HAC variance of J over (T,) utilities, q^2 LRV(u)/T (Newey and West 1987, 1994); NaN for one period."""
    count = len(utility)
    if count < 2:
        return math.nan
    return periods_per_year**2 * max(0.0, long_run_variance(utility, newey_west_lags(count))) / count


def _column(risk_free: float | Floats, values: Floats) -> Floats:
    rate = np.asarray(risk_free, np.float64)
    if rate.ndim and rate.shape != values.shape[:1]:
        raise MetricError(f"risk_free has shape {rate.shape}; a number or {values.shape[:1]} is needed")
    if not (np.isfinite(rate) & (rate > LEAST_WEALTH - 1)).all():
        raise MetricError(f"risk_free was {rate.min()}; finite rates per period above -0.99 are needed")
    return rate[:, None] if rate.ndim and values.ndim == 2 else rate


def _check(values: Floats, periods_per_year: float) -> None:
    if values.ndim not in (1, 2):
        raise MetricError(f"returns have shape {values.shape}; (T,) or (T, N) is needed")
    wrong = np.isinf(values) | (values < -1)
    if wrong.any():
        row = int(np.argwhere(wrong)[0][0])
        raise MetricError(
            f"return at row {row} was {values[wrong][0]}; at least -1, or NaN before the start, is needed"
        )
    if not (math.isfinite(periods_per_year) and periods_per_year > 0):
        raise MetricError(f"periods_per_year was {periods_per_year}; a positive number is needed")
