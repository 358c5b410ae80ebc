"""Repairs: nothing changes unless asked, and every change is told."""

import numpy as np
import pandas as pd
import pytest

from data.errors import DataError, SpecError
from data.quality import check_bars
from data.registry import validated
from data.repairs import Repairs, repair
from data.sessions import BarClock

DAILY = BarClock("24/7", "1D")
HOURLY = BarClock("24/7", "1h")


def bars(stamps, **columns):
    count = len(stamps)
    close = np.linspace(10, 11, count)
    given = {
        "open": close,
        "high": close + 1,
        "low": close - 1,
        "close": close,
        "volume": np.full(count, 5.0),
    }
    long = pd.DataFrame({"unique_id": "A", "ds": pd.to_datetime(stamps).as_unit("ns"), **given, **columns})
    return long.astype({"unique_id": "str"})


def days(*numbers):
    return [f"2020-01-{number:02d}" for number in numbers]


def kinds(findings):
    return [found.kind for found in findings]


def test_the_default_changes_nothing_and_says_nothing():
    long = bars(days(1, 2, 4), close=np.array([1.0, np.nan, 0.0]), volume=np.zeros(3))
    repaired, findings = repair(long, Repairs(), DAILY)
    pd.testing.assert_frame_equal(repaired, long)
    assert findings == []


def test_the_given_frame_is_never_written_to():
    long = bars(days(2, 1, 1), high=np.array([np.inf, 0.0, 1.0]))
    before = long.copy(deep=True)
    everything = Repairs(
        unsorted="sort", duplicates="keep_last", bad_bars="mask", volume="mask", empty_rows="drop"
    )
    repair(long, everything, DAILY)
    pd.testing.assert_frame_equal(long, before)


def test_rows_out_of_order_are_refused_with_the_remedy():
    with pytest.raises(DataError, match=r"series 'A' is out of order at 2020-01-01 .*unsorted: sort"):
        repair(bars(days(2, 1)), Repairs(), DAILY)


def test_sorting_orders_every_series_by_time_and_counts_the_rows_moved():
    long = pd.concat([bars(days(1, 3, 2)), bars(days(2, 1)).assign(unique_id="B")], ignore_index=True)
    repaired, findings = repair(long, Repairs(unsorted="sort"), DAILY)
    assert repaired.groupby("unique_id")["ds"].is_monotonic_increasing.all()
    assert [(found.series, found.kind, found.count) for found in findings] == [
        ("A", "repaired_unsorted", 1),
        ("B", "repaired_unsorted", 1),
    ]


def test_repeated_stamps_are_refused_with_the_remedy():
    with pytest.raises(DataError, match=r"more than one row at 2020-01-02 .*duplicates: keep_first"):
        repair(bars(days(1, 2, 2)), Repairs(), DAILY)


@pytest.mark.parametrize(("choice", "kept"), [("keep_first", 2.0), ("keep_last", 3.0)])
def test_the_chosen_row_of_a_repeated_stamp_is_kept(choice, kept):
    long = bars(days(1, 2, 2), close=np.array([1.0, 2.0, 3.0]))
    repaired, findings = repair(long, Repairs(duplicates=choice), DAILY)
    assert repaired["close"].tolist() == [1.0, kept]
    assert kinds(findings) == ["repaired_duplicate"]


def test_sorting_keeps_the_files_order_among_equal_stamps():
    long = bars(days(2, 1, 2), close=np.array([20.0, 10.0, 21.0]))
    repaired, _ = repair(long, Repairs(unsorted="sort", duplicates="keep_first"), DAILY)
    assert repaired["close"].tolist() == [10.0, 20.0]


@pytest.mark.parametrize(("choice", "left"), [("keep", [1, 2, 3]), ("drop", [1, 3])])
def test_empty_rows_stay_unless_dropped(choice, left):
    empty = np.array([1.0, np.nan, 1.0])
    long = bars(days(1, 2, 3), open=empty, high=empty, low=empty, close=empty)
    repaired, _ = repair(long, Repairs(empty_rows=choice), DAILY)
    assert repaired["ds"].dt.day.tolist() == left


