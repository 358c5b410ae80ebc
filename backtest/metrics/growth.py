"""Growth and the shape of single periods: total return, CAGR, best and worst period, hit rate, profit factor."""

import numpy as np

from backtest.metrics.metric import Metric, if_short, measured
from backtest.metrics.returns import Returns
from data.panel import Floats


def compounded(values: Floats) -> Floats:
    """Return the compounded return over the last axis: prod(1 + r) - 1, (..., T) -> (...)."""
    return np.asarray(np.prod(1 + values, axis=-1) - 1)


def compounded_annually(values: Floats, periods_per_year: float) -> Floats:
    """Return the compound annual growth over the last axis: prod(1 + r)^(q/T) - 1, (..., T) -> (...)."""
    return np.asarray((1 + compounded(values)) ** (periods_per_year / values.shape[-1]) - 1)


def total_return(returns: Returns) -> Metric:
    """Return prod(1 + r) - 1."""
    return measured(
        "total_return",
        returns,
        "compounded net simple returns",
        "",
        lambda: float(compounded(returns.values)),
    )


def cagr(returns: Returns) -> Metric:
    """Return the compound annual growth rate, prod(1 + r)^(q/T) - 1; NaN for samples too short to annualise."""
    q = returns.periods_per_year
    return measured(
        "cagr", returns, f"compounded, exponent {q:g}/n", if_short(returns),
        lambda: float(compounded_annually(returns.values, q)),
    )  # fmt: skip


def best_period(returns: Returns) -> Metric:
    """Return the highest return of a period."""
    return measured(
        "best_period", returns, "highest return of a period", "", lambda: float(returns.values.max())
    )


def worst_period(returns: Returns) -> Metric:
    """Return the lowest return of a period."""
    return measured(
        "worst_period", returns, "lowest return of a period", "", lambda: float(returns.values.min())
    )


def hit_rate(returns: Returns) -> Metric:
    """Return the share of periods with a gain, P(r > 0); zero returns count as periods without a gain."""
    return measured(
        "hit_rate", returns, "P(r > 0), zeros stay in the denominator", "",
        lambda: float(np.mean(returns.values > 0)),
    )  # fmt: skip


def profit_factor(returns: Returns) -> Metric:
    """Return the sum of gains over the absolute sum of losses, by period; NaN without a losing period."""
    gains, losses = gains_and_losses(returns.values)
    flag = "" if losses > 0 else "no losing period"
    return measured(
        "profit_factor", returns, "sum of gains / |sum of losses|, by period", flag, lambda: gains / losses
    )


def gains_and_losses(values: Floats) -> tuple[float, float]:
    """Return the sum of the positive values and the absolute sum of the negative ones."""
    return float(np.maximum(values, 0).sum()), float(np.maximum(-values, 0).sum())
