"""Tails and moments: value at risk, expected shortfall, skewness, kurtosis and the tail ratio."""

import numpy as np

from backtest.errors import MetricError
from backtest.metrics.metric import Metric, if_constant, measured
from backtest.metrics.returns import Returns
from data.panel import Floats


def value_at_risk(returns: Returns, level: float = 0.05) -> Metric:
    """Return the ``level`` quantile of the returns (linear between order statistics); a loss is negative.

    Raises:
        MetricError: when the level is not inside (0, 1).
    """
    _check_level(level)
    return measured(
        "value_at_risk", returns, f"{level:g} quantile of period returns, linear", "",
        lambda: float(np.quantile(returns.values, level)),
    )  # fmt: skip


def expected_shortfall(returns: Returns, level: float = 0.05) -> Metric:
    """Return the mean of the worst ``level`` of the returns, exactly; a loss is negative.

    ES = (sum of the floor(aT) lowest + (aT - floor(aT)) times the next) / (aT) (Rockafellar and Uryasev 2002,
    proposition 8): the mass aT need not be whole.

    Raises:
        MetricError: when the level is not inside (0, 1).
    """
    _check_level(level)
    return measured(
        "expected_shortfall", returns, f"mean of the worst {level:g} of periods, fractional mass", "",
        lambda: lower_mean(returns.values, level),
    )  # fmt: skip


def lower_mean(values: Floats, level: float) -> float:
    """Return the mean of the lowest ``level`` of the mass of values (T,), with a fractional last one."""
    ordered = np.sort(values)
    mass = level * len(ordered)
    whole = int(mass)
    return float((ordered[:whole].sum() + (mass - whole) * ordered[whole]) / mass)


def skewness(returns: Returns) -> Metric:
    """Return the population skewness, m3 / m2^(3/2); NaN for constant returns."""
    return measured(
        "skewness", returns, "population moments", if_constant(returns.values),
        lambda: standardised_moment(returns.values, 3),
    )  # fmt: skip


def kurtosis(returns: Returns) -> Metric:
    """Return the raw population kurtosis, m4 / m2^2 (3 for a normal variable); NaN for constant returns."""
    return measured(
        "kurtosis", returns, "population moments, raw: 3 for a normal variable", if_constant(returns.values),
        lambda: standardised_moment(returns.values, 4),
    )  # fmt: skip


def standardised_moment(values: Floats, order: int) -> float:
    """Return the mean of ((x - mean) / sd)^order with the population sd of values (T,) that vary."""
    return float(np.mean(((values - values.mean()) / values.std()) ** order))


def tail_ratio(returns: Returns) -> Metric:
    """Return |95 % quantile| / |5 % quantile| of the returns; NaN when the lower one is 0."""
    low, high = np.quantile(returns.values, [0.05, 0.95])
    flag = "" if low != 0 else "the 5 % quantile is 0"
    return measured(
        "tail_ratio",
        returns,
        "|95 % quantile| / |5 % quantile|, linear",
        flag,
        lambda: abs(float(high / low)),
    )


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        raise MetricError(f"level was {level}; a share between 0 and 1 is needed, for example 0.05")
