"""Scores: slow twins, closed forms and what a proper score must do."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from forecast.distribution import DEFAULT_LEVELS
from forecast.errors import ForecastError
from forecast.scores import (
    absolute_scaled_error,
    coverage_score,
    crps_loss,
    direction_score,
    naive_scale,
    pinball_loss,
    probability_integral,
    qlike_loss,
    relative_root_mean_squared_error,
    root_mean_squared_error,
    winkler_loss,
)

_PATH = Path(__file__).resolve().parents[1] / "oracles" / "scores_oracle.py"
_SPEC = importlib.util.spec_from_file_location("scores_oracle", _PATH)
oracle = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(oracle)

LEVELS = np.array(DEFAULT_LEVELS)


def rows(seed: int, count: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """Return truths (R,), one of them on a quantile, and sorted quantiles (R, Q), some of them tied."""
    rng = np.random.default_rng(seed)
    quantiles = np.sort(np.round(rng.normal(size=(count, len(LEVELS))), 1), axis=1)
    truth = rng.normal(size=count) * 1.5
    truth[0] = quantiles[0, 7]
    return truth, quantiles


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_scores_equal_their_slow_twins(seed: int) -> None:
    truth, quantiles = rows(seed, 12)
    pinball = pinball_loss(truth, quantiles, LEVELS)
    crps = crps_loss(truth, quantiles, LEVELS)
    winkler = winkler_loss(truth, quantiles[:, 1], quantiles[:, -2], 0.9)
    integral = probability_integral(truth, quantiles, LEVELS)
    for i, y in enumerate(truth):
        slow = [oracle.pinball(y, q, level) for q, level in zip(quantiles[i], LEVELS, strict=True)]
        np.testing.assert_allclose(pinball[i], slow, rtol=1e-12, atol=1e-15)
        assert crps[i] == pytest.approx(oracle.crps_of_grid(y, quantiles[i], LEVELS), rel=1e-6)
        assert winkler[i] == pytest.approx(oracle.interval_score(y, quantiles[i, 1], quantiles[i, -2], 0.9))
        assert integral[i] == pytest.approx(oracle.probability_integral(y, quantiles[i], LEVELS))


@pytest.mark.parametrize(("reach", "tolerance"), [(2.0, 0.006), (4.0, 0.013)])
def test_crps_of_a_normal_grid_is_near_the_closed_form(reach: float, tolerance: float) -> None:
    truth = np.linspace(-reach, reach, 81)
    quantiles = np.tile(norm.ppf(LEVELS), (81, 1))
    exact = np.array([oracle.normal_crps(y, 0.0, 1.0) for y in truth])
    assert np.abs(crps_loss(truth, quantiles, LEVELS) - exact).max() < tolerance


def test_crps_of_a_certain_forecast_is_the_absolute_error() -> None:
    truth = np.array([-3.0, 0.0, 2.5])
    np.testing.assert_allclose(
        crps_loss(truth, np.ones((3, len(LEVELS))), LEVELS), np.abs(truth - 1), atol=1e-12
    )


@pytest.mark.parametrize("wrong", [0.6, 1.6])
def test_the_true_spread_has_the_lowest_expected_crps_and_winkler_loss(wrong: float) -> None:
    truth = np.random.default_rng(1).normal(size=20_000)
    right, other = (np.tile(norm.ppf(LEVELS) * s, (len(truth), 1)) for s in (1.0, wrong))
    assert crps_loss(truth, right, LEVELS).mean() < crps_loss(truth, other, LEVELS).mean()
    scores = [winkler_loss(truth, q[:, 1], q[:, -2], 0.9).mean() for q in (right, other)]
    assert scores[0] < scores[1]


def test_the_probability_integral_of_an_honest_forecast_is_uniform() -> None:
    truth = np.random.default_rng(2).normal(size=20_000)
    integral = probability_integral(truth, np.tile(norm.ppf(LEVELS), (len(truth), 1)), LEVELS)
    share = np.histogram(integral, np.linspace(0, 1, 11))[0] / len(truth)
    assert np.abs(share - 0.1).max() < 0.01


def test_an_unknown_truth_is_not_scored() -> None:
    truth, quantiles = np.array([np.nan]), norm.ppf(LEVELS)[None]
    low, high = quantiles[:, 0], quantiles[:, -1]
    for score in (
        pinball_loss(truth, quantiles, LEVELS),
        crps_loss(truth, quantiles, LEVELS),
        winkler_loss(truth, low, high, 0.95),
        coverage_score(truth, low, high),
        probability_integral(truth, quantiles, LEVELS),
        absolute_scaled_error(truth, low, 1.0),
        qlike_loss(truth, high),
    ):
        assert np.isnan(score).all()


def test_bounds_of_an_interval_belong_to_it() -> None:
    truth = np.array([1.0, 2.0, 2.1])
    assert coverage_score(truth, np.ones(3), np.full(3, 2.0)).tolist() == [1.0, 1.0, 0.0]


def test_mase_of_the_naive_forecast_inside_the_training_data_is_one() -> None:
    train = np.array([[1.0, 5.0], [3.0, 5.5], [2.0, np.nan], [6.0, 7.0], [6.5, 6.0]])
    scale = naive_scale(train)
    errors = absolute_scaled_error(train[1:], train[:-1], scale[None, :])
    np.testing.assert_allclose(np.nanmean(errors, axis=0), 1.0)
    np.testing.assert_allclose(naive_scale(train, season=2)[0], np.mean([1.0, 3.0, 4.5]))


def test_a_series_that_never_moved_has_no_scaled_error() -> None:
    assert np.isnan(absolute_scaled_error(np.array([2.0]), np.array([1.0]), naive_scale(np.ones((5, 1)))))
    assert np.isnan(naive_scale(np.array([[1.0], [np.nan]]))[0])


def test_direction_counts_calls_on_values_that_moved_beside_their_base_rate() -> None:
    last = np.full(6, 10.0)
    truth = np.array([11.0, 12.0, 11.0, 9.0, 10.0, np.nan])
    forecast = np.array([10.5, 10.5, 9.5, 10.0, 11.0, 11.0])
    found = direction_score(truth, forecast, last)
    assert (found.accuracy, found.base_rate, found.n) == (2 / 3, 1.0, 3)
    assert np.isnan(direction_score(truth, last, last).accuracy)


def test_always_calling_the_commoner_direction_scores_the_base_rate() -> None:
    truth = np.random.default_rng(3).normal(0.1, 1, 500)
    found = direction_score(truth, np.ones(500), np.zeros(500))
    assert found.accuracy == pytest.approx(found.base_rate)


def test_root_mean_squared_errors_skip_unknown_truths() -> None:
    truth, forecast = np.array([10.0, np.nan, 14.0]), np.array([7.0, 0.0, 18.0])
    assert root_mean_squared_error(truth, forecast) == pytest.approx(np.sqrt(12.5))
    assert relative_root_mean_squared_error(truth, forecast) == pytest.approx(np.sqrt(12.5) / 12)
    assert np.isnan(root_mean_squared_error(truth[1:2], forecast[1:2]))


@pytest.mark.parametrize("factor", [0.5, 0.9, 1.1, 2.0])
def test_qlike_prefers_the_true_variance_though_the_truth_is_a_noisy_proxy(factor: float) -> None:
    rng = np.random.default_rng(4)
    variance = rng.uniform(0.5, 2, 100_000)
    proxy = variance * rng.normal(size=len(variance)) ** 2
    assert qlike_loss(proxy, variance).mean() < qlike_loss(proxy, variance * factor).mean()


def test_misuse_is_named() -> None:
    with pytest.raises(ForecastError, match="quantiles have shape"):
        pinball_loss(np.zeros(3), np.zeros((3, 2)), LEVELS)
    with pytest.raises(ForecastError, match="variance forecast was 0"):
        qlike_loss(np.ones(2), np.array([1.0, 0.0]))
    with pytest.raises(ForecastError, match=r"coverage was 90"):
        winkler_loss(np.zeros(1), np.zeros(1), np.ones(1), 90)
    with pytest.raises(ForecastError, match="season was 0"):
        naive_scale(np.ones((4, 1)), season=0)
