"""Checks of values, volume and staleness: each planted defect is found where it is."""

from pathlib import Path

import numpy as np
import pytest

from data.frames import to_long
from data.quality import check_bars, check_panel
from data.quality.volume import UNIT_FACTOR, WINDOW, _level_changes
from data.sessions import BarClock
from data.sources.base import SOURCES

CLOCK = BarClock("XNYS")
PRICES = ["open", "high", "low", "close"]


def clean(bars=600, seed=0, clock=CLOCK):
    config = {
        "kind": "synthetic",
        "calendar": clock.calendar,
        "bar": clock.bar,
        "bars": bars,
        "count": 1,
        "seed": seed,
    }
    return to_long(SOURCES.build(config).load(Path()).panel).drop(columns="factor", errors="ignore")


def found(long, kind, clock=CLOCK):
    return [finding for finding in check_bars(long, clock) if finding.kind == kind]


def only(long, kind, clock=CLOCK):
    findings = found(long, kind, clock)
    assert len(findings) == 1, [finding.kind for finding in check_bars(long, clock)]
    return findings[0]


def planted(rows, fields, value, **options):
    long = clean(**options)
    long.loc[rows, fields] = value
    return long


def test_rows_without_a_price_are_found_as_holidays():
    finding = only(planted([7, 9], PRICES, np.nan), "empty_row")
    assert (finding.count, finding.severity) == (2, "warning")


def test_a_bar_without_its_open_is_partial_and_not_empty():
    long = planted([7], "open", np.nan)
    assert only(long, "partial_bar").count == 1
    assert found(long, "empty_row") == []


def test_an_all_zero_bar_is_one_error_and_not_four():
    long = planted([100], PRICES, 0.0)
    finding = only(long, "zero_bar")
    assert (finding.time, finding.severity) == (long["ds"][100], "error")
    assert [other.kind for other in check_bars(long, CLOCK) if other.severity == "error"] == ["zero_bar"]


@pytest.mark.parametrize("value", [0.0, -3.0])
def test_prices_of_zero_or_below_name_their_field(value):
    finding = only(planted([100], "low", value), "non_positive_price")
    assert (finding.field, finding.value) == ("low", value)


def test_infinite_values_name_their_field():
    assert only(planted([5, 6], "volume", np.inf), "infinite").field == "volume"


def test_volume_below_zero_is_an_error():
    assert only(planted([5], "volume", -1.0), "negative_volume").severity == "error"


@pytest.mark.parametrize(
    ("field", "factor", "where"),
    [("high", 0.5, "high"), ("low", 2.0, "low"), ("close", 1.9, "high"), ("open", 0.6, "low")],
)
def test_a_high_or_low_inside_the_bar_is_found_at_that_side(field, factor, where):
    long = clean()
    long.loc[50, field] *= factor
    findings = found(long, "inconsistent_bar")
    assert where in {finding.field for finding in findings}
    assert {finding.time for finding in findings} == {long["ds"][50]}


def test_rounding_to_32_bits_is_no_inconsistency():
    long = clean()
    long["high"] = long["high"].astype(np.float32).astype(np.float64) * (1 - 5e-8)
    assert found(long, "inconsistent_bar") == []


def test_an_empty_volume_is_a_warning_and_an_empty_close_an_error():
    assert only(planted(slice(None), "volume", np.nan), "empty_field").severity == "warning"
    assert only(planted(slice(None), "close", np.nan), "empty_field").severity == "error"


def test_computed_prices_are_told_from_quoted_and_32_bit_ones():
    assert found(clean(), "decimals")[0].severity == "info"
    assert found(clean().round({"close": 2}), "decimals") == []
    single = clean().astype({"close": "float32"}).astype({"close": "float64"})
    assert found(single, "decimals") == []


def test_volume_of_zero_throughout_is_not_called_a_run():
    long = planted(slice(None), "volume", 0.0)
    assert only(long, "no_volume").severity == "warning"
    assert found(long, "zero_volume") == []


@pytest.mark.parametrize(("rows", "severity"), [([30, 60], "info"), (range(30, 35), "warning")])
def test_zero_volume_matters_when_it_lasts(rows, severity):
    finding = only(planted(list(rows), "volume", 0.0), "zero_volume")
    assert (finding.severity, finding.count) == (severity, len(rows))


