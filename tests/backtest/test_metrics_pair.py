"""Benchmark-relative metrics: slow twins, statsmodels and empyrical, and benchmarks nothing can be said about."""

import importlib.util
import math
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.errors import MetricError
from backtest.metrics.bootstrap import RESAMPLED_PAIR, stationary_intervals
from backtest.metrics.dependence import newey_west_lags
from backtest.metrics.pair import Pair
from backtest.metrics.returns import Returns
from backtest.metrics.table import PAIR_METRICS, headline

_PATH = Path(__file__).resolve().parents[1] / "oracles" / "metrics_oracle.py"
_MODULE = importlib.util.spec_from_file_location("metrics_oracle", _PATH)
oracle = importlib.util.module_from_spec(_MODULE)
_MODULE.loader.exec_module(oracle)

Q = 251.9


def drawn(seed=1, count=400, slope=0.7):
    rng = np.random.default_rng(seed)
    market = rng.standard_t(5, count) * 0.01 + 0.0004
    return 0.0002 + slope * market + rng.normal(0, 0.006, count), market


def pair_of(own, market, rate=0.02, q=Q):
    return Pair(Returns(own, q, rate), Returns(market, q, rate))


OWN, MARKET = drawn()
PAIR = pair_of(OWN, MARKET)


def value(name, pair=PAIR):
    return PAIR_METRICS[name](pair).value


def test_alpha_and_beta_equal_the_normal_equations():
    rate = PAIR.returns.risk_free.tolist()
    intercept, slope = oracle.line(oracle.excess(OWN.tolist(), rate), oracle.excess(MARKET.tolist(), rate))
    assert value("alpha") == pytest.approx(intercept * Q, rel=1e-9)
    assert value("beta") == pytest.approx(slope, rel=1e-10)


def test_the_error_of_alpha_equals_statsmodels():
    import statsmodels.api as sm

    fitted = sm.OLS(PAIR.returns.excess, sm.add_constant(PAIR.benchmark.excess)).fit(
        cov_type="HAC", cov_kwds={"maxlags": newey_west_lags(len(PAIR)), "use_correction": False}
    )
    assert value("alpha") == pytest.approx(fitted.params[0] * Q, rel=1e-9)
    assert value("alpha_standard_error") == pytest.approx(fitted.bse[0] * Q, rel=1e-9)


def test_the_others_equal_their_formulas_in_plain_python():
    own, market = OWN.tolist(), MARKET.tolist()
    active = [r - m for r, m in zip(own, market, strict=True)]
    assert value("tracking_error") == pytest.approx(oracle.deviation(active, 1) * math.sqrt(Q))
    ratio = oracle.mean(active) / oracle.deviation(active, 1) * math.sqrt(Q)
    assert value("information_ratio") == pytest.approx(ratio)
    assert value("active_return") == pytest.approx(oracle.cagr(own, None, Q) - oracle.cagr(market, None, Q))
    assert value("up_capture") == pytest.approx(oracle.capture(own, market, 1))
    assert value("down_capture") == pytest.approx(oracle.capture(own, market, -1))
    assert value("correlation") == pytest.approx(np.corrcoef(OWN, MARKET)[0, 1])


def test_empyrical_agrees_where_definitions_do():
    pair = pair_of(OWN, MARKET, 0.0, 252.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import empyrical as peer

        days = pd.bdate_range("2020-01-01", periods=len(OWN))
        own, market = pd.Series(OWN, days), pd.Series(MARKET, days)
        theirs = {
            "beta": peer.beta(own, market),
            # empyrical compounds the daily intercept; ours is q times it.
            "alpha": ((1 + peer.alpha(own, market)) ** (1 / 252) - 1) * 252,
            "information_ratio": peer.excess_sharpe(own, market) * math.sqrt(252),
        }
    for name, number in theirs.items():
        assert value(name, pair) == pytest.approx(float(number), rel=1e-9), name


def test_the_benchmark_beside_itself_is_matched_and_has_no_information_ratio():
    same = pair_of(MARKET, MARKET)
    assert value("beta", same) == pytest.approx(1)
    assert value("alpha", same) == pytest.approx(0, abs=1e-14)
    assert value("correlation", same) == pytest.approx(1)
    assert (value("tracking_error", same), value("active_return", same)) == (0, 0)
    assert (value("up_capture", same), value("down_capture", same)) == (1, 1)
    metric = PAIR_METRICS["information_ratio"](same)
    assert metric.flag == "returns less the benchmark's are constant"


@settings(max_examples=30, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10_000), slope=st.floats(-2, 2), shift=st.floats(-0.01, 0.01))
def test_a_line_is_found_exactly(seed, slope, shift):
    market = np.random.default_rng(seed).normal(0, 0.01, 100)
    pair = pair_of(shift + slope * market, market, 0.0)
    assert value("beta", pair) == pytest.approx(slope, abs=1e-9)
    assert value("alpha", pair) == pytest.approx(shift * Q, abs=1e-9)


