"""Time marks: facts of a bar's time that are known before it comes, between -0.5 and 0.5."""

from typing import Literal

import numpy as np
import numpy.typing as npt

from data.panel import Floats, Times

MarkUnit = Literal["none", "day", "hour", "minute"]
"""The finest mark: ``day`` of the week, the month and the year; ``hour`` of the day too; ``minute`` of the hour too."""

COUNTS: dict[str, int] = {"none": 0, "day": 3, "hour": 4, "minute": 5}
"""How many marks a unit has."""


def time_marks(times: Times, unit: MarkUnit) -> Floats:
    """Return the marks of UTC times, (N,) -> (N, M), finest first; the ``timeF`` features of Autoformer's and Informer's code.

    Times are the ends of bars, so an hourly bar from 0:00 to 1:00 has the mark of 1:00.
    """
    days = times.astype("datetime64[D]")
    months, years = times.astype("datetime64[M]"), times.astype("datetime64[Y]")
    marks = {
        "minute": _mark((times - times.astype("datetime64[h]")) // np.timedelta64(1, "m"), 59),
        "hour": _mark((times - days) // np.timedelta64(1, "h"), 23),
        # Day 0 of the calendar, 1970-01-01, was a Thursday; Monday is 0.
        "weekday": _mark((days.astype(np.int64) + 3) % 7, 6),
        "month day": _mark((days - months).astype(np.int64), 30),
        "year day": _mark((days - years).astype(np.int64), 365),
    }
    columns = list(marks.values())[len(marks) - COUNTS[unit] :]
    return np.stack(columns, axis=-1) if columns else np.empty((len(times), 0))


def _mark(place: npt.NDArray[np.int64], most: int) -> Floats:
    return np.asarray(place / most - 0.5)
