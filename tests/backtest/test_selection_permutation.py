"""Permutation tests: exact figures, the slow twin, and false alarms at the rate that was promised."""

import importlib.util
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backtest.errors import MetricError
from backtest.selection.permutation import (
    orders_of,
    permutation_test,
    random_orders,
    search_over_k,
    search_test,
)
from backtest.selection.ranking import ranked
from backtest.selection.sharpe_at_k import Outcome, curves, sharpe_ratio_curve


def _load(name: str) -> Any:
    path = Path(__file__).resolve().parents[1] / "oracles" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


oracle = _load("selection_oracle")
RNG = np.random.default_rng

TRUTH = np.array([1.0, 3, 4, 5, 6, 7, 8, 9, 10, 12])
EXAMPLE = Outcome(TRUTH, 8.0)
IDS = [f"{20 - int(value):02d}" for value in TRUTH]
X = ranked(np.array([1.0, 3, 4, 5, 6, 7, 8, 2, 2, 12]), None, IDS)
Y = ranked(np.array([1.0, 11, 11, 5, 6, 7, 8, 9, 10, 12]), None, IDS)


@pytest.mark.parametrize(
    ("order", "wanted"), [(X, [0.133, 0.058, 0.043]), (Y, [0.289, 0.292, 0.300])], ids=["X", "Y"]
)
def test_exact_p_values_meet_the_published_ones(order: Any, wanted: list[float]) -> None:
    found = [permutation_test(order, EXAMPLE, k, RNG(0)) for k in (2, 3, 4)]
    assert all(each.is_exact for each in found)
    assert [each.p_value for each in found] == pytest.approx(wanted, abs=5e-4)


def test_exact_p_values_are_those_of_the_slow_twin() -> None:
    rng = RNG(1)
    values = rng.normal(size=7).round(2)
    order = rng.permutation(7)
    outcome = Outcome(values, 0.1)
    for each in sharpe_ratio_curve(order, outcome)[1:]:
        found = permutation_test(order, outcome, each.k, rng)
        assert found.p_value == oracle.exact_p_value(values.tolist(), each.sharpe_ratio, each.k, 0.1)


def test_sampled_p_values_are_near_exact_ones_and_never_zero() -> None:
    rng = RNG(2)
    values = rng.normal(size=24)
    order = np.argsort(-values)
    found = permutation_test(order, Outcome(values, 0.0), 12, rng)
    assert not found.is_exact
    assert found.draws == 20_000
    assert 1 / 20_001 <= found.p_value < 1
    exact = permutation_test(order, Outcome(values, 0.0), 3, rng).p_value
    sampled = search_over_k(order, Outcome(values, 0.0), [3], rng).p_values[0]
    assert sampled == pytest.approx(exact, abs=0.01)


def test_the_median_of_luck_grows_with_k_as_published() -> None:
    values = RNG(3).normal(size=400_000)
    ratios = curves(np.arange(400_000).reshape(40_000, 10), Outcome(values, 0.0)).sharpe_ratio
    wanted = {2: 0.709, 3: 0.959, 4: 1.117, 5: 1.238, 7: 1.403, 10: 1.569}
    for k, median in wanted.items():
        assert np.median(ratios[:, k - 1]) == pytest.approx(median, abs=0.02)
    assert np.mean(ratios[:, 4] >= 1.5) == pytest.approx(0.32, abs=0.015)
    assert np.mean(ratios[:, 9] >= 1.5) == pytest.approx(0.56, abs=0.015)


def test_one_strategy_has_no_p_value() -> None:
    found = permutation_test(X, EXAMPLE, 1, RNG(0))
    assert np.isnan(found.p_value)
    assert np.isnan(found.null_median)


def test_all_candidates_deployed_is_no_choice() -> None:
    assert permutation_test(X, EXAMPLE, 10, RNG(0)).p_value == 1.0


def test_undefined_random_choices_count_against_the_ranking() -> None:
    outcome = Outcome(np.array([1.0, 1.0, 0.5]), 0.0)
    # The pairs are (1, 1), which is degenerate, and (1, .5) twice, which ties with the ranking.
    assert permutation_test([0, 2, 1], outcome, 2, RNG(0)).p_value == 1.0


def test_the_correction_for_the_search_is_that_of_the_slow_twin() -> None:
    rng = RNG(4)
    values = rng.normal(size=5).round(1)
    outcome = Outcome(values, 0.0)
    found = search_over_k([3, 1, 0, 2, 4], outcome, [2, 3, 4], rng)
    null = [
        curves(list(order), outcome).sharpe_ratio[1:4].tolist() for order in itertools.permutations(range(5))
    ]
    observed = curves([3, 1, 0, 2, 4], outcome).sharpe_ratio[1:4].tolist()
    if not np.isnan(null).any():
        assert found.corrected == pytest.approx(oracle.corrected_p_values(null, observed))
    assert found.is_exact
    assert (found.corrected >= found.p_values).all()


def test_one_k_needs_no_correction() -> None:
    found = search_over_k(range(6), Outcome(RNG(5).normal(size=6), 0.0), [3], RNG(0))
    assert found.corrected == pytest.approx(found.p_values)


def test_an_uncorrected_search_raises_false_alarms_and_a_corrected_one_keeps_its_word() -> None:
    rng, ks = RNG(6), range(2, 11)
    orders = random_orders(20, 1_000, rng)
    alone, corrected = [], []
    for _ in range(300):
        outcome = Outcome(rng.normal(size=20), 0.0)
        null = curves(orders, outcome).sharpe_ratio[:, 1:10]
        observed = curves(np.arange(20), outcome).sharpe_ratio[1:10]
        found = search_test(observed, null, ks, is_exact=False)
        alone.append(found.p_values.min())
        corrected.append(found.corrected.min())
    # Three binomial standard errors in 300 worlds.
    assert np.mean(np.array(corrected) <= 0.05) <= 0.05 + 0.038
    assert np.mean(np.array(corrected) <= 0.1) <= 0.1 + 0.052
    assert np.mean(np.array(alone) <= 0.1) >= 0.25


def test_orders_are_all_of_them_up_to_seven_candidates() -> None:
    orders, is_exact = orders_of(5, RNG(0))
    assert is_exact
    assert len({tuple(order) for order in orders.tolist()}) == 120
    orders, is_exact = orders_of(8, RNG(0), 50)
    assert not is_exact
    assert (np.sort(orders, axis=1) == np.arange(8)).all()


def test_a_k_out_of_range_and_odd_shapes_are_refused() -> None:
    with pytest.raises(MetricError, match="k was 11; 10 distinct candidates"):
        permutation_test(X, EXAMPLE, 11, RNG(0))
    with pytest.raises(MetricError, match="k was 11; 10 distinct candidates"):
        search_over_k(X, EXAMPLE, [2, 11], RNG(0))
    with pytest.raises(MetricError, match="null"):
        search_test(np.zeros(2), np.zeros((5, 3)), [2, 3], is_exact=True)
