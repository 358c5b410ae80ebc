"""Parity with the package backtrader: random runs, every known pitfall by name, and what a comparison says."""

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from backtest.costs import CustomCosts, NoCosts, UsEquities
from backtest.cross_check import cross_check, first_difference, free_of_borrowing
from backtest.engine.backtrader_package import run_package
from backtest.engine.exact import advance_exact, exact_fractions
from backtest.engine.exact_rules import BacktraderPackage, ExactRules
from backtest.engine.exact_state import exact_to_arrays, start_exact
from backtest.engine.rejections import REASONS
from backtest.errors import EngineError
from backtest.experiment import walk_history
from backtest.paths import lane_paths, traded_bars

pytest.importorskip("backtrader", reason="the extra wayfold[backtrader] is not installed")


def oracle(name):
    path = Path(__file__).resolve().parents[1] / "oracles" / f"{name}.py"
    specification = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module
    specification.loader.exec_module(module)
    return module


worlds, small_walk = oracle("exact_worlds"), oracle("small_walk")

FREE = NoCosts()
NAN = np.nan
ADVANCED = ("equity", "cash")
DERIVED = ("weights", "gross_exposure", "net_exposure", "turnover", "costs")


def candles(*series):
    """Return bars of series given as lists of (open, high, low, close), None for an absent bar."""
    cube = np.array([[(NAN,) * 4 if bar is None else bar for bar in bars] for bars in series], float)
    return worlds.make_bars(*cube.transpose(2, 1, 0))


def flat(*prices):
    """Return bars whose four prices are one; None for an absent bar."""
    return candles(*[[None if price is None else (price,) * 4 for price in one] for one in prices])


def same_in_both(bars, targets, costs=FREE, **rules):
    """Return our account after the bars, once the package has agreed to the last bit."""
    rules, targets = ExactRules(**rules), np.asarray(targets, float)
    check = cross_check(bars, rules, costs, targets)
    assert check.is_identical, check.sentence()
    return advance_exact(start_exact(bars.series, rules.capital), bars, rules, costs, targets)


def reasons(advanced):
    return [REASONS[code] for code in advanced.rejections.reasons]


@pytest.mark.parametrize("seed", range(40))
def test_random_runs_agree_with_the_package_to_the_last_bit(seed):
    world = worlds.random_world(seed, 8, 50)
    check = cross_check(world.bars, world.rules, world.costs, world.targets)
    assert check.is_identical, check.sentence()


def test_pitfall_1_a_refused_purchase_has_later_sales_of_the_batch_refused():
    bars = flat([100, 100, 100], [100, 100, 100], [100, 100, 100])
    advanced = same_in_both(bars, [[0, 2, 3], [100, 1, 0], [NAN, NAN, NAN]], capital=1000.0, target="size")
    assert advanced.rejections.units.tolist() == [100, -1, -3]
    assert reasons(advanced) == ["cash_at_submission"] * 3
    assert advanced.state.units.tolist() == [0, 2, 3]


def test_pitfall_4_an_order_of_a_series_without_a_bar_waits_for_its_next_one():
    bars = flat([10, 10, 10, 10], [50, None, None, 60])
    advanced = same_in_both(bars, [[NAN, 0.5], *[[NAN, NAN]] * 3], capital=1000.0)
    assert advanced.fills.times.tolist() == bars.times[3:].tolist()
    assert advanced.fills.prices.tolist() == [60.0]


def test_pitfall_5_full_investment_fails_on_an_up_gap_and_the_position_stays_0():
    bars = candles([(100, 100, 100, 100), (101, 101, 101, 101), (101, 101, 101, 101)])
    advanced = same_in_both(bars, [[1.0], [NAN], [NAN]], capital=1000.0)
    assert reasons(advanced) == ["cash_at_fill"]
    assert advanced.state.units.tolist() == [0.0]


def test_pitfall_5_full_investment_fails_on_commission():
    bars = flat([100, 100, 100])
    costs = CustomCosts(commission_bps=10)
    advanced = same_in_both(bars, [[1.0], [NAN], [NAN]], costs, capital=1000.0)
    assert reasons(advanced) == ["cash_at_submission"]


