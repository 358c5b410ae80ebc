"""Returns and moments of returns."""

import numpy as np

from data.features.feature import Feature, lagged, over_windows
from data.panel import Floats, Panel
from data.prices import adjusted


def log_close(panel: Panel) -> Floats:
    """Return the log of the adjusted close, (T, S)."""
    return np.asarray(np.log(adjusted(panel, "close")))


def log_return(panel: Panel, window: int) -> Floats:
    """Return the log return over ``window`` bars, (T, S)."""
    logs = log_close(panel)
    return np.asarray(logs - lagged(logs, window))


def z_score(panel: Panel, window: int) -> Floats:
    """Return the distance of the log close from its window mean in window standard deviations (ddof 1), (T, S).

    A window without any movement gives 0.
    """

    def score(w: Floats) -> Floats:
        spread = w.std(axis=1, ddof=1)
        distance = w[:, -1] - w.mean(axis=1)
        flat = w.max(axis=1) == w.min(axis=1)
        return np.asarray(np.where(flat, 0.0, distance / np.where(flat, 1.0, spread)))

    return over_windows(log_close(panel), window, score)


LOG_RETURN = Feature("log_return", log_return, lambda window: window + 1, {"window": 1}, ("close",))
Z_SCORE = Feature("z_score", z_score, lambda window: max(window, 2), {"window": 20}, ("close",))
