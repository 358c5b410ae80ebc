"""Splines: exact knot search against least squares, Friedman's own test function, pruning, and noise."""

from itertools import product

import numpy as np
import pytest

from forecast.models.mars import (
    Growth,
    Splines,
    best_knot,
    first_growth,
    fit_splines,
    gcv,
    hinge,
    knot_places,
    prune,
)


def table(rows: int, features: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((rows, features)), rng.standard_normal(rows)


def friedman(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return features and the noiseless values of Friedman 1991, eq. 61; five of ten features do nothing."""
    x = np.random.default_rng(seed).uniform(size=(rows, 10))
    smooth = 10 * np.sin(np.pi * x[:, 0] * x[:, 1]) + 20 * (x[:, 2] - 0.5) ** 2 + 10 * x[:, 3] + 5 * x[:, 4]
    return x, smooth


def squares_left(columns: np.ndarray, labels: np.ndarray) -> float:
    found = np.linalg.lstsq(columns, labels, rcond=None)[0]
    return float(((labels - columns @ found) ** 2).sum())


def gain_by_least_squares(growth: Growth, labels: np.ndarray, parent: int, variable: int, row: int) -> float:
    values = growth.features[:, variable]
    pair = [growth.columns[:, parent] * hinge(values, values[row], sign) for sign in (1.0, -1.0)]
    more = np.column_stack([growth.columns, *pair])
    return squares_left(growth.columns, labels) - squares_left(more, labels)


@pytest.mark.parametrize("seed", range(4))
def test_the_best_knot_is_the_one_least_squares_finds_by_trying_all(seed: int) -> None:
    features, labels = table(120, 3, seed)
    growth = first_growth(features, labels, 2)
    first = growth.best()
    assert first is not None
    growth = growth.with_pair(first)
    for parent, variable in product(range(len(growth.functions)), range(3)):
        found = best_knot(growth, parent, variable)
        order = growth.order[:, variable]
        places = knot_places(features[order, variable], growth.columns[order, parent], 3)
        tried = [gain_by_least_squares(growth, labels, parent, variable, order[p]) for p in places]
        if found is None or not tried:
            continue
        assert found.gain == pytest.approx(max(tried), rel=1e-7)


@pytest.mark.parametrize("seed", range(3))
def test_growing_takes_away_exactly_the_squares_it_says(seed: int) -> None:
    features, labels = table(200, 4, seed)
    growth = first_growth(features, labels, 2)
    for _ in range(4):
        chosen = growth.best()
        assert chosen is not None
        grown = growth.with_pair(chosen)
        told = float(growth.left @ growth.left) - chosen.gain
        assert float(grown.left @ grown.left) == pytest.approx(told, rel=1e-8)
        assert squares_left(grown.columns, labels) == pytest.approx(told, rel=1e-8)
        growth = grown


def test_friedmans_function_is_found_and_its_idle_features_are_not() -> None:
    features, smooth = friedman(1000, 0)
    labels = smooth + np.random.default_rng(1).standard_normal(1000)
    fit = fit_splines(features, labels, terms=21, degree=2, penalty=3.0)
    assert np.mean((fit.answer(features) - smooth) ** 2) < 0.02 * smooth.var()
    used = set(fit.variables[(fit.coefficients != 0) & (fit.variables >= 0)].tolist())
    assert used == {0, 1, 2, 3, 4}


def test_an_additive_fit_multiplies_no_hinges_and_a_kink_is_placed_where_it_is() -> None:
    features, noise = table(800, 3, 2)
    fit = fit_splines(features, np.abs(features[:, 1] - 0.5) + 0.02 * noise, terms=11, degree=1, penalty=3.0)
    assert set(fit.parents[1:].tolist()) == {0}
    largest = np.argmax(np.abs(fit.coefficients * (fit.variables == 1)))
    assert fit.knots[largest] == pytest.approx(0.5, abs=0.1)


def test_pruning_keeps_the_subset_that_trying_every_removal_gives() -> None:
    features, labels = table(150, 6, 3)
    basis = np.column_stack([np.ones(150), features])
    labels = labels + 3 * features[:, 2]
    kept = list(range(7))
    way = []
    while True:
        way.append((gcv(squares_left(basis[:, kept], labels), 150, len(kept), 3.0), list(kept)))
        if len(kept) == 1:
            break
        kept.remove(min(kept[1:], key=lambda m: squares_left(basis[:, [k for k in kept if k != m]], labels)))
    assert prune(basis, labels, 3.0).tolist() == min(way)[1]


def test_gcv_is_the_mean_square_over_the_squared_share_of_free_rows() -> None:
    assert gcv(50.0, 100, 1, 3.0) == pytest.approx(0.5 / 0.99**2)
    assert gcv(50.0, 100, 5, 3.0) == pytest.approx(0.5 / (1 - 11 / 100) ** 2)
    assert gcv(50.0, 10, 5, 3.0) == np.inf


def test_noise_and_constant_labels_are_answered_by_nearly_nothing() -> None:
    features, noise = table(500, 5, 4)
    fit = fit_splines(features, noise, terms=21, degree=1, penalty=3.0)
    assert np.var(fit.answer(features)) < 0.1
    still = fit_splines(features, np.full(500, 2.0), terms=21, degree=1, penalty=3.0)
    np.testing.assert_allclose(still.answer(features), 2.0)


def test_a_constant_feature_is_never_used() -> None:
    features, noise = table(300, 3, 5)
    features[:, 1] = 4.0
    fit = fit_splines(features, features[:, 0] + 0.1 * noise, terms=11, degree=2, penalty=3.0)
    assert 1 not in fit.variables


def test_arrays_describe_the_splines_whole() -> None:
    features, noise = table(300, 3, 6)
    fit = fit_splines(features, features[:, 0] ** 2 + noise, terms=11, degree=2, penalty=3.0)
    again = Splines.of(fit.arrays())
    np.testing.assert_array_equal(again.answer(features), fit.answer(features))
    one_by_one = np.concatenate([fit.answer(features[i : i + 1]) for i in range(20)])
    np.testing.assert_array_equal(one_by_one, fit.answer(features)[:20])
