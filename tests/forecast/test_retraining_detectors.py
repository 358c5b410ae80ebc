"""Detectors: slow twins, river's alarms, published bounds, and many streams at once as each alone."""

import importlib.util
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ks_2samp, norm

from forecast.retraining.adaptive_window import AdaptiveWindow
from forecast.retraining.likelihood_ratio import (
    MeanShift,
    RateShift,
    ScaleShift,
    expected_sizes,
    false_alarm_rate,
    wald_bounds,
)
from forecast.retraining.page_hinkley import PageHinkley
from forecast.retraining.sequential_ratio import SequentialRatio
from forecast.retraining.two_sample import TwoSample

_PATH = Path(__file__).resolve().parents[1] / "oracles" / "detectors_oracle.py"
_SPEC = importlib.util.spec_from_file_location("detectors_oracle", _PATH)
oracle = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(oracle)

DETECTORS = [
    PageHinkley(),
    PageHinkley(side="both", forgetting=0.99),
    AdaptiveWindow(every=3),
    SequentialRatio(),
    SequentialRatio(grown="scale"),
    SequentialRatio(grown="frequency"),
    TwoSample(window=20, every=1),
    TwoSample(window=20, every=3, side="both"),
]


def scores(detector, values, reference=()):
    state, found = detector.begin(np.array(reference, float)), []
    for value in values:
        state, score = detector.step(state, np.float64(value))
        found.append(float(score))
    return np.array(found)


def alarms(detector, threshold, values, least=1):
    """Times of alarms, each followed by a new beginning."""
    found, state, since = [], detector.begin(np.zeros(0)), 0
    for t, value in enumerate(values):
        state, score = detector.step(state, np.float64(value))
        since += 1
        if since >= least and score > threshold:
            found.append(t)
            state, since = detector.begin(np.zeros(0)), 0
    return found


def river_alarms(detector, values):
    found = []
    for t, value in enumerate(values):
        detector.update(value)
        if detector.drift_detected:
            found.append(t)
    return found


def changed_errors(seed):
    errors = np.random.default_rng(seed).standard_t(3, 1200)
    errors[600:] *= 2
    return np.abs(errors)


@pytest.mark.parametrize("seed", range(10))
def test_page_hinkley_alarms_when_river_does(seed):
    river = pytest.importorskip("river.drift")
    values = changed_errors(seed)
    ours = PageHinkley(slack=0.005, forgetting=0.9999, side="both")
    assert (found := alarms(ours, 50.0, values, 30)) == river_alarms(river.PageHinkley(), values)
    up = PageHinkley(slack=0.005, forgetting=0.9999)
    assert alarms(up, 10.0, values, 30) == river_alarms(river.PageHinkley(threshold=10, mode="up"), values)
    assert found


@pytest.mark.parametrize("seed", range(10))
def test_adaptive_window_alarms_when_river_does(seed):
    river = pytest.importorskip("river.drift")
    values = changed_errors(seed)
    ours = alarms(AdaptiveWindow(every=32, side="both"), math.log(2 / 0.002), values)
    assert ours == river_alarms(river.ADWIN(), values)
    assert ours


