"""SharpeRatio@k: the published tables, the slow twin, and what must never come out."""

import importlib.util
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.errors import MetricError
from backtest.selection.conventions import (
    CODE,
    CONVENTIONS,
    PAPER_TEXT,
    TRADING,
    Convention,
    convention_named,
)
from backtest.selection.ranking import ranked
from backtest.selection.sharpe_at_k import (
    DEGENERATE,
    UNDEFINED,
    Outcome,
    curves,
    sharpe_ratio_at_k,
    sharpe_ratio_curve,
    top_k,
)
from data.errors import SpecError


def _load(name: str) -> Any:
    path = Path(__file__).resolve().parents[1] / "oracles" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


oracle = _load("selection_oracle")
quick = settings(derandomize=True, deadline=None, max_examples=60)

TRUTH = np.array([1.0, 3, 4, 5, 6, 7, 8, 9, 10, 12])
BASELINE = 8.0
X = np.array([1.0, 3, 4, 5, 6, 7, 8, 2, 2, 12])
Y = np.array([1.0, 11, 11, 5, 6, 7, 8, 9, 10, 12])
IDS = [f"{20 - int(value):02d}" for value in TRUTH]
"""Named so that a tie goes to the larger value, as in the published figures."""

SHARPE = {
    "X": [1.4142, 1.5119, 1.5209, 1.4805, 1.4142, 1.3369, 1.3139, 1.3631, 1.1853],
    "Y": [0.7071, 0.8109, 0.9039, 1.0226, 1.1421, 1.2472, 1.3242, 1.3631, 1.1853],
}
STD = {
    "X": [2.8284, 2.6458, 2.6300, 2.7019, 2.8284, 2.9921, 3.0443, 2.9345, 3.3747],
    "Y": [5.6569, 4.9329, 4.4253, 3.9115, 3.5024, 3.2071, 3.0208, 2.9345, 3.3747],
}
X_POPULATION = [2.0000, 1.8516, 1.7562, 1.6552, 1.5492, 1.4440, 1.4046, 1.4458, 1.2494]
X_INCLUDED = [1.4142, 1.7321, 1.8040, 1.7541, 1.6514, 1.5329, 1.4158, 1.3926, 1.4384, 1.2371]
X_PAPER_TEXT = [2.0, 2.1213, 2.0830, 1.9612, 1.8091]
UNSAFE = {"X": [0, 0, 0.333, 0.5, 0.6], "Y": [0, 0.5, 0.667, 0.5, 0.4]}
ESTIMATES = {"X": X, "Y": Y}


def published(name: str, convention: Convention = CODE) -> list[Any]:
    order = ranked(ESTIMATES[name], None, IDS)
    return sharpe_ratio_curve(order, Outcome(TRUTH, BASELINE), convention=convention)


@pytest.mark.parametrize("name", ["X", "Y"])
def test_code_meets_both_published_figures(name: str) -> None:
    line = published(name)[1:]
    assert [each.sharpe_ratio for each in line] == pytest.approx(SHARPE[name], abs=5e-5)
    assert [each.std for each in line] == pytest.approx(STD[name], abs=5e-5)


def test_paper_text_meets_the_formula_of_the_text() -> None:
    line = published("X", PAPER_TEXT)
    assert [each.sharpe_ratio for each in line[:5]] == pytest.approx(X_PAPER_TEXT, abs=5e-5)


def test_the_other_readings_of_the_paper_meet_their_figures() -> None:
    population = Convention("population", 0, includes_baseline=False, has_noise_floor=False)
    included = Convention("included", 1, includes_baseline=True, has_noise_floor=False)
    assert [each.sharpe_ratio for each in published("X", population)[1:]] == pytest.approx(
        X_POPULATION, abs=5e-5
    )
    assert [each.sharpe_ratio for each in published("X", included)] == pytest.approx(X_INCLUDED, abs=5e-5)


@pytest.mark.parametrize("name", ["X", "Y"])
def test_conventional_metrics_cannot_tell_the_examples_apart_but_the_ratio_can(name: str) -> None:
    estimates = ESTIMATES[name]
    from scipy.stats import spearmanr

    assert float(np.mean((estimates - TRUTH) ** 2)) == pytest.approx(11.3)
    assert float(spearmanr(estimates, TRUTH).statistic) == pytest.approx(0.41338, abs=5e-6)
    assert sharpe_ratio_at_k(estimates, TRUTH, BASELINE, 3, ids=IDS).regret == 0.0


@pytest.mark.parametrize("name", ["X", "Y"])
def test_unsafe_share_meets_the_published_one(name: str) -> None:
    assert [each.violation_rate for each in published(name)[:5]] == pytest.approx(UNSAFE[name], abs=5e-4)


def test_one_strategy_has_no_ratio_but_an_excess() -> None:
    for convention in (CODE, TRADING):
        outcome = Outcome(TRUTH, BASELINE, np.ones(10))
        one = top_k(ranked(X, None, IDS), outcome, 1, convention=convention)
        assert math.isnan(one.sharpe_ratio)
        assert one.flag == UNDEFINED
        assert one.excess == 4.0
    assert published("X", PAPER_TEXT)[0].flag == ""


def test_equal_values_are_degenerate_and_never_infinite() -> None:
    for values, baseline in (([0.1, 0.1, 0.1], 0.0), ([0.1, 0.1, 0.1], 0.1), ([1e9, 1e9, 1e9], -1.0)):
        found = sharpe_ratio_at_k(np.array([3.0, 2, 1]), np.array(values), baseline, 3)
        assert math.isnan(found.sharpe_ratio)
        assert found.flag == DEGENERATE
        assert found.std == 0.0