@pytest.mark.parametrize("factor", [1 / 1030, 100.0])
def test_a_change_of_the_volumes_unit_is_dated(factor):
    long = clean()
    long.loc[300:, "volume"] *= factor
    finding = only(long, "volume_unit")
    assert finding.time == long["ds"][300]
    assert finding.value == pytest.approx(max(factor, 1 / factor), rel=0.5)


@pytest.mark.parametrize("width", [1, 5])
def test_wild_sessions_of_volume_are_no_change_of_unit(width):
    long = clean()
    long.loc[300 : 300 + width - 1, "volume"] *= 1000
    assert found(long, "volume_unit") == []


def test_a_change_of_unit_inside_intraday_bars_is_dated_by_its_session():
    clock = BarClock("XNYS", "1h")
    long = clean(bars=7 * 60, clock=clock)
    long.loc[7 * 30 :, "volume"] *= 1000
    assert only(long, "volume_unit", clock).time == long["ds"][7 * 30]


def test_level_changes_are_those_of_a_plain_loop():
    rng = np.random.default_rng(5)
    logs = rng.normal(0, 0.5, 200) + np.where(np.arange(200) >= 120, np.log(200), 0.0)
    slow = []
    for place in range(WINDOW, len(logs) - WINDOW + 1):
        before, after = logs[place - WINDOW : place], logs[place : place + WINDOW]
        step = np.median(after) - np.median(before)
        middle = (np.median(after) + np.median(before)) / 2
        own = ((before < middle) == (step > 0)).mean() + ((after > middle) == (step > 0)).mean()
        if abs(step) >= np.log(UNIT_FACTOR) and own >= 1.8:
            slow.append((own, abs(step), place, step))
    _, _, place, step = max(slow)
    assert _level_changes(logs) == [(place, pytest.approx(step))]
    assert place == 120


def test_a_price_that_stands_still_is_found_with_its_longest_run():
    long = clean()
    for start, length in ((100, 6), (200, 9)):
        rows = range(start, start + length)
        long.loc[rows, PRICES] = long.loc[start - 1, "close"]
    finding = only(long, "stale_price")
    assert (finding.count, finding.value, finding.time) == (15, 9.0, long["ds"][100])


def test_equal_closes_of_bars_that_traded_are_not_stale():
    long = clean()
    rows = range(100, 120)
    long.loc[rows, "close"] = long.loc[rows, ["low"]].max().max()
    long.loc[rows, "high"] = long.loc[rows, PRICES].max(axis=1)
    assert found(long, "stale_price") == []


def test_opens_at_the_previous_close_are_found_for_their_years_only():
    long = clean(bars=1000)
    early = long["ds"].dt.year <= 2016
    long.loc[early, "open"] = long["close"].shift()[early].fillna(long["open"])
    long["high"], long["low"] = long[PRICES].max(axis=1), long[PRICES].min(axis=1)
    finding = only(long, "stale_open")
    assert (finding.time.astype("M8[Y]"), finding.until.astype("M8[Y]")) == (
        np.datetime64("2015"),
        np.datetime64("2016"),
    )
    assert "next-open fills would be same-close fills" in finding.message


def test_opens_at_the_previous_close_are_natural_in_a_market_that_never_pauses():
    clock = BarClock("24/7", "1h")
    long = clean(clock=clock)
    long["open"] = long["close"].shift().fillna(long["open"])
    long["high"], long["low"] = long[PRICES].max(axis=1), long[PRICES].min(axis=1)
    assert found(long, "stale_open", clock) == []


def test_bad_wide_prices_are_checked_without_bars():
    long = clean()[["unique_id", "ds", "close"]].rename(columns={"close": "y"})
    long.loc[50:65, "y"] = long["y"][49]
    assert only(long, "stale_price").field == "y"


def test_the_bundled_indexs_opens_are_stale_until_2005():
    told = [
        finding
        for finding in check_panel(SOURCES.build({"kind": "bundled", "series": ["SP500"]}).load(Path()))
        if finding.kind == "stale_open"
    ]
    assert [(finding.time.astype("M8[Y]"), finding.until.astype("M8[Y]")) for finding in told] == [
        (np.datetime64("1999"), np.datetime64("2005"))
    ]
    assert told[0].value == pytest.approx(0.96, abs=0.01)