@pytest.mark.parametrize("detector", DETECTORS, ids=repr)
def test_many_streams_at_once_score_as_each_alone(detector):
    values = np.random.default_rng(1).standard_normal((3, 150))
    state, found = detector.begin(values[:, :60]), []
    for value in values[:, 60:].T:
        state, score = detector.step(state, value)
        found.append(score)
    alone = [scores(detector, stream[60:], stream[:60]) for stream in values]
    np.testing.assert_allclose(np.array(found).T, alone, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("detector", DETECTORS, ids=repr)
def test_scores_grow_with_losses_and_are_never_below_zero(detector):
    values = np.random.default_rng(2).standard_normal(260)
    grown = values + np.where(np.arange(260) < 160, 0.0, 1.5)
    usual, changed = scores(detector, values[60:], values[:60]), scores(detector, grown[60:], grown[:60])
    assert usual.min() >= 0
    assert changed.max() > 1.5 * usual.max()


@pytest.mark.parametrize(
    "detector",
    [PageHinkley(), AdaptiveWindow(every=1), SequentialRatio(), TwoSample(window=20, every=1)],
    ids=repr,
)
def test_falling_losses_raise_no_score_unless_both_sides_are_asked_for(detector):
    values = np.random.default_rng(3).standard_normal(300)
    values[150:] -= 3
    assert (
        scores(detector, values[150:], values[:100])[-50:].max()
        < scores(detector, -values[150:], -values[:100]).max() / 5
    )


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=40), st.floats(0, 1), st.floats(0.5, 1))
@settings(derandomize=True, deadline=None, max_examples=50)
def test_page_hinkley_equals_its_slow_twin(values, slack, forgetting):
    reference = [0.5, -0.5, 1.0]
    climb, fall = oracle.climb(values, slack, forgetting, reference)
    up = PageHinkley(slack=slack, forgetting=forgetting)
    both = PageHinkley(slack=slack, forgetting=forgetting, side="both")
    assert scores(up, values, reference)[-1] == pytest.approx(climb, abs=1e-9)
    assert scores(both, values, reference)[-1] == pytest.approx(max(climb, fall), abs=1e-9)


@pytest.mark.parametrize("count", [1, 5, 6, 12, 37, 200])
def test_buckets_have_the_sizes_of_an_exponential_histogram_and_lose_nothing(count):
    values = np.random.default_rng(count).standard_normal(count)
    state = AdaptiveWindow().begin(values)
    assert state.sizes.tolist() == oracle.bucket_sizes(count)
    edges = np.concatenate([[0], np.cumsum(state.sizes)[:-1]])
    np.testing.assert_allclose(state.totals, np.add.reduceat(values, edges), atol=1e-12)
    assert state.squares == pytest.approx(np.var(values) * count)


@pytest.mark.parametrize("delta", [0.3, 0.002])
@pytest.mark.parametrize("seed", range(5))
def test_adaptive_window_equals_its_slow_twin(seed, delta):
    values = np.random.default_rng(seed).standard_normal(150)
    values[100:] += 1.2
    found = scores(AdaptiveWindow(every=1, side="both"), values) > math.log(2 / delta)
    slow = [
        len(past) > 10 and oracle.any_cut_differs(past, delta)
        for past in (values[: t + 1] for t in range(150))
    ]
    assert found.tolist() == slow
    assert found.any()


@pytest.mark.parametrize(("side", "alternative"), [("up", "less"), ("both", "two-sided")])
def test_two_sample_distance_is_that_of_scipy(side, alternative):
    rng = np.random.default_rng(4)
    # Rounded, so that there are ties.
    reference, values = rng.standard_normal(80).round(1), (rng.standard_normal(60) + 0.4).round(1)
    found = scores(TwoSample(window=20, every=1, side=side), values, reference)
    assert found[:19].max() == 0
    for t in range(19, 60):
        expected = ks_2samp(values[t - 19 : t + 1], reference, alternative=alternative).statistic
        assert found[t] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("rates", "upper", "lower"),
    [((0.01, 0.05), 4.5539, -2.9857), ((0.001, 0.05), 6.8565, -2.9947)],
)
def test_bounds_are_those_of_wald(rates, upper, lower):
    assert wald_bounds(*rates) == pytest.approx((upper, lower), abs=5e-5)


@pytest.mark.parametrize(
    ("rates", "shift", "sizes"),
    [((0.01, 0.05), 0.5, (23.3, 33.4)), ((0.001, 0.05), 0.5, (23.9, 50.9)), ((0.01, 0.05), 1, (5.8, 8.4))],
)
def test_expected_sizes_are_those_of_wald(rates, shift, sizes):
    assert expected_sizes(MeanShift(shift), *rates) == pytest.approx(sizes, abs=0.06)


def sequential_tests(hypothesis, made, upper, lower):
    """Return whether each test of values (R, T) ends above, and after how many values."""
    totals = np.cumsum(hypothesis.ratio(made), axis=1)
    ended = (totals >= upper) | (totals <= lower)
    assert ended.any(axis=1).all()
    last = ended.argmax(axis=1)
    return totals[np.arange(len(made)), last] >= upper, last + 1


