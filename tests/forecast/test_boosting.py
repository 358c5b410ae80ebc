"""Boosted quantiles: samples, interpolation, determinism, and a market with a nonlinear memory."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import ndtri

from data.errors import SpecError
from data.history import History
from data.panel import Panel
from data.sessions import BarClock
from forecast.errors import FitError
from forecast.models import boosting
from forecast.models.boosting import (
    AbstractBoosting,
    BoostingFitted,
    LightGbmQuantiles,
    XgboostQuantiles,
    interpolated_levels,
    interpolated_steps,
)
from forecast.models.lagged_features import pooled_samples, split_samples, thinned, window_features
from forecast.randomness import RandomStreams
from forecast.registry import FORECASTERS
from forecast.storage import load_fitted, save_fitted
from forecast.truth import truth_of

KINDS = [LightGbmQuantiles, XgboostQuantiles]


def history_of(returns: np.ndarray, names: tuple[str, ...] | None = None) -> History:
    table = 100 * np.exp(np.cumsum(returns.reshape(len(returns), -1), axis=0))
    times = np.datetime64("2010-01-01", "ns") + np.arange(len(table)) * np.timedelta64(1, "D")
    names = names or tuple(f"s{i}" for i in range(table.shape[1]))
    return History(Panel(times, names, ("close",), table[:, :, None]), BarClock())


def folded_returns(rows: int, series: int, seed: int) -> np.ndarray:
    """Return moves that follow the size, not the sign, of the last one: no linear model sees it."""
    shocks = np.random.default_rng(seed).standard_normal((rows, series))
    moves = np.zeros((rows, series))
    for t in range(1, rows):
        moves[t] = 0.8 * (np.abs(moves[t - 1]) - 0.85) + 0.7 * shocks[t]
    return 0.01 * moves


def noise(rows: int, series: int, seed: int) -> np.ndarray:
    return 0.01 * np.random.default_rng(seed).standard_normal((rows, series))


def pinball(truth: np.ndarray, values: np.ndarray, levels: np.ndarray) -> float:
    gap = truth[:, None] - values
    return float(np.mean(np.maximum(levels * gap, (levels - 1) * gap)))


@pytest.mark.parametrize("kind", KINDS)
def test_a_nonlinear_lag_is_forecast_better_than_by_the_last_value(kind: type[AbstractBoosting]) -> None:
    history = history_of(folded_returns(900, 4, 0))
    train = history.until(history.times[699])
    fitted = kind(horizon=1).fit(train, RandomStreams(1, train.cutoff))
    close = history.panel.field("close")
    own, naive, truths, widths = [], [], [], []
    for t in range(700, 899, 2):
        seen = history.until(history.times[t])
        forecast = fitted.predict(seen, RandomStreams(1, seen.cutoff))
        truths.append(close[t + 1] / close[t] - 1)
        own.append(forecast.returns()[:, 0, :])
        naive.append(np.std(np.diff(np.log(close[: t + 1]), axis=0), axis=0))
        widths.append(forecast.levels)
    truth, values, deviation = np.concatenate(truths), np.concatenate(own), np.concatenate(naive)
    levels = widths[0]
    assert np.mean((truth - values[:, 10]) ** 2) < 0.85 * np.mean(truth**2)
    assert pinball(truth, values, levels) < 0.93 * pinball(truth, deviation[:, None] * ndtri(levels), levels)


@pytest.mark.parametrize("kind", KINDS)
def test_on_noise_it_stays_near_the_unconditional_quantiles(kind: type[AbstractBoosting]) -> None:
    history = history_of(noise(756, 5, 1))
    rng = RandomStreams(1, history.cutoff)
    forecast = kind().fit(history, rng).predict(history, rng)
    scaled = np.log(forecast.values / forecast.last[:, None, None])[:, 0] / 0.01
    np.testing.assert_allclose(scaled.mean(axis=0), ndtri(forecast.levels), atol=0.35)


@pytest.mark.parametrize("kind", KINDS)
def test_a_fit_of_five_series_by_three_years_is_quick(kind: type[AbstractBoosting]) -> None:
    history = history_of(noise(756, 5, 2))
    rng = RandomStreams(1, history.cutoff)
    kind().fit(history, rng)
    begun = time.process_time()
    kind().fit(history, rng)
    assert time.process_time() - begun < 1.5


@pytest.mark.parametrize("kind", KINDS)
def test_order_of_series_never_matters_and_storage_keeps_the_bits(
    kind: type[AbstractBoosting], tmp_path: Path
) -> None:
    history = history_of(folded_returns(300, 3, 3), ("b", "c", "a"))
    rng = RandomStreams(1, history.cutoff)
    fitted = kind(horizon=4).fit(history, rng)
    expected = fitted.predict(history, rng)
    turned = history.select(("a", "b", "c"))
    other = kind(horizon=4).fit(turned, rng).predict(turned, rng)
    np.testing.assert_array_equal(other.values[[1, 2, 0]], expected.values)
    fitted.save(tmp_path)
    np.testing.assert_array_equal(fitted.spec.load(tmp_path).predict(history, rng).values, expected.values)


@pytest.mark.parametrize("kind", KINDS)
def test_a_constant_series_is_forecast_at_its_value(kind: type[AbstractBoosting]) -> None:
    returns = noise(300, 2, 4)
    returns[:, 1] = 0.0
    history = history_of(returns)
    rng = RandomStreams(1, history.cutoff)
    forecast = kind().fit(history, rng).predict(history, rng)
    np.testing.assert_allclose(forecast.values[1], 100.0, rtol=1e-6)


def test_features_have_no_unit_and_end_with_the_window() -> None:
    logs = np.cumsum(noise(64, 3, 5), axis=0).T
    features, scale = window_features(logs, 5)
    louder, louder_scale = window_features(7.0 + 3.0 * logs, 5)
    np.testing.assert_allclose(louder, features, atol=1e-10)
    np.testing.assert_allclose(louder_scale, 3 * scale)
    np.testing.assert_allclose(features[:, 0] * scale, logs[:, -1] - logs[:, -2])
    np.testing.assert_allclose(features[:, 4] * scale, logs[:, -5] - logs[:, -6])


def test_labels_are_the_scaled_moves_after_the_window() -> None:
    history = history_of(noise(100, 2, 6))
    logs = np.log(history.panel.field("close"))
    samples = pooled_samples(history, "close", 30, 3, (1, 4))
    pick = np.flatnonzero((samples.decided == 50) & (samples.known == 54))
    scale = np.sqrt(np.mean(np.diff(logs[21:51], axis=0) ** 2, axis=0))
    np.testing.assert_allclose(samples.labels[pick], (logs[54] - logs[50]) / (scale * 2.0))
    assert samples.known.max() == 99


def test_no_training_label_is_known_after_the_first_validation_decision() -> None:
    samples = pooled_samples(history_of(noise(200, 2, 7)), "close", 30, 3, (1, 5, 10))
    grown, check = split_samples(samples, 0.2)
    assert grown.known.max() == check.decided.min()
    assert len(grown.labels) + len(check.labels) < len(samples.labels)


def test_samples_around_a_gap_are_dropped_and_thinning_keeps_the_newest() -> None:
    returns = noise(200, 1, 8)
    history = history_of(returns)
    cube = np.array(history.panel.values)
    cube[120, 0, 0] = np.nan
    holed = History(Panel(history.times, ("s0",), ("close",), cube), BarClock())
    samples = pooled_samples(holed, "close", 30, 3, (1,))
    assert 120 not in samples.decided
    assert 120 not in samples.known
    fewer = thinned(samples, 60)
    assert len(fewer.labels) <= 60
    assert fewer.decided.max() == samples.decided.max()


def test_levels_and_steps_between_the_grown_ones_are_interpolated() -> None:
    levels, grown = (0.05, 0.25, 0.5, 0.9), (0.05, 0.5, 0.9)
    normal = ndtri(np.asarray(grown))[None, :] * 2.0 + 1.0
    np.testing.assert_allclose(interpolated_levels(normal, grown, levels)[0], ndtri(levels) * 2.0 + 1.0)
    values = np.array([0.0, 4.0, 6.0])[:, None, None]
    between = interpolated_steps(values, (1, 3, 7), np.arange(1, 8))
    np.testing.assert_allclose(between[0, :, 0], [0, 2, 4, 4.5, 5, 5.5, 6])


@pytest.mark.parametrize("kind", KINDS)
def test_one_level_and_one_step_are_enough(kind: type[AbstractBoosting]) -> None:
    history = history_of(noise(250, 2, 9))
    rng = RandomStreams(1, history.cutoff)
    forecast = kind(levels=(0.5,), horizon=1, trained_steps=1).fit(history, rng).predict(history, rng)
    assert forecast.values.shape == (2, 1, 1)


def test_faults_are_named() -> None:
    with pytest.raises(SpecError, match="quantity was 'variance'; boosting forecasts level"):
        FORECASTERS.build({"kind": "xgboost", "quantity": "variance"})
    with pytest.raises(SpecError, match="fewer than context 5"):
        FORECASTERS.build({"kind": "lightgbm", "context": 5, "lags": 5})
    history = history_of(noise(80, 1, 10))
    with pytest.raises(FitError, match="history has 80 rows"):
        LightGbmQuantiles().fit(history, RandomStreams(1, history.cutoff))


def recomputed_errors(fitted: Any, train: History, first: int) -> np.ndarray:
    """Return the mean absolute error of the median, (S, H), over forecasts made one at a time, one horizon apart."""
    errors = []
    for row in range(first, len(train.times) - fitted.spec.horizon, fitted.spec.horizon):
        made = fitted.predict(train.until(train.times[row]), RandomStreams(1, train.cutoff))
        errors.append(np.abs(made.median - truth_of(made, train, "close")))
    return np.mean(errors, axis=0)


@pytest.mark.parametrize("kind", KINDS)
def test_validation_errors_are_those_of_forecasts_of_the_rows_held_out(
    kind: type[AbstractBoosting], tmp_path: Path
) -> None:
    train = history_of(folded_returns(500, 2, 3))
    asked = kind(context=20, horizon=4)
    fitted = asked.fit(train, RandomStreams(1, train.cutoff))
    samples = pooled_samples(train, "close", 20, 5, asked.steps())
    _, check = split_samples(thinned(samples, asked.most_samples), asked.validation)
    expected = recomputed_errors(fitted, train, check.decided.min())
    assert tuple(fitted.validation_errors) == train.panel.series
    np.testing.assert_allclose(list(fitted.validation_errors.values()), expected, rtol=1e-6)
    save_fitted(fitted, tmp_path / "boosting")
    loaded = load_fitted(tmp_path / "boosting").validation_errors
    assert {name: each.tobytes() for name, each in loaded.items()} == {
        name: each.tobytes() for name, each in fitted.validation_errors.items()
    }


def test_validation_errors_of_many_rows_are_those_of_a_thousand_forecasts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    train = history_of(folded_returns(500, 2, 3))
    fitted = LightGbmQuantiles(context=20, horizon=4).fit(train, RandomStreams(1, train.cutoff))
    asked = []
    monkeypatch.setattr(boosting, "MOST_HELD_OUT", 10)
    monkeypatch.setattr(
        BoostingFitted, "_median_errors", lambda _, column, decided: asked.append(decided) or np.empty((0, 4))
    )
    assert fitted.held_out_errors(train, 400) == {}
    assert len(asked) == 2
    assert asked[0].tolist() == [400, 420, 440, 460, 480]


def test_validation_errors_skip_what_was_not_observed() -> None:
    history = history_of(folded_returns(500, 3, 3))
    values = history.panel.values.copy()
    values[np.random.default_rng(0).random(values.shape) < 0.05] = np.nan
    values[:, 1] = np.nan
    train = replace(history, panel=replace(history.panel, values=values))
    errors = (
        LightGbmQuantiles(context=20, horizon=4).fit(train, RandomStreams(1, train.cutoff)).validation_errors
    )
    assert list(errors) == ["s0", "s2"]
    assert all(np.isfinite(each).all() and each.shape == (4,) for each in errors.values())


def test_without_a_median_there_are_no_validation_errors() -> None:
    train = history_of(noise(400, 1, 0))
    fitted = LightGbmQuantiles(levels=(0.1, 0.9)).fit(train, RandomStreams(1, train.cutoff))
    assert fitted.validation_errors is None
