"""The long-horizon protocol: the published splits, every window once, nothing of the test in scale or fit."""

from pathlib import Path

import numpy as np
import pytest

from backtest.reproductions.long_horizon import BenchmarkSplit, errors_of_seeds, mean_interval
from data.errors import DataError
from forecast.models.naive import Naive
from forecast.models.network_windows import split_rows
from forecast.models.ridge import Ridge

EXCHANGE = BenchmarkSplit(
    file="benchmarks/exchange_rate.csv", bar="session", fitted=5311, train=6071, stop=7588
)
ETTH1 = BenchmarkSplit(file="benchmarks/ETTh1.csv", bar="1h", fitted=8640, train=11520, stop=14400)


def made(folder: Path, count: int = 130) -> BenchmarkSplit:
    rng = np.random.default_rng(2)
    values = np.cumsum(rng.normal(size=(count, 2)), axis=0) + 50
    times = np.datetime64("2020-01-01T00", "h") + np.arange(count)
    lines = [f"{t},{a},{b}" for t, (a, b) in zip(times, values, strict=True)]
    (folder / "made.csv").write_text("date,a,b\n" + "\n".join(lines) + "\n")
    return BenchmarkSplit(file="made.csv", bar="1h", fitted=70, train=90, stop=120)


def test_scale_comes_from_the_fitted_rows_and_rows_after_the_stop_are_never_read(tmp_path: Path) -> None:
    split = made(tmp_path)
    history = split.history(tmp_path)
    values = history.panel.field("close")
    assert len(values) == 120
    np.testing.assert_allclose(values[:70].mean(axis=0), 0.0, atol=1e-12)
    np.testing.assert_allclose(values[:70].std(axis=0), 1.0)
    assert len(split.known(history).times) == 90


def test_every_test_window_is_scored_once_and_equals_the_plain_computation(tmp_path: Path) -> None:
    split = made(tmp_path)
    history = split.history(tmp_path)
    asked = Naive(context=5, horizon=4, changes="difference", levels=(0.5,))
    (errors,) = errors_of_seeds(asked, history, split, [0])
    values = history.panel.field("close")
    expected = [values[t + 1 : t + 5] - values[t] for t in range(89, 116)]
    assert len(errors.squared) == 120 - 90 - 4 + 1
    np.testing.assert_allclose(errors.squared, [np.mean(each**2) for each in expected])
    np.testing.assert_allclose(errors.absolute, [np.mean(np.abs(each)) for each in expected])


@pytest.mark.parametrize(
    ("split", "context", "train", "valid"), [(EXCHANGE, 96, 5120, 665), (ETTH1, 336, 8209, 2785)]
)
def test_a_network_is_given_the_published_training_and_validation_windows(
    split: BenchmarkSplit, context: int, train: int, valid: int
) -> None:
    decided = np.arange(context - 1, split.train - 96)
    share = split.validation_share(context, 96)
    fitted, held = split_rows(decided, np.arange(len(decided)), 96, share)
    assert (len(fitted), len(held)) == (train, valid)
    assert decided[fitted[-1]] + 96 == split.fitted - 1
    assert decided[held[0]] + 1 == split.fitted


def test_an_interval_holds_the_mean_and_is_wider_for_long_blocks() -> None:
    errors = np.repeat(np.random.default_rng(0).exponential(size=20), 20)
    short, long = (mean_interval(errors, horizon, seed=0) for horizon in (1, 40))
    assert short[0] < errors.mean() < short[1]
    assert long[1] - long[0] > 2 * (short[1] - short[0])


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="exchange_rate.csv' was not found"):
        EXCHANGE.history(tmp_path)


@pytest.mark.shared_data
@pytest.mark.parametrize(("horizon", "mse", "mae"), [(96, 0.0811, 0.1964), (192, 0.1671, 0.2887)])
def test_the_last_value_meets_its_known_errors_on_exchange(
    shared_data: Path, horizon: int, mse: float, mae: float
) -> None:
    asked = Naive(context=5, horizon=horizon, changes="difference", levels=(0.5,))
    (errors,) = errors_of_seeds(asked, EXCHANGE.history(shared_data), EXCHANGE, [0])
    assert len(errors.squared) == 1518 - horizon
    assert (errors.mse, errors.mae) == pytest.approx((mse, mae), abs=5e-5)


@pytest.mark.shared_data
def test_ridge_meets_its_known_errors_on_etth1(shared_data: Path) -> None:
    asked = Ridge(
        context=336,
        horizon=96,
        changes="difference",
        levels=(0.5,),
        validation_share=2880 / 11520,
        penalty_scale="none",
    )
    (errors,) = errors_of_seeds(asked, ETTH1.history(shared_data), ETTH1, [0])
    assert len(errors.squared) == 2785
    assert (errors.mse, errors.mae) == pytest.approx((0.370, 0.391), abs=5e-4)