@pytest.mark.parametrize(
    ("hypothesis", "rates", "made"),
    [
        (MeanShift(0.5), (0.01, 0.05), lambda rng, size, changed: rng.standard_normal(size) + 0.5 * changed),
        (MeanShift(0.5), (0.001, 0.05), lambda rng, size, changed: rng.standard_normal(size) + 0.5 * changed),
        (MeanShift(1.0), (0.01, 0.05), lambda rng, size, changed: rng.standard_normal(size) + changed),
        (ScaleShift(1.5), (0.01, 0.05), lambda rng, size, changed: rng.standard_normal(size) * (1.5 if changed else 1)),
        (RateShift(0.2, 0.4), (0.01, 0.05), lambda rng, size, changed: 1.0 * (rng.random(size) < (0.4 if changed else 0.2))),
    ],
    ids=["mean .5", "mean .5 rare", "mean 1", "scale", "rate"],
)  # fmt: skip
def test_error_rates_and_sizes_keep_walds_bounds(hypothesis, rates, made):
    """10,000 tests; error rates at most a / (1 - b) and b / (1 - a), sizes above Wald's by at most 40 %."""
    false_alarm, miss = rates
    upper, lower = wald_bounds(*rates)
    found = []
    for changed in (False, True):
        rng = np.random.default_rng(5)
        parts = [
            sequential_tests(hypothesis, made(rng, (2000, 600), changed), upper, lower) for _ in range(10)
        ]
        found.append([np.concatenate(part) for part in zip(*parts, strict=True)])
    assert found[0][0].mean() <= false_alarm / (1 - miss)
    assert 1 - found[1][0].mean() <= miss / (1 - false_alarm)
    for (_, sizes), expected in zip(found, expected_sizes(hypothesis, *rates), strict=True):
        assert expected <= sizes.mean() <= 1.4 * expected


@pytest.mark.parametrize("hypothesis", [MeanShift(0.7), ScaleShift(1.5)])
def test_ratio_is_the_log_of_two_normal_densities(hypothesis):
    values = np.linspace(-3, 3, 7)
    changed = norm(0.7, 1) if isinstance(hypothesis, MeanShift) else norm(0, 1.5)
    np.testing.assert_allclose(hypothesis.ratio(values), changed.logpdf(values) - norm.logpdf(values))


@pytest.mark.parametrize("hypothesis", [MeanShift(0.7), ScaleShift(1.5), RateShift(0.2, 0.3)])
def test_mean_ratio_is_minus_and_plus_a_divergence(hypothesis):
    rng = np.random.default_rng(6)
    plain = rng.standard_normal(200_000)
    made = {
        MeanShift: (plain, plain + 0.7),
        ScaleShift: (plain, 1.5 * plain),
        RateShift: (1.0 * (plain < norm.ppf(0.2)), 1.0 * (plain < norm.ppf(0.3))),
    }[type(hypothesis)]
    without, changed = hypothesis.drifts
    assert without < 0 < changed
    assert [hypothesis.ratio(values).mean() for values in made] == pytest.approx([without, changed], abs=0.01)


def test_repeated_tests_of_that_rate_come_to_a_false_alarm_once_in_the_run_length():
    rate = false_alarm_rate(MeanShift(0.5), 0.05, 26_500)
    assert rate == pytest.approx(0.0009, abs=5e-5)
    assert expected_sizes(MeanShift(0.5), rate, 0.05)[0] / rate == pytest.approx(26_500)


def test_sequential_ratio_begins_again_below_its_lower_bound():
    values = np.random.default_rng(7).standard_normal(300)
    detector = SequentialRatio()
    slow = oracle.repeated_ratio(values, lambda value: 0.5 * (value - 0.25), detector.lower)
    np.testing.assert_allclose(scores(detector, values, values[:50]), np.maximum(slow, 0))
    assert detector.lower == pytest.approx(math.log(0.05), abs=0.01)


def test_frequency_counts_losses_above_four_fifths_of_the_reference():
    detector = SequentialRatio(grown="frequency")
    state = detector.begin(np.arange(101.0))
    assert state.large == 80
    _, above = detector.step(state, np.float64(80.5))
    _, below = detector.step(state, np.float64(80.0))
    assert (float(above), float(below)) == pytest.approx((math.log(1.5), 0))
