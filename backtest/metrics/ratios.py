"""Reward for risk: volatility, Sharpe, Sortino and Omega."""

import math

import numpy as np

from backtest.errors import MetricError
from backtest.metrics.growth import gains_and_losses
from backtest.metrics.metric import Metric, if_constant, if_short, measured
from backtest.metrics.returns import Returns
from data.panel import Floats


def sharpe_per_period(excess: Floats) -> Floats:
    """Return mean / sd (ddof 1) over the last axis, (..., T) -> (...); not annualised (Sharpe 1994)."""
    return np.asarray(excess.mean(axis=-1) / excess.std(axis=-1, ddof=1))


def sortino_per_period(excess: Floats) -> Floats:
    """Return mean / sqrt(mean(min(x, 0)^2)) over the last axis, (..., T) -> (...); infinite without a shortfall."""
    downside = np.sqrt((np.minimum(excess, 0) ** 2).mean(axis=-1))
    return np.asarray(excess.mean(axis=-1) / downside)


def volatility(returns: Returns) -> Metric:
    """Return the annual volatility, sd(r; ddof 1) sqrt(q); 0 for constant returns."""
    q = returns.periods_per_year
    flag = if_short(returns) or if_short(returns, 2)
    return measured(
        "volatility", returns, f"sd (ddof 1) x sqrt({q:g})", flag,
        lambda: float(returns.values.std(ddof=1)) * math.sqrt(q),
    )  # fmt: skip


def sharpe(returns: Returns) -> Metric:
    """Return the annual Sharpe ratio, mean(r - rf) / sd(r - rf; ddof 1) sqrt(q) (Sharpe 1994).

    Scaling by sqrt(q) is right only for returns without autocorrelation; ``lo_adjusted_sharpe`` corrects it. NaN for
    constant returns and for samples too short to annualise.
    """
    excess, q = returns.excess, returns.periods_per_year
    return measured(
        "sharpe", returns, f"mean/sd (ddof 1) of r - rf, x sqrt(q); {returns.terms}",
        if_short(returns) or if_constant(excess), lambda: float(sharpe_per_period(excess)) * math.sqrt(q),
    )  # fmt: skip


def sortino(returns: Returns) -> Metric:
    """Return the annual Sortino ratio, mean(x) / sqrt(mean(min(x, 0)^2)) sqrt(q) with x = r - rf over all T periods.

    The target is the risk-free return, and the downside is averaged over all periods, not over the losing ones
    (Sortino and van der Meer 1991). NaN without a period below the target.
    """
    excess, q = returns.excess, returns.periods_per_year
    flag = (
        if_short(returns)
        or if_constant(excess)
        or ("" if (excess < 0).any() else "no period below the target")
    )
    return measured(
        "sortino", returns, f"mean/downside deviation over all periods, target rf, x sqrt(q); {returns.terms}", flag,
        lambda: float(sortino_per_period(excess)) * math.sqrt(q),
    )  # fmt: skip


def omega(returns: Returns, threshold: float = 0.0) -> Metric:
    """Return Omega, sum (r - th)+ / sum (th - r)+ (Keating and Shadwick 2002, in sums); NaN without a shortfall.

    Args:
        returns: the returns.
        threshold: return per period that separates gain from loss.

    Raises:
        MetricError: when the threshold is not finite.
    """
    if not math.isfinite(threshold):
        raise MetricError(f"threshold was {threshold}; a finite return per period is needed")
    gains, losses = gains_and_losses(returns.values - threshold)
    flag = "" if losses > 0 else "no period below the threshold"
    return measured(
        "omega", returns, f"sum of gains / sum of losses against {threshold:g} a period", flag,
        lambda: gains / losses,
    )  # fmt: skip
