"""Losses and references: the slow sum, no unit, and nothing from after the training rows."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecast.checks import synthetic_history
from forecast.distribution import QuantileForecast
from forecast.errors import FitError, ForecastError
from forecast.models.boosting import LightGbmQuantiles
from forecast.models.naive import Naive
from forecast.models.ridge import Ridge
from forecast.randomness import RandomStreams
from forecast.retraining.losses import known_loss, loss_scales
from forecast.retraining.reference import held_out_loss, reference_loss
from forecast.truth import truth_of

HISTORY = synthetic_history(260)
RNG = RandomStreams(1, HISTORY.cutoff)
TRUTH = np.array([[101.0, 103.0], [48.0, np.nan]])


def forecast(quantity="level", series=("A", "B"), last=(100.0, 50.0)):
    values = np.array([[[99.0, 102.0], [99.0, 101.0]], [[50.0, 51.0], [40.0, 60.0]]])[: len(series)]
    levels = np.array([0.25, 0.5])
    cutoff = np.datetime64("2020-01-01", "ns")
    times = cutoff + np.arange(1, 3) * np.timedelta64(1, "D")
    return QuantileForecast(cutoff, times, series, levels, values, quantity, np.array(last[: len(series)]))


def test_a_loss_is_the_mean_over_known_cells_of_the_median_error_over_the_scale():
    loss = known_loss(forecast(), TRUTH, {"A": 2.0, "B": 4.0})
    assert loss.issued == np.datetime64("2020-01-01")
    assert loss.loss == pytest.approx((1 / 2 + 2 / 2 + 3 / 4) / 3)
    assert loss.naive == pytest.approx((1 / 2 + 3 / 2 + 2 / 4) / 3)


def test_series_without_scale_or_truth_are_left_out():
    assert known_loss(forecast(), TRUTH, {"B": 4.0}).loss == pytest.approx(3 / 4)
    assert known_loss(forecast(), TRUTH, {"C": 4.0}) is None
    assert known_loss(forecast(), np.full((2, 2), np.nan), {"A": 2.0}) is None


def test_a_variance_is_compared_with_the_mean_of_the_training_rows():
    loss = known_loss(forecast("variance"), TRUTH, {"A": 100.0})
    assert loss.loss == pytest.approx((1 / 100 + 2 / 100) / 2)
    assert loss.naive == pytest.approx((1 / 100 + 3 / 100) / 2)


def test_the_loss_of_a_log_return_is_refused():
    with pytest.raises(
        ForecastError, match="forecast of log_return is not defined; allowed: level, variance"
    ):
        known_loss(forecast("log_return"), TRUTH, {"A": 1.0})
    with pytest.raises(ForecastError, match="log_return"):
        loss_scales(HISTORY, "close", "log_return", 3)


@settings(derandomize=True, deadline=None, max_examples=20)
@given(horizon=st.integers(1, 10), gaps=st.floats(0.0, 0.5), seed=st.integers(0, 99))
def test_a_scale_is_the_mean_change_over_the_horizon_where_both_ends_were_observed(horizon, gaps, seed):
    values = HISTORY.panel.values.copy()
    values[np.random.default_rng(seed).random(values.shape) < gaps] = np.nan
    history = replace(HISTORY, panel=replace(HISTORY.panel, values=values))
    close = history.panel.field("close")
    scales = loss_scales(history, "close", "level", horizon)
    for s, name in enumerate(history.panel.series):
        pairs = [(close[t, s], close[t + horizon, s]) for t in range(len(close) - horizon)]
        changes = [abs(b - a) for a, b in pairs if not np.isnan(a + b)]
        assert scales[name] == pytest.approx(np.mean(changes))


def test_the_scale_of_a_variance_is_the_mean_squared_return():
    moves = np.diff(np.log(HISTORY.panel.field("close")), axis=0)
    found = loss_scales(HISTORY, "close", "variance", 3)
    assert list(found.values()) == pytest.approx(list((moves**2).mean(axis=0)))


def test_series_that_never_move_or_were_never_observed_have_no_scale():
    values = HISTORY.panel.values.copy()
    values[:, 0], values[:, 1] = 7.0, np.nan
    still = replace(HISTORY, panel=replace(HISTORY.panel, values=values))
    assert list(loss_scales(still, "close", "level", 3)) == [HISTORY.panel.series[2]]
    assert loss_scales(HISTORY.last(3), "close", "level", 3) == {}


def test_losses_have_no_unit():
    other = replace(HISTORY, panel=replace(HISTORY.panel, values=1000 * HISTORY.panel.values))
    found = []
    for history in (HISTORY, other):
        train, asked = history.until(history.times[219]), Naive(context=5, horizon=4)
        scales = loss_scales(train, "close", "level", 4)
        made = asked.fit(train, RNG).predict(train, RNG)
        found.append(known_loss(made, truth_of(made, history, "close"), scales))
    assert found[0].loss == pytest.approx(found[1].loss, rel=1e-9)
    assert found[0].loss == found[0].naive


@pytest.mark.parametrize("kind", [Naive, Ridge])
def test_a_held_out_loss_is_the_mean_of_forecasts_from_the_older_rows(kind):
    asked = kind(context=10, horizon=4)
    scales = loss_scales(HISTORY, "close", "level", 4)
    fitted = asked.fit(HISTORY.until(HISTORY.times[259 - 52]), RNG)
    losses = []
    for row in range(259 - 52, 256, 4):
        made = fitted.predict(HISTORY.until(HISTORY.times[row]), RNG)
        losses.append(known_loss(made, truth_of(made, HISTORY, "close"), scales).loss)
    assert len(losses) == 13
    assert held_out_loss(asked, HISTORY, RNG, scales, 0.2) == pytest.approx(np.mean(losses), rel=1e-12)


def test_a_held_out_loss_needs_a_forecast_and_a_scale():
    with pytest.raises(FitError, match="260 rows; the last 0.01 of them are too few"):
        held_out_loss(Naive(horizon=4), HISTORY, RNG, {}, 0.01)
    assert held_out_loss(Naive(context=5, horizon=4), HISTORY, RNG, {}, 0.2) is None


def test_a_model_without_validation_errors_has_no_reference():
    fitted = Naive(context=5).fit(HISTORY, RNG)
    assert fitted.validation_errors is None
    assert reference_loss(fitted, {"ALPHA": 1.0}) is None


@pytest.mark.parametrize("kind", [Ridge, LightGbmQuantiles])
def test_a_reference_is_the_mean_validation_error_over_the_scale(kind):
    fitted = kind(context=10, horizon=3).fit(HISTORY, RNG)
    errors = fitted.validation_errors
    one = errors["ALPHA"].mean() / 2.0
    assert reference_loss(fitted, {"ALPHA": 2.0}) == pytest.approx(one)
    other = errors["BETA"].mean() / 3.0
    assert reference_loss(fitted, {"ALPHA": 2.0, "BETA": 3.0}) == pytest.approx((one + other) / 2)
    assert reference_loss(fitted, {"DELTA": 2.0}) is None
