"""Capacity: orders beside volume, the two capitals, and volumes that are not known."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.engine.bars import Bars
from backtest.engine.fills import REASONS
from backtest.errors import MetricError
from backtest.metrics.capacity import NOT_TRADED, Orders, orders_from
from backtest.metrics.table import CAPACITY_METRICS

TIMES = np.datetime64("2024-01-01", "ns") + np.arange(5) * np.timedelta64(1, "D")
EQUITY = np.array([1000.0, 1000.0, 1100.0, 1210.0, 1210.0])


def bars(volume=100.0):
    closes = np.array([[10.0, 20.0], [11.0, 20.0], [12.0, 20.0], [6.0, 20.0], [6.6, 20.0]])
    shape = closes.shape
    splits = np.ones(shape)
    splits[3, 0] = 2.0
    return Bars(
        TIMES, ("a", "b"), closes, closes, closes, closes, np.full(shape, volume), splits, np.zeros(shape),
        np.ones(2, bool),
    )  # fmt: skip


def fills(*rows):
    frame = pd.DataFrame(rows, columns=["row", "series", "units", "price", "reason"])
    return frame.assign(time=pd.DatetimeIndex(TIMES[frame["row"].to_numpy(int)]))


def value(name, orders):
    return CAPACITY_METRICS[name](orders).value


def made(participation, equity=1000.0, profit=0.2, weight=0.1, volatility=0.02):
    share = np.atleast_1d(np.asarray(participation, float))
    ones = np.ones(len(share))
    return Orders(share, weight * ones, volatility * ones, equity * ones, profit, 252.0)


def test_orders_are_measured_against_the_bar_they_filled_in_and_the_equity_before_it():
    orders = orders_from(fills((3, "a", 5.0, 6.0, "target")), bars(), EQUITY, 252.0)
    assert orders.participation.tolist() == [0.05]
    assert orders.equity.tolist() == [1100.0]
    assert orders.weights[0] == pytest.approx(30 / 1100)
    assert orders.profit == pytest.approx(0.2)


def test_a_split_is_no_order_and_no_volatility():
    orders = orders_from(
        fills((1, "a", 5.0, 11.0, "target"), (3, "a", 5.0, 0.0, "split")), bars(), EQUITY, 252.0
    )
    assert len(orders) == 1
    returns = np.array([0.1, 12 / 11 - 1, 0.0, 0.1])
    assert orders.volatility[0] == pytest.approx(returns.std(ddof=1))


def test_what_is_not_traded_are_reasons_of_fills():
    assert set(REASONS) > NOT_TRADED


def test_fills_of_one_series_and_bar_are_one_order():
    rows = [(2, "a", 2.0, 12.0, "target"), (2, "a", 3.0, 12.0, "target"), (2, "b", 1.0, 20.0, "target")]
    orders = orders_from(fills(*rows), bars(), EQUITY, 252.0)
    assert sorted(orders.participation) == [0.01, 0.05]


def test_at_its_capacity_the_high_order_takes_the_cap():
    orders = made(np.linspace(0.001, 0.01, 100))
    capital = value("capacity_at_participation", orders)
    grown = made(np.linspace(0.001, 0.01, 100) * capital / 1000, equity=capital)
    assert value("high_participation", grown) == pytest.approx(0.05)


def test_at_its_capacity_impact_takes_the_profit():
    share = np.full(100, 0.001)
    capital = value("capacity_at_impact", made(share, profit=0.1))
    assert (0.1 * 0.02 * np.sqrt(share * capital / 1000)).sum() == pytest.approx(0.1)
    assert capital == pytest.approx(250_000)


def test_impact_is_not_extrapolated_beyond_the_volume_of_the_bars():
    metric = CAPACITY_METRICS["capacity_at_impact"](made(np.full(100, 0.001), profit=0.3))
    assert math.isnan(metric.value)
    assert metric.flag.startswith("volume binds first")


def test_participation_quantiles_of_known_orders():
    orders = made(np.arange(1, 102) / 1000)
    assert value("median_participation", orders) == pytest.approx(0.051)
    assert value("high_participation", orders) == pytest.approx(0.096)
    assert value("largest_participation", orders) == pytest.approx(0.101)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10_000), factor=st.floats(0.01, 100))
def test_capacity_does_not_depend_on_the_capital_it_was_measured_with(seed, factor):
    share = np.random.default_rng(seed).uniform(1e-5, 1e-2, 40)
    for name in ("capacity_at_participation", "capacity_at_impact"):
        once = made(share, profit=0.02)
        scaled = made(share * factor, equity=1000.0 * factor, profit=0.02)
        assert value(name, scaled) == pytest.approx(value(name, once), rel=1e-9)


@pytest.mark.parametrize("name", CAPACITY_METRICS)
def test_unknown_volume_leaves_capacity_open(name):
    for volume in (np.nan, 0.0):
        orders = orders_from(fills((1, "a", 5.0, 11.0, "target")), bars(volume), EQUITY, 252.0)
        metric = CAPACITY_METRICS[name](orders)
        assert math.isnan(metric.value)
        assert metric.flag == "volume of 1 of 1 orders not known"


def test_one_unknown_volume_in_a_hundred_is_left_out_and_told():
    share = np.full(100, 0.01)
    share[3] = np.nan
    metric = CAPACITY_METRICS["capacity_at_participation"](made(share))
    assert metric.value == pytest.approx(5000)
    assert metric.flag == "volume of 1 of 100 orders not known, left out"
    share[4] = np.nan
    assert math.isnan(value("capacity_at_participation", made(share)))


@pytest.mark.parametrize("name", CAPACITY_METRICS)
def test_no_orders_have_no_capacity(name):
    metric = CAPACITY_METRICS[name](orders_from(fills(), bars(), EQUITY, 252.0))
    assert (metric.flag, metric.n) == ("no orders", 0)


def test_impact_takes_nothing_where_nothing_was_earned():
    assert CAPACITY_METRICS["capacity_at_impact"](made(0.01, profit=-0.1)).flag.startswith("no profit")
    assert CAPACITY_METRICS["capacity_at_impact"](made(0.01, volatility=0.0)).flag.startswith("volume binds")
    assert CAPACITY_METRICS["capacity_at_impact"](made(0.0)).flag.startswith("volume binds")


def test_fills_outside_the_bars_or_the_equity_are_refused():
    for row in ((1, "z", 1.0, 1.0, "target"), (4, "a", 1.0, 1.0, "target")):
        with pytest.raises(MetricError, match="outside"):
            orders_from(fills(row), bars(), EQUITY[:4], 252.0)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"equity": [0.0]}, "positive"),
        ({"participation": [-0.1]}, "participation at row 0"),
        ({"participation": [math.inf]}, "participation at row 0"),
        ({"weights": [math.nan]}, "weights at row 0"),
        ({"profit": math.nan}, "profit was nan"),
        ({"volatility": [0.1, 0.2]}, "shape"),
    ],
)
def test_orders_that_are_none_are_refused(changed, words):
    parts = {
        "participation": [0.1], "weights": [0.1], "volatility": [0.01], "equity": [1.0], "profit": 0.1,
        "periods_per_year": 252.0,
    }  # fmt: skip
    with pytest.raises(MetricError, match=words):
        Orders(**parts | changed)