@pytest.mark.parametrize(
    ("name", "value"), [("close", 0.0), ("low", -1.0), ("high", np.inf), ("high", 9.0), ("low", 12.0)]
)
def test_bad_bars_lose_every_price_and_nothing_else(name, value):
    long = bars(days(1, 2, 3))
    long.loc[1, name] = value
    repaired, findings = repair(long, Repairs(bad_bars="mask"), DAILY)
    assert repaired.loc[1, ["open", "high", "low", "close"]].isna().all()
    assert repaired.loc[1, "volume"] == 5.0
    pd.testing.assert_frame_equal(repaired.drop(index=1), long.drop(index=1))
    assert [(found.kind, found.count) for found in findings] == [("repaired_bad_bar", 1)]


def test_snapping_never_moves_a_bar_to_an_earlier_end():
    stamps = ["2020-01-01 01:00", "2020-01-01 01:46", "2020-01-01 02:46"]
    repaired, findings = repair(bars(stamps), Repairs(off_grid="snap"), HOURLY)
    assert repaired["ds"].dt.hour.tolist() == [1, 2, 3]
    assert (repaired["ds"] >= pd.to_datetime(stamps)).all()
    assert [(found.kind, found.count) for found in findings] == [("repaired_off_grid", 2)]


def test_snapping_on_an_exchange_finds_the_next_close_even_after_the_last_one_of_the_file():
    long = bars(["2020-01-03 21:00", "2020-01-04 12:00"])
    repaired, _ = repair(long, Repairs(off_grid="snap"), BarClock("XNYS"))
    assert str(repaired["ds"].iloc[1]) == "2020-01-06 21:00:00"


def test_dropping_keeps_only_bar_ends():
    stamps = ["2020-01-01 01:00", "2020-01-01 01:46", "2020-01-01 03:00"]
    repaired, _ = repair(bars(stamps), Repairs(off_grid="drop"), HOURLY)
    assert repaired["ds"].dt.hour.tolist() == [1, 3]


def test_a_volume_that_is_always_zero_becomes_missing_but_a_lone_zero_stays():
    dead = bars(days(1, 2)).assign(volume=0.0)
    alive = bars(days(1, 2), volume=np.array([0.0, 3.0])).assign(unique_id="B")
    repaired, findings = repair(pd.concat([dead, alive]), Repairs(volume="mask"), DAILY)
    assert repaired["volume"].isna().tolist() == [True, True, False, False]
    assert [(found.series, found.field) for found in findings] == [("A", "volume")]


def test_dropping_every_row_is_an_error():
    with pytest.raises(DataError, match="dropped all 1 rows"):
        repair(bars(["2020-01-01 01:30"]), Repairs(off_grid="drop"), HOURLY)


def test_repairing_twice_changes_nothing_more():
    everything = Repairs(
        unsorted="sort", off_grid="snap", duplicates="keep_first", bad_bars="mask", volume="mask"
    )
    long = bars(
        days(3, 1, 1, 2), high=np.array([20.0, 0.0, 20.0, 20.0]), volume=np.array([1.0, -1.0, 1.0, 0.0])
    )
    once, _ = repair(long, everything, DAILY)
    twice, findings = repair(once, everything, DAILY)
    pd.testing.assert_frame_equal(twice, once)
    assert findings == []


def test_repaired_bars_pass_the_checks_that_failed_before():
    long = bars(days(2, 1, 1, 3, 4), close=np.array([10.0, 10.0, 10.5, 0.0, np.inf]))
    everything = Repairs(unsorted="sort", duplicates="keep_last", bad_bars="mask", empty_rows="drop")
    repaired, findings = repair(long, everything, DAILY)
    assert {"unsorted", "conflicting_duplicate", "infinite", "non_positive_price"} <= set(
        kinds(check_bars(long, DAILY))
    )
    assert all(found.severity != "error" for found in check_bars(repaired, DAILY))
    assert all(kind.startswith("repaired_") for kind in kinds(findings))


def test_an_unknown_choice_names_the_option():
    with pytest.raises(SpecError, match=r"repairs\.duplicates was 'average'"):
        validated(Repairs, {"duplicates": "average"}, "repairs")
