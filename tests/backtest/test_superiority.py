"""Tests of many strategies at once: the slow twin, arch on the same seeds, size, power and misuse."""

import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.errors import MetricError
from backtest.metrics.bootstrap import rows_drawn
from backtest.metrics.strategy_returns import StrategyReturns, strategy_returns
from backtest.metrics.superiority import (
    confidence_set,
    longest_block,
    resampled_means,
    resampled_tests,
    stationary_variance,
    superiority,
    times_drawn,
)

_PATH = Path(__file__).resolve().parents[1] / "oracles" / "many_trials_oracle.py"
_SPEC = importlib.util.spec_from_file_location("many_trials_oracle", _PATH)
oracle = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(oracle)


def noise(periods: int, count: int, seed: int = 0, shift: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return 0.01 * (rng.standard_t(5, (periods, count)) + shift * np.linspace(-1, 1, count))


def table(values: np.ndarray, benchmark: np.ndarray | float = 0.0) -> StrategyReturns:
    times = pd.date_range("2020-01-01", periods=len(values)).to_numpy("datetime64[ns]")
    names = tuple(f"rule {k}" for k in range(values.shape[1]))
    return StrategyReturns(times, names, values, np.broadcast_to(benchmark, len(values)))


@settings(max_examples=12, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 1000),
    count=st.integers(1, 6),
    block=st.floats(1, 12),
    shift=st.floats(0, 0.8),
)
def test_every_p_value_equals_the_slow_twin(seed: int, count: int, block: float, shift: float) -> None:
    values = noise(40, count, seed, shift)
    rows = np.concatenate(list(rows_drawn(40, block, 60, np.random.default_rng(seed))))
    slow = oracle.superiority(values.tolist(), block, rows.tolist())
    found = resampled_tests(values, block, 60, np.random.default_rng(seed))
    for name in ("lower", "consistent", "upper", "reality_check"):
        assert getattr(found, name) == pytest.approx(slow[name], abs=1e-12)
    assert found.stepwise == pytest.approx(slow["stepwise"], abs=1e-12)


@settings(max_examples=12, deadline=None, derandomize=True)
@given(seed=st.integers(0, 1000), block=st.sampled_from([1, 5, 20]), shift=st.floats(0, 0.4))
def test_arch_on_standardised_columns_gives_the_same_p_values(seed: int, block: int, shift: float) -> None:
    from arch.bootstrap import SPA, RealityCheck

    values, reps = noise(150, 7, seed, shift), 200
    zero = np.zeros(150)
    theirs = SPA(zero, -values / values.std(axis=0), block, reps, seed=np.random.default_rng(seed))
    raw = RealityCheck(zero, -values, block, reps, seed=np.random.default_rng(seed))
    theirs.compute()
    raw.compute()
    ours = resampled_tests(values, block, reps, np.random.default_rng(seed))
    above = {name: round(getattr(ours, name) * (reps + 1)) - 1 for name in ("lower", "consistent", "upper")}
    assert above == {name: round(p * reps) for name, p in theirs.pvalues.items()}
    assert round(ours.reality_check * (reps + 1)) - 1 == round(raw.pvalues["upper"] * reps)


@pytest.mark.parametrize("shift", [0.0, 0.15, 0.3])
def test_the_superior_set_is_the_one_of_arch(shift: float) -> None:
    from arch.bootstrap import StepM

    for seed in range(6):
        values = noise(250, 9, seed, shift)
        theirs = StepM(
            np.zeros(250), -values / values.std(axis=0), 0.05, 4, 999, seed=np.random.default_rng(seed)
        )
        theirs.compute()
        ours = superiority(table(values), np.random.default_rng(seed), block=4, resamples=999)
        assert [ours.names.index(name) for name in ours.superior] == theirs.superior_models


def test_all_strategies_may_be_superior_over_several_rounds() -> None:
    # arch 8.0.0 selects one a round here and then takes the maximum over no strategy (its issue 862).
    values = noise(400, 2)
    values = (values - values.mean(axis=0)) / values.std(axis=0) * 0.01
    values += 0.01 * np.array([5.0, 1.8]) / np.sqrt(400)
    found = superiority(table(values), np.random.default_rng(3), block=1)
    assert found.superior == found.names
    assert found.stepwise_p_values[0] < found.stepwise_p_values[1]


