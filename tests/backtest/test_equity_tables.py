"""Tables of an equity curve: episodes, months and years by the session's own date."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.equity_tables import drawdown_table, monthly_table, session_dates, yearly_table
from backtest.errors import MetricError
from backtest.metrics.drawdown import max_drawdown
from backtest.metrics.returns import returns_from_equity
from data.sessions import BarClock

NEW_YORK = BarClock("XNYS")
DATES = np.arange("2019-11-20", "2021-03-05", dtype="datetime64[D]")
STAMPS = DATES.astype("datetime64[ns]")


def stamps(*texts: str) -> np.ndarray:
    return np.array(texts, dtype="datetime64[ns]")


def days(found: np.ndarray) -> list[str]:
    return [str(day) for day in found]


def walk(seed: int, count: int = len(DATES)) -> np.ndarray:
    return 1e5 * np.cumprod(1 + np.random.default_rng(seed).normal(0, 0.02, count))


def test_episodes_of_a_known_curve_stand_deepest_first() -> None:
    curve = np.array([100.0, 110.0, 99.0, 105.0, 110.0, 120.0, 60.0, 90.0])
    table = drawdown_table("naive", STAMPS[:8], curve)
    assert list(table.columns) == ["lane", "start", "trough", "recovery", "depth", "bars"]
    assert table["start"].tolist() == [pd.Timestamp(STAMPS[5]), pd.Timestamp(STAMPS[1])]
    assert table["trough"].tolist() == [pd.Timestamp(STAMPS[6]), pd.Timestamp(STAMPS[2])]
    assert table["recovery"].isna().tolist() == [True, False]
    assert table["recovery"][1] == pd.Timestamp(STAMPS[4])
    assert table["depth"].tolist() == pytest.approx([-0.5, -0.1])
    assert table["bars"].tolist() == [2, 3]


def test_a_loss_on_the_first_bar_starts_at_the_capital() -> None:
    table = drawdown_table("naive", STAMPS[:3], np.array([100.0, 90.0, 95.0]))
    assert table.loc[0, "start"] == pd.Timestamp(STAMPS[0])


def test_a_rising_curve_has_no_episode_but_all_columns() -> None:
    table = drawdown_table("naive", STAMPS[:3], np.array([1.0, 1.0, 2.0]))
    assert table.empty
    assert table["start"].dtype == "datetime64[ns]"


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_episodes_do_not_overlap_and_the_deepest_is_the_max_drawdown(seed: int) -> None:
    curve = walk(seed, 200)
    table = drawdown_table("naive", STAMPS[:200], curve, count=1000)
    assert table["depth"][0] == pytest.approx(max_drawdown(returns_from_equity(curve, 252.0)).value)
    assert table["depth"].is_monotonic_increasing
    ordered = table.sort_values("start")
    ends = ordered["recovery"].fillna(pd.Timestamp.max)
    assert (ordered["start"].to_numpy()[1:] >= ends.to_numpy()[:-1]).all()
    under = curve < np.maximum.accumulate(curve)
    open_ended = int(table["recovery"].isna().sum())
    assert int(table["bars"].sum()) - len(table) + open_ended == int(under.sum())


def test_only_the_deepest_are_kept() -> None:
    every = drawdown_table("naive", STAMPS, walk(1), count=1000)
    pd.testing.assert_frame_equal(drawdown_table("naive", STAMPS, walk(1), count=3), every.head(3))


def test_months_and_years_of_a_known_curve() -> None:
    dates = np.array(["2020-01-31", "2020-02-03", "2020-02-28", "2020-04-01", "2021-01-04"], "datetime64[D]")
    curve = np.array([100.0, 110.0, 99.0, 198.0, 99.0])
    months = monthly_table("naive", dates, curve)
    assert list(months.columns) == ["lane", "year", "month", "return"]
    assert months[["year", "month"]].to_numpy().tolist() == [[2020, 2], [2020, 4], [2021, 1]]
    assert months["return"].tolist() == pytest.approx([-0.01, 1.0, -0.5])
    years = yearly_table("naive", dates, curve)
    assert list(years.columns) == ["lane", "year", "return"]
    assert years["year"].tolist() == [2020, 2021]
    assert years["return"].tolist() == pytest.approx([0.98, -0.5])


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), first=st.integers(0, 60))
def test_months_and_years_compound_to_the_total(seed: int, first: int) -> None:
    curve, dates = walk(seed)[first:], DATES[first:]
    total = curve[-1] / curve[0]
    for table in (monthly_table("naive", dates, curve), yearly_table("naive", dates, curve)):
        assert np.prod(1 + table["return"]) == pytest.approx(total, rel=1e-12)


def test_months_before_1970_keep_their_number() -> None:
    dates = np.array(["1968-12-30", "1968-12-31", "1969-02-03"], "datetime64[D]")
    months = monthly_table("naive", dates, np.array([1.0, 2.0, 3.0]))
    assert months[["year", "month"]].to_numpy().tolist() == [[1968, 12], [1969, 2]]


def test_new_york_closes_keep_their_date() -> None:
    closes = stamps("2020-01-31T21:00", "2020-07-02T20:00", "2020-11-27T18:00")
    assert days(session_dates(closes, NEW_YORK)) == ["2020-01-31", "2020-07-02", "2020-11-27"]


def test_tokyo_opens_that_are_yesterday_in_utc_have_the_local_date() -> None:
    bars = stamps("2024-01-31T23:59", "2024-02-01T00:30", "2024-02-01T06:00")
    assert days(session_dates(bars, BarClock("XTKS", "30min"))) == ["2024-02-01"] * 3


def test_a_bar_that_ends_at_midnight_closes_the_day_before() -> None:
    bars = stamps("2024-01-31T23:00", "2024-02-01T00:00", "2024-02-01T01:00", "2024-03-01T00:00")
    expected = ["2024-01-31", "2024-01-31", "2024-02-01", "2024-02-29"]
    assert days(session_dates(bars, BarClock("24/7", "1h"))) == expected
    assert days(session_dates(bars[1::2], BarClock("24/7"))) == expected[1::2]


def test_weekday_bars_that_end_at_midnight_close_the_day_before() -> None:
    bars = stamps("2024-02-01T00:00", "2024-02-02T00:00")
    assert days(session_dates(bars, BarClock("weekdays"))) == ["2024-01-31", "2024-02-01"]
    assert days(session_dates(bars, BarClock("weekdays", "1h"))) == ["2024-01-31", "2024-02-01"]


@pytest.mark.parametrize("calendar", ["XNYS", "XTKS", "XBOM", "24/7", "weekdays"])
def test_each_session_of_a_clock_has_its_own_date(calendar: str) -> None:
    clock = BarClock(calendar)
    ends = clock.ends("2009-12-20", "2010-01-20")
    found = session_dates(ends, clock)
    assert len(np.unique(found)) == len(ends)
    assert (np.abs(ends - found) <= np.timedelta64(1, "D")).all()


def test_no_times_have_no_dates() -> None:
    assert session_dates(stamps(), NEW_YORK).tolist() == []


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: drawdown_table("naive", STAMPS[:3], np.ones(2)), "one shape"),
        (lambda: drawdown_table("naive", STAMPS[:2], np.ones(2), count=0), "count"),
        (lambda: monthly_table("naive", DATES[:2], np.array([1.0, np.nan])), "row 1 was nan"),
        (lambda: monthly_table("naive", DATES[:1], np.ones(1)), "at least one more"),
        (lambda: yearly_table("naive", DATES[[60, 0]], np.ones(2)), "dates decrease"),
        (lambda: yearly_table("naive", np.arange(2), np.ones(2)), "datetime64"),
    ],
)
def test_tables_refuse_what_is_no_curve(call: object, words: str) -> None:
    with pytest.raises(MetricError, match=words):
        call()
