"""Naive, drift and seasonal naive: the exact median, the quantiles of their own errors, and what they refuse."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import SpecError
from data.history import History
from data.panel import Panel
from data.sessions import BarClock
from forecast.checks import synthetic_history
from forecast.errors import FitError
from forecast.models.empirical import error_quantiles
from forecast.models.naive import Drift, Naive, SeasonalNaive, delayed, trailing_mean
from forecast.randomness import RandomStreams

RNG = RandomStreams(1, np.datetime64("2020-01-01", "ns"))
KINDS = [Naive, Drift, SeasonalNaive]


def history_of(values):
    values = np.asarray(values, float)
    values = values[:, None] if values.ndim == 1 else values
    clock = BarClock()
    times = clock.next(np.datetime64("2019-12-31", "ns"), len(values))
    names = tuple(f"S{i}" for i in range(values.shape[1]))
    return History(Panel(times, names, ("close",), values[:, :, None]), clock)


def forecast(spec, history):
    return spec.fit(history, RNG).predict(history, RNG)


def walk(count=200, seed=0):
    return 100 * np.exp(np.cumsum(0.02 * np.random.default_rng(seed).normal(size=count)))


@pytest.mark.parametrize("changes", ["log", "difference"])
def test_naive_median_is_the_last_value_to_the_bit(changes):
    history = synthetic_history()
    made = forecast(Naive(changes=changes, context=5, horizon=7), history)
    last = history.panel.field("close")[-1]
    assert made.median.tobytes() == np.repeat(last[:, None], 7, axis=1).tobytes()


@pytest.mark.parametrize("changes", ["log", "difference"])
def test_drift_goes_on_with_the_mean_change_of_training(changes):
    values = walk()
    made = forecast(Drift(changes=changes, context=5, horizon=3), history_of(values))
    if changes == "log":
        expected = values[-1] * (values[-1] / values[0]) ** (np.arange(1, 4) / 199)
    else:
        expected = values[-1] + np.arange(1, 4) * (values[-1] - values[0]) / 199
    np.testing.assert_allclose(made.median[0], expected, rtol=1e-13)


@pytest.mark.parametrize("season", [1, 3, 7])
def test_seasonal_naive_repeats_the_last_season_to_the_bit(season):
    values = walk()
    made = forecast(SeasonalNaive(season=season, context=10, horizon=16), history_of(values))
    expected = np.tile(values[-season:], 16)[:16]
    assert made.median[0].tobytes() == expected.tobytes()


def test_a_season_of_one_bar_is_naive():
    history = synthetic_history()
    seasonal, naive = forecast(SeasonalNaive(season=1), history), forecast(Naive(), history)
    assert seasonal.values.tobytes() == naive.values.tobytes()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("changes", ["log", "difference"])
def test_quantiles_are_those_of_the_errors_the_rule_made_in_training(kind, changes):
    values = walk(120)
    spec = kind(changes=changes, context=10, horizon=4)
    fitted = spec.fit(history_of(values), RNG)
    made = fitted.predict(history_of(values), RNG)
    for step in range(1, 5):
        errors = []
        for row in range(9, 120 - step):
            point = spec.points(values[: row + 1], step, float(fitted.constants[0]))[-1]
            truth = values[row + step]
            errors.append(np.log(truth / point) if changes == "log" else truth - point)
        early = [
            np.log(values[row + step] / point) if changes == "log" else values[row + step] - point
            for row in range(9)
            if not np.isnan(point := spec.points(values[: row + 1], step, float(fitted.constants[0]))[-1])
        ]
        offsets = np.quantile(early + errors, spec.levels) - np.quantile(early + errors, 0.5)
        middle = made.median[0, step - 1]
        expected = middle * np.exp(offsets) if changes == "log" else middle + offsets
        np.testing.assert_allclose(made.values[0, step - 1], expected, rtol=1e-12)


@given(
    errors=st.lists(st.floats(-1e3, 1e3), min_size=20, max_size=60),
    levels=st.lists(st.floats(0.001, 0.999), min_size=1, max_size=5, unique=True),
)
def test_error_quantiles_equal_numpy(errors, levels):
    found = error_quantiles(np.array(errors)[:, None], tuple(sorted(levels)), centred=False)
    np.testing.assert_allclose(found[0], np.quantile(errors, sorted(levels)), rtol=1e-12, atol=1e-9)


def test_error_quantiles_need_twenty_errors_at_every_step():
    errors = np.random.default_rng(0).normal(size=(20, 2))
    assert error_quantiles(errors, (0.1, 0.9)).shape == (2, 2)
    errors[3, 1] = np.nan
    assert error_quantiles(errors, (0.1, 0.9)) is None


def test_a_longer_horizon_is_less_certain():
    made = forecast(Naive(horizon=20), history_of(walk(2000)))
    width = made.quantile(0.9) - made.quantile(0.1)
    assert width[0, 19] > 3 * width[0, 0]


def test_ninety_percent_of_a_random_walk_fall_inside_the_ninety_percent_interval():
    values = walk(6000)
    fitted = Naive(horizon=1).fit(history_of(values[:3000]), RNG)
    inside = []
    for row in range(3000, 5999, 3):
        made = fitted.predict(history_of(values[row - 70 : row + 1]), RNG)
        inside.append(made.quantile(0.05)[0, 0] <= values[row + 1] <= made.quantile(0.95)[0, 0])
    assert abs(np.mean(inside) - 0.9) < 0.03


def test_a_bar_that_was_not_observed_makes_no_error():
    values = walk(300)
    sparse = values.copy()
    sparse[::2] = np.nan
    kept = Naive(horizon=1, context=5, changes="difference").fit(history_of(sparse), RNG)
    expected = np.diff(values[1::2])
    offsets = np.quantile(expected, kept.spec.levels) - np.median(expected)
    np.testing.assert_allclose(kept.offsets[0, 0], offsets, rtol=1e-9)


def test_forward_adjusted_prices_are_forecast():
    history = history_of(walk())
    factor = np.where(np.arange(200) < 150, 1.0, 2.0)[:, None]
    raw = history.panel.field("close") / factor
    split = replace(history, panel=history.panel.with_field("close", raw).with_field("factor", factor))
    np.testing.assert_allclose(forecast(Naive(), split).values, forecast(Naive(), history).values, rtol=1e-12)


def test_naive_variance_is_the_trailing_mean_of_squared_returns():
    values = walk(300)
    made = forecast(Naive(quantity="variance", context=21, horizon=2), history_of(values))
    expected = np.mean(np.diff(np.log(values[-21:])) ** 2)
    np.testing.assert_allclose(made.median[0], [expected, expected], rtol=1e-12)
    assert (made.values >= 0).all()
    assert made.last[0] == values[-1]


def test_drift_variance_is_the_long_run_variance():
    values = walk(300)
    made = forecast(Drift(quantity="variance", context=21, horizon=2), history_of(values))
    np.testing.assert_allclose(made.median[0], np.mean(np.diff(np.log(values)) ** 2), rtol=1e-12)


def test_seasonal_variance_is_the_mean_of_the_same_season():
    values = walk(300)
    made = forecast(SeasonalNaive(quantity="variance", season=5, context=21, horizon=7), history_of(values))
    squares = np.diff(np.log(values)) ** 2
    for step in range(1, 8):
        same = [squares[298 + step - k] for k in range(1, 60) if k % 5 == 0 and 279 <= 298 + step - k <= 298]
        np.testing.assert_allclose(made.median[0, step - 1], np.mean(same), rtol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_values_without_logarithm_are_refused_with_the_way_out(kind):
    values = walk()
    values[50] = -3.0
    with pytest.raises(SpecError, match="close of S0 is -3 at row 50.*set 'changes: difference'"):
        kind().fit(history_of(values), RNG)
    assert np.isfinite(forecast(kind(changes="difference"), history_of(values)).values).all()


@pytest.mark.parametrize("kind", KINDS)
def test_too_short_a_history_is_a_fit_error(kind):
    with pytest.raises(FitError, match="24 rows and no series with 20 errors 5 steps ahead"):
        kind(context=5).fit(history_of(walk(24)), RNG)


def test_a_series_listed_too_late_is_left_out():
    values = np.column_stack([walk(100), walk(100, seed=1)])
    values[:80, 1] = np.nan
    assert Naive(context=10).fit(history_of(values), RNG).series == ("S0",)


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        (SeasonalNaive, {"season": 65}),
        (SeasonalNaive, {"season": 64, "quantity": "variance"}),
        (SeasonalNaive, {"season": 0}),
        (Naive, {"context": 1, "quantity": "variance"}),
        (Naive, {"changes": "none"}),
    ],
)
def test_settings_out_of_range_are_refused(kind, wrong):
    with pytest.raises(ValueError, match="validation error"):
        kind(**wrong)


def test_helpers_of_rows_leave_the_start_unknown():
    rows = np.arange(4.0)
    np.testing.assert_array_equal(trailing_mean(rows, 3), [np.nan, np.nan, 1.0, 2.0])
    np.testing.assert_array_equal(trailing_mean(rows, 5), [np.nan] * 4)
    np.testing.assert_array_equal(delayed(rows, 1), [np.nan, 0.0, 1.0, 2.0])
    np.testing.assert_array_equal(delayed(rows, 9), [np.nan] * 4)
