"""Technical indicators in their textbook form, scale-free where the indicator allows."""

import numpy as np

from data.features.feature import TAIL, Feature, exponential_mean, lagged, mean_over, over_windows
from data.panel import Floats, Panel
from data.prices import adjusted


def relative_strength(panel: Panel, window: int) -> Floats:
    """Return Wilder's relative strength index (1978), 0 to 100, (T, S); no movement gives 50.

    Wilder's smoothing with 1/window is an exponential mean of span 2 window - 1, cut after six spans.
    """
    closed = adjusted(panel, "close")
    change = closed - lagged(closed, 1)
    span = 2 * window - 1
    gain = exponential_mean(np.maximum(change, 0.0), span)
    loss = exponential_mean(np.maximum(-change, 0.0), span)
    moved = gain + loss
    return np.asarray(
        np.where(
            moved > 0, 100.0 * gain / np.where(moved > 0, moved, 1.0), np.where(moved == 0, 50.0, np.nan)
        )
    )


def macd(panel: Panel, fast: int, slow: int) -> Floats:
    """Return Appel's moving-average convergence/divergence over the close, (T, S): (EMA fast - EMA slow) / close."""
    closed = adjusted(panel, "close")
    return np.asarray((exponential_mean(closed, fast) - exponential_mean(closed, slow)) / closed)


def macd_histogram(panel: Panel, fast: int, slow: int, signal: int) -> Floats:
    """Return MACD minus its own exponential mean of span ``signal``, (T, S)."""
    line = macd(panel, fast, slow)
    return np.asarray(line - exponential_mean(line, signal))


def average_true_range(panel: Panel, window: int) -> Floats:
    """Return Wilder's average true range (1978) over the close, (T, S)."""
    high, low, closed = (adjusted(panel, name) for name in ("high", "low", "close"))
    before = lagged(closed, 1)
    true_range = np.maximum(high, before) - np.minimum(low, before)
    return np.asarray(exponential_mean(true_range, 2 * window - 1) / closed)


def bollinger_position(panel: Panel, window: int) -> Floats:
    """Return the close's place in Bollinger's bands (2001, %b), (T, S): 0 the lower, 1 the upper band; flat gives 0.5.

    Bands are the window mean plus and minus two standard deviations (ddof 0).
    """

    def place(w: Floats) -> Floats:
        flat = w.max(axis=1) == w.min(axis=1)
        width = np.where(flat, 1.0, 4.0 * w.std(axis=1))
        return np.asarray(np.where(flat, 0.5, (w[:, -1] - w.mean(axis=1)) / width + 0.5))

    return over_windows(adjusted(panel, "close"), window, place)


def relative_volume(panel: Panel, window: int) -> Floats:
    """Return the volume over its window mean, (T, S); NaN where the window traded nothing."""
    volume = panel.field("volume")
    usual = mean_over(volume, window)
    return np.asarray(np.where(usual > 0, volume / np.where(usual > 0, usual, 1.0), np.nan))


RELATIVE_STRENGTH = Feature(
    "rsi", relative_strength, lambda window: TAIL * (2 * window - 1) + 1, {"window": 14}, ("close",)
)
MACD = Feature("macd", macd, lambda fast, slow: TAIL * max(fast, slow), {"fast": 12, "slow": 26}, ("close",))
MACD_HISTOGRAM = Feature(
    "macd_histogram",
    macd_histogram,
    lambda fast, slow, signal: TAIL * max(fast, slow) + TAIL * signal - 1,
    {"fast": 12, "slow": 26, "signal": 9},
    ("close",),
)
AVERAGE_TRUE_RANGE = Feature(
    "atr",
    average_true_range,
    lambda window: TAIL * (2 * window - 1) + 1,
    {"window": 14},
    ("high", "low", "close"),
)
BOLLINGER = Feature("bollinger", bollinger_position, lambda window: window, {"window": 20}, ("close",))
RELATIVE_VOLUME = Feature(
    "relative_volume", relative_volume, lambda window: window, {"window": 20}, ("volume",)
)
