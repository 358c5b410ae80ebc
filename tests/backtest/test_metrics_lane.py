"""The tables of a run as the metrics read them: one account, its benchmark, its trades, its orders, and a ruin."""

import numpy as np
import pandas as pd
import pytest

from backtest.engine.bars import Bars
from backtest.errors import MetricError
from backtest.metrics.activity import Activity
from backtest.metrics.capacity import Orders
from backtest.metrics.lane import lane_samples
from backtest.metrics.pair import Pair
from backtest.metrics.table import (
    ACTIVITY_METRICS,
    CAPACITY_METRICS,
    METRICS,
    PAIR_METRICS,
    TRADE_METRICS,
    headline,
)
from backtest.metrics.trades import Trades

COUNT = 80
TIMES = np.datetime64("2024-01-01", "ns") + np.arange(COUNT) * np.timedelta64(1, "D")
RNG = np.random.default_rng(4)
CLOSE = 10 * np.cumprod(1 + RNG.normal(0, 0.01, (COUNT, 1)), axis=0)
BENCHMARK = 1000 * CLOSE[:, 0] / CLOSE[0, 0]
OWN = 1000 * np.cumprod(1 + RNG.normal(0.001, 0.01, COUNT))


def bars():
    ones = np.ones((COUNT, 1))
    return Bars(TIMES, ("a",), CLOSE, CLOSE, CLOSE, CLOSE, 5000 * ones, ones, 0 * ones, np.ones(1, bool))


def equity(lane, curve):
    flat = {"turnover": 0.1, "gross_exposure": 0.5, "net_exposure": 0.5}
    return pd.DataFrame(
        {"time": pd.DatetimeIndex(TIMES), "lane": lane, "equity": curve, "benchmark": BENCHMARK, **flat}
    )


def tables(own=OWN):
    stamps = pd.DatetimeIndex(TIMES)
    fills = pd.DataFrame(
        {"lane": "gbm", "time": stamps[[1, 40]], "series": "a", "units": [50.0, -50.0], "price": 10.0, "reason": "target"}
    )  # fmt: skip
    trade = {
        "units": 50.0,
        "entry_price": 10.0,
        "profit": 4.0,
        "costs": 1.0,
        "bars": 39,
        "exit_time": stamps[40],
    }
    return {
        "equity": pd.concat([equity("gbm", own), equity("hold", BENCHMARK)], ignore_index=True),
        "trades": pd.DataFrame([{"lane": "gbm", **trade}]),
        "fills": fills,
    }


def test_an_account_is_known_with_its_activity_trades_orders_and_benchmark():
    returns, known = lane_samples(tables(), "gbm", bars(), 252.0)
    assert returns.values == pytest.approx(OWN[1:] / OWN[:-1] - 1)
    assert [type(each) for each in known] == [Activity, Trades, Orders, Pair]
    assert known[2].participation.tolist() == [0.01, 0.01]
    assert known[3].benchmark.values == pytest.approx(BENCHMARK[1:] / BENCHMARK[:-1] - 1)


def test_the_benchmark_is_compared_with_nothing_and_has_no_trades():
    _, known = lane_samples(tables(), "hold", bars(), 252.0)
    assert [type(each) for each in known] == [Activity, Trades, Orders]
    assert [len(each) for each in known] == [COUNT - 1, 0, 0]


def test_a_ruined_account_ends_with_its_ruin_beside_a_benchmark_cut_there():
    ruined = np.where(np.arange(COUNT) < 30, OWN, -5.0)
    returns, known = lane_samples(tables(ruined), "gbm", bars(), 252.0)
    assert len(returns) == 30
    assert returns.values[-1] == -1
    assert [len(each) for each in known] == [30, 1, 1, 30]


@pytest.mark.parametrize("lane", ["gbm", "nobody"])
def test_an_account_without_a_row_for_every_bar_is_refused(lane):
    short = {**tables(), "equity": tables()["equity"].iloc[5:COUNT]}
    with pytest.raises(MetricError, match=f"account '{lane}' has"):
        lane_samples(short, lane, bars(), 252.0)


def test_the_headline_of_a_lane_has_every_group_once():
    returns, known = lane_samples(tables(), "gbm", bars(), 252.0)
    found = [each.name for each in headline(returns, np.random.default_rng(1), beside=known, resamples=100)]
    groups = (METRICS, ACTIVITY_METRICS, TRADE_METRICS, CAPACITY_METRICS, PAIR_METRICS)
    assert {name for group in groups for name in group} <= set(found)
    assert len(set(found)) == len(found)