def test_pitfall_7_cheating_on_the_close_is_held_inside_the_next_bar():
    bars = candles([(100, 100, 100, 100), (90, 91, 89, 90)])
    advanced = same_in_both(
        bars, [[0.5], [NAN]], CustomCosts(slippage_bps=100), cheat_on_close=True, capital=1000.0
    )
    assert advanced.fills.prices.tolist() == [91.0]
    assert advanced.fills.times.tolist() == bars.times[:1].tolist()
    assert advanced.fills.slippage_costs[0] == -45.0


def test_pitfall_7_a_range_left_alone_without_slippage():
    bars = candles([(100, 100, 100, 100), (90, 91, 89, 90)])
    advanced = same_in_both(bars, [[0.5], [NAN]], cheat_on_close=True, capital=1000.0)
    assert advanced.fills.prices.tolist() == [100.0]


def test_pitfall_8_shorts_are_not_limited_and_equity_goes_below_0():
    bars = flat([100, 100, 150])
    advanced = same_in_both(bars, [[-1000.0], [NAN], [NAN]], capital=1000.0, target="size")
    assert advanced.equity[-1] == -49_000.0


def test_pitfall_9_a_drift_below_one_share_is_never_trimmed():
    bars = flat([100, 100, 80.0])
    advanced = same_in_both(bars, [[500.0], [500.0], [440.0]], capital=1000.0, target="value")
    assert advanced.state.units.tolist() == [5.0]
    assert len(advanced.state.orders) == 0


def test_pitfall_10_a_target_repeated_while_its_order_waits_is_bought_again_and_again():
    bars = flat([10] * 6, [100, None, None, 100, 100, 100])
    targets = [[NAN, 300.0]] * 4 + [[NAN, NAN]] * 2
    advanced = same_in_both(bars, targets, capital=1e6, target="size")
    assert advanced.fills.units.tolist() == [300.0, 300.0, 300.0, -600.0]
    assert advanced.fills.times[:3].tolist() == [int(time) for time in bars.times[[3, 3, 3]].view(np.int64)]
    assert advanced.state.units.tolist() == [0.0, 300.0]


def test_a_reversal_keeps_its_closing_part_when_cash_does_not_pay_for_the_opening_one():
    bars = candles([(100, 100, 100, 100), (100, 100, 100, 100), (130, 130, 130, 130), (130, 130, 130, 130)])
    advanced = same_in_both(bars, [[-5.0], [8.0], [NAN], [NAN]], capital=1000.0, target="size")
    assert advanced.fills.units.tolist() == [-5.0, 5.0]
    assert reasons(advanced) == ["cash_at_fill"]
    assert advanced.rejections.units.tolist() == [8.0]


def test_a_price_moved_beyond_the_bar_is_held_let_out_or_waits_as_the_flags_say():
    bars = flat([100, 100, 100])
    targets, costs = [[0.5], [NAN], [NAN]], CustomCosts(slippage_bps=100)
    held = same_in_both(bars, targets, costs, capital=1000.0)
    out = same_in_both(bars, targets, costs, capital=1000.0, slip_out=True)
    waits = same_in_both(bars, targets, costs, capital=1000.0, slip_match=False, slip_out=True)
    unmoved = same_in_both(bars, targets, costs, capital=1000.0, slip_open=False)
    assert [list(one.fills.prices) for one in (held, out, waits, unmoved)] == [[100.0], [101.0], [], [100.0]]
    assert waits.state.orders.accepted.tolist() == [True]


def test_cheating_fills_a_series_without_a_bar_inside_its_last_range():
    bars = candles([(10, 10, 10, 10)] * 3, [(50, 50.2, 49, 50), None, (60, 61, 59, 60)])
    costs = CustomCosts(slippage_bps=100)
    targets = [[NAN, 0.5], [NAN, NAN], [NAN, NAN]]
    advanced = same_in_both(bars, targets, costs, cheat_on_close=True, capital=1000.0)
    assert advanced.fills.prices.tolist() == [50.2]
    assert advanced.cash.tolist() == [1000.0, 1000.0 - 10 * 50.2, 1000.0 - 10 * 50.2]


