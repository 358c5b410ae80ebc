"""Bootstrap intervals: published figures, another library's loop, and when there are none."""

import math

import numpy as np
import pytest

from backtest.errors import MetricError
from backtest.metrics import bootstrap
from backtest.metrics.bootstrap import RESAMPLED, stationary_intervals
from backtest.metrics.returns import Returns, returns_from_equity
from backtest.metrics.table import METRICS
from forecast.resampling import optimal_block

NOISE = Returns(np.random.default_rng(2).normal(0.0004, 0.01, 260), 252.0, 0.01)


@pytest.fixture(scope="module")
def index() -> Returns:
    from arch.data import sp500

    return returns_from_equity(sp500.load()["Adj Close"], 252.0)


def draw(returns: Returns, seed: int = 7, **settings: float) -> dict:
    return stationary_intervals(returns, np.random.default_rng(seed), **settings)


@pytest.mark.parametrize(("block", "low", "high"), [(10, -0.0879, 0.6592), (1, -0.1214, 0.7291)])
def test_published_interval_of_the_index_sharpe(
    index: Returns, block: float, low: float, high: float
) -> None:
    interval = draw(index, 12345, block=block)["sharpe"]
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=5e-5)


def test_published_block_length_of_the_index(index: Returns) -> None:
    assert optimal_block(index.values) == pytest.approx(9.085, abs=5e-4)


def test_vectorised_resamples_equal_the_loop_of_arch() -> None:
    from arch.bootstrap import StationaryBootstrap

    def slow(values: np.ndarray, rate: np.ndarray) -> np.ndarray:
        again = Returns(values, 252.0, rate)
        return np.array([METRICS[name](again).value for name in RESAMPLED])

    loop = StationaryBootstrap(6, NOISE.values, NOISE.risk_free, seed=np.random.default_rng(7))
    expected = loop.conf_int(slow, 200, method="percentile")
    found = draw(NOISE, resamples=200, block=6)
    assert [found[name].low for name in RESAMPLED] == pytest.approx(expected[0], rel=1e-9)
    assert [found[name].high for name in RESAMPLED] == pytest.approx(expected[1], rel=1e-9)


def test_equal_generators_give_equal_bits_and_others_do_not() -> None:
    assert draw(NOISE) == draw(NOISE)
    assert draw(NOISE, 7)["sharpe"].low != draw(NOISE, 8)["sharpe"].low


def test_chunks_do_not_change_the_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = draw(NOISE)
    monkeypatch.setattr(bootstrap, "CHUNK", 1000)
    assert draw(NOISE) == whole


def test_wider_coverage_gives_a_wider_interval() -> None:
    narrow, wide = draw(NOISE, level=0.5), draw(NOISE, level=0.99)
    for name in RESAMPLED:
        assert wide[name].low < narrow[name].low < narrow[name].high < wide[name].high


def test_blocks_keep_the_dependence_that_widens_the_interval() -> None:
    shocks = np.random.default_rng(4).normal(0, 0.01, 1001)
    trending = Returns(shocks[1:] + 0.9 * shocks[:-1], 252.0)
    alone, kept = draw(trending, block=1)["sharpe"], draw(trending, block=20)["sharpe"]
    assert kept.high - kept.low > 1.2 * (alone.high - alone.low)


def test_short_samples_have_no_annual_interval() -> None:
    found = draw(Returns(NOISE.values[:40], 252.0))
    assert math.isnan(found["sharpe"].low)
    assert math.isnan(found["cagr"].high)
    assert found["max_drawdown"].low < 0


@pytest.mark.parametrize(
    ("values", "words"),
    [(np.full(100, 0.01), "constant"), (NOISE.values[:19], "19 < 20"), (np.append(np.zeros(99), 0.1), "undefined")],
)  # fmt: skip
def test_no_interval_says_why(values: np.ndarray, words: str) -> None:
    interval = draw(Returns(values, 252.0))["sharpe"]
    assert math.isnan(interval.low)
    assert words in interval.flag


def test_a_few_undefined_resamples_are_left_out_and_counted() -> None:
    # Without its 5 active periods a resample has no Sharpe ratio, which happens in about e^-5 of them.
    values = np.zeros(400)
    values[::80] = [0.01, -0.02, 0.03, 0.01, -0.01]
    found = draw(Returns(values, 252.0), block=1)["sharpe"]
    defined = found.convention.rpartition(", ")[2]
    assert math.isfinite(found.low)
    assert found.flag == ""
    assert 0 < int(defined.split()[0]) <= 10
    assert defined.endswith("undefined ones left out")


def test_more_than_one_undefined_resample_in_a_hundred_leaves_no_interval() -> None:
    values = np.zeros(400)
    values[::134] = [0.01, -0.02, 0.03]
    found = draw(Returns(values, 252.0), block=1)["sharpe"]
    assert math.isnan(found.low)
    assert "of 1000 resamples undefined" in found.flag


@pytest.mark.parametrize("settings", [{"resamples": 99}, {"level": 1.0}, {"block": 0.5}, {"block": math.inf}])
def test_settings_out_of_range_are_refused(settings: dict) -> None:
    with pytest.raises(MetricError, match="was"):
        draw(NOISE, **settings)
