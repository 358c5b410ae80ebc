"""Rolling metrics: one value a period, from the last ``window`` periods, annualised by the calendar and not by the window."""

import math

import numpy as np

from backtest.errors import MetricError
from backtest.metrics.ratios import sharpe_per_period
from backtest.metrics.returns import NOISE, Returns
from data.panel import Floats

CHUNK = 2_000_000
"""Window values held at once, so that long intraday samples fit in memory."""


def rolling_sharpe(returns: Returns, window: int) -> Floats:
    """Return the annual Sharpe ratio of the last ``window`` periods at each period, (T,).

    The value at t reads periods t - window + 1 to t and nothing later. NaN before the first whole window and where the
    window's excess returns are constant. mean / sd (ddof 1) sqrt(q): q is the calendar's, whatever the window.

    Raises:
        MetricError: when the window is below 2 or longer than the returns.
    """
    if not 2 <= window <= len(returns):
        raise MetricError(f"window was {window}; 2 to {len(returns)} periods are possible")
    windows = np.lib.stride_tricks.sliding_window_view(returns.excess, window)
    found = np.full(len(returns), np.nan)
    step = max(1, CHUNK // window)
    for start in range(0, len(windows), step):
        part = windows[start : start + step]
        varies = np.ptp(part, axis=1) > NOISE
        places = window - 1 + start + np.flatnonzero(varies)
        found[places] = sharpe_per_period(part[varies]) * math.sqrt(returns.periods_per_year)
    return found