def test_clones_cannot_game_the_ratio_under_the_noise_floor() -> None:
    values = 0.01 + 1e-4 * np.arange(5) / np.sqrt(2.5)
    plain = top_k(range(5), Outcome(values, 0.0), 5)
    floored = top_k(range(5), Outcome(values, 0.0, np.full(5, 0.05**2)), 5, convention=TRADING)
    assert plain.sharpe_ratio > 100
    assert floored.sharpe_ratio == pytest.approx(0.0102 / 0.05, rel=0.03)


def test_losing_strategies_have_a_ratio_of_zero() -> None:
    found = sharpe_ratio_at_k(np.array([2.0, 1.0]), np.array([-1.0, -2.0]), 0.0, 2)
    assert found.sharpe_ratio == 0.0
    assert found.excess == -1.0
    assert found.violation_rate == 1.0


@pytest.mark.parametrize("k", [0, 11, 2.0, True, -1])
def test_a_k_that_cannot_be_deployed_is_refused(k: Any) -> None:
    with pytest.raises(MetricError, match=f"k was {k}; 10 distinct candidates allow 1 to 10"):
        sharpe_ratio_at_k(X, TRUTH, BASELINE, k)


@pytest.mark.parametrize(
    ("values", "baseline", "message"),
    [([1.0, np.nan], 0.0, "values were"), ([], 0.0, "values were"), ([1.0, 2.0], np.inf, "baseline was inf")],
)
def test_values_that_are_not_known_are_refused(values: Any, baseline: float, message: str) -> None:
    with pytest.raises(MetricError, match=message):
        sharpe_ratio_at_k(np.arange(len(values)), np.array(values), baseline, 1)


def test_shapes_and_missing_variances_are_refused() -> None:
    with pytest.raises(MetricError, match="estimates have shape"):
        sharpe_ratio_at_k(np.arange(3.0), np.arange(4.0), 0.0, 1)
    with pytest.raises(MetricError, match="needs variances"):
        sharpe_ratio_at_k(np.arange(3.0), np.arange(3.0), 0.0, 2, convention=TRADING)
    with pytest.raises(MetricError, match="variances were"):
        Outcome(np.arange(3.0), 0.0, np.array([1.0, -1.0, 0.0]))


def test_conventions_are_found_by_name_and_a_slip_is_named() -> None:
    assert [convention_named(name) for name in CONVENTIONS] == [CODE, PAPER_TEXT, TRADING]
    with pytest.raises(SpecError, match="did you mean 'trading'"):
        convention_named("tradin")


finite = st.floats(-100, 100, allow_subnormal=False).map(lambda x: round(x, 3))


@quick
@given(
    st.lists(finite, min_size=2, max_size=9), finite, st.sampled_from([CODE, PAPER_TEXT, TRADING]), st.data()
)
def test_the_family_is_that_of_the_slow_twin(
    values: list[float], baseline: float, convention: Convention, data: Any
) -> None:
    count = len(values)
    estimates = data.draw(st.lists(st.floats(-3, 3) | st.just(math.nan), min_size=count, max_size=count))
    variances = data.draw(st.lists(st.floats(0, 4), min_size=count, max_size=count))
    names = [f"c{i}" for i in range(count)]
    order = oracle.ranking(estimates, [0.0] * count, names)
    assert ranked(np.array(estimates), None, names).tolist() == order
    for each in sharpe_ratio_curve(
        order, Outcome(np.array(values), baseline, np.array(variances)), convention=convention
    ):
        chosen = [values[i] for i in order[: each.k]]
        floor = np.mean([variances[i] for i in order[: each.k]]) if convention.has_noise_floor else 0.0
        wanted = oracle.ratio(chosen, baseline, convention.ddof, convention.includes_baseline, floor)
        if each.k == 1 and not convention.includes_baseline:
            wanted = math.nan
        assert each.sharpe_ratio == pytest.approx(wanted, rel=1e-6, abs=1e-9, nan_ok=True)
        assert (each.best, each.worst, each.kth) == (max(chosen), min(chosen), chosen[-1])
        assert each.mean == pytest.approx(np.mean(chosen))
        assert each.regret == max(values) - max(chosen)
        assert each.violation_rate == np.mean([value < baseline for value in chosen])
        assert not math.isinf(each.sharpe_ratio)
        assert math.isnan(each.sharpe_ratio) == bool(each.flag)


@quick
@given(st.lists(finite, min_size=3, max_size=8, unique=True), st.floats(0.1, 10), finite)
def test_the_ratio_has_no_unit(values: list[float], scale: float, shift: float) -> None:
    order = np.arange(len(values))
    plain = curves(order, Outcome(np.array(values), 0.5)).sharpe_ratio
    moved = curves(order, Outcome(scale * np.array(values) + shift, scale * 0.5 + shift)).sharpe_ratio
    assert moved == pytest.approx(plain, rel=1e-6, abs=1e-7, nan_ok=True)


def test_many_orders_at_once_are_each_alone() -> None:
    rng = np.random.default_rng(0)
    orders = np.stack([rng.permutation(10) for _ in range(20)])
    outcome = Outcome(TRUTH, BASELINE)
    both = curves(orders, outcome).sharpe_ratio
    for row, order in zip(both, orders, strict=True):
        assert np.array_equal(row, curves(order, outcome).sharpe_ratio, equal_nan=True)
