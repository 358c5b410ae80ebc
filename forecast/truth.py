"""Truth: what happened, in the quantity and at exactly the times of a forecast."""

from dataclasses import replace

import numpy as np

from data.history import History
from data.panel import Floats
from forecast.distribution import QuantileForecast, Quantity
from forecast.errors import ForecastError
from forecast.windows import require_positive, target_values


def truth_of(forecast: QuantileForecast, history: History, field: str) -> Floats:
    """Return what happened, (S, H), in the quantity of the forecast; NaN where it is not known or no bar ended then.

    Nothing is carried: a bar that ends at another time, or was not observed, leaves the forecast unscored.

    Args:
        forecast: of series of this history.
        history: bars known by now; later ones do not exist here.
        field: the panel field that was forecast.

    Raises:
        ForecastError: when the quantity has no truth in a panel.
    """
    times = history.times
    first = max(0, int(np.searchsorted(times, forecast.times[0])) - 1)
    stop = int(np.searchsorted(times, forecast.times[-1], side="right"))
    recent = replace(history, panel=history.panel.rows(first, max(first, stop)))
    columns = np.array([history.panel.series_index(name) for name in forecast.series], np.int64)
    found = truth_at(
        truth_panel(recent, field, forecast.quantity), rows_ending(recent, forecast.times), columns
    )
    if forecast.quantity == "log_return":
        found = np.log(found / forecast.last[None, :])
    return np.ascontiguousarray(found.T)


def truth_panel(history: History, field: str, quantity: Quantity) -> Floats:
    """Return what a forecast is compared with, for every bar, (T, S); NaN where not observed.

    ``level`` and ``log_return``: the value (the caller takes the log return from its own last value). ``variance``: the
    squared log return of the bar, an unbiased proxy that ranks forecasts rightly under QLIKE and squared error (Patton
    2011); NaN where this bar or the one before it was not observed.

    Raises:
        ForecastError: when the quantity has no truth in a panel.
        SpecError: when a value has no logarithm though the quantity needs one.
    """
    if quantity not in ("level", "log_return", "variance"):
        raise ForecastError(
            f"a forecast of {quantity} has no truth in a panel; allowed: level, log_return, variance"
        )
    values = target_values(history, field)
    if quantity == "level":
        return values
    require_positive(values, history.panel.series, field)
    if quantity == "log_return":
        return values
    squares = np.full(values.shape, np.nan)
    squares[1:] = np.diff(np.log(values), axis=0) ** 2
    return squares


def rows_ending(history: History, times: np.ndarray) -> np.ndarray:
    """Return the row of the bar that ends at each time, -1 where none does."""
    known = history.times
    at = np.searchsorted(known, times)
    inside = at < len(known)
    same = np.zeros(len(times), bool)
    same[inside] = known[at[inside]] == times[inside]
    return np.where(same, at, -1)


def truth_at(panel: Floats, rows: np.ndarray, columns: np.ndarray) -> Floats:
    """Return the cells of a truth panel, (rows, columns); NaN in rows of -1."""
    if not len(panel):
        return np.full((len(rows), len(columns)), np.nan)
    return np.where((rows >= 0)[:, None], panel[rows][:, columns], np.nan)