def test_variance_by_transform_is_the_sum_over_lags() -> None:
    values = noise(60, 3)
    slow = [oracle.long_run_variance(column, 7.5) for column in values.T.tolist()]
    assert stationary_variance(values, 7.5) == pytest.approx(slow, rel=1e-10)


def test_resampled_means_are_means_of_the_drawn_rows() -> None:
    values = noise(30, 2)
    rows = np.concatenate(list(rows_drawn(30, 3.0, 50, np.random.default_rng(1))))
    assert times_drawn(rows).sum(axis=1) == pytest.approx(30)
    drawn = resampled_means(values, 3.0, 50, np.random.default_rng(1))
    assert drawn == pytest.approx(values[rows].mean(axis=1), abs=1e-15)


def test_equal_generators_give_equal_bits() -> None:
    strategies = table(noise(200, 5))
    one, again = (superiority(strategies, np.random.default_rng(4)) for _ in range(2))
    other = superiority(strategies, np.random.default_rng(5))
    assert one.stepwise_p_values.tobytes() == again.stepwise_p_values.tobytes()
    assert (one.p_value, one.reality_check_p_value) == (again.p_value, again.reality_check_p_value)
    assert one.stepwise_p_values.tobytes() != other.stepwise_p_values.tobytes()


def test_a_quiet_good_strategy_is_found_among_volatile_noise_only_when_standardised() -> None:
    found = []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        values = rng.normal(size=(500, 20)) * np.r_[0.001, np.full(19, 0.015)]
        values[:, 0] += 0.15 * 0.001
        tested = superiority(table(values), rng, block=1, resamples=199)
        found.append((tested.p_value <= 0.05, tested.reality_check_p_value <= 0.05))
    standardised, raw = np.mean(found, axis=0)
    assert standardised > 0.5
    assert raw < 0.2


def test_p_values_are_ordered_by_how_much_they_recentre_and_never_zero() -> None:
    for seed in range(10):
        found = superiority(table(noise(100, 6, seed, 0.2)), np.random.default_rng(seed), resamples=100)
        assert 0 < found.p_value_lower <= found.p_value <= found.p_value_upper <= 1
        assert found.stepwise_p_values.min() == found.p_value
        best_first = np.argsort(-found.statistics)
        assert np.all(np.diff(found.stepwise_p_values[best_first]) >= 0)


def test_columns_may_be_scaled_and_permuted() -> None:
    values = noise(200, 5, shift=0.2)
    order = np.array([3, 0, 4, 1, 2])
    one = superiority(table(values), np.random.default_rng(0), block=5)
    other = superiority(table(values[:, order] * 0.1), np.random.default_rng(0), block=5)
    assert other.stepwise_p_values == pytest.approx(one.stepwise_p_values[order], abs=1e-12)
    assert other.statistics == pytest.approx(one.statistics[order])


def test_only_the_difference_from_the_benchmark_counts() -> None:
    values, market = noise(200, 4), noise(200, 1, 9)[:, 0]
    plain = superiority(table(values), np.random.default_rng(0), block=5)
    moved = superiority(table(values + market[:, None], market), np.random.default_rng(0), block=5)
    assert moved.stepwise_p_values == pytest.approx(plain.stepwise_p_values, abs=1e-12)


def test_the_null_is_rejected_as_often_as_it_should_be() -> None:
    found = [
        resampled_tests(noise(120, 10, seed), 2.0, 199, np.random.default_rng(seed)) for seed in range(400)
    ]
    for name in ("consistent", "reality_check"):
        assert np.mean([getattr(each, name) <= 0.05 for each in found]) == pytest.approx(0.05, abs=0.035)


def test_confidence_set_is_the_one_of_arch() -> None:
    from arch.bootstrap import MCS

    values = noise(200, 6, 2, 0.5)
    theirs = MCS(-values, 0.1, 500, 5, seed=np.random.default_rng(8))
    theirs.compute()
    ours = confidence_set(table(values), np.random.default_rng(8), block=5, resamples=500)
    assert ours.p_values == pytest.approx(theirs.pvalues["Pvalue"].sort_index().to_numpy())
    assert [ours.names.index(name) for name in ours.included] == theirs.included


def test_clones_share_the_p_value_of_the_first() -> None:
    values = noise(200, 3, 2, 0.5)
    cloned = np.column_stack([values[:, 0], values[:, 2], values, values[:, 2]])
    ours = confidence_set(table(cloned), np.random.default_rng(8), block=5)
    p = dict(zip(["0", "2", "0 again", "1", "2 again", "2 once more"], ours.p_values, strict=True))
    assert p["0"] == p["0 again"] < 1
    assert p["2"] == p["2 again"] == p["2 once more"] == 1


