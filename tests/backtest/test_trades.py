"""Trades: round trips, and their profits against the account."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.costs import CustomCosts
from backtest.engine.advance import advance
from backtest.engine.bars import Bars
from backtest.engine.rules import EngineSpec
from backtest.engine.state import start_state
from backtest.errors import EngineError
from backtest.trades import COLUMNS, round_trips

DEAR = CustomCosts(commission_bps=7, half_spread_bps=3, slippage_bps=5, borrow_bps_per_year=900)


def table(rows):
    columns = ["time", "series", "units", "price", "commission", "spread_cost", "slippage_cost", "reason"]
    full = [
        (day(t), series, units, price, fee, 0.0, 0.0, reason) for t, series, units, price, fee, reason in rows
    ]
    return pd.DataFrame(full, columns=columns)


def day(number):
    return pd.Timestamp("2024-01-01") + pd.Timedelta(days=number)


def marks(closes):
    return pd.DataFrame({"a": closes}, index=pd.DatetimeIndex([day(t) for t in range(len(closes))]))


def random_account(seed):
    rng = np.random.default_rng(seed)
    shape = (30, 3)
    closes = 50 * np.exp(np.cumsum(rng.normal(0, 0.03, shape), axis=0))
    opens = closes * np.exp(rng.normal(0, 0.01, shape))
    splits = np.where(rng.random(shape) < 0.05, rng.choice([2.0, 1 / 3, 0.1]), 1.0)
    dividends = np.where(rng.random(shape) < 0.05, 0.3, 0.0)
    times = np.datetime64("2024-01-01", "ns") + np.arange(30) * np.timedelta64(1, "D")
    high, low, unknown = np.fmax(opens, closes), np.fmin(opens, closes), np.full(shape, np.nan)
    names = ("a", "b", "c")
    bars = Bars(times, names, opens, high, low, closes, unknown, splits, dividends, np.ones(3, bool))
    targets = np.where(rng.random(shape) < 0.5, np.nan, rng.choice([-0.3, 0.0, 0.2, 0.4], shape))
    spec = EngineSpec(capital=50_000, units=str(rng.choice(["integer", "fractional"])))
    return bars, spec, advance(start_state(names, spec), bars, spec, DEAR, 252.0, targets)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(seed=st.integers(0, 100_000))
def test_profits_add_up_to_the_change_of_equity_less_cash_flows(seed):
    bars, spec, out = random_account(seed)
    closes = pd.DataFrame(bars.close, index=pd.DatetimeIndex(bars.times), columns=list(bars.series))
    frame = out.fills.frame()
    trades = round_trips(frame, closes)
    paid = (frame["commission"] + frame["spread_cost"] + frame["slippage_cost"]).sum()
    borrow = out.costs.sum() - paid
    change = out.equity[-1] - spec.capital
    assert trades["profit"].sum() == pytest.approx(change - out.dividends.sum() + borrow, abs=1e-6)
    assert trades["costs"].sum() == pytest.approx(paid)
    assert (trades["bars"] >= 0).all() and (trades["units"] > 0).all()
    still_open = trades[trades["exit_time"].isna()]
    assert sorted(still_open["series"]) == [n for n, u in zip(bars.series, out.state.units, strict=True) if u]


def test_a_position_built_and_closed_in_parts_is_one_trade_at_average_prices():
    fills = table(
        [
            (0, "a", 10, 100.0, 1.0, "target"),
            (1, "a", 30, 120.0, 1.0, "target"),
            (2, "a", -20, 130.0, 1.0, "target"),
            (4, "a", -20, 150.0, 1.0, "target"),
        ]
    )
    (row,) = round_trips(fills, marks([1.0] * 6)).to_dict("records")
    assert (row["units"], row["entry_price"], row["exit_price"], row["bars"]) == (40, 115.0, 140.0, 4)
    assert row["profit"] == 40 * 25 - 4
    assert row["return"] == pytest.approx(996 / 4600)
    assert (row["direction"], row["entry_time"], row["exit_time"]) == ("long", day(0), day(4))


def test_a_fill_through_zero_closes_one_trade_and_opens_the_other():
    fills = table([(0, "a", 10, 100.0, 0.0, "target"), (1, "a", -30, 110.0, 3.0, "target")])
    first, second = round_trips(fills, marks([100.0, 110.0, 100.0])).to_dict("records")
    assert (first["direction"], first["profit"], first["costs"]) == ("long", 99.0, 1.0)
    assert (second["direction"], second["units"], second["profit"]) == ("short", 20.0, 198.0)
    assert second["exit_time"] is pd.NaT and second["exit_price"] == 100.0 and second["bars"] == 1


def test_a_split_rescales_units_and_prices_but_not_profit():
    fills = table(
        [
            (0, "a", 10, 100.0, 0.0, "target"),
            (1, "a", 10, 0.0, 0.0, "split"),
            (2, "a", -20, 60.0, 0.0, "target"),
        ]
    )
    (row,) = round_trips(fills, marks([100.0, 50.0, 60.0])).to_dict("records")
    assert (row["units"], row["entry_price"], row["exit_price"], row["profit"]) == (20, 50.0, 60.0, 200.0)


def test_an_open_position_is_marked_at_the_last_observed_close():
    fills = table([(0, "a", 10, 100.0, 0.0, "target")])
    (row,) = round_trips(fills, marks([100.0, 107.0, np.nan])).to_dict("records")
    assert (row["exit_price"], row["profit"], row["bars"]) == (107.0, 70.0, 2)


def test_no_fills_give_an_empty_table_with_the_same_columns():
    empty = round_trips(table([]), marks([1.0]))
    assert tuple(empty.columns) == COLUMNS and empty.empty


def test_fills_outside_the_marks_are_named():
    with pytest.raises(EngineError, match="fills of 'z' have no marks; marks are of a"):
        round_trips(table([(0, "z", 1, 1.0, 0.0, "target")]), marks([1.0]))
    with pytest.raises(EngineError, match="fill at 2024-01-10"):
        round_trips(table([(9, "a", 1, 1.0, 0.0, "target")]), marks([1.0]))
