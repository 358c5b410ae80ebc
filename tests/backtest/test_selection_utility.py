"""Utility: one unit for every strategy, cash exactly at nothing, and no volatility from the future."""

import importlib.util
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backtest.errors import MetricError
from backtest.metrics.dependence import long_run_variance
from backtest.selection.resampling import (
    interquartile_mean,
    median,
    moving_block_rows,
    percentile_interval,
    pooled,
)
from backtest.selection.utility import (
    annual_value,
    ex_ante_volatility,
    scaled_excess,
    utilities,
    value_variance,
)


def _load(name: str) -> Any:
    path = Path(__file__).resolve().parents[1] / "oracles" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


oracle = _load("selection_oracle")
RETURNS = np.random.default_rng(0).normal(0.0005, 0.01, 120)


def test_cash_is_worth_exactly_nothing() -> None:
    for rate in (0.0, 1e-4, np.linspace(0, 2e-4, 100)):
        worth = utilities(np.zeros(100) + rate, 252.0, rate)
        assert (worth[20:] == 0.0).all()


def test_utilities_are_those_of_the_slow_twin() -> None:
    for rate in (0.0, 2e-4):
        wanted = oracle.value(RETURNS.tolist(), rate, 252.0)
        assert utilities(RETURNS, 252.0, rate) == pytest.approx(wanted, rel=1e-9, abs=1e-15, nan_ok=True)


def test_utilities_of_many_are_those_of_each_and_know_when_each_began() -> None:
    late = np.where(np.arange(120) >= 30, RETURNS, np.nan)
    both = utilities(np.column_stack([RETURNS, late]), 252.0)
    assert np.array_equal(both[:, 0], utilities(RETURNS, 252.0), equal_nan=True)
    assert np.array_equal(both[30:, 1], utilities(RETURNS[30:], 252.0), equal_nan=True)
    assert np.isnan(both[:50, 1]).all()
    assert np.isfinite(both[50:, 1]).all()


def test_no_volatility_has_seen_its_own_period() -> None:
    changed = RETURNS.copy()
    changed[80:] *= 7
    before, after = ex_ante_volatility(RETURNS, 252.0), ex_ante_volatility(changed, 252.0)
    assert np.array_equal(before[:81], after[:81], equal_nan=True)
    assert (before[81:] != after[81:]).all()


def test_leverage_does_not_change_the_worth_of_a_strategy() -> None:
    small = scaled_excess(RETURNS, 252.0)
    assert scaled_excess(1.7 * RETURNS, 252.0)[20:] == pytest.approx(small[20:])


def test_the_scaled_volatility_is_the_target() -> None:
    values = np.random.default_rng(1).normal(0, 0.02, 5000)
    assert np.nanstd(scaled_excess(values, 252.0)) * math.sqrt(252) == pytest.approx(0.1, rel=0.05)


def test_a_strategy_that_hardly_trades_is_not_blown_up() -> None:
    values = np.zeros(100)
    values[60] = 0.01
    assert scaled_excess(values, 252.0)[60] == pytest.approx(0.03)


def test_ruin_is_very_bad_and_never_infinite() -> None:
    values = RETURNS.copy()
    values[60], values[61:] = -1.0, 0.0
    worth = utilities(values, 252.0)
    assert worth[60] >= math.log(0.01) - 1e-12
    assert np.isfinite(worth[20:]).all()


def test_value_and_its_variance_are_annual() -> None:
    worth = utilities(RETURNS, 252.0)[20:]
    assert float(annual_value(worth, 252.0)) == pytest.approx(252 * worth.mean())
    assert value_variance(worth, 252.0) == pytest.approx(252**2 * long_run_variance(worth, 4) / 100)
    assert math.isnan(value_variance(worth[:1], 252.0))


@pytest.mark.parametrize(
    ("values", "q", "rate", "message"),
    [
        ([0.0, -1.5], 252.0, 0.0, "return at row 1 was -1.5"),
        ([0.0, math.inf], 252.0, 0.0, "return at row 1 was inf"),
        ([0.0, 0.0], 0.0, 0.0, "periods_per_year was 0"),
        ([0.0, 0.0], 252.0, -1.0, "risk_free was -1"),
        ([0.0, 0.0], 252.0, np.zeros(3), "risk_free has shape"),
        (np.zeros((2, 2, 2)), 252.0, 0.0, "returns have shape"),
    ],
)
def test_input_that_cannot_be_is_refused(values: Any, q: float, rate: Any, message: str) -> None:
    with pytest.raises(MetricError, match=message):
        scaled_excess(np.array(values), q, rate)


def test_a_window_with_a_gap_has_no_value() -> None:
    with pytest.raises(MetricError, match="finite"):
        annual_value(np.array([0.1, np.nan]), 252.0)
    with pytest.raises(MetricError, match="at least one period"):
        annual_value(np.empty(0), 252.0)


def test_moving_blocks_are_runs_of_rows() -> None:
    rows = moving_block_rows(12, 500, np.random.default_rng(0), 4)
    assert rows.shape == (500, 12)
    assert (np.diff(rows.reshape(500, 3, 4), axis=2) == 1).all()
    assert set(rows.ravel().tolist()) == set(range(12))
    assert (np.diff(moving_block_rows(27, 10, np.random.default_rng(0))[:, :3], axis=1) == 1).all()
    with pytest.raises(MetricError, match="block was 13"):
        moving_block_rows(12, 5, np.random.default_rng(0), 13)


def test_robust_centres_leave_out_what_is_not_defined() -> None:
    values = np.array([[1.0, np.nan], [100.0, np.nan], [2.0, np.nan], [np.nan, np.nan], [3.0, np.nan]])
    assert median(values) == pytest.approx([2.5, np.nan], nan_ok=True)
    assert interquartile_mean(values) == pytest.approx([2.5, np.nan], nan_ok=True)
    assert interquartile_mean(np.arange(8.0)) == 3.5
    low, high = percentile_interval(np.linspace(0, 1, 1001)[:, None])
    assert (low, high) == (pytest.approx([0.025]), pytest.approx([0.975]))


def test_pooling_sums_numerators_and_denominators_apart() -> None:
    assert float(pooled(np.array([1.0, 2.0, 5.0]), np.array([1e-12, 1.0, np.nan]))) == pytest.approx(3.0)
    assert math.isnan(float(pooled(np.array([1.0]), np.array([0.0]))))
