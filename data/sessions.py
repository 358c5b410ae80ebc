"""Bar clocks: when bars end, which come next, and how many make a year.

Exchange sessions come from ``exchange_calendars`` and are always asked with explicit bounds; 24/7 and weekday clocks are
plain arithmetic. Calendars are published ahead, so the stamp of a bar to come is not future data.
"""

import warnings
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from data.errors import SpecError, nearest
from data.panel import Times, as_time, read_only

ALWAYS = "24/7"
WEEKDAYS = "weekdays"
DAY = np.timedelta64(86_400_000_000_000, "ns")
DAYS_PER_YEAR = 365.25


@dataclass(frozen=True)
class BarClock:
    """A calendar and a bar length.

    Attributes:
        calendar: an ``exchange_calendars`` name (``XNYS``, ``XBOM`` ...), ``24/7``, or ``weekdays`` (Monday to Friday;
            a session ends with its day, at 00:00 UTC of the next).
        bar: ``session`` (one bar a session, stamped at its close) or a pandas offset such as ``1h`` or ``5min``.

    Raises:
        SpecError: when the calendar or the bar length is unknown, or an exchange is asked for bars that do not fit a day.
    """

    calendar: str = ALWAYS
    bar: str = "session"

    def __post_init__(self) -> None:
        _check_calendar(self.calendar)
        bar_length(self.bar)

    def next(self, cutoff: Any, count: int) -> Times:
        """Return the stamps of the ``count`` bars that end after the cutoff, (count,).

        Raises:
            SpecError: when the calendar is not published that far ahead.
        """
        start = as_time(cutoff)
        step = bar_length(self.bar)
        if self.calendar == ALWAYS:
            return np.asarray(_ceil(start + np.timedelta64(1, "ns"), step) + step * np.arange(count))
        # Sessions fill two days in three or more; shorter bars fill an eighth of the clock or more.
        days = count * float(step / DAY) * (2 if step >= DAY else 8)
        span, published = np.timedelta64(14 + int(days), "D"), _last_published(self.calendar)
        while True:
            ends = self.ends(start, min(start + span, max(start, published)))
            later = ends[ends > start]
            if len(later) >= count:
                return later[:count]
            if start + span > published:
                raise SpecError(
                    f"calendar '{self.calendar}' is published to {published}; {count} bars after {start} were asked for"
                )
            span = span * 2

    def ends(self, start: Any, end: Any) -> Times:
        """Return the stamps of every bar that ends from ``start`` to ``end``, both included."""
        first, last = as_time(start), as_time(end)
        step = bar_length(self.bar)
        if self.calendar == ALWAYS:
            grid = _ceil(first, step)
            return np.arange(grid, last + np.timedelta64(1, "ns"), step)
        stamps = (
            _closes(self.calendar, first, last) if self.bar == "session" else _intraday(self, first, last)
        )
        return stamps[(stamps >= first) & (stamps <= last)]

    def periods_per_year(self, start: Any, end: Any) -> float:
        """Return how many bars make a year, counted on the calendar over the years that hold the span.

        Whole calendar years are counted, so the figure does not depend on where in the year the sample begins.
        """
        first = as_time(start).astype("datetime64[Y]").astype("datetime64[ns]")
        last = (as_time(end).astype("datetime64[Y]") + np.timedelta64(1, "Y")).astype("datetime64[ns]")
        years = float((last - first) / DAY) / DAYS_PER_YEAR
        if self.calendar == ALWAYS:
            return float(DAYS_PER_YEAR * (DAY / bar_length(self.bar)))
        return len(self.ends(first, last - np.timedelta64(1, "ns"))) / years


@lru_cache(maxsize=64)
def bar_length(bar: str) -> np.timedelta64:
    """Return the nominal length of a bar; a session counts as one day.

    Raises:
        SpecError: when the text is no length, or the length is not positive.
    """
    if bar == "session":
        return DAY
    import pandas as pd

    try:
        length = pd.Timedelta(bar)
    except ValueError as error:
        raise SpecError(
            f"bar length was '{bar}'; allowed: 'session' or a length such as '1h' or '5min'"
        ) from error
    if pd.isna(length) or length <= pd.Timedelta(0):
        raise SpecError(f"bar length was '{bar}'; it must be positive")
    return np.timedelta64(length.value if length.unit == "ns" else length.as_unit("ns").value, "ns")


def _check_calendar(name: str) -> None:
    if name in (ALWAYS, WEEKDAYS):
        return
    if name not in _exchange_names():
        raise SpecError(
            f"calendar '{name}' is unknown{nearest(name, {*_exchange_names(), ALWAYS, WEEKDAYS})}"
        )


@lru_cache(maxsize=1)
def _exchange_names() -> frozenset[str]:
    from exchange_calendars import get_calendar_names

    return frozenset(get_calendar_names())