def test_a_strategy_below_another_by_a_constant_is_worse_for_certain() -> None:
    values = noise(200, 2, 2)
    charged = np.column_stack([values[:, 0] - 1e-4, values, values[:, 0]])
    ours = confidence_set(table(charged), np.random.default_rng(8), block=5)
    plain = confidence_set(table(values), np.random.default_rng(8), block=5)
    assert ours.p_values == pytest.approx([0.0, *plain.p_values, plain.p_values[0]])


def test_a_set_of_equal_strategies_holds_them_all() -> None:
    values = np.tile(noise(50, 1), (1, 3))
    assert confidence_set(table(values), np.random.default_rng(0)).included == ("rule 0", "rule 1", "rule 2")


def test_the_longest_block_ignores_what_never_varies() -> None:
    values = noise(200, 3)
    padded = np.column_stack([values, np.zeros(200)])
    assert longest_block(padded) == longest_block(values)
    assert longest_block(np.zeros((50, 2))) == 1.0


RNG = np.random.default_rng(0)
GOOD = table(noise(60, 3))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: superiority(GOOD, RNG, level=0), "level was 0"),
        (lambda: superiority(GOOD, RNG, block=0.5), "block was 0.5"),
        (lambda: superiority(GOOD, RNG, block=np.nan), "block was nan"),
        (lambda: superiority(GOOD, RNG, resamples=99), "resamples was 99"),
        (
            lambda: superiority(table(np.zeros((60, 2))), RNG),
            "'rule 0' differs from the benchmark by a constant",
        ),
        (lambda: confidence_set(table(noise(40, 101)), RNG), "101 strategies; a confidence set takes 100"),
        (lambda: confidence_set(GOOD, RNG, level=1.0), "level was 1.0"),
    ],
)
def test_misuse_is_an_error(call: object, words: str) -> None:
    with pytest.raises(MetricError, match=words):
        call()


FRAME = pd.DataFrame(noise(40, 3), pd.date_range("2021-01-01", periods=40), ["a", "b", "c"])
ZERO = pd.Series(0.0, FRAME.index)


def test_a_frame_keeps_its_times_and_names() -> None:
    found = strategy_returns(FRAME, ZERO)
    assert found.names == ("a", "b", "c")
    assert found.times[0] == np.datetime64("2021-01-01")
    assert not found.values.flags.writeable
    assert found.only(np.array([True, False, True])).names == ("a", "c")


def test_zoned_times_become_utc() -> None:
    zoned = FRAME.tz_localize("America/New_York")
    assert strategy_returns(zoned, pd.Series(0.0, zoned.index)).times[0] == np.datetime64("2021-01-01T05:00")


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: strategy_returns(FRAME.T, ZERO), "N x T, pass their transpose"),
        (lambda: strategy_returns(FRAME.to_numpy(), ZERO), "were ndarray and Series"),
        (lambda: strategy_returns(FRAME.reset_index(drop=True), ZERO), "the index of returns was int64"),
        (lambda: strategy_returns(FRAME, ZERO[:-1]), "39 periods on another index"),
        (lambda: strategy_returns(FRAME[:19], ZERO[:19]), "19 periods; at least 20"),
        (lambda: strategy_returns(FRAME[::-1], ZERO[::-1]), "not strictly increasing"),
        (lambda: strategy_returns(FRAME.rename(columns={"b": "a"}), ZERO), "no repeats"),
        (lambda: strategy_returns(FRAME[[]], ZERO), "at least one strategy"),
        (lambda: strategy_returns(FRAME.replace(FRAME.iloc[3, 1], np.nan), ZERO), "'b' at row 3 was nan"),
        (lambda: strategy_returns(FRAME.replace(FRAME.iloc[3, 1], -1.5), ZERO), "'b' at row 3 was -1.5"),
        (lambda: strategy_returns(FRAME, ZERO.replace(0.0, np.inf)), "'benchmark' at row 0 was inf"),
        (
            lambda: StrategyReturns(
                FRAME.index.to_numpy(), ("a", "b", "c"), FRAME.to_numpy().T, ZERO.to_numpy()
            ),
            r"shape \(3, 40\)",
        ),
    ],
)
def test_a_matrix_on_its_side_or_with_gaps_is_refused(call: object, words: str) -> None:
    with pytest.raises(MetricError, match=words):
        call()
