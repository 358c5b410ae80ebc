"""Learning curve: a power law is found again, drift is named instead of extrapolated, and windows are nested and geometric."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.model_comparison.learning_curve import (
    LEAST_SIZES,
    fitted_law,
    learning_curve,
    sufficient_window,
    window_sizes,
)

SIZES = (100, 141, 200, 283, 400, 566, 800)


def law(sizes, scale, power, floor):
    return scale * (np.asarray(sizes) / sizes[-1]) ** -power + floor


def losses_around(errors, count=240, noise=0.02, seed=0):
    """Losses of every window at the same decisions: a common part, which pairs cancel, and a small part of their own."""
    rng = np.random.default_rng(seed)
    common = 0.3 * rng.standard_normal(count)
    own = noise * rng.standard_normal((len(errors), count))
    own -= own.mean(axis=1, keepdims=True)
    return errors[:, None] + common - common.mean() + own


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.floats(0.05, 2.0), st.floats(0.3, 1.5), st.floats(0.2, 3.0), st.integers(0, 99))
def test_a_noisy_power_law_gives_back_its_floor_within_five_per_cent_of_the_error(scale, power, floor, seed):
    errors = law(SIZES, scale, power, floor)
    noisy = errors + 1e-4 * floor * np.random.default_rng(seed).standard_normal(len(SIZES))
    found = fitted_law(SIZES, noisy)
    assert found is not None
    assert found.floor == pytest.approx(floor, abs=0.05 * errors[-1])
    assert found.at(SIZES[-1]) == pytest.approx(errors[-1], rel=1e-2)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.floats(1e-6, 1e6))
def test_the_fit_does_not_depend_on_the_unit_of_the_error(unit):
    errors = law(SIZES, 0.4, 0.6, 1.0)
    plain, scaled = fitted_law(SIZES, errors), fitted_law(SIZES, unit * errors)
    assert scaled.power == pytest.approx(plain.power, rel=1e-3)
    assert scaled.at(1600) == pytest.approx(unit * plain.at(1600), rel=1e-4)


def test_a_falling_curve_says_what_twice_the_bars_would_avoid():
    errors = law(SIZES, 0.5, 0.5, 0.5)
    found = learning_curve(SIZES, losses_around(errors), 0)
    expected = 1 - (0.5 * 2**-0.5 + 0.5)
    assert found.gain == pytest.approx(expected, rel=0.02)
    assert found.best == SIZES[-1]
    assert found.words.startswith("twice 800 bars are expected to avoid 14.")


def test_a_flat_curve_is_called_flat_and_a_constant_one_does_not_fail():
    almost = learning_curve(SIZES, losses_around(law(SIZES, 0.001, 0.5, 1.0)), 0)
    assert almost.words.startswith("flat: twice 800 bars")
    constant = learning_curve(SIZES, np.ones((len(SIZES), 40)), 0)
    assert constant.gain == pytest.approx(0.0, abs=1e-3)


def test_under_drift_the_best_window_is_named_and_nothing_is_extrapolated():
    errors = np.array([1.2, 1.1, 1.0, 1.05, 1.1, 1.2, 1.3])
    found = learning_curve(SIZES, losses_around(errors), 0)
    assert (found.best, found.law, found.enough) == (200, None, None)
    assert np.isnan(found.gain)
    assert "as under drift: 200 bars did best, 800 worse" in found.words


def test_a_shorter_window_that_is_better_by_chance_is_not_called_drift():
    errors = np.array([1.3, 1.2, 1.1, 1.05, 1.0, 0.999, 1.0])
    found = learning_curve(SIZES, losses_around(errors, noise=0.3), 0)
    assert found.law is not None


def test_too_few_windows_make_no_curve():
    found = learning_curve(SIZES[:3], losses_around(np.array([3.0, 2.0, 1.0])), 0)
    assert (found.best, found.law) == (200, None)
    assert "3 windows are too few" in found.words


def test_a_window_is_enough_only_after_two_curves_promised_nothing_more():
    flat = law(SIZES, 1e-4, 1.0, 1.0)
    assert sufficient_window(SIZES, flat) == SIZES[LEAST_SIZES]
    assert sufficient_window(SIZES, law(SIZES, 0.5, 0.3, 0.1)) is None
    assert sufficient_window(SIZES[:4], flat[:4]) is None


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(16, 20_000), st.integers(4, 9))
def test_windows_grow_from_an_eighth_to_the_longest_without_repeats(longest, count):
    sizes = window_sizes(longest, count)
    assert sizes[-1] == longest
    assert sizes[0] == max(2, round(longest / 8))
    assert all(a < b for a, b in pairwise(sizes))
    assert len(sizes) <= count
