"""What serial dependence does to a Sharpe ratio: its annual value after Lo, and its HAC standard error."""

import math

import numpy as np

from backtest.errors import MetricError
from backtest.metrics.metric import Metric, if_constant, if_few, if_short, measured
from backtest.metrics.ratios import sharpe_per_period
from backtest.metrics.returns import Returns
from data.panel import Floats


def aggregation_factor(periods: float, correlations: Floats) -> float:
    """Return eta(q) = q / sqrt(q + 2 sum_{k<q} (q - k) rho_k) (Lo 2002, eq. 20), with signed rho_1, rho_2 ... (L,).

    Lags at or beyond q are ignored. NaN when the bracket is not positive: such autocorrelations belong to no variance.
    """
    lags = np.arange(1, len(correlations) + 1)
    weights = np.maximum(periods - lags, 0)
    bracket = periods + 2 * float(weights @ correlations)
    return periods / math.sqrt(bracket) if bracket > 0 else math.nan


def autocorrelations(values: Floats, lags: int) -> Floats:
    """Return rho_1 .. rho_lags of values (T,) that vary: lagged products over the full sum of squares, (lags,)."""
    centred = values - values.mean()
    total = float(centred @ centred)
    return np.array([float(centred[k:] @ centred[:-k]) / total for k in range(1, lags + 1)])


def newey_west_lags(n: int) -> int:
    """Return floor(4 (n/100)^(2/9)) (Newey and West 1994), at most n - 1."""
    return min(n - 1, int(4 * (n / 100) ** (2 / 9)))


def long_run_variance(values: Floats, lags: int) -> float:
    """Return the Bartlett long-run variance of values (T,), never negative (Newey and West 1987)."""
    centred = values - values.mean()
    n = len(centred)
    products = [float(centred[k:] @ centred[: n - k]) / n for k in range(lags + 1)]
    return products[0] + 2 * sum((1 - k / (lags + 1)) * products[k] for k in range(1, lags + 1))


def sharpe_influence(excess: Floats) -> Floats:
    """Return each period's influence on the per-period Sharpe ratio, (T,), of values that vary.

    psi = (r - m)/s - m/(2 s^3) ((r - m)^2 - s^2), the first-order change of m/s (Lo 2002, appendix A).
    """
    mean, sd = float(excess.mean()), float(excess.std())
    away = excess - mean
    return np.asarray(away / sd - mean / (2 * sd**3) * (away**2 - sd**2))


def sharpe_standard_error(returns: Returns) -> Metric:
    """Return the annual standard error of the Sharpe ratio under heavy tails and serial dependence.

    sqrt(LRV(psi)/T) sqrt(q) with the influence psi of ``sharpe_influence`` and a Bartlett kernel over
    floor(4 (T/100)^(2/9)) lags (Lo 2002; Ledoit and Wolf 2008).
    """
    excess, n = returns.excess, len(returns)
    lags = newey_west_lags(n)
    flag = if_short(returns) or if_few(returns) or if_constant(excess)
    return measured(
        "sharpe_standard_error", returns, f"HAC, Bartlett over {lags} lags, x sqrt(q); {returns.terms}", flag,
        lambda: math.sqrt(long_run_variance(sharpe_influence(excess), lags) / n * returns.periods_per_year),
    )  # fmt: skip


def lo_adjusted_sharpe(returns: Returns, lags: int | None = None) -> Metric:
    """Return the annual Sharpe ratio with sqrt(q) replaced by eta(q), which counts signed autocorrelation (Lo 2002).

    Negative autocorrelation raises it, positive lowers it.

    Args:
        returns: the returns.
        lags: autocorrelations used; None means floor(4 (T/100)^(2/9)), fewer than q in any case.

    Raises:
        MetricError: when ``lags`` is negative or not below the number of periods.
    """
    excess, q, n = returns.excess, returns.periods_per_year, len(returns)
    if lags is not None and not 0 <= lags < n:
        raise MetricError(f"lags was {lags}; 0 to {n - 1} are possible with {n} periods")
    used = min(newey_west_lags(n) if lags is None else lags, max(0, math.ceil(q) - 1))
    flag = if_short(returns) or if_few(returns) or if_constant(excess)
    eta = math.nan if flag else aggregation_factor(q, autocorrelations(excess, used))
    flag = flag or ("autocorrelations leave no positive variance" if math.isnan(eta) else "")
    return measured(
        "lo_adjusted_sharpe", returns, f"mean/sd (ddof 1) of r - rf, x eta(q) over {used} lags; {returns.terms}",
        flag, lambda: float(sharpe_per_period(excess)) * eta,
    )  # fmt: skip
