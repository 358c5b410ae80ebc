"""Trade-level metrics: a known account, slow twins, and accounts without a trade, a win or a loss."""

import importlib.util
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.errors import MetricError
from backtest.metrics.bootstrap import stationary_intervals
from backtest.metrics.table import TRADE_METRICS, headline
from backtest.metrics.trades import Trades, binomial_interval, longest_run, trades_from

_PATH = Path(__file__).resolve().parents[1] / "oracles" / "metrics_oracle.py"
_MODULE = importlib.util.spec_from_file_location("metrics_oracle", _PATH)
oracle = importlib.util.module_from_spec(_MODULE)
_MODULE.loader.exec_module(oracle)

KNOWN = Trades(
    profits=[90.0, -60.0, -60.0, 0.0, 240.0],
    entered=[1000.0, 1000.0, 2000.0, 500.0, 4000.0],
    costs=[10.0, 10.0, 20.0, 5.0, 40.0],
    bars=[1, 2, 3, 4, 5],
    periods_per_year=252.0,
    still_open=2,
)


def value(name, trades=KNOWN):
    return TRADE_METRICS[name](trades).value


def test_every_metric_of_a_known_account():
    expected = {
        "closed_trades": 5,
        "trade_win_rate": 0.4,
        "average_win": (0.09 + 0.06) / 2,
        "average_loss": -(0.06 + 0.03) / 2,
        "payoff_ratio": 0.075 / 0.045,
        "trade_profit_factor": 330 / 120,
        "expectancy": (0.09 - 0.06 - 0.03 + 0 + 0.06) / 5,
        "average_holding": 3,
        "longest_losing_streak": 2,
        # Before costs: 0.10, -0.05, -0.02, 0.01, 0.07; a trade costs 0.01.
        "break_even_win_rate": (0.035 + 0.01) / (0.06 + 0.035),
    }
    assert {name: value(name) for name in TRADE_METRICS} == pytest.approx(expected)


def test_at_the_break_even_win_rate_a_trade_earns_nothing():
    rate, gross = value("break_even_win_rate"), KNOWN.gross_returns
    win, loss = gross[gross > 0].mean(), -gross[gross <= 0].mean()
    assert rate * win - (1 - rate) * loss - KNOWN.cost_rates.mean() == pytest.approx(0, abs=1e-15)


def test_the_break_even_rate_says_what_it_is_compared_with():
    assert "the gross win rate; it was 0.6" in TRADE_METRICS["break_even_win_rate"](KNOWN).convention


def test_open_positions_are_counted_and_left_out():
    metric = TRADE_METRICS["closed_trades"](KNOWN)
    assert metric.value == metric.n == 5
    assert "2 still open are left out" in metric.convention


@pytest.mark.parametrize(
    ("successes", "count", "low", "high"),
    [(10, 100, 0.0490047, 0.1762226), (0, 10, 0.0, 0.3084971), (10, 10, 0.6915029, 1.0), (1, 2, 0.0125791, 0.9874209)],
)  # fmt: skip
def test_published_exact_binomial_intervals(successes, count, low, high):
    assert binomial_interval(successes, count) == pytest.approx((low, high), abs=5e-8)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(count=st.integers(1, 60), share=st.floats(0, 1), level=st.sampled_from([0.8, 0.95, 0.99]))
def test_binomial_interval_equals_its_slow_twin(count, share, level):
    successes = round(share * count)
    slow = oracle.binomial_interval(successes, count, level)
    assert binomial_interval(successes, count, level) == pytest.approx(slow, abs=1e-9)


@pytest.mark.parametrize("arguments", [(-1, 5), (6, 5), (0, 0), (1, 2, 1.0)])
def test_shares_that_are_none_are_refused(arguments):
    with pytest.raises(MetricError, match="are needed"):
        binomial_interval(*arguments)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(profits=st.lists(st.sampled_from([-1.0, 0.0, 2.0]), max_size=40))
def test_the_longest_streak_equals_its_slow_twin(profits):
    assert longest_run(np.array(profits) < 0) == oracle.streak(profits)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10_000), count=st.integers(1, 50), scale=st.floats(0.01, 100))
def test_the_unit_of_money_does_not_matter(seed, count, scale):
    rng = np.random.default_rng(seed)
    parts = rng.normal(0, 50, count), rng.uniform(500, 2000, count), rng.uniform(0, 5, count)
    bars = rng.integers(0, 20, count)
    one = Trades(*parts, bars, 252.0)
    other = Trades(*(part * scale for part in parts), bars, 252.0)
    for name in TRADE_METRICS:
        assert value(name, other) == pytest.approx(value(name, one), rel=1e-9, nan_ok=True), name


