"""Selection: the series and the period a source's spec asks for, cut from what it read."""

from typing import Any

import numpy as np

from data.errors import SourceError, SpecError, nearest
from data.history import History
from data.panel import as_time
from data.sources.base import AbstractSource

_LAST_MOMENT = np.timedelta64(86_400_000_000_000 - 1, "ns")


def instant(value: str, *, is_end: bool = False) -> np.datetime64:
    """Return the UTC instant of an ISO date or time; a bare date as an end means its last moment.

    Raises:
        SpecError: when the text is no ISO date or time between the years 1678 and 2262.
    """
    import pandas as pd

    try:
        stamp = pd.Timestamp(value).as_unit("ns")
        if pd.isna(stamp):
            raise ValueError("not a time")
    except ValueError as error:
        raise SpecError(f"time was '{value}'; allowed: an ISO date or time such as 2012-12-31") from error
    is_date = len(value.strip()) <= len("2012-12-31")
    return as_time(stamp) + (_LAST_MOMENT if is_end and is_date else np.timedelta64(0, "ns"))


def check_period(source: AbstractSource) -> None:
    """Raise unless the period asked for can be read and does not end before it starts.

    Raises:
        SpecError: naming the value that is wrong.
    """
    start = None if source.start is None else instant(source.start)
    end = None if source.end is None else instant(source.end, is_end=True)
    if start is not None and end is not None and end < start:
        raise SpecError(f"end {source.end} is before start {source.start}; the period must not be empty")


def chosen(history: History, source: AbstractSource) -> History:
    """Return the series and the period the spec asks for.

    Series of the history that have no bar in the period stay, as NaN.

    Raises:
        SourceError: when a series does not exist, or no bar lies in the period.
        SpecError: when ``start`` or ``end`` is no time, or the period ends before it starts.
    """
    known = history.panel.series
    for name in source.series:
        if name not in known:
            raise SourceError(f"series '{name}' is not in the data{nearest(name, known)}")
    if source.series and source.series != known:
        history = history.select(source.series)
    if source.start is None and source.end is None:
        return history
    check_period(source)
    first, last = history.times[0], history.times[-1]
    start = first if source.start is None else instant(source.start)
    end = last if source.end is None else instant(source.end, is_end=True)
    cut = history.between(start, end)
    if not len(cut.panel):
        raise SourceError(
            f"no bar ends between {source.start or 'the beginning'} and {source.end or 'the end'}; "
            f"the data covers {_day(first)} to {_day(last)}"
        )
    return cut


def asked_period(source: AbstractSource) -> dict[str, Any]:
    """Return the period of a spec for its identity: as asked, None where open."""
    return {"start": source.start, "end": source.end}


def _day(stamp: np.datetime64) -> str:
    return str(stamp.astype("datetime64[D]"))
