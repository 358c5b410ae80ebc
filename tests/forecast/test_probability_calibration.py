"""Calibration of probabilities: planted miscalibration is found, and nothing is fitted to rows that training saw."""

import numpy as np
import pytest
from scipy.special import log_softmax

from forecast.errors import ForecastError
from forecast.probability_calibration import KINDS, HeldOut, Isotonic, Temperature, revived
from forecast.probability_scores import expected_calibration_error, log_loss


def world(count, factor, seed=0):
    """Return scores that are ``factor`` times the true log odds, and classes drawn from the truth."""
    rng = np.random.default_rng(seed)
    true = rng.standard_normal((count, 3))
    shares = np.exp(log_softmax(true, axis=1))
    classes = (rng.random(count)[:, None] > np.cumsum(shares, axis=1)).sum(axis=1)
    return log_softmax(factor * true, axis=1), np.minimum(classes, 2)


def held(scores, classes, trained_until=-1):
    return HeldOut(scores, classes, np.arange(len(classes)), trained_until)


def test_the_temperature_is_the_planted_one():
    scores, classes = world(20_000, 3.0)
    assert Temperature.fitted(held(scores, classes)).temperature == pytest.approx(3.0, abs=0.1)


@pytest.mark.parametrize("kind", KINDS)
def test_every_calibration_mends_over_confidence_on_unseen_rows(kind):
    scores, classes = world(4000, 3.0)
    later, truth = world(4000, 3.0, seed=1)
    made = KINDS[kind].fitted(held(scores, classes)).probabilities(later)
    raw = np.exp(later)
    np.testing.assert_allclose(made.sum(axis=1), 1.0)
    assert expected_calibration_error(truth, made) < 0.4 * expected_calibration_error(truth, raw)
    floored = np.maximum(made, 1e-6)
    assert log_loss(truth, floored / floored.sum(axis=1, keepdims=True)).mean() < log_loss(truth, raw).mean()


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_stored_comes_back_with_the_same_bits(kind):
    scores, classes = world(500, 2.0)
    made = KINDS[kind].fitted(held(scores, classes))
    again = revived(kind, made.arrays())
    assert (again.probabilities(scores) == made.probabilities(scores)).all()


def test_isotonic_curves_never_fall():
    scores, classes = world(500, 1.0)
    made = Isotonic.fitted(held(scores, classes))
    for knots, levels in zip(made.knots, made.levels, strict=True):
        assert (np.diff(knots) > 0).all()
        assert (np.diff(levels) >= 0).all()


def test_dropped_knots_change_no_value():
    scores, classes = world(400, 1.0)
    made = Isotonic.fitted(held(scores, classes))
    shares = np.interp(scores[:, 0], made.knots[0], made.levels[0])
    from sklearn.isotonic import IsotonicRegression

    expected = IsotonicRegression(out_of_bounds="clip").fit(scores[:, 0], classes == 0).predict(scores[:, 0])
    np.testing.assert_allclose(shares, expected, atol=1e-12)


def test_a_class_that_never_happened_stays_unlikely_but_possible_after_platt():
    scores, _ = world(300, 1.0)
    classes = np.arange(300) % 2
    made = KINDS["platt"].fitted(held(scores, classes)).probabilities(scores)
    assert 0 < made[:, 2].max() < 0.05


def test_rows_that_training_could_see_are_refused():
    scores, classes = world(100, 1.0)
    held(scores, classes, trained_until=0)
    with pytest.raises(ForecastError, match="known at row 1, after the first held-out decision at row 0"):
        held(scores, classes, trained_until=1)


def test_too_few_rows_and_broken_scores_are_refused():
    scores, classes = world(40, 1.0)
    with pytest.raises(ForecastError, match="29 samples were held out; a calibration needs 30"):
        held(scores[:29], classes[:29])
    scores[3, 1] = -np.inf
    with pytest.raises(ForecastError, match="not finite"):
        held(scores, classes)
