"""Checks of stamps: each planted defect is found where it is, and clean bars give nothing."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.frames import to_long
from data.quality import check_bars, check_panel
from data.quality.grid import grid_of
from data.sessions import BarClock
from data.sources.base import SOURCES

HOURLY = BarClock("24/7", "1h")
SESSION = BarClock("XNYS")
FIVE = BarClock("XNYS", "5min")


def loaded(calendar="24/7", bar="1h", bars=200, **options):
    config = {"kind": "synthetic", "calendar": calendar, "bar": bar, "bars": bars, "count": 1, **options}
    return SOURCES.build(config).load(Path())


def clean(clock, bars=200):
    return to_long(loaded(clock.calendar, clock.bar, bars).panel)


def found(long, clock, kind):
    return [finding for finding in check_bars(long, clock) if finding.kind == kind]


def only(long, clock, kind):
    findings = found(long, clock, kind)
    assert len(findings) == 1, [finding.kind for finding in check_bars(long, clock)]
    return findings[0]


@pytest.mark.parametrize("process", ["gbm", "garch_t", "ar", "regime"])
@pytest.mark.parametrize(
    ("calendar", "bar"),
    [("24/7", "1h"), ("24/7", "1min"), ("XNYS", "session"), ("XBOM", "5min"), ("weekdays", "session")],
)
def test_clean_synthetic_bars_give_nothing_above_info(process, calendar, bar):
    for seed in range(3):
        history = loaded(calendar, bar, 1500, process=process, seed=seed)
        assert [finding for finding in check_panel(history) if finding.severity != "info"] == []


def test_heavy_tails_alone_are_no_defect():
    for seed in range(6):
        history = loaded("XNYS", "session", 1500, process="garch_t", seed=seed, degrees=2.6, volatility=0.8)
        assert [finding for finding in check_panel(history) if finding.severity != "info"] == []


@pytest.mark.parametrize("clock", [HOURLY, SESSION, FIVE, BarClock("weekdays")])
def test_positions_count_the_bar_ends_like_a_plain_loop(clock):
    ends = clock.ends("2020-03-02", "2020-03-20")
    probes = np.concatenate([ends, ends + np.timedelta64(1, "ns"), ends + np.timedelta64(7, "m")])
    grid = grid_of(clock, probes)
    slow = np.array([(ends <= probe).sum() for probe in probes])
    assert len({int(gap) for gap in grid.position(probes) - slow}) == 1
    assert grid.is_end(probes).tolist() == [probe in set(ends) for probe in probes]


def test_a_missing_bar_is_a_gap_with_its_stamp():
    long = clean(HOURLY)
    finding = only(long.drop(index=[50, 51, 52, 90]), HOURLY, "gap")
    assert (finding.time, finding.until) == (long["ds"][50], long["ds"][90])
    assert (finding.count, finding.value) == (4, 3.0)


def test_weekends_and_holidays_are_no_gaps():
    assert found(clean(SESSION, 600), SESSION, "gap") == []


def test_rows_out_of_order_are_found_at_the_row_that_comes_late():
    long = clean(HOURLY).iloc[[*range(100), 150, *range(100, 150), *range(151, 200)]]
    finding = only(long, HOURLY, "unsorted")
    assert (finding.time, finding.count, finding.severity) == (long["ds"].iloc[101], 1, "error")


def test_equal_and_conflicting_repeats_are_told_apart():
    long = clean(HOURLY)
    changed = long.iloc[[20]].assign(close=long["close"][20] * 1.5)
    both = pd.concat([long, long.iloc[[10, 11]], changed], ignore_index=True).sort_values("ds", kind="stable")
    assert only(both, HOURLY, "duplicate").count == 2
    conflict = only(both, HOURLY, "conflicting_duplicate")
    assert (conflict.time, conflict.severity) == (long["ds"][20], "error")
    assert conflict.value == pytest.approx(0.5)


def test_repeats_with_the_same_holes_are_equal():
    long = clean(HOURLY).assign(volume=np.nan)
    twice = pd.concat([long, long.iloc[[5]]]).sort_values("ds", kind="stable")
    assert found(twice, HOURLY, "conflicting_duplicate") == []
    assert only(twice, HOURLY, "duplicate").count == 1


def test_stamps_between_bar_ends_are_found_and_are_no_gap():
    long = clean(HOURLY)
    late = long.assign(ds=long["ds"].where(long.index < 180, long["ds"] - pd.Timedelta("14min")))
    finding = only(late, HOURLY, "off_grid")
    assert (finding.time, finding.count, finding.severity) == (late["ds"][180], 20, "warning")
    assert found(late, HOURLY, "gap") == []


def test_a_wrong_zone_is_an_error_and_not_a_thousand_gaps():
    long = clean(FIVE, 400)
    moved = long.assign(ds=long["ds"] + pd.Timedelta("9h"))
    assert only(moved, FIVE, "off_grid").severity == "error"
    assert found(moved, FIVE, "gap") == []


def test_stamps_of_the_start_are_told_by_the_first_and_last_bar_of_sessions():
    long = clean(FIVE, 78 * 8)
    starts = long.assign(ds=long["ds"] - pd.Timedelta("5min"))
    assert only(starts, FIVE, "start_stamps").severity == "error"
    assert found(long, FIVE, "start_stamps") == []


def test_a_session_cut_short_is_found_by_its_day():
    long = clean(FIVE, 78 * 6)
    finding = only(long.drop(index=range(78 * 3 + 20, 78 * 4)), FIVE, "short_session")
    assert finding.value == pytest.approx(20 / 78)
    assert finding.time == long["ds"][78 * 4 - 1]


def test_half_days_of_the_calendar_are_not_short():
    ends = FIVE.ends("2020-11-20", "2020-12-05")
    count = len(ends)
    long = clean(FIVE, count).assign(ds=ends)
    assert found(long, FIVE, "short_session") == found(long, FIVE, "gap") == []


def test_a_single_row_and_a_missing_stamp_are_errors():
    long = clean(HOURLY).iloc[:1]
    assert only(long, HOURLY, "one_row").severity == "error"
    without = clean(HOURLY)
    without.loc[3, "ds"] = pd.NaT
    finding = only(without, HOURLY, "missing_stamp")
    assert finding.count == 1
    assert np.isnat(finding.time)


def test_a_file_without_any_stamp_is_described_and_not_refused():
    nothing = clean(HOURLY).assign(ds=pd.NaT).astype({"ds": "datetime64[ns]"})
    assert only(nothing, HOURLY, "missing_stamp").count == 200


def test_a_series_that_covers_part_of_the_panel_is_told():
    history = loaded("XNYS", "session", 300, count=2)
    values = history.panel.values.copy()
    values[:250, 1] = np.nan
    short = type(history)(
        type(history.panel)(history.times, history.panel.series, history.panel.fields, values), SESSION
    )
    told = [finding for finding in check_panel(short) if finding.kind == "partial_history"]
    assert [(finding.series, finding.count, finding.severity) for finding in told] == [("S2", 50, "info")]
