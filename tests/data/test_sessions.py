"""Claims about bar clocks: published stamps, counts a year, and arithmetic that needs no calendar."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import SpecError
from data.sessions import BarClock, bar_length, session_closes


def text(stamps):
    return [str(t)[:16] for t in stamps]


def test_the_next_sessions_skip_weekends_and_holidays_and_close_early():
    stamps = BarClock("XNYS").next("2019-07-02T20:00", 3)
    assert text(stamps) == ["2019-07-03T17:00", "2019-07-05T20:00", "2019-07-08T20:00"]


def test_the_bar_that_ends_at_the_cutoff_is_not_next():
    close = np.datetime64("2019-07-03T17:00")
    clock = BarClock("XNYS")
    assert clock.next(close, 1)[0] > close
    assert clock.next(close - np.timedelta64(1, "ns"), 1)[0] == close


def test_intraday_bars_end_inside_the_session_and_the_last_one_at_its_close():
    stamps = BarClock("XNYS", "1h").ends("2019-07-03", "2019-07-04")
    assert text(stamps) == ["2019-07-03T14:30", "2019-07-03T15:30", "2019-07-03T16:30", "2019-07-03T17:00"]


def test_a_full_nse_day_has_75_bars_of_five_minutes():
    assert len(BarClock("XBOM", "5min").ends("2015-06-01", "2015-06-02")) == 75


@pytest.mark.parametrize("bar", ["session", "1h", "5min", "7h"])
@settings(max_examples=25, deadline=None)
@given(since=st.integers(0, 2**40), count=st.integers(1, 60))
def test_next_and_ends_agree_on_a_clock_that_never_closes(bar, since, count):
    cutoff = np.datetime64("2010-01-01", "ns") + np.timedelta64(since, "us")
    clock = BarClock("24/7", bar)
    stamps = clock.next(cutoff, count)
    assert len(stamps) == count
    assert stamps[0] > cutoff
    np.testing.assert_array_equal(clock.ends(cutoff + np.timedelta64(1, "ns"), stamps[-1]), stamps)


@pytest.mark.parametrize(("calendar", "bar"), [("XNYS", "session"), ("XNYS", "30min"), ("weekdays", "1h")])
@pytest.mark.parametrize("count", [1, 40, 900])
def test_next_and_ends_agree_on_sessions(calendar, bar, count):
    clock = BarClock(calendar, bar)
    stamps = clock.next("2015-03-06T12:34", count)
    assert len(stamps) == count
    np.testing.assert_array_equal(clock.ends("2015-03-06T12:34:01", stamps[-1]), stamps)


def test_weekday_bars_never_cover_a_weekend():
    stamps = BarClock("weekdays", "1h").ends("2024-03-01", "2024-03-31")
    inside = (stamps - np.timedelta64(1, "ns")).astype("datetime64[D]")
    assert np.is_busday(inside).all()
    assert len(stamps) == 21 * 24 + 1


@pytest.mark.parametrize(
    ("clock", "low", "high"),
    [
        (BarClock(), 365.25, 365.25),
        (BarClock(bar="1h"), 8766, 8766),
        (BarClock("XNYS"), 251, 253),
        (BarClock("weekdays"), 260, 262),
        # 754 sessions of 7 bars, 9 of them 3 bars short, in 1,096 days.
        (BarClock("XNYS", "1h"), 5251 / (1096 / 365.25), 5251 / (1096 / 365.25)),
    ],
)
def test_periods_per_year_come_from_the_calendar(clock, low, high):
    assert low <= clock.periods_per_year("2012-03-05", "2014-07-01") <= high


def test_periods_per_year_do_not_depend_on_where_in_the_years_a_sample_lies():
    clock = BarClock("XNYS")
    assert clock.periods_per_year("2012-01-05", "2014-01-09") == clock.periods_per_year(
        "2012-11-05", "2014-12-30"
    )


def test_session_closes_pair_dates_with_stamps():
    dates, closes = session_closes("XNYS", "2019-07-01", "2019-07-31")
    at = {str(d): str(c)[:16] for d, c in zip(dates, closes, strict=True)}
    assert at["2019-07-03"] == "2019-07-03T17:00"
    assert "2019-07-04" not in at
    dates, closes = session_closes("24/7", "2019-07-04", "2019-07-04")
    assert text(closes) == ["2019-07-05T00:00"]


def test_calendars_with_published_bounds_work_inside_and_say_so_outside():
    assert text(BarClock("XBOM").next("2023-06-09", 1)) == ["2023-06-09T10:00"]
    with pytest.raises(
        SpecError, match=r"calendar 'XBOM' is published from 1997-01-01 to 20\d\d-12-31; 2199"
    ):
        BarClock("XBOM").next("2199-06-01", 1)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("XNYC",), "calendar 'XNYC' is unknown; did you mean 'XNYS'"),
        (("24/7", "soon"), "bar length was 'soon'; allowed: 'session' or a length such as '1h'"),
        (("24/7", "-1h"), "bar length was '-1h'; it must be positive"),
        (("24/7", "0s"), "bar length was '0s'; it must be positive"),
    ],
)
def test_unknown_clocks_are_refused(arguments, words):
    with pytest.raises(SpecError, match=words):
        BarClock(*arguments)


def test_bar_lengths_are_nanoseconds():
    assert bar_length("1h") == np.timedelta64(3600, "s")
    assert bar_length("session") == np.timedelta64(1, "D")
    assert bar_length("5min").dtype == "timedelta64[ns]"
