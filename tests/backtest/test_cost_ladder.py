"""Cost ladder and break-even cost."""

import numpy as np
import pytest

from backtest.costs import NoCosts, UsEquities
from backtest.engine.advance import advance
from backtest.engine.bars import Bars
from backtest.engine.cost_ladder import break_even_bps, cost_ladder
from backtest.engine.rules import EngineSpec
from backtest.engine.state import start_state
from backtest.errors import EngineError

SPEC = EngineSpec(units="fractional", participation=None)


def rising_bars(length=41, growth=0.01):
    close = 100 * np.exp(growth * np.arange(length))[:, None]
    times = np.datetime64("2024-01-01", "ns") + np.arange(length) * np.timedelta64(1, "D")
    unknown = np.full_like(close, np.nan)
    ones = np.ones_like(close)
    return Bars(times, ("a",), close, close, close, close, unknown, ones, 0 * ones, np.ones(1, bool))


def in_and_out(length=41):
    return np.where(np.arange(length) % 2 == 0, 0.5, 0.0)[:, None]


def test_the_ladder_repeats_the_run_at_each_multiple_of_its_costs():
    bars, targets = rising_bars(), in_and_out()
    ladder = cost_ladder(bars, SPEC, UsEquities(), 252.0, targets)
    assert ladder["multiplier"].tolist() == [0, 1, 2, 4]
    same = advance(start_state(bars.series, SPEC), bars, SPEC, UsEquities(), 252.0, targets)
    assert ladder["final_equity"][1] == same.equity[-1]
    assert ladder["total_return"].tolist() == [e / SPEC.capital - 1 for e in ladder["final_equity"]]
    assert ladder["final_equity"].is_monotonic_decreasing


def test_break_even_matches_the_closed_form_of_one_round_trip_repeated():
    # Half the equity earns growth g between buying and selling one bar later; costs c on each side of it:
    # 0.5 * ((1 - c) * exp(g) - (1 + c)) = 0 gives c = tanh(g / 2).
    bps = break_even_bps(rising_bars(), SPEC, NoCosts(), 252.0, in_and_out())
    assert bps == pytest.approx(1e4 * np.tanh(0.005), abs=0.01)


def test_break_even_is_not_available_for_a_losing_or_an_idle_account():
    assert break_even_bps(rising_bars(growth=-0.01), SPEC, NoCosts(), 252.0, in_and_out()) is None
    assert break_even_bps(rising_bars(), SPEC, NoCosts(), 252.0, np.full((41, 1), np.nan)) is None


def test_a_negative_multiplier_and_an_empty_period_are_refused():
    with pytest.raises(EngineError, match="multiplier was -1"):
        cost_ladder(rising_bars(), SPEC, UsEquities(), 252.0, in_and_out(), (1, -1))
    with pytest.raises(EngineError, match="no bars"):
        cost_ladder(rising_bars().rows(0, 0), SPEC, UsEquities(), 252.0, np.empty((0, 1)))
