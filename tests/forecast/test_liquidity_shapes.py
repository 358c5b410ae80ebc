"""Spans and shapes: sums, regressions, standardised profiles and the Brownian one."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecast.errors import FitError
from forecast.liquidity_checks import synthetic_pool_history
from forecast.models.liquidity.rows import training_rows
from forecast.models.liquidity.shapes import (
    UNIT_EDGES,
    brownian_shape,
    mean_shape,
    spread_shape,
    standardised_shares,
)
from forecast.models.liquidity.spans import (
    LogRule,
    coming_sums,
    fitted_rule,
    origin_step,
    trailing_sums,
    training_origins,
)


def _load(name):
    path = Path(__file__).resolve().parents[1] / "oracles" / f"{name}.py"
    specification = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


oracle = _load("liquidity_oracle")
quick = settings(derandomize=True, deadline=None, max_examples=40)
WIDE = np.linspace(-0.6, 0.6, 62)


@quick
@given(st.lists(st.floats(0, 1e3), min_size=2, max_size=40), st.integers(1, 12))
def test_sums_behind_and_ahead_are_those_of_the_bars(values, count):
    values = np.array(values)
    count = min(count, len(values) - 1)
    behind, ahead = trailing_sums(values, count), coming_sums(values, count)
    for t in range(len(values)):
        if t >= count - 1:
            assert behind[t] == pytest.approx(values[t - count + 1 : t + 1].sum(), abs=1e-9)
        else:
            assert np.isnan(behind[t])
        if t + count < len(values):
            assert ahead[t] == pytest.approx(values[t + 1 : t + count + 1].sum(), abs=1e-9)
        else:
            assert np.isnan(ahead[t])


@quick
@given(st.integers(1, 200), st.integers(0, 60), st.integers(1, 48))
def test_every_training_span_ends_inside_the_rows(rows, first, horizon):
    origins = training_origins(rows, first, horizon)
    assert (origins + horizon <= rows - 1).all()
    assert (origins >= first).all()
    if rows - 1 - horizon >= first:
        assert origins[-1] + horizon == rows - 1


def test_spans_overlap_four_times_and_begin_at_least_once_a_day():
    assert [origin_step(horizon) for horizon in (1, 4, 12, 24, 96, 168)] == [1, 1, 3, 6, 24, 24]


def test_a_regression_of_logs_finds_its_weights_and_the_mean():
    rng = np.random.default_rng(3)
    design = np.column_stack([np.ones(20_000), rng.standard_normal(20_000)])
    values = np.exp(design @ [0.5, -0.3] + 0.8 * rng.standard_normal(20_000))
    rule = fitted_rule(design, values)
    np.testing.assert_allclose(rule.weights, [0.5, -0.3], atol=0.02)
    assert rule.bounds[0] == pytest.approx(np.exp(0.32), rel=0.02)
    assert rule.mean(design).mean() == pytest.approx(values.mean(), rel=0.02)


def test_a_rule_keeps_inside_what_training_saw():
    rule = LogRule(np.array([0.0, 1.0]), np.array([1.0, 0.5, 2.0]))
    np.testing.assert_array_equal(rule.mean(np.array([[1.0, 900.0], [1.0, -900.0]])), [2.0, 0.5])


@quick
@given(st.floats(1e-3, 0.3), st.integers(0, 60))
def test_the_brownian_shape_is_the_time_spent_by_quadrature(deviation, place):
    shape = brownian_shape(deviation, WIDE)
    low = -np.inf if place == 0 else WIDE[place]
    high = np.inf if place == 60 else WIDE[place + 1]
    middle = 0.5 * (WIDE[place] + WIDE[place + 1])
    weights = np.cosh(0.5 * 0.5 * (WIDE[1:] + WIDE[:-1]))
    occupied = (shape.sum(axis=1) / weights) / (shape.sum(axis=1) / weights).sum()
    assert occupied[place] == pytest.approx(oracle.occupied_share(low, high, deviation), abs=2e-6)
    assert shape[place, 0] == pytest.approx(shape[place, 1] * np.exp(middle), rel=1e-9, abs=1e-300)


def test_the_brownian_shape_is_what_many_paths_travel():
    rng = np.random.default_rng(7)
    steps = 0.05 / np.sqrt(400) * rng.standard_normal((4000, 400))
    paths = np.concatenate([np.zeros((4000, 1)), np.cumsum(steps, axis=1)], axis=1)
    edges = np.linspace(-0.16, 0.16, 17)
    middles, lengths = 0.5 * (paths[:, 1:] + paths[:, :-1]), np.abs(steps)
    found, _ = np.histogram(middles, edges, weights=lengths)
    np.testing.assert_allclose(found / lengths.sum(), brownian_shape(0.05, edges).sum(axis=1), atol=0.01)


@pytest.mark.parametrize("deviation", [1e-9, 0.0, 1e-4, 0.05, 3.0])
def test_shapes_add_up_to_one_whatever_the_deviation(deviation):
    flat = np.full((len(UNIT_EDGES) - 1, 2), 0.5 / (len(UNIT_EDGES) - 1))
    for made in (brownian_shape(deviation, WIDE), spread_shape(flat, deviation, WIDE)):
        assert made.shape == (61, 2)
        assert (made >= 0).all()
        assert made.sum() == pytest.approx(1.0)


def test_a_shape_laid_out_on_its_own_bins_is_itself():
    shape = np.random.default_rng(1).dirichlet(np.ones(100)).reshape(50, 2)
    np.testing.assert_allclose(spread_shape(shape, 0.02, UNIT_EDGES * 0.02), shape, atol=1e-12)


def test_standardised_shares_add_up_to_one_and_reach_further_in_smaller_deviations():
    rows = training_rows(synthetic_pool_history(200), 100)
    origins, centres = np.arange(50, 150, 10), 0.5 * (UNIT_EDGES[1:] + UNIT_EDGES[:-1])
    reach = []
    for deviation in (0.02, 0.005):
        shares = standardised_shares(rows, origins, np.full(10, deviation), 12)
        np.testing.assert_allclose(shares.sum(axis=(1, 2)), 1.0)
        reach.append(float((shares.sum(axis=2) @ np.abs(centres)).mean()))
    assert reach[1] > reach[0]


def test_a_shape_of_nothing_is_refused():
    with pytest.raises(FitError, match="nobody traded in any of 3 spans"):
        mean_shape(np.zeros((3, 50, 2)))
