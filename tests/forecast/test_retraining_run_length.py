"""Run lengths: blocks, standardised losses, and thresholds that unchanged losses pass as rarely as was asked."""

import math

import numpy as np
import pytest

from forecast.retraining.page_hinkley import PageHinkley
from forecast.retraining.run_length import (
    LIMIT,
    calibrated_threshold,
    highest_scores,
    standardised,
)
from forecast.retraining.sequential_ratio import SequentialRatio


def test_losses_are_counted_from_the_mean_of_their_reference_and_cut():
    values = np.array([[1.0, 3.0, 5.0, 3.0, 1e9], [2.0, 2.0, 2.0, 2.0, 7.0]])
    scaled = standardised(values, 4)
    assert scaled[0] == pytest.approx([-math.sqrt(2), 0, math.sqrt(2), 0, LIMIT])
    assert not scaled[1].any()


def test_a_constant_reference_gives_no_alarm():
    assert calibrated_threshold(PageHinkley(), np.ones(60), 500, 1, np.random.default_rng(0)) == math.inf


def test_equal_generators_give_equal_thresholds_in_any_unit():
    reference = np.random.default_rng(3).standard_normal(80)
    found = [
        calibrated_threshold(PageHinkley(), values, 300, 5, np.random.default_rng(1))
        for values in (reference, reference, 8 * reference)
    ]
    assert found[0] == found[1] == pytest.approx(found[2])


def test_a_longer_wanted_run_gives_a_higher_threshold():
    reference = np.random.default_rng(4).standard_normal(100)
    found = [
        calibrated_threshold(SequentialRatio(), reference, target, 5, np.random.default_rng(1))
        for target in (100, 400, 1600)
    ]
    assert found == sorted(found)
    assert found[0] < found[1] < found[2]


@pytest.mark.slow
@pytest.mark.parametrize(
    "detector", [PageHinkley(), SequentialRatio()], ids=["page_hinkley", "sequential_ratio"]
)
def test_independent_losses_alarm_as_often_as_was_asked(detector):
    """60 streams of 300 after a reference of 100, each with its own threshold; 26 % of them should alarm."""
    streams = np.random.default_rng(5).standard_normal((60, 400))
    thresholds = [
        calibrated_threshold(detector, stream[:100], 1000, 10, np.random.default_rng(1)) for stream in streams
    ]
    share = np.mean(highest_scores(detector, standardised(streams, 100), 100, 10) > thresholds)
    assert share == pytest.approx(1 - math.exp(-0.3), abs=0.14)


def test_dependent_losses_get_a_higher_threshold_than_the_same_losses_shuffled():
    noise = np.random.default_rng(6).standard_normal(305)
    dependent = np.convolve(noise, np.ones(6), "valid")
    shuffled = np.random.default_rng(7).permutation(dependent)
    found = [
        calibrated_threshold(PageHinkley(), values, 500, 10, np.random.default_rng(1))
        for values in (dependent, shuffled)
    ]
    assert found[0] > 1.5 * found[1]
