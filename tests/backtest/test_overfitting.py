"""The probability of backtest overfitting: its slow twin, the spread that noise gives, and misuse."""

import importlib.util
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.errors import MetricError
from backtest.metrics.bootstrap import rows_drawn
from backtest.metrics.overfitting import null_shares, overfitting, winners
from backtest.metrics.strategy_returns import StrategyReturns

_PATH = Path(__file__).resolve().parents[1] / "oracles" / "many_trials_oracle.py"
_SPEC = importlib.util.spec_from_file_location("many_trials_oracle", _PATH)
oracle = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(oracle)


def noise(periods: int, count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.01, (periods, count))


def table(values: np.ndarray) -> StrategyReturns:
    times = pd.date_range("2020-01-01", periods=len(values)).to_numpy("datetime64[ns]")
    names = tuple(f"rule {k}" for k in range(values.shape[1]))
    return StrategyReturns(times, names, values, np.zeros(len(values)))


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 1000),
    periods=st.integers(24, 70),
    count=st.integers(2, 7),
    blocks=st.sampled_from([4, 6, 8]),
)
def test_every_half_equals_the_slow_twin(seed: int, periods: int, count: int, blocks: int) -> None:
    values = noise(periods, count, seed) + 0.003
    slow = np.array(oracle.overfitting(values.tolist(), blocks))
    found = winners(values, blocks)
    assert np.column_stack([found.inside, found.outside, found.rank]) == pytest.approx(slow, rel=1e-9)
    assert found.overfit_share == np.mean(slow[:, 2] <= 0.5)


def test_noise_spreads_as_published() -> None:
    shares = np.array([winners(noise(480, 20, seed), 6).overfit_share for seed in range(400)])
    assert shares.mean() == pytest.approx(0.477, abs=0.035)
    assert shares.std() == pytest.approx(0.227, abs=0.025)
    assert np.quantile(shares, [0.05, 0.95]) == pytest.approx([0.10, 0.85], abs=0.051)


def test_the_band_of_one_matrix_is_the_spread_of_many() -> None:
    shares = null_shares(noise(480, 20, 1), 6, 1.0, 400, np.random.default_rng(2))
    assert shares.mean() == pytest.approx(0.477, abs=0.05)
    assert np.quantile(shares, [0.05, 0.95]) == pytest.approx([0.10, 0.85], abs=0.101)


def test_a_null_draw_is_the_share_of_the_drawn_rows() -> None:
    values = noise(50, 4, 3)
    rows = np.concatenate(list(rows_drawn(50, 3.0, 30, np.random.default_rng(5))))
    centred = values - values.mean(axis=0)
    expected = [winners(centred[each], 6).overfit_share for each in rows]
    assert null_shares(values, 6, 3.0, 30, np.random.default_rng(5)) == pytest.approx(expected)


def test_one_truly_good_strategy_is_never_overfit() -> None:
    values = noise(480, 20)
    values[:, 7] += 0.005
    found = overfitting(table(values), np.random.default_rng(0), blocks=6)
    assert found.probability == 0.0
    assert found.loss_probability == 0.0
    assert found.is_below_noise
    assert found.p_value < 0.02


def test_noise_is_stated_with_its_band() -> None:
    found = overfitting(table(noise(480, 20, 6)), np.random.default_rng(0), blocks=6, draws=150)
    assert found.null_low < found.null_mean < found.null_high
    assert found.null_high - found.null_low > 0.4
    assert (found.blocks, found.halves, found.draws) == (6, 20, 150)
    assert found.slope < 0
    assert "20 halves; band: 5-95 % of 150 matrices" in found.convention


def test_noise_falls_below_its_band_about_one_time_in_twenty() -> None:
    found = [
        overfitting(table(noise(120, 8, seed)), np.random.default_rng(seed), blocks=6, draws=39).p_value
        for seed in range(200)
    ]
    assert np.mean(np.array(found) <= 0.05) <= 0.1
    assert np.mean(found) > 0.4


def test_equal_generators_give_equal_bits() -> None:
    strategies = table(noise(100, 5))
    one, again, other = (overfitting(strategies, np.random.default_rng(s), draws=40) for s in (1, 1, 2))
    assert one == again
    assert one != other


def test_scale_of_the_returns_does_not_matter() -> None:
    values = noise(96, 5, 2)
    one, other = winners(values, 8), winners(values * 0.01, 8)
    assert one.rank == pytest.approx(other.rank)
    assert one.slope == pytest.approx(other.slope)


def test_clones_get_their_mean_rank() -> None:
    values = np.tile(noise(60, 1, 2), (1, 5))
    assert winners(values, 6).rank == pytest.approx(np.full(20, 0.5))
    assert winners(values, 6).overfit_share == 1.0


def test_a_half_without_trading_scores_zero() -> None:
    values = noise(60, 3, 4) - 0.02
    values[:30, 2] = 0.0
    values[30:, 2] = 0.01 * np.sin(np.arange(30))
    found = winners(values, 4)
    assert found.inside[0] == 0.0
    assert math.isfinite(found.outside[0])
    assert math.isfinite(found.slope)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda s, rng: overfitting(s, rng, blocks=5), "blocks was 5; an even number from 4 to 20"),
        (lambda s, rng: overfitting(s, rng, blocks=2), "blocks was 2"),
        (lambda s, rng: overfitting(s, rng, blocks=22), "blocks was 22"),
        (lambda s, rng: overfitting(table(noise(20, 3)), rng, blocks=12), "from 4 to 10 is needed"),
        (lambda s, rng: overfitting(s, rng, draws=19), "draws was 19"),
        (lambda s, rng: overfitting(s, rng, block=0.0), "block was 0.0"),
        (lambda s, rng: overfitting(table(noise(60, 1)), rng), "1 strategy; at least 2"),
        (
            lambda s, rng: overfitting(table(np.zeros((60, 2))), rng),
            "differs from the benchmark by a constant",
        ),
    ],
)
def test_misuse_is_an_error(call: object, words: str) -> None:
    with pytest.raises(MetricError, match=words):
        call(table(noise(60, 3)), np.random.default_rng(0))
