"""Calendar features: known ahead, taken from each bar's own stamp, never from its position."""

import numpy as np

from data.features.feature import Feature
from data.panel import Floats, Panel

_MOMENT = np.timedelta64(1, "ns")


def _days(panel: Panel) -> np.ndarray:
    """Return the UTC day each bar belongs to; a bar that ends at midnight belongs to the day before."""
    return (panel.times - _MOMENT).astype("datetime64[D]")


def _spread(panel: Panel, values: np.ndarray) -> Floats:
    return np.repeat(values.astype(np.float64)[:, None], len(panel.series), axis=1)


def day_of_week(panel: Panel) -> Floats:
    """Return 0 for Monday to 6 for Sunday, (T, S)."""
    return _spread(panel, (_days(panel).astype(np.int64) + 3) % 7)


def month_of_year(panel: Panel) -> Floats:
    """Return 1 for January to 12 for December, (T, S)."""
    return _spread(panel, _days(panel).astype("datetime64[M]").astype(np.int64) % 12 + 1)


def hour_of_day(panel: Panel) -> Floats:
    """Return the UTC hour in which the bar ends, 0 to 23 (a bar that ends at 15:00 belongs to 14), (T, S)."""
    hours = (panel.times - _MOMENT).astype("datetime64[h]").astype(np.int64) % 24
    return _spread(panel, hours)


DAY_OF_WEEK = Feature("day_of_week", day_of_week, lambda: 1, {}, ())
MONTH_OF_YEAR = Feature("month_of_year", month_of_year, lambda: 1, {}, ())
HOUR_OF_DAY = Feature("hour_of_day", hour_of_day, lambda: 1, {}, ())