def test_what_a_flip_of_fractions_leaves_over_is_matched_against_the_bar_already_gone_on_its_side():
    bars = candles([(9, 9, 9, 9)] * 5, [(5, 6, 4, 5), None, (5, 6, 4, 5), None, (7, 8, 6, 7)])
    targets = [[NAN, 1.9], [NAN, -6.7], *[[NAN, NAN]] * 3]
    advanced = same_in_both(bars, targets, CustomCosts(slippage_bps=100), capital=1000.0, target="size")
    assert advanced.fills.units.tolist() == [1.9, -6.7 - 2**-50, 2**-50]
    assert advanced.fills.prices.tolist() == [5.05, 4.95, 4.95]
    assert advanced.fills.times.tolist() == [bars.times[2].astype(int)] * 3
    assert (advanced.turnover > 0).tolist() == [False, False, True, True, False]


def test_value_is_added_in_the_order_of_first_touch():
    rng = np.random.default_rng(5)
    bars = worlds.make_bars(*worlds.recipe(rng, 120, 7, 0.03))
    targets = rng.dirichlet(np.ones(7), 120) * 0.9
    targets[:5] = NAN
    targets[1, 6], targets[2, 3] = 0.1, 0.1
    advanced = same_in_both(bars, targets, CustomCosts(commission_bps=7))
    assert advanced.state.touched.tolist()[:2] == [6, 3]


def test_an_untradable_series_is_no_data_of_the_package():
    bars = replace(flat([100, 100, 100], [None, None, 7]), tradable=np.array([True, False]))
    advanced = same_in_both(bars, [[0.5, NAN], [NAN, NAN], [NAN, 0.0]], capital=1000.0)
    assert advanced.state.units.tolist() == [5.0, 0.0]


def test_rows_without_any_bar_do_not_exist_for_the_package():
    advanced = same_in_both(flat([None, 100, None, 110]), [[0.5]] * 4, capital=1000.0)
    assert advanced.fills.prices.tolist() == [110.0]


def test_no_bar_at_all_leaves_both_with_the_capital():
    assert same_in_both(flat([None, None]), [[0.5]] * 2, capital=1000.0).equity.tolist() == [1000.0, 1000.0]


def test_the_package_as_an_engine_answers_to_no_bars_and_to_an_account_worth_nothing():
    empty = worlds.make_bars(*[np.empty((0, 2))] * 4)
    assert len(BacktraderPackage().replay(empty, FREE, 252.0, np.empty((0, 2))).equity) == 0
    package = BacktraderPackage(capital=1000.0, target="size")
    bars, targets = flat([100, 100, 200, 200]), np.array([[-10.0], [NAN], [NAN], [NAN]])
    theirs, ours = (
        engine.replay(bars, FREE, 252.0, targets)
        for engine in (package, ExactRules(capital=1000.0, target="size"))
    )
    assert theirs.equity.tolist() == ours.equity.tolist() == [1000.0, 1000.0, 0.0, 0.0]
    for weights in (theirs.weights, ours.weights):
        assert np.array_equal(weights, [[0.0], [-1.0], [NAN], [NAN]], equal_nan=True)


@pytest.mark.parametrize("seed", range(12))
def test_the_package_as_an_engine_answers_like_ours(seed):
    world = worlds.random_world(seed, 6, 40)
    rules = world.rules
    package = BacktraderPackage(**{name: getattr(rules, name) for name in rules.__dataclass_fields__})
    theirs = package.replay(world.bars, world.costs, 252.0, world.targets)
    ours = rules.replay(world.bars, world.costs, 252.0, world.targets)
    for name in ADVANCED:
        assert getattr(theirs, name).tobytes() == getattr(ours, name).tobytes(), name
    for name in DERIVED:
        assert np.allclose(getattr(theirs, name), getattr(ours, name), rtol=1e-9, atol=1e-9), name
    assert (
        theirs.fills.frame()
        .drop(columns=["spread_cost", "slippage_cost"])
        .equals(ours.fills.frame().drop(columns=["spread_cost", "slippage_cost"]))
    )
    assert np.allclose(theirs.fills.slippage_costs, ours.fills.slippage_costs)
    assert np.allclose(theirs.fills.spread_costs, ours.fills.spread_costs)
    assert theirs.rejections.frame().equals(ours.rejections.frame())
    for name, array in exact_to_arrays(theirs.state).items():
        assert array.tobytes() == exact_to_arrays(ours.state)[name].tobytes(), name


