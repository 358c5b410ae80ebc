"""Tables made from an equity curve: drawdown episodes, monthly and yearly returns.

A bar belongs to the date of its session, not to the UTC date of its end: a 24/7 bar that ends at 00:00 closes the day
before, and a session that closes in New York at 16:00 or in Tokyo at 06:00 UTC belongs to that exchange's own date.
``session_dates`` gives these dates.
"""

import numpy as np
import numpy.typing as npt
import pandas as pd

from backtest.errors import MetricError
from backtest.metrics.drawdown import episodes
from backtest.metrics.returns import check_equity
from data.panel import Floats, Times
from data.sessions import ALWAYS, WEEKDAYS, BarClock, session_closes

Dates = npt.NDArray[np.datetime64]


def session_dates(times: Times, clock: BarClock) -> Dates:
    """Return the session date of each bar end, (T,) datetime64[D].

    On exchanges a bar belongs to the first session that closes at or after its end, and takes the exchange's own date; on
    24/7 and weekday clocks to the UTC date a moment before its end, so 00:00 closes the day before.

    Args:
        times: (T,) bar ends, UTC, increasing.
        clock: calendar and bar length of the data.

    Raises:
        SpecError: when the calendar is not published for these times.
    """
    ends = np.asarray(times).astype("datetime64[ns]")
    if not len(ends):
        return np.empty(0, "datetime64[D]")
    if clock.calendar in (ALWAYS, WEEKDAYS):
        return np.asarray((ends - np.timedelta64(1, "ns")).astype("datetime64[D]"))
    dates, closes = session_closes(clock.calendar, ends[0], ends[-1])
    if ends[-1] > closes[-1]:
        dates, closes = session_closes(clock.calendar, ends[0], ends[-1] + np.timedelta64(14, "D"))
    return np.asarray(dates[np.searchsorted(closes, ends, side="left")])


def drawdown_table(lane: str, times: Times, equity: Floats, count: int = 10) -> pd.DataFrame:
    """Return the run table ``drawdowns`` of one lane: its ``count`` deepest falls below a peak, deepest first.

    Columns: lane; start (time of the peak), trough, recovery (first time at the peak again, NaT while there is none);
    depth (in [-1, 0)); bars (from peak to recovery, or to the end).

    Args:
        lane: label of the account.
        times: (T+1,) bar ends, UTC; the first is the time of the start capital.
        equity: (T+1,) money, positive; see ``check_equity``.
        count: episodes kept, at least 1.

    Raises:
        MetricError: when lengths differ, the curve has no returns or the count is below 1.
    """
    if count < 1:
        raise MetricError(f"count of drawdowns was {count}; at least 1 is needed")
    ends, curve = _checked(times, equity)
    deepest = sorted(episodes(curve), key=lambda each: (each.depth, each.start))[:count]
    nat = np.datetime64("NaT", "ns")
    return pd.DataFrame(
        {
            "lane": pd.Series([lane] * len(deepest), dtype=object),
            "start": _stamps([ends[each.start] for each in deepest]),
            "trough": _stamps([ends[each.trough] for each in deepest]),
            "recovery": _stamps([nat if each.recovery is None else ends[each.recovery] for each in deepest]),
            "depth": np.array([each.depth for each in deepest], dtype=np.float64),
            "bars": np.array([each.bars for each in deepest], dtype=np.int64),
        }
    )


def monthly_table(lane: str, dates: Dates, equity: Floats) -> pd.DataFrame:
    """Return the run table ``monthly`` of one lane: lane, year, month, return; oldest first.

    A month's return runs from the last value before it to its last value, so months compound to the total return. A
    month without a bar after the start capital is left out.

    Args:
        lane: label of the account.
        dates: (T+1,) session dates, not decreasing (see ``session_dates``); the first is that of the start capital.
        equity: (T+1,) money, positive; see ``check_equity``.

    Raises:
        MetricError: when lengths differ, dates decrease or the curve has no returns.
    """
    months, gains = _by_period(dates, equity, "datetime64[M]")
    number = months.astype(np.int64)
    return pd.DataFrame(
        {
            "lane": pd.Series([lane] * len(months), dtype=object),
            "year": number // 12 + 1970,
            "month": number % 12 + 1,
            "return": gains,
        }
    )


def yearly_table(lane: str, dates: Dates, equity: Floats) -> pd.DataFrame:
    """Return the run table ``yearly`` of one lane: lane, year, return; rules and errors as in ``monthly_table``."""
    years, gains = _by_period(dates, equity, "datetime64[Y]")
    return pd.DataFrame(
        {
            "lane": pd.Series([lane] * len(years), dtype=object),
            "year": years.astype(np.int64) + 1970,
            "return": gains,
        }
    )


def _by_period(dates: Dates, equity: Floats, unit: str) -> tuple[Dates, Floats]:
    """Return the periods that hold a return, (P,), and their compounded returns, (P,)."""
    days, curve = _checked(dates, equity)
    periods = days.astype(unit)
    back = np.flatnonzero(np.diff(periods) < np.timedelta64(0))
    if len(back):
        row = int(back[0]) + 1
        raise MetricError(
            f"dates decrease at row {row} ({days[row]} after {days[row - 1]}); they must run forward"
        )
    last = np.append(np.flatnonzero(periods[1:] != periods[:-1]), len(periods) - 1)
    anchors = np.concatenate([[0], last[last > 0]])
    return periods[anchors[1:]], curve[anchors[1:]] / curve[anchors[:-1]] - 1


def _checked(times: npt.NDArray[np.datetime64], equity: Floats) -> tuple[npt.NDArray[np.datetime64], Floats]:
    stamps = np.asarray(times)
    if stamps.dtype.kind != "M":
        raise MetricError(f"times have type {stamps.dtype}; datetime64 without zone is needed")
    curve = np.asarray(equity, dtype=np.float64)
    if stamps.shape != curve.shape:
        raise MetricError(f"times have shape {stamps.shape} and equity {curve.shape}; one shape is needed")
    check_equity(curve)
    return stamps, curve


def _stamps(values: list[np.datetime64]) -> Times:
    return np.array(values, dtype="datetime64[ns]")