NONE = Trades([], [], [], [], 252.0, still_open=1)
WON, LOST = (Trades([sign], [100.0], [0.5], [3], 252.0) for sign in (1.0, -1.0))


@pytest.mark.parametrize("name", TRADE_METRICS)
def test_an_account_without_a_closed_trade_says_so(name):
    metric = TRADE_METRICS[name](NONE)
    if name == "closed_trades":
        assert metric.value == 0
    else:
        assert (math.isnan(metric.value), metric.flag, metric.n) == (True, "no closed trade", 0)


@pytest.mark.parametrize(
    ("name", "trades", "flag"),
    [
        ("average_loss", WON, "no losing trade"),
        ("trade_profit_factor", WON, "no losing trade"),
        ("payoff_ratio", WON, "no losing trade"),
        ("break_even_win_rate", WON, "no losing trade"),
        ("average_win", LOST, "no winning trade"),
        ("payoff_ratio", LOST, "no winning trade"),
        ("break_even_win_rate", LOST, "no winning trade"),
    ],
)
def test_a_ratio_without_its_other_side_is_open_not_infinite(name, trades, flag):
    metric = TRADE_METRICS[name](trades)
    assert math.isnan(metric.value)
    assert metric.flag == flag


def test_one_trade_gives_a_wide_interval_and_no_bootstrap():
    rate = TRADE_METRICS["trade_win_rate"](WON)
    assert (rate.low, rate.high) == pytest.approx((0.025, 1.0))


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"entered": [0.0]}, "positive"),
        ({"entered": [1.0, 2.0]}, r"entered has shape \(2,\); \(1,\)"),
        ({"costs": [-1.0]}, "costs at row 0 was -1.0"),
        ({"profits": [math.nan]}, "profits at row 0 was nan"),
        ({"profits": [[1.0]]}, "shape"),
        ({"bars": [math.inf]}, "bars at row 0"),
        ({"periods_per_year": 0.0}, "periods_per_year was 0.0"),
        ({"still_open": -1}, "still_open was -1"),
    ],
)
def test_trades_that_are_none_are_refused(changed, words):
    parts = {"profits": [1.0], "entered": [9.0], "costs": [0.0], "bars": [1], "periods_per_year": 252.0}
    with pytest.raises(MetricError, match=words):
        Trades(**parts | changed)


def table():
    day = pd.Timestamp("2024-01-01")
    return pd.DataFrame(
        {
            "lane": "gbm",
            "exit_time": [day + pd.Timedelta(days=9), pd.NaT, day + pd.Timedelta(days=4)],
            "units": [10.0, 1.0, 5.0],
            "entry_price": [7.0, 1.0, 20.0],
            "profit": [3.0, 99.0, -2.0],
            "costs": [1.0, 1.0, 0.5],
            "bars": [9, 9, 3],
        }
    )


def test_the_table_of_a_run_becomes_trades_in_the_order_of_exits():
    trades = trades_from(table(), 252.0)
    assert trades.profits.tolist() == [-2.0, 3.0]
    assert trades.entered.tolist() == [100.0, 70.0]
    assert trades.still_open == 1


def test_tables_without_a_column_or_of_two_accounts_are_refused():
    with pytest.raises(MetricError, match="no column 'costs'"):
        trades_from(table().drop(columns="costs"), 252.0)
    with pytest.raises(MetricError, match="2 lanes"):
        trades_from(table().assign(lane=["a", "b", "b"]), 252.0)


def test_an_empty_table_is_an_account_without_a_trade():
    assert len(trades_from(table().iloc[:0], 252.0)) == 0


def test_few_trades_have_no_interval_on_the_expectancy():
    found = stationary_intervals(KNOWN, np.random.default_rng(1))["expectancy"]
    assert math.isnan(found.low)
    assert found.flag == "no interval: n/a (5 < 20 trades)"


def test_the_headline_carries_trades_with_an_interval_on_the_expectancy():
    from backtest.metrics.returns import Returns

    rng = np.random.default_rng(5)
    many = Trades(rng.normal(1, 5, 60), np.full(60, 100.0), np.full(60, 0.1), np.full(60, 3), 252.0)
    returns = Returns(rng.normal(0, 0.01, 100), 252.0)
    found = {
        each.name: each for each in headline(returns, np.random.default_rng(1), beside=(many,), resamples=200)
    }
    assert set(TRADE_METRICS) <= set(found)
    assert found["expectancy"].low < found["expectancy"].value < found["expectancy"].high
    assert "exact binomial" in found["trade_win_rate"].convention
