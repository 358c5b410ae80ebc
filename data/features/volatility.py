"""Volatility estimators from bars, per bar (not annualised): standard deviations of log returns."""

import numpy as np

from data.features.feature import Feature, lagged, mean_over
from data.features.returns import log_return
from data.panel import Floats, Panel
from data.prices import adjusted


def _logs(panel: Panel) -> tuple[Floats, Floats, Floats, Floats]:
    logs = [np.asarray(np.log(adjusted(panel, name))) for name in ("open", "high", "low", "close")]
    return logs[0], logs[1], logs[2], logs[3]


def realised(panel: Panel, window: int) -> Floats:
    """Return the root mean square of one-bar log returns over the window, (T, S)."""
    return np.asarray(np.sqrt(mean_over(log_return(panel, 1) ** 2, window)))


def parkinson(panel: Panel, window: int) -> Floats:
    """Return Parkinson's range volatility (1980, eq. 5): sqrt(mean(ln(H/L)^2) / (4 ln 2)), (T, S)."""
    _, high, low, _ = _logs(panel)
    return np.asarray(np.sqrt(mean_over((high - low) ** 2, window) / (4.0 * np.log(2.0))))


def garman_klass(panel: Panel, window: int) -> Floats:
    """Return Garman and Klass's volatility (1980, eq. 20 simplified), (T, S).

    Per bar: 0.5 ln(H/L)^2 - (2 ln 2 - 1) ln(C/O)^2; a negative window mean (possible by chance) gives 0.
    """
    opened, high, low, closed = _logs(panel)
    bar = 0.5 * (high - low) ** 2 - (2.0 * np.log(2.0) - 1.0) * (closed - opened) ** 2
    return np.asarray(np.sqrt(np.maximum(mean_over(bar, window), 0.0)))


def rogers_satchell(panel: Panel) -> Floats:
    """Return Rogers and Satchell's (1991) drift-free variance of each bar, (T, S)."""
    opened, high, low, closed = _logs(panel)
    return np.asarray((high - closed) * (high - opened) + (low - closed) * (low - opened))


def yang_zhang(panel: Panel, window: int) -> Floats:
    """Return Yang and Zhang's volatility (2000, eq. 8), overnight jumps included, (T, S).

    V = V_overnight + k V_open_to_close + (1 - k) V_RS with k = 0.34 / (1.34 + (n + 1) / (n - 1)), variances with ddof 1.
    """
    n = max(window, 2)
    opened, _, _, closed = _logs(panel)
    overnight, day = opened - lagged(closed, 1), closed - opened
    k = 0.34 / (1.34 + (n + 1.0) / (n - 1.0))
    variance = (
        _variance(overnight, n) + k * _variance(day, n) + (1.0 - k) * mean_over(rogers_satchell(panel), n)
    )
    return np.asarray(np.sqrt(np.maximum(variance, 0.0)))


def _variance(values: Floats, n: int) -> Floats:
    """Return the window variance (ddof 1), (T, S)."""
    centred = mean_over(values**2, n) - mean_over(values, n) ** 2
    return np.asarray(np.maximum(centred, 0.0) * n / (n - 1.0))


_BARS = ("open", "high", "low", "close")
REALISED = Feature("realised_volatility", realised, lambda window: window + 1, {"window": 20}, ("close",))
PARKINSON = Feature("parkinson_volatility", parkinson, lambda window: window, {"window": 20}, _BARS)
GARMAN_KLASS = Feature("garman_klass_volatility", garman_klass, lambda window: window, {"window": 20}, _BARS)
YANG_ZHANG = Feature(
    "yang_zhang_volatility", yang_zhang, lambda window: max(window, 2) + 1, {"window": 20}, _BARS
)
