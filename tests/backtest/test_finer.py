"""Finer bars: the way through a bar decides what the bar alone leaves open."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from backtest.costs import CustomCosts, NoCosts
from backtest.engine.advance import advance
from backtest.engine.bars import Bars
from backtest.engine.finer import advance_on_finer
from backtest.engine.orders import Order, bracket
from backtest.engine.rules import EngineSpec
from backtest.engine.state import start_state
from backtest.errors import EngineError

_PATH = Path(__file__).resolve().parents[1] / "oracles" / "engine_worlds.py"
_MODULE = importlib.util.spec_from_file_location("engine_worlds", _PATH)
worlds = importlib.util.module_from_spec(_MODULE)
_MODULE.loader.exec_module(worlds)

SPEC = EngineSpec(capital=100_000, participation=None)
DEAR = CustomCosts(commission_bps=7, half_spread_bps=3, slippage_bps=5, borrow_bps_per_year=900)
FREE = NoCosts()
HOURS = 4


def finer_bars(days=6, count=3, seed=1):
    rng = np.random.default_rng(seed)
    shape = (days * HOURS, count)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, shape), axis=0))
    open_ = close * np.exp(rng.normal(0, 0.003, shape))
    high, low = np.maximum(open_, close) * 1.002, np.minimum(open_, close) * 0.998
    times = np.datetime64("2024-01-01T00", "ns") + np.arange(1, len(close) + 1) * np.timedelta64(6, "h")
    volume = rng.integers(10, 1000, shape).astype(float)
    one = np.ones(shape)
    return Bars(
        times, tuple("abc"[:count]), open_, high, low, close, volume, one, 0 * one, np.ones(count, bool)
    )


def coarse_of(finer):
    def days(array):
        return array.reshape(-1, HOURS, array.shape[1])

    return Bars(
        finer.times[HOURS - 1 :: HOURS],
        finer.series,
        days(finer.open)[:, 0],
        days(finer.high).max(axis=1),
        days(finer.low).min(axis=1),
        days(finer.close)[:, -1],
        days(finer.volume).sum(axis=1),
        days(finer.splits).prod(axis=1),
        days(finer.dividends).sum(axis=1),
        finer.tradable,
    )


def test_targets_alone_give_the_equity_of_the_coarse_bars():
    finer = finer_bars()
    coarse = coarse_of(finer)
    targets = np.random.default_rng(2).dirichlet(np.ones(3), len(coarse))
    state = start_state(coarse.series, SPEC)
    rough = advance(state, coarse, SPEC, DEAR, 252.0, targets)
    fine = advance_on_finer(state, coarse, finer, SPEC, DEAR, 4 * 252.0, (targets, ()))
    assert fine.times.tolist() == coarse.times.tolist()
    for name in ("equity", "cash", "weights", "turnover", "costs", "gross_exposure"):
        assert np.allclose(getattr(fine, name), getattr(rough, name), rtol=1e-12, atol=1e-9), name
    assert fine.fills.units.tolist() == rough.fills.units.tolist()


def test_finer_bars_show_which_of_a_double_touch_came_first():
    finer = worlds.path(*[(100, 100, 100, 100)] * HOURS, (100, 111, 100, 110), *[(110, 110, 90, 95)] * 3)
    finer = Bars(**{**vars(finer), "times": finer_bars(2, 1).times})
    coarse = coarse_of(finer)
    exits = bracket(
        Order(id=1, series="a", units=10),
        Order(id=2, series="a", units=-10, kind="stop", stop=95),
        Order(id=3, series="a", units=-10, kind="limit", limit=105),
    )
    orders = [(coarse.times[0], order) for order in exits]
    state = start_state(coarse.series, SPEC)
    rough = advance(state, coarse, SPEC, FREE, 252.0, None, orders)
    fine = advance_on_finer(state, coarse, finer, SPEC, FREE, 1008.0, (None, orders))
    assert rough.fills.prices.tolist() == [100, 95]
    assert fine.fills.prices.tolist() == [100, 105]


def test_one_call_equals_coarse_bar_by_coarse_bar():
    finer = finer_bars()
    coarse = coarse_of(finer)
    state = start_state(coarse.series, SPEC)
    targets = np.random.default_rng(3).normal(0, 0.3, coarse.close.shape)
    whole = advance_on_finer(state, coarse, finer, SPEC, DEAR, 1008.0, (targets, ()))
    parts = []
    for t in range(len(coarse)):
        rows = finer.rows(t * HOURS, (t + 1) * HOURS)
        part = advance_on_finer(
            state, coarse.rows(t, t + 1), rows, SPEC, DEAR, 1008.0, (targets[t : t + 1], ())
        )
        state = part.state
        parts.append(part)
    for name in ("equity", "cash", "costs", "borrow", "weights"):
        assert (
            np.concatenate([getattr(part, name) for part in parts]).tobytes()
            == getattr(whole, name).tobytes()
        )


@pytest.mark.parametrize("name", ["open", "high", "low", "close", "volume", "splits", "dividends"])
def test_finer_bars_that_do_not_add_up_are_refused_by_name(name):
    finer = finer_bars()
    coarse = coarse_of(finer)
    wrong = np.array(getattr(coarse, name))
    wrong[1, 2] = wrong[1, 2] * 1.01 + (name == "dividends")
    coarse = Bars(**{**vars(coarse), name: wrong})
    with pytest.raises(EngineError, match=rf"{name} of c at 2024-01-03.* finer bars make"):
        advance_on_finer(start_state(coarse.series, SPEC), coarse, finer, SPEC, FREE, 1008.0)


def test_finer_bars_outside_the_coarse_ones_are_refused():
    finer = finer_bars()
    coarse = coarse_of(finer)
    state = start_state(coarse.series, SPEC)
    with pytest.raises(EngineError, match="no finer bar ends within the coarse bar at 2024-01-07"):
        advance_on_finer(state, coarse, finer.rows(0, 20), SPEC, FREE, 1008.0)
    with pytest.raises(EngineError, match="is after the last coarse bar"):
        advance_on_finer(state, coarse.rows(0, 3), finer, SPEC, FREE, 1008.0)
    order = Order(id=1, series="a", units=1)
    with pytest.raises(EngineError, match="not the end of a coarse bar"):
        advance_on_finer(state, coarse, finer, SPEC, FREE, 1008.0, (None, [(finer.times[0], order)]))