def _ceil(instant: np.datetime64, step: np.timedelta64) -> np.datetime64:
    since = instant - np.datetime64(0, "ns")
    return np.datetime64(0, "ns") + -(-since // step) * step


def _exchange(name: str, first_year: int, last_year: int) -> Any:
    low, high = _bounds(name)
    start, end = np.datetime64(f"{first_year}-01-01"), np.datetime64(f"{last_year}-12-31")
    return _calendar(name, str(max(start, low)), str(min(end, high)))


def _calendar(name: str, start: str, end: str) -> Any:
    from exchange_calendars import get_calendar

    with warnings.catch_warnings():
        # The library's own use of pandas is deprecated from pandas 3.1 on; its values are right.
        warnings.simplefilter("ignore", DeprecationWarning)
        return get_calendar(name, start=start, end=end)


@lru_cache(maxsize=64)
def _bounds(name: str) -> tuple[np.datetime64, np.datetime64]:
    """Return the first and last day an exchange's holidays are published for."""
    # The bounds belong to the calendar's class, which only an instance reveals; any span inside every bound will do.
    rules = type(_calendar(name, "2024-01-01", "2024-01-31"))
    low, high = rules.bound_min(), rules.bound_max()
    return (
        np.datetime64("1900-01-01" if low is None else low.date(), "D"),
        np.datetime64("2200-12-31" if high is None else high.date(), "D"),
    )


def _last_published(name: str) -> np.datetime64:
    """Return the last instant a calendar is known for."""
    last = np.datetime64("2200-12-31", "D") if name in (ALWAYS, WEEKDAYS) else _bounds(name)[1]
    return as_time(last + np.timedelta64(1, "D")) - np.timedelta64(1, "ns")


def _check_published(name: str, first: np.datetime64, last: np.datetime64) -> None:
    low, high = _bounds(name)
    for day in (first.astype("datetime64[D]"), last.astype("datetime64[D]")):
        if not low <= day <= high:
            raise SpecError(f"calendar '{name}' is published from {low} to {high}; {day} was asked for")


def _years(first: np.datetime64, last: np.datetime64) -> tuple[int, int]:
    start = int(first.astype("datetime64[Y]").astype(int)) + 1970
    stop = int(last.astype("datetime64[Y]").astype(int)) + 1970
    return start // 10 * 10, stop // 10 * 10 + 10


def session_closes(calendar: str, first: Any, last: Any) -> tuple[npt.NDArray[np.datetime64], Times]:
    """Return the sessions that may touch a span: their dates (N,) and the stamps of their closes (N,), UTC.

    The span is only a hint: exchanges return whole decades, so cut the closes before using them as a range.
    """
    start, stop = as_time(first), as_time(last)
    if calendar in (ALWAYS, WEEKDAYS):
        days: Times = np.arange(start.astype("datetime64[D]"), stop.astype("datetime64[D]") + 1)
        days = days if calendar == ALWAYS else days[np.is_busday(days)]
        return days, np.asarray(days.astype("datetime64[ns]") + DAY)
    _check_published(calendar, start, stop)
    dates, _, closes = _published(calendar, *_years(start, stop))
    return dates, closes


@lru_cache(maxsize=16)
def _published(calendar: str, first_year: int, last_year: int) -> tuple[Times, Times, Times]:
    """Return dates, opens and closes of an exchange's sessions, (N,) each, UTC, read-only because they are shared."""
    found = _exchange(calendar, first_year, last_year)
    dates = np.asarray(found.closes.index.to_numpy()).astype("datetime64[D]")
    opens, closes = (
        np.asarray(c.dt.tz_convert(None).to_numpy()).astype("datetime64[ns]")
        for c in (found.opens, found.closes)
    )
    return read_only(dates), read_only(opens), read_only(closes)


def _closes(calendar: str, first: np.datetime64, last: np.datetime64) -> Times:
    return session_closes(calendar, first - DAY if calendar == WEEKDAYS else first, last)[1]


def _intraday(clock: BarClock, first: np.datetime64, last: np.datetime64) -> Times:
    step = bar_length(clock.bar)
    if clock.calendar == WEEKDAYS:
        grid = np.arange(_ceil(first, step), last + np.timedelta64(1, "ns"), step)
        return grid[np.is_busday((grid - np.timedelta64(1, "ns")).astype("datetime64[D]"))]
    _check_published(clock.calendar, first, last)
    _, opens, closes = _published(clock.calendar, *_years(first, last))
    near = (closes >= first) & (opens <= last)
    bars = [
        np.minimum(np.arange(o + step, c + step, step), c)
        for o, c in zip(opens[near], closes[near], strict=True)
    ]
    return np.unique(np.concatenate(bars)) if bars else np.empty(0, "datetime64[ns]")
