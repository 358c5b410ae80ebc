"""Fundamentals: a number is read only once it could have been published."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import SourceError, SpecError
from data.fundamentals import known_values, read_fundamentals, released

DAY = np.timedelta64(1, "D")
START = np.datetime64("2020-01-01", "ns")
FILE = "fundamentals/nyse_fundamentals_kaggle_dgawlik.csv.gz"


def facts(days, values, lag, series="A", name="eps"):
    count = len(days)
    return released(
        START + np.array(days) * DAY,
        np.array([series] * count),
        np.array([name] * count),
        np.array(values, float),
        lag,
    )


def days(count):
    return START + np.arange(count) * DAY


def test_a_number_is_known_from_its_period_end_plus_the_lag_on():
    table = known_values(facts([0, 10], [1.0, 2.0], 3), "eps", ("A", "B"), days(15))
    assert np.isnan(table[:3, 0]).all()
    assert (table[3:13, 0] == 1.0).all()
    assert (table[13:, 0] == 2.0).all()
    assert np.isnan(table[:, 1]).all()


def test_numbers_that_are_missing_are_no_facts():
    assert len(facts([0, 1], [np.nan, 2.0], 0)) == 1


def test_what_is_known_at_a_time_is_what_the_history_until_then_says():
    made = facts([0, 4, 9], [1.0, 2.0, 3.0], 5)
    whole = known_values(made, "eps", ("A",), days(20))
    for row, time in enumerate(days(20)):
        cut = known_values(made.until(time), "eps", ("A",), days(20)[: row + 1])
        np.testing.assert_array_equal(cut[-1], whole[row])


@settings(derandomize=True, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(1, 99)), min_size=1, max_size=8), st.integers(0, 20)
)
def test_a_longer_lag_never_shows_anything_earlier(rows, lag):
    ends, values = [row[0] for row in rows], [float(row[1]) for row in rows]
    soon = known_values(facts(ends, values, lag), "eps", ("A",), days(60))
    late = known_values(facts(ends, values, lag + 1), "eps", ("A",), days(60))
    np.testing.assert_array_equal(late[1:], soon[:-1])


def test_a_late_number_about_an_older_period_replaces_nothing():
    from data.events import ReleasedFacts

    made = ReleasedFacts(
        START + np.array([10, 0]) * DAY,
        START + np.array([12, 15]) * DAY,
        np.array(["A", "A"]),
        np.array(["eps", "eps"]),
        np.array([2.0, 1.0]),
    )
    assert (known_values(made, "eps", ("A",), days(20))[12:, 0] == 2.0).all()


def test_a_negative_lag_would_be_a_look_into_the_future():
    with pytest.raises(SpecError, match="lag_days was -1"):
        facts([0], [1.0], -1)


def test_a_missing_file_or_column_is_named(tmp_path):
    path = tmp_path / "table.csv"
    with pytest.raises(SourceError, match="cannot be read"):
        read_fundamentals(path, ["Net Income"], 90)
    path.write_text("Ticker Symbol,Period Ending,Net Income\nA,12/31/2013,5\n")
    with pytest.raises(SourceError, match="no column 'Net Incom'; did you mean 'Net Income'"):
        read_fundamentals(path, ["Net Incom"], 90)
    made = read_fundamentals(path, ["Net Income"], 90)
    assert str(made.available_times[0])[:10] == "2014-03-31"


@pytest.mark.shared_data
def test_the_public_table_is_read_in_place_with_its_known_oddity(shared_data):
    made = read_fundamentals(shared_data / FILE, ["Earnings Per Share", "Net Income"], 90)
    assert (made.available_times - made.event_times == 90 * DAY).all()
    times = np.array(["2013-12-26", "2013-12-27", "2014-12-26", "2015-12-31"], "datetime64[ns]")
    eps = known_values(made, "Earnings Per Share", ("AAPL",), times)[:, 0]
    # The year to 2013-09-28 is known 90 days later; its figure is from before the split of 2014, which no lag mends.
    assert np.isnan(eps[0])
    assert eps[1:].tolist() == [40.03, 6.49, 9.28]