def test_a_walk_keeps_one_account_bar_by_bar_and_in_the_package_over_a_split_gaps_and_an_index():
    equity = []
    for kind in ("backtrader_exact", "backtrader"):
        spec = small_walk.small_spec(
            engine={"kind": kind}, costs={"kind": "custom", "commission_bps": 5.0, "half_spread_bps": 2.0}
        )
        walked = walk_history(spec, small_walk.small_history(), small_walk.quiet)
        net = lane_paths(walked, traded_bars(walked))[0].net
        assert len(net.fills)
        equity.append(net.equity.tobytes())
    assert equity[0] == equity[1]


def checked(change):
    """Return the first difference after our account of a small run was changed."""
    bars = flat([100, 101, 102, 103], [50, 51, 52, 53])
    rules, targets = ExactRules(capital=1000.0), np.full((4, 2), 0.7)
    ours = advance_exact(start_exact(bars.series, 1000.0), bars, rules, FREE, targets)
    theirs = run_package(bars, rules, 0.0, 0.0, targets)
    assert first_difference(bars, ours, theirs) is None
    return first_difference(bars, change(ours), theirs), bars


def nudged(values, at):
    values = values.copy()
    values[at] = np.nextafter(values[at], np.inf)
    return values


def test_the_first_difference_names_what_when_which_and_both_values():
    found, bars = checked(
        lambda ours: replace(ours, fills=replace(ours.fills, prices=nudged(ours.fills.prices, 0)))
    )
    assert (found.what, found.time, found.series) == ("price of fill 1", bars.times[1], "s0")
    assert found.ours == np.nextafter(found.theirs, np.inf)


def test_the_earliest_difference_counts_and_the_cause_before_the_effect():
    found, bars = checked(
        lambda ours: replace(
            ours,
            equity=nudged(ours.equity, 0),
            fills=replace(ours.fills, units=nudged(ours.fills.units, 0)),
        )
    )
    assert (found.what, found.time) == ("value", bars.times[0])
    found, bars = checked(
        lambda ours: replace(
            ours,
            cash=nudged(ours.cash, 1),
            fills=replace(ours.fills, units=nudged(ours.fills.units, 0)),
        )
    )
    assert (found.what, found.time) == ("units of fill 1", bars.times[1])


def test_a_missing_rejection_and_other_final_units_are_differences():
    found, _ = checked(
        lambda ours: replace(
            ours,
            rejections=replace(
                ours.rejections,
                times=ours.rejections.times[1:],
                columns=ours.rejections.columns[1:],
                units=ours.rejections.units[1:],
                reasons=ours.rejections.reasons[1:],
                **({"orders": ours.rejections.orders[1:]} if hasattr(ours.rejections, "orders") else {}),
            ),
        )
    )
    assert found.what == "rejection 1"
    assert "s1 at 2010-01-02" in found.theirs
    found, _ = checked(lambda ours: replace(ours, state=replace(ours.state, units=np.array([1.0, 0.0]))))
    assert (found.what, found.time, found.series, found.ours) == ("units", None, "s0", 1.0)


def test_a_comparison_is_one_sentence():
    bars = flat([100, 101, 102])
    rules, targets = ExactRules(capital=1000.0), np.array([[0.5], [NAN], [NAN]])
    check = cross_check(bars, rules, FREE, targets)
    assert check.sentence() == (
        "identical to backtrader 1.9.78.123: 3 bars x 1 series, 1 fills, 0 rejections, final equity 1005.0"
    )
    assert check.final_equity == 1005.0
    found, _ = checked(lambda ours: replace(ours, cash=nudged(ours.cash, 2)))
    sentence = replace(check, difference=found).sentence()
    assert sentence.startswith("different: cash at 2010-01-03T00:00:00.000000000 is ")
    assert "in backtrader (3 bars x 1 series" in sentence


def test_costs_without_borrowing_can_be_compared():
    costs = free_of_borrowing(UsEquities())
    assert exact_fractions(ExactRules(), costs) == (0.0, 5.0 * 1e-4)


def test_without_the_package_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "backtrader", None)
    bars = flat([100, 101])
    with pytest.raises(EngineError, match=r"pip install 'wayfold\[backtrader\]'"):
        cross_check(bars, ExactRules(), FREE, np.zeros((2, 1)))
    with pytest.raises(EngineError, match="engine 'backtrader_exact' computes the same without it"):
        BacktraderPackage().start(bars.series)
