"""Probability scores: definitions, properness, the Balance score's identity, and intervals that know of overlap."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecast.errors import ForecastError
from forecast.probability_scores import (
    balance,
    brier_loss,
    expected_calibration_error,
    forecast_classes,
    hits,
    log_loss,
    mean_interval,
    reliability,
    share_interval,
    top_reliability,
)

_PATH = Path(__file__).resolve().parents[1] / "oracles" / "probability_oracle.py"
_SPEC = importlib.util.spec_from_file_location("probability_oracle", _PATH)
oracle = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(oracle)


def drawn(count, seed=0, sharpness=1.0, kinds=3):
    rng = np.random.default_rng(seed)
    raw = np.exp(sharpness * rng.standard_normal((count, kinds)))
    probabilities = raw / raw.sum(axis=1, keepdims=True)
    classes = (rng.random(count)[:, None] > np.cumsum(probabilities, axis=1)).sum(axis=1)
    return np.minimum(classes, kinds - 1), probabilities


def sharpened(probabilities, power):
    raw = probabilities**power
    return raw / raw.sum(axis=1, keepdims=True)


def test_scores_are_those_of_their_slow_twins():
    classes, probabilities = drawn(300)
    assert brier_loss(classes, probabilities).mean() == pytest.approx(oracle.brier(classes, probabilities))
    assert log_loss(classes, probabilities).mean() == pytest.approx(oracle.log_loss(classes, probabilities))
    found = expected_calibration_error(classes, probabilities)
    assert found == pytest.approx(oracle.calibration_error(classes, probabilities, 10))


def test_scores_of_a_certain_forecast_are_their_ends():
    certain = np.array([[1.0, 0.0], [1.0, 0.0]])
    assert brier_loss(np.array([0, 1]), certain).tolist() == [0.0, 2.0]
    assert log_loss(np.array([0, 1]), certain).tolist() == [0.0, np.inf]


@pytest.mark.parametrize("loss", [brier_loss, log_loss])
def test_the_honest_probability_has_the_least_loss(loss):
    honest = np.array([0.2, 0.3, 0.5])
    expected = lambda said: sum(p * loss(np.array([k]), said[None])[0] for k, p in enumerate(honest))  # noqa: E731
    rng = np.random.default_rng(0)
    for other in rng.dirichlet(np.ones(3), 200):
        assert expected(honest) <= expected(other)


@settings(derandomize=True, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 1)), min_size=1, max_size=40))
def test_the_balance_score_of_two_classes_is_the_published_one(pairs):
    p, y = np.array([pair[0] for pair in pairs]), np.array([pair[1] for pair in pairs])
    probabilities = np.column_stack([1 - p, p])
    expected = [oracle.binary_balance(each, truth) for each, truth in pairs]
    np.testing.assert_allclose(balance(y, probabilities), expected, atol=1e-12)


@settings(derandomize=True, deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.floats(0.2, 5.0))
def test_the_balance_score_is_accuracy_less_confidence_and_within_the_calibration_error(seed, power):
    classes, probabilities = drawn(200, seed)
    said = sharpened(probabilities, power)
    score = balance(classes, said).mean()
    assert score == pytest.approx(hits(classes, said).mean() - said.max(axis=1).mean())
    assert abs(score) <= expected_calibration_error(classes, said) + 1e-12


def test_over_confidence_is_below_zero_and_under_confidence_above():
    classes, probabilities = drawn(4000)
    assert balance(classes, sharpened(probabilities, 3.0)).mean() < -0.05
    assert balance(classes, sharpened(probabilities, 0.3)).mean() > 0.05


def test_over_and_under_confidence_cancel_in_the_balance_score_only():
    classes, probabilities = drawn(4000)
    half = np.arange(4000)[:, None] < 2000
    mixed = np.where(half, sharpened(probabilities, 2.5), sharpened(probabilities, 0.35))
    assert abs(balance(classes, mixed).mean()) < 0.02
    assert expected_calibration_error(classes, mixed) > 0.05


def test_a_constant_half_is_balanced():
    even = np.full((10, 2), 0.5)
    assert balance(np.tile([0, 1], 5), even).mean() == 0.0


def test_of_equally_likely_classes_the_later_is_forecast():
    assert forecast_classes(np.array([[0.5, 0.5], [0.4, 0.2]])).tolist() == [1, 0]


def test_honest_probabilities_lie_within_their_intervals():
    classes, probabilities = drawn(20_000)
    table = top_reliability(classes, probabilities)
    held = table.count > 0
    inside = (table.least <= table.forecast) & (table.forecast <= table.most)
    assert inside[held].mean() >= 0.8
    assert table.count.sum() == 20_000
    assert table.calibration_error < 0.02


def test_empty_bins_say_nothing():
    table = reliability(np.array([0.05, 1.0]), np.array([0.0, 1.0]), bins=4)
    assert table.count.tolist() == [1, 0, 0, 1]
    assert np.isnan(table.happened[1])
    assert (table.least[1], table.most[1]) == (0.0, 1.0)


def test_the_share_interval_is_exact():
    least, most = share_interval(np.array([0.0, 8.0]), np.array([10.0, 10.0]))
    assert (least[0], most[0]) == (0.0, pytest.approx(0.3085, abs=1e-4))
    assert (least[1], most[1]) == (pytest.approx(0.4439, abs=1e-4), pytest.approx(0.9748, abs=1e-4))


def test_an_interval_with_blocks_is_wider_where_neighbours_are_alike():
    rng = np.random.default_rng(0)
    values = np.repeat(rng.random(60), 10)
    decided = np.arange(600)
    narrow = mean_interval(values, decided, 1, np.random.default_rng(1))
    wide = mean_interval(values, decided, 20, np.random.default_rng(1))
    assert wide[1] - wide[0] > 2 * (narrow[1] - narrow[0])


def test_samples_decided_together_are_drawn_together():
    rng = np.random.default_rng(0)
    alone = rng.random(200)
    one = mean_interval(alone, np.arange(200), 1, np.random.default_rng(1))
    many = mean_interval(np.repeat(alone, 50), np.repeat(np.arange(200), 50), 1, np.random.default_rng(1))
    np.testing.assert_allclose(one, many)


@pytest.mark.slow
def test_the_interval_covers_the_mean_of_overlapping_hits():
    covered = 0
    for world in range(100):
        rng = np.random.default_rng(world)
        shocks = rng.standard_normal(409)
        moving = np.convolve(shocks, np.ones(10), "valid")
        low, high = mean_interval((moving > 0).astype(float), np.arange(400), 20, rng)
        covered += low <= 0.5 <= high
    assert covered >= 85


@pytest.mark.parametrize(
    ("classes", "probabilities", "message"),
    [
        (np.array([0, 1]), np.array([[1.0, 0.0]]), r"\(N,\) and \(N, K\) are needed"),
        (np.array([2]), np.array([[1.0, 0.0]]), "class 2 was given; probabilities know 0 to 1"),
        (np.array([0]), np.array([[0.7, 0.7]]), "must be 0 or more and sum to 1"),
    ],
)
def test_what_is_no_forecast_is_refused(classes, probabilities, message):
    with pytest.raises(ForecastError, match=message):
        brier_loss(classes, probabilities)


def test_too_few_rows_have_no_interval():
    with pytest.raises(
        ForecastError, match="9 decision rows were scored; an interval with blocks of 5 needs 10"
    ):
        mean_interval(np.ones(9), np.arange(9), 5, np.random.default_rng(0))
    with pytest.raises(ForecastError, match="0 probabilities were given"):
        reliability(np.empty(0), np.empty(0))
