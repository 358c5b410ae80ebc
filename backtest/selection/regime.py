"""Regime: the state of the market at each close, from closes up to it."""

import numpy as np

from data.history import History
from data.panel import Floats
from data.prices import adjusted
from forecast.windows import carried

VOLATILITY_BARS = 21
TREND_BARS = 63


def market_regime(history: History) -> Floats:
    """Return the log volatility and the trend of the market at each close, (T, 2), NaN where not known.

    The market is the mean log change of the tradable series. Volatility: log of its standard deviation over 21 bars.
    Trend: its sum over 63 bars over sqrt(63) of its standard deviations over the same bars. Each row reads rows up to itself.
    """
    listed = [name not in history.untradable for name in history.panel.series]
    close = carried(adjusted(history.panel, "close"))[:, listed]
    positive = np.where(close > 0, close, np.nan)
    changes = np.full(close.shape, np.nan)
    changes[1:] = np.diff(np.log(positive), axis=0)
    known = np.isfinite(changes)
    count = known.sum(axis=1)
    total = np.where(known, changes, 0.0).sum(axis=1)
    market = np.divide(total, count, out=np.full(len(close), np.nan), where=count > 0)
    volatility, _ = _windows(market, VOLATILITY_BARS)
    spread, drift = _windows(market, TREND_BARS)
    with np.errstate(divide="ignore", invalid="ignore"):
        trend = drift / (spread * np.sqrt(TREND_BARS))
        level = np.log(volatility)
    regime = np.column_stack([level, trend])
    return np.where(np.isfinite(regime), regime, np.nan)


def _windows(values: Floats, bars: int) -> tuple[Floats, Floats]:
    """Return the standard deviation and the sum of the last ``bars`` values at each row, NaN where one is missing."""
    spread, total = np.full(len(values), np.nan), np.full(len(values), np.nan)
    if len(values) >= bars:
        seen = np.lib.stride_tricks.sliding_window_view(values, bars)
        spread[bars - 1 :], total[bars - 1 :] = seen.std(axis=1, ddof=1), seen.sum(axis=1)
    return spread, total
