"""The contract of every metric in the table: one value with its convention, or NaN with a reason, and its slow twin."""

import importlib.util
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.metrics.metric import Metric
from backtest.metrics.returns import Returns
from backtest.metrics.table import ACTIVITY_METRICS, CAPACITY_METRICS, METRICS, PAIR_METRICS, TRADE_METRICS

_PATH = Path(__file__).resolve().parents[1] / "oracles" / "metrics_oracle.py"
_MODULE = importlib.util.spec_from_file_location("metrics_oracle", _PATH)
oracle = importlib.util.module_from_spec(_MODULE)
_MODULE.loader.exec_module(oracle)

NAMES = tuple(METRICS)
BESIDE = (ACTIVITY_METRICS, TRADE_METRICS, CAPACITY_METRICS, PAIR_METRICS)
DEPENDENT = {
    "sharpe_standard_error", "lo_adjusted_sharpe", "calmar", "max_drawdown", "average_drawdown", "longest_drawdown",
    "average_drawdown_length", "time_under_water", "ulcer_index", "conditional_drawdown", "pain_ratio",
    "recovery_factor",
}  # fmt: skip
"""Metrics that depend on the order of the returns."""


def noisy(count: int, seed: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).standard_t(4, count) * 0.01 + 0.001


HARD = {
    "one": np.array([0.01]),
    "two": np.array([0.01, -0.02]),
    "short": noisy(19),
    "zeros": np.zeros(300),
    "constant": np.full(300, 0.001),
    "rounding": 0.001 + 1e-17 * np.arange(300),
    "gains": np.abs(noisy(300)) + 1e-6,
    "losses": -np.abs(noisy(300)) / 10 - 1e-6,
    "two_valued": np.where(np.arange(300) < 3, 0.1, 0.0),
    "prices_alike": np.tile([0.0, 1.5, 0.2], 100),
    "huge": 59_000.0 + np.arange(63),
    "ruin": np.append(noisy(300), -1.0),
    "ruin_first": np.append(-1.0, noisy(300)),
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("case", HARD)
def test_every_metric_is_finite_or_says_why_not(name: str, case: str) -> None:
    metric = METRICS[name](Returns(HARD[case], 252.0))
    assert isinstance(metric, Metric)
    assert (metric.name, metric.n, metric.periods_per_year) == (name, len(HARD[case]), 252.0)
    assert metric.convention
    assert math.isfinite(metric.value) == (metric.flag == "")


def test_no_two_metrics_of_any_group_share_a_name() -> None:
    names = [name for group in (METRICS, *BESIDE) for name in group]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    "metric", [m for group in (METRICS, *BESIDE) for m in group.values()], ids=lambda m: m.__name__
)
def test_every_metric_says_what_it_returns(metric: Callable[..., Metric]) -> None:
    assert (metric.__doc__ or "").startswith("Return ")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dated", [False, True], ids=["constant_rate", "dated_rate"])
def test_every_metric_equals_its_slow_twin(name: str, dated: bool) -> None:
    values = noisy(400)
    rate = np.random.default_rng(1).uniform(0, 2e-4, 400) if dated else 0.02
    returns = Returns(values, 251.9, rate)
    slow = oracle.SLOW[name](values.tolist(), returns.risk_free.tolist(), 251.9)
    assert METRICS[name](returns).value == pytest.approx(slow, rel=1e-10)


@pytest.mark.parametrize("name", NAMES)
def test_every_metric_leaves_its_input_alone_and_repeats_its_bits(name: str) -> None:
    values = noisy(200)
    before = values.copy()
    first, second = METRICS[name](Returns(values, 252.0)), METRICS[name](Returns(values, 252.0))
    assert np.array_equal(values, before)
    assert first == second


@pytest.mark.parametrize("name", sorted(set(NAMES) - DEPENDENT))
def test_order_free_metrics_ignore_the_order(name: str) -> None:
    values = noisy(300)
    shuffled = np.random.default_rng(0).permutation(values)
    assert METRICS[name](Returns(shuffled, 252.0)).value == pytest.approx(
        METRICS[name](Returns(values, 252.0)).value, rel=1e-9
    )


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), scale=st.floats(0.01, 3.0))
def test_ratios_of_reward_to_risk_do_not_change_with_scale(seed: int, scale: float) -> None:
    values = np.random.default_rng(seed).normal(0.001, 0.02, 100)
    one, other = Returns(values, 252.0), Returns(values * scale, 252.0)
    for name in (
        "sharpe",
        "sortino",
        "omega",
        "profit_factor",
        "hit_rate",
        "tail_ratio",
        "skewness",
        "kurtosis",
    ):
        assert METRICS[name](other).value == pytest.approx(METRICS[name](one).value, rel=1e-9)
    for name in ("volatility", "value_at_risk", "expected_shortfall", "best_period", "worst_period"):
        assert METRICS[name](other).value == pytest.approx(scale * METRICS[name](one).value, rel=1e-9)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10_000), count=st.integers(1, 80))
def test_bounds_hold_on_any_returns(seed: int, count: int) -> None:
    values = np.maximum(np.random.default_rng(seed).standard_t(2, count) * 0.1, -1.0)
    found = {name: METRICS[name](Returns(values, 12.0)).value for name in NAMES}
    assert -1 <= found["max_drawdown"] <= found["average_drawdown"] <= 0
    assert found["expected_shortfall"] <= found["value_at_risk"] + 1e-12
    assert found["worst_period"] <= found["value_at_risk"] <= found["best_period"]
    assert found["max_drawdown"] - 1e-12 <= found["conditional_drawdown"] <= found["average_drawdown"] + 1e-12
    assert -found["average_drawdown"] <= found["ulcer_index"] + 1e-12 <= -found["max_drawdown"] + 1e-9
    assert 0 <= found["time_under_water"] <= 1
    assert found["average_drawdown_length"] <= found["longest_drawdown"] <= count


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), cut=st.integers(1, 99))
def test_total_returns_of_two_halves_compound_to_the_whole(seed: int, cut: int) -> None:
    values = np.random.default_rng(seed).normal(0, 0.02, 100)
    total = METRICS["total_return"]
    whole, head, tail = (total(Returns(part, 252.0)).value for part in (values, values[:cut], values[cut:]))
    assert 1 + whole == pytest.approx((1 + head) * (1 + tail), rel=1e-12)