def test_capture_keeps_its_sign_when_the_account_gains_while_the_benchmark_falls():
    pair = pair_of([0.01, 0.02, -0.01], [0.02, -0.01, 0.0], 0.0, 1.0)
    assert value("up_capture", pair) == pytest.approx(0.5)
    assert value("down_capture", pair) == pytest.approx(-2)
    assert "1 periods in which it fell" in PAIR_METRICS["down_capture"](pair).convention


def test_a_benchmark_that_never_falls_has_no_down_capture():
    metric = PAIR_METRICS["down_capture"](pair_of(OWN, np.abs(MARKET)))
    assert math.isnan(metric.value)
    assert metric.flag == "the benchmark never fell"


@pytest.mark.parametrize("name", ["alpha", "alpha_standard_error", "beta", "correlation"])
def test_cash_as_benchmark_leaves_the_line_open(name):
    metric = PAIR_METRICS[name](pair_of(OWN, np.zeros(len(OWN))))
    assert math.isnan(metric.value)
    assert metric.flag == "the benchmark's returns are constant"


HARD = {
    "one": (np.array([0.01]), np.array([0.02])),
    "two": (np.array([0.01, -0.01]), np.array([0.0, 0.02])),
    "short": drawn(count=40),
    "flat": (np.zeros(300), drawn(count=300)[1]),
    "both_flat": (np.zeros(300), np.zeros(300)),
    "ruin": (np.append(OWN, -1.0), np.append(MARKET, -1.0)),
}


@pytest.mark.parametrize("name", PAIR_METRICS)
@pytest.mark.parametrize("case", HARD)
def test_every_metric_is_finite_or_says_why_not(name, case):
    metric = PAIR_METRICS[name](pair_of(*HARD[case]))
    assert (metric.name, metric.n) == (name, len(HARD[case][0]))
    assert metric.convention
    assert math.isfinite(metric.value) == (metric.flag == "")


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (Returns(MARKET[1:], Q, 0.02), "400 periods and the benchmark 399"),
        (Returns(MARKET, 252.0, 0.02), "251.9 and 252.0"),
        (Returns(MARKET, Q, 0.0), "risk-free"),
    ],
)
def test_two_series_that_are_no_pair_are_refused(other, words):
    with pytest.raises(MetricError, match=words):
        Pair(PAIR.returns, other)


def test_account_and_benchmark_are_resampled_in_the_same_periods():
    # Drawn apart, an exact line would come out as noise around zero.
    exact = pair_of(0.0001 + 0.5 * MARKET, MARKET, 0.0)
    found = stationary_intervals(exact, np.random.default_rng(1), resamples=200)
    assert (found["beta"].low, found["beta"].high) == pytest.approx((0.5, 0.5))
    assert (found["alpha"].low, found["alpha"].high) == pytest.approx((0.0001 * Q,) * 2)


def test_vectorised_paired_resamples_equal_the_loop_of_arch():
    from arch.bootstrap import StationaryBootstrap

    def slow(own, market, rate):
        again = Pair(Returns(own, Q, rate), Returns(market, Q, rate))
        return np.array([PAIR_METRICS[name](again).value for name in RESAMPLED_PAIR])

    loop = StationaryBootstrap(
        6, PAIR.returns.values, PAIR.benchmark.values, PAIR.returns.risk_free, seed=np.random.default_rng(7)
    )
    expected = loop.conf_int(slow, 200, method="percentile")
    found = stationary_intervals(PAIR, np.random.default_rng(7), resamples=200, block=6)
    assert [found[name].low for name in RESAMPLED_PAIR] == pytest.approx(expected[0], rel=1e-9)
    assert [found[name].high for name in RESAMPLED_PAIR] == pytest.approx(expected[1], rel=1e-9)


def test_the_interval_of_alpha_agrees_with_its_standard_error():
    metric, error = PAIR_METRICS["alpha"](PAIR), value("alpha_standard_error")
    found = stationary_intervals(PAIR, np.random.default_rng(1))["alpha"]
    assert found.low < metric.value < found.high
    assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.2)


def test_the_headline_carries_the_pair_with_intervals():
    found = {
        each.name: each
        for each in headline(PAIR.returns, np.random.default_rng(1), beside=(PAIR,), resamples=200)
    }
    assert {name for name in PAIR_METRICS if math.isfinite(found[name].low)} == set(RESAMPLED_PAIR)
    short = pair_of(*HARD["short"])
    again = {
        each.name: each
        for each in headline(short.returns, np.random.default_rng(1), beside=(short,), resamples=200)
    }
    assert again["alpha"].flag == "n/a (40 < 63 periods)"
    assert math.isfinite(again["beta"].low)
