"""Ranking: declared before the outcome, equal for equal input, and one candidate a bet."""

import importlib.util
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.errors import MetricError
from backtest.selection.ranking import clusters, distinct, ranked
from backtest.selection.rankings import permuted


def _load(name: str) -> Any:
    path = Path(__file__).resolve().parents[1] / "oracles" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


oracle = _load("selection_oracle")
quick = settings(derandomize=True, deadline=None, max_examples=80)
odd = st.sampled_from([1.0, 2.0, 3.0, math.nan, math.inf, -math.inf])


@quick
@given(st.lists(st.tuples(odd, st.sampled_from([0.0, 1.0])), min_size=1, max_size=8), st.randoms())
def test_the_order_is_that_of_the_slow_twin(rows: list[tuple[float, float]], random: Any) -> None:
    ids = [f"s{i}" for i in range(len(rows))]
    random.shuffle(ids)
    estimates, costs = [each[0] for each in rows], [each[1] for each in rows]
    wanted = oracle.ranking(estimates, costs, ids)
    assert ranked(np.array(estimates), np.array(costs), ids).tolist() == wanted


def test_ties_go_to_the_cheaper_and_then_to_the_name_never_to_the_place() -> None:
    estimates, costs = np.array([1.0, 1.0, 1.0]), np.array([1.0, 0.0, 1.0])
    assert ranked(estimates, costs, ["b", "c", "a"]).tolist() == [1, 2, 0]


def test_estimates_that_are_not_finite_rank_last() -> None:
    assert ranked(np.array([math.nan, -5.0, math.inf, 1.0])).tolist() == [3, 1, 0, 2]


@pytest.mark.parametrize(
    ("costs", "ids", "message"),
    [
        (np.zeros(2), None, "costs have shape"),
        (np.array([0, 0, np.nan]), None, "must be finite"),
        (None, ["a", "b"], "ids were 2"),
        (None, ["a", "b", "a"], "2 of them distinct"),
    ],
)
def test_declarations_that_do_not_fit_are_refused(costs: Any, ids: Any, message: str) -> None:
    with pytest.raises(MetricError, match=message):
        ranked(np.arange(3.0), costs, ids)


def records(*columns: np.ndarray) -> np.ndarray:
    return np.column_stack(columns)


def test_clones_are_found_through_a_chain_and_over_common_periods_only() -> None:
    rng = np.random.default_rng(0)
    a, other = rng.normal(size=300), rng.normal(size=300)
    b = a + 0.25 * rng.normal(size=300)
    c = b + 0.25 * rng.normal(size=300)
    b[:100] = np.nan
    assert np.corrcoef(a[100:], b[100:])[0, 1] > 0.95
    assert clusters(records(a, other, b, c)).tolist() == [0, 1, 0, 0]


def test_a_mirror_image_and_a_short_record_are_no_clones() -> None:
    a = np.random.default_rng(1).normal(size=100)
    late = np.where(np.arange(100) >= 85, a, np.nan)
    assert clusters(records(a, -a, late)).tolist() == [0, 1, 2]


def test_strategies_that_never_trade_are_one_bet() -> None:
    nothing = np.zeros(50)
    assert clusters(records(nothing, np.random.default_rng(2).normal(size=50), nothing)).tolist() == [0, 1, 0]


def test_a_cluster_is_represented_by_its_best_ranked() -> None:
    order, cluster = np.array([4, 2, 0, 3, 1]), np.array([0, 1, 0, 1, 4])
    assert distinct(order, cluster).tolist() == [4, 2, 3] == oracle.distinct(order, cluster)


@quick
@given(st.permutations(range(6)), st.lists(st.integers(0, 5), min_size=6, max_size=6), st.integers(0, 9))
def test_shuffled_candidates_are_ranked_as_each_alone_would_be(
    order: list[int], labels: list[int], seed: int
) -> None:
    cluster = np.array([labels.index(label) for label in labels])
    rng = np.random.default_rng(seed)
    orders = np.stack([rng.permutation(6) for _ in range(5)])
    for row, shuffle in zip(permuted(np.array(order), cluster, orders), orders, strict=True):
        assert row.tolist() == oracle.distinct(shuffle[order].tolist(), cluster.tolist())


def test_returns_that_are_no_table_and_odd_limits_are_refused() -> None:
    with pytest.raises(MetricError, match=r"\(T, N\) is needed"):
        clusters(np.zeros(5))
    with pytest.raises(MetricError, match="correlation was 1"):
        clusters(np.zeros((5, 2)), 1.0)
