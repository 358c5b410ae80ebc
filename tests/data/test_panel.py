"""Claims about panels: their invariants, their cuts and their fingerprints."""

import time
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import PanelError
from data.panel import Panel, as_time, read_only

START = np.datetime64("2020-01-01", "ns")


def panel(rows=5, series=("A", "B"), fields=("open", "close"), seed=0):
    times = START + np.arange(rows).astype("timedelta64[D]")
    return Panel(
        times, series, fields, np.random.default_rng(seed).normal(size=(rows, len(series), len(fields)))
    )


def test_instants_are_read_as_utc():
    noon = np.datetime64("2020-01-01T12:00", "ns")
    assert as_time("2020-01-01T12:00") == noon
    assert as_time(datetime(2020, 1, 1, 12, tzinfo=UTC)) == noon
    assert as_time(datetime(2020, 1, 1, 17, 30, tzinfo=timezone(timedelta(hours=5, minutes=30)))) == noon


def test_values_and_times_cannot_be_written_and_the_callers_arrays_still_can():
    values = np.zeros((2, 1, 1))
    times = START + np.arange(2).astype("timedelta64[D]")
    made = Panel(times, ("A",), ("close",), values)
    for array in (made.values, made.times, made.field("close"), made.until(times[0]).values):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = array[0]
    values[0] = 1.0
    assert not read_only(values).flags.writeable
    assert values.flags.writeable


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"values": np.zeros((2, 1, 2))}, r"shape \(2, 1, 2\).* ask for \(2, 1, 1\)"),
        ({"times": np.array(["2020-01-02", "2020-01-01"], "datetime64[ns]")}, "out of order at row 1"),
        ({"times": np.array(["2020-01-02", "2020-01-02"], "datetime64[ns]")}, "repeated at row 1"),
        ({"times": np.array(["2020-01-02", "NaT"], "datetime64[ns]")}, "time at row 1 is missing"),
        ({"series": ("A", "A"), "values": np.zeros((2, 2, 1))}, "series name 'A' is repeated"),
        ({"fields": ("y", "y"), "values": np.zeros((2, 1, 2))}, "field name 'y' is repeated"),
        ({"values": np.array([[[1.0]], [[np.inf]]])}, "value of A.close at 2020-01-02.* is infinite"),
    ],
)
def test_a_broken_panel_is_refused(change, words):
    good = {"times": START + np.arange(2).astype("timedelta64[D]"), "series": ("A",), "fields": ("close",)}
    with pytest.raises(PanelError, match=words):
        Panel(**{**good, "values": np.zeros((2, 1, 1)), **change})


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 12), st.integers(-2, 14), st.integers(-2, 14))
def test_cuts_hold_exactly_the_rows_inside(rows, first, last):
    whole = panel(rows)
    start, end = START + np.timedelta64(first, "D"), START + np.timedelta64(last, "D")
    assert whole.until(end).times.tolist() == [t for t in whole.times.tolist() if t <= end.astype(int)]
    inside = (whole.times >= start) & (whole.times <= end)
    np.testing.assert_array_equal(whole.between(start, end).values, whole.values[inside])


def test_a_cut_is_a_view_and_quick():
    whole = panel(20_000)
    cut = whole.until(whole.times[10_000])
    assert np.shares_memory(cut.values, whole.values)
    started = time.process_time()
    for _ in range(1000):
        whole.until(whole.times[10_000])
    assert time.process_time() - started < 0.5


def test_cutting_twice_is_cutting_once():
    whole = panel(9)
    assert (
        whole.until(whole.times[6]).until(whole.times[3]).fingerprint()
        == whole.until(whole.times[3]).fingerprint()
    )
    assert whole.last(4).fingerprint() == whole.rows(5, 9).fingerprint()
    assert len(whole.last(99)) == 9


def test_equal_panels_have_equal_fingerprints_and_others_do_not():
    one = panel()
    odd_nan = np.array(one.values)
    odd_nan[0, 0, 0] = np.uint64(0xFFF8000000000001).view(np.float64)
    plain_nan = np.where(np.isnan(odd_nan), np.nan, odd_nan)
    assert (
        Panel(one.times, one.series, one.fields, np.asfortranarray(one.values)).fingerprint()
        == one.fingerprint()
    )
    prints = [Panel(one.times, one.series, one.fields, v).fingerprint() for v in (odd_nan, plain_nan)]
    assert prints[0] == prints[1] != one.fingerprint()
    others = [panel(4), panel(series=("A", "C")), panel(fields=("open", "high")), panel(seed=1)]
    assert len({one.fingerprint(), *(other.fingerprint() for other in others)}) == 5


def test_minus_zero_is_zero_in_a_fingerprint():
    times = START + np.arange(1).astype("timedelta64[D]")
    zero, minus = (Panel(times, ("A",), ("y",), np.full((1, 1, 1), v)) for v in (0.0, -0.0))
    assert zero.fingerprint() == minus.fingerprint()


def test_selecting_series_orders_them_and_adding_a_field_replaces_it():
    one = panel()
    both = one.select(["B", "A"])
    np.testing.assert_array_equal(both.field("close"), one.field("close")[:, ::-1])
    twice = one.with_field("close", one.field("close") * 2)
    assert twice.fields == ("open", "close")
    np.testing.assert_array_equal(twice.field("close"), one.field("close") * 2)
    with pytest.raises(PanelError, match=r"shape \(5,\); the panel is \(5, 2\)"):
        one.with_field("volume", np.zeros(5))


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda p: p.field("clos"), "field 'clos' is not in the panel; did you mean 'close'"),
        (lambda p: p.select(["Z"]), "series 'Z' is not in the panel; allowed: A, B"),
    ],
)
def test_unknown_names_are_answered_with_the_nearest(ask, words):
    with pytest.raises(PanelError, match=words):
        ask(panel())
