"""Where a pool traded, against a slow twin and by hand."""

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.amm.pool import LOG_TICK
from forecast.errors import FitError, ForecastError
from forecast.liquidity_checks import synthetic_pool_history
from forecast.models.liquidity.rows import context_rows, training_rows
from forecast.models.liquidity.truth import realised_profile, realised_span, span_profile


def _load(name):
    path = Path(__file__).resolve().parents[1] / "oracles" / f"{name}.py"
    specification = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


oracle = _load("liquidity_oracle")
HISTORY = synthetic_pool_history(120)
HOUR = np.timedelta64(1, "h")


@settings(derandomize=True, deadline=None, max_examples=25)
@given(row=st.integers(5, 90), hours=st.integers(1, 24), bins=st.integers(1, 12), width=st.floats(2.0, 60.0))
def test_a_profile_is_that_of_its_slow_twin(row, hours, bins, width):
    edges = (np.arange(bins + 1) - bins / 2) * width
    start = HISTORY.times[row]
    made = realised_profile(HISTORY.pool, start, start + hours * HOUR, edges)
    slow = oracle.profile(HISTORY.pool.swaps, start, start + hours * HOUR, edges)
    np.testing.assert_allclose(made, slow, rtol=1e-9, atol=1e-14)


def test_one_swap_up_fills_the_bins_it_crosses():
    swaps = HISTORY.pool.swaps.rows(0, 1)
    one = replace(swaps, sqrt_before=np.array([100.0]), sqrt_after=np.array([102.0]))
    found = span_profile(one, 100.0, 2.0 * np.log(np.array([0.5, 1.0, 1.01, 1.1])))
    np.testing.assert_allclose(found, [[0, 0], [0.01, 0], [0.01, 0]], atol=1e-15)


def test_one_swap_down_counts_in_inverse_root_prices():
    swaps = HISTORY.pool.swaps.rows(0, 1)
    one = replace(swaps, sqrt_before=np.array([100.0]), sqrt_after=np.array([80.0]))
    found = span_profile(one, 100.0, 2.0 * np.log(np.array([0.5, 1.0, 2.0])))
    np.testing.assert_allclose(found, [[0, 0.25], [0, 0]], atol=1e-15)


def test_the_bins_of_a_profile_add_up_to_the_whole_path_however_they_are_cut():
    start, end = HISTORY.times[20], HISTORY.times[44]
    whole = realised_profile(HISTORY.pool, start, end, np.array([-1.0, 1.0]))
    fine = realised_profile(HISTORY.pool, start, end, np.linspace(-300, 300, 62))
    np.testing.assert_allclose(fine.sum(axis=0), whole[0], rtol=1e-12)


def test_consecutive_spans_share_no_swap():
    edges = np.array([-1.0, 1.0])
    first, middle, last = HISTORY.times[[20, 30, 44]]
    scale = np.sqrt(HISTORY.panel.field("close")[[20, 30], 0])
    parts = [realised_profile(HISTORY.pool, a, b, edges)[0] for a, b in ((first, middle), (middle, last))]
    whole = realised_profile(HISTORY.pool, first, last, edges)[0]
    ratio = scale[1] / scale[0]
    np.testing.assert_allclose(parts[0] + parts[1] * [ratio, 1 / ratio], whole, rtol=1e-12)


def test_a_span_says_what_its_bars_say():
    span = realised_span(HISTORY, HISTORY.times[20], HISTORY.times[44], np.array([-1.0, 1.0]))
    bars = HISTORY.panel.rows(21, 45)
    close = HISTORY.panel.field("close")[:, 0]
    assert span.change == pytest.approx(np.log(close[44] / close[20]))
    assert span.variance == pytest.approx(bars.field("variance").sum())
    assert span.fee_growth == pytest.approx(bars.field("fee_growth").sum())


def test_a_span_that_is_not_over_has_no_truth():
    assert realised_span(HISTORY, HISTORY.times[100], HISTORY.cutoff + HOUR, np.array([-1.0, 1.0])) is None


def test_a_profile_before_the_first_swap_is_refused():
    early = HISTORY.pool.swaps.times[0] - HOUR
    with pytest.raises(ForecastError, match="no swap of BASE/QUOTE"):
        realised_profile(HISTORY.pool, early, HISTORY.cutoff, np.array([-1.0, 1.0]))
    with pytest.raises(ForecastError, match="no pool"):
        realised_span(replace(HISTORY, pool=None), HISTORY.times[3], HISTORY.times[5], np.array([-1.0, 1.0]))


def _changed(column, row, value):
    values = HISTORY.panel.values.copy()
    values[row, 0, HISTORY.panel.field_index(column)] = value
    return replace(HISTORY, panel=replace(HISTORY.panel, values=values))


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("variance", np.nan, "has a hole"),
        ("path_up", -1.0, "path_up of the bar"),
        ("sqrt_price", 0.0, "nor a price 0"),
    ],
)
def test_bars_that_are_no_pools_bars_are_refused(column, value, words):
    broken = _changed(column, 50, value)
    with pytest.raises(ForecastError, match=words):
        context_rows(broken, 100)
    with pytest.raises(FitError, match=words):
        training_rows(broken, 100)


def test_bars_before_the_first_swap_are_left_out():
    late = _changed("close", 0, np.nan)
    values = late.panel.values.copy()
    values[:30] = np.nan
    late = replace(late, panel=replace(late.panel, values=values))
    rows = training_rows(late, 50)
    assert rows.times[0] == HISTORY.times[30]
    assert rows.swaps.times[0] > HISTORY.times[29]
    with pytest.raises(FitError, match="90 bars since its first swap; 91 are needed"):
        training_rows(late, 91)


def test_a_panel_without_a_field_is_refused():
    fields = tuple("tilt" if name == "flow" else name for name in HISTORY.panel.fields)
    other = replace(HISTORY, panel=replace(HISTORY.panel, fields=fields))
    with pytest.raises(ForecastError, match="one pool with sqrt_price"):
        context_rows(other, 10)


def test_ticks_are_those_of_the_pool():
    assert pytest.approx(oracle.LOG_TICK, rel=1e-12) == LOG_TICK
