"""The exact engine: agreement with its slow twin, identity of chunks, conservation, and what it refuses."""

import importlib.util
import io
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.costs import CommissionTier, CustomCosts, NoCosts, UsEquities
from backtest.engine.exact import adjusted_bars, advance_exact, exact_fractions, place_exact
from backtest.engine.exact_kernel import floor_divide
from backtest.engine.exact_rules import BacktraderPackage, ExactRules
from backtest.engine.exact_state import exact_from_arrays, exact_to_arrays, start_exact
from backtest.engine.layout import compiled
from backtest.engine.rejections import REASONS
from backtest.engine.role import ENGINES
from backtest.errors import EngineError
from backtest.policies.base import Decision
from data.events import CorporateActions
from data.history import History
from data.panel import Panel
from data.sessions import BarClock


def oracle(name):
    path = Path(__file__).resolve().parents[1] / "oracles" / f"{name}.py"
    specification = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module
    specification.loader.exec_module(module)
    return module


slow, worlds = oracle("exact_oracle"), oracle("exact_worlds")

FREE = NoCosts()
CURVES = ("equity", "cash", "weights", "gross_exposure", "net_exposure", "turnover", "costs", "borrow")
FILLS = ("times", "columns", "units", "prices", "commissions", "spread_costs", "slippage_costs", "reasons")
NAN = np.nan


def same_bits(a, b):
    return np.ascontiguousarray(a).tobytes() == np.ascontiguousarray(b).tobytes()


def flat_bars(opens, closes=None):
    opens = np.asarray(opens, float)
    closes = opens if closes is None else np.asarray(closes, float)
    return worlds.make_bars(opens, np.fmax(opens, closes), np.fmin(opens, closes), closes)


def run(bars, targets, costs=FREE, **rules):
    rules = ExactRules(**rules)
    start = start_exact(bars.series, rules.capital)
    return advance_exact(start, bars, rules, costs, np.asarray(targets, float))


def whole(world):
    start = start_exact(world.bars.series, world.rules.capital)
    return advance_exact(start, world.bars, world.rules, world.costs, world.targets)


def rejections(bars, advanced):
    refused = advanced.rejections
    rows = np.searchsorted(bars.times, refused.times)
    reasons = [REASONS[code] for code in refused.reasons]
    return list(zip(rows.tolist(), refused.columns.tolist(), refused.units.tolist(), reasons, strict=True))


@settings(max_examples=150, deadline=None, derandomize=True)
@given(seed=st.integers(0, 1_000_000))
def test_kernel_equals_its_slow_twin_to_the_bit(seed):
    world = worlds.random_world(seed, 6, 40)
    bars, fast = world.bars, whole(world)
    twin = slow.run_slowly(bars, world.rules, *exact_fractions(world.rules, world.costs), world.targets)
    assert same_bits(np.column_stack([fast.equity, fast.cash]), np.array(twin.curve))
    fills = fast.fills
    columns = (
        np.searchsorted(bars.times, fills.times),
        fills.columns,
        fills.units,
        fills.prices,
        fills.commissions,
    )
    assert list(zip(*(column.tolist() for column in columns), strict=True)) == twin.fills
    assert rejections(bars, fast) == twin.rejections
    assert list(twin.units) == fast.state.touched.tolist()
    assert [twin.units[s] for s in twin.units] == fast.state.units[fast.state.touched].tolist()
    assert [twin.average[s] for s in twin.units] == fast.state.averages[fast.state.touched].tolist()
    waiting = [order.units for order in (*twin.pending, *twin.submitted)]
    assert waiting == fast.state.orders.units.tolist()


def through_npz(state):
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **exact_to_arrays(state))
    file.seek(0)
    with np.load(file, allow_pickle=False) as stored:
        return exact_from_arrays(stored)


def through_json(state):
    arrays = {key: value.tolist() for key, value in exact_to_arrays(state).items()}
    return exact_from_arrays(json.loads(json.dumps(arrays)))


def stepped(world, store):
    """Return the last state and the parts of an account brought forward bar by bar, stored and loaded in between."""
    bars, rules = world.bars, world.rules
    state, parts = rules.start(bars.series), []
    for t in range(len(bars)):
        part = rules.advance(store(state), bars.rows(t, t + 1), world.costs, 252.0)
        decision = Decision(bars.times[t], bars.series, world.targets[t])
        state = rules.place(store(part.state), decision, bars.tradable)
        parts.append(part)
    return state, parts


@pytest.mark.parametrize(
    "store", [lambda state: state, through_npz, through_json], ids=["kept", "npz", "json"]
)
@settings(max_examples=25, deadline=None, derandomize=True)
@given(seed=st.integers(0, 1_000_000))
def test_one_call_equals_bar_by_bar_with_place_and_storage_to_the_bit(store, seed):
    world = worlds.random_world(seed, 5, 30)
    at_once = whole(world)
    state, parts = stepped(world, store)
    for name in CURVES:
        assert same_bits(np.concatenate([getattr(part, name) for part in parts]), getattr(at_once, name)), (
            name
        )
    for name in FILLS:
        together = np.concatenate([getattr(part.fills, name) for part in parts])
        assert same_bits(together, getattr(at_once.fills, name)), name
    for name in ("times", "columns", "units", "reasons"):
        together = np.concatenate([getattr(part.rejections, name) for part in parts])
        assert same_bits(together, getattr(at_once.rejections, name)), name
    for name, array in exact_to_arrays(at_once.state).items():
        assert same_bits(array, exact_to_arrays(state)[name]), name


@settings(max_examples=40, deadline=None, derandomize=True)
@given(seed=st.integers(0, 1_000_000), cut=st.floats(0, 1))
def test_two_calls_with_targets_equal_one(seed, cut):
    world = worlds.random_world(seed, 5, 40)
    middle = int(cut * len(world.bars))
    first = advance_exact(
        start_exact(world.bars.series, world.rules.capital),
        world.bars.rows(0, middle),
        world.rules,
        world.costs,
        world.targets[:middle],
    )
    second = advance_exact(
        first.state,
        world.bars.rows(middle, len(world.bars)),
        world.rules,
        world.costs,
        world.targets[middle:],
    )
    at_once = whole(world)
    assert same_bits(np.concatenate([first.equity, second.equity]), at_once.equity)
    for name, array in exact_to_arrays(at_once.state).items():
        assert same_bits(array, exact_to_arrays(second.state)[name]), name


@settings(max_examples=60, deadline=None, derandomize=True)
@given(seed=st.integers(0, 1_000_000))
def test_cash_and_positions_are_what_the_fills_left(seed):
    world = worlds.random_world(seed, 5, 40)
    result, fills = whole(world), whole(world).fills
    spent = fills.units * fills.prices + fills.commissions
    scale = world.rules.capital + np.abs(spent).sum()
    assert abs(world.rules.capital - spent.sum() - result.cash[-1]) <= 1e-12 * scale
    held = np.bincount(fills.columns, weights=fills.units, minlength=len(world.bars.series))
    assert np.allclose(held, result.state.units, rtol=0, atol=1e-12 * (1 + np.abs(fills.units).sum()))
    marks = np.nan_to_num(result.state.marks)
    assert abs(result.cash[-1] + held @ marks - result.equity[-1]) <= 1e-11 * scale
    assert result.costs.sum() == pytest.approx(
        (fills.commissions + fills.spread_costs + fills.slippage_costs).sum(), abs=1e-9 * scale
    )


@settings(max_examples=60, deadline=None, derandomize=True)
@given(seed=st.integers(0, 1_000_000))
def test_later_bars_and_targets_change_nothing_before_them(seed):
    world = worlds.random_world(seed, 5, 40)
    cut = len(world.bars) // 2
    rng = np.random.default_rng(seed)
    later = np.arange(len(world.bars))[:, None] >= cut
    factor = np.where(later, rng.uniform(0.5, 2, world.bars.close.shape), 1.0)
    moved = {name: getattr(world.bars, name) * factor for name in ("open", "high", "low", "close")}
    other = replace(
        world,
        bars=replace(world.bars, **moved),
        targets=np.where(later, rng.normal(0, 1, world.targets.shape), world.targets),
    )
    if not world.bars.tradable.all():
        other.targets[:, ~world.bars.tradable] = NAN
    assert same_bits(whole(world).equity[:cut], whole(other).equity[:cut])


@compiled
def floor_division(amount, price):
    return floor_divide(amount, price)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    whole_part=st.integers(0, 10**9),
    price=st.floats(1e-4, 1e6, allow_nan=False),
    nudge=st.integers(-3, 3),
)
def test_floor_division_is_pythons_next_to_whole_numbers(whole_part, price, nudge):
    amount = whole_part * price
    for _ in range(abs(nudge)):
        amount = float(np.nextafter(amount, np.inf if nudge > 0 else 0.0))
    assert floor_division(amount, price) == amount // price


def test_the_difference_is_truncated_and_not_the_target():
    bars = flat_bars([[100.0]] * 4, [[100.0], [100.0], [88.4], [88.4]])
    advanced = run(bars, [[0.5], [NAN], [0.5], [NAN]], capital=1000)
    assert advanced.state.units[0] == 5
    assert len(advanced.fills) == 1
    assert 0.5 * advanced.equity[-1] // 88.4 < 5.34


def test_orders_of_the_last_row_stay_pending_and_fill_at_the_next_open():
    bars = flat_bars([[100.0], [110.0]])
    first = run(bars.rows(0, 1), [[0.5]], capital=1000)
    assert len(first.fills) == 0
    assert first.state.orders.units.tolist() == [5.0]
    assert not first.state.orders.accepted[0]
    second = advance_exact(first.state, bars.rows(1, 2), ExactRules(), FREE)
    assert second.fills.prices.tolist() == [110.0]


def test_nothing_is_decided_before_every_series_has_started_when_all_are_waited_for():
    bars = flat_bars([[100.0, NAN], [100.0, 50.0], [100.0, 50.0]])
    advanced = run(bars, [[0.5, NAN]] * 3, capital=1000, waits_for_all=True)
    assert advanced.fills.times.tolist() == bars.times[2:].tolist()
    assert advanced.state.touched.tolist() == [0]


def test_only_a_series_without_a_first_bar_is_not_called_when_nobody_is_waited_for():
    bars = flat_bars([[100.0, NAN], [100.0, 50.0], [100.0, 50.0]])
    advanced = run(bars, [[0.5, 0.4]] * 3, capital=1000)
    assert advanced.fills.times.tolist() == bars.times[[1, 2]].tolist()
    assert advanced.state.units.tolist() == [5.0, 8.0]


def test_an_untradable_series_is_waited_for_by_nobody_and_takes_no_target():
    bars = replace(flat_bars([[100.0, NAN], [100.0, 5.0]]), tradable=np.array([True, False]))
    assert run(bars, [[0.5, 0.0], [NAN, NAN]], capital=1000).state.units.tolist() == [5.0, 0.0]
    with pytest.raises(EngineError, match=r"target of s1 at 2010-01-01.* was 0\.1, but it is untradable"):
        run(bars, [[0.5, 0.1], [NAN, NAN]])


def test_a_row_without_any_bar_changes_nothing_and_decides_nothing():
    bars = flat_bars([[100.0], [NAN], [110.0]])
    advanced = run(bars, [[0.5], [0.9], [NAN]], capital=1000)
    assert advanced.fills.units.tolist() == [5.0]
    assert advanced.equity.tolist() == [1000.0, 1000.0, 1000.0]
    state = run(bars.rows(0, 2), [[NAN], [NAN]], capital=1000).state
    placed = place_exact(state, Decision(bars.times[1], bars.series, np.array([0.9])), ExactRules())
    assert len(placed.orders) == 0


def test_two_decisions_at_one_close_are_checked_one_after_the_other():
    bars = flat_bars([[100.0], [100.0]])
    state = run(bars.rows(0, 1), [[NAN]], capital=1000).state
    decision = Decision(bars.times[0], bars.series, np.array([0.6]))
    twice = place_exact(place_exact(state, decision, ExactRules()), decision, ExactRules())
    advanced = advance_exact(twice, bars.rows(1, 2), ExactRules(), FREE)
    assert advanced.fills.units.tolist() == [6.0]
    assert rejections(bars, advanced) == [(1, 0, 6.0, "cash_at_submission")]


def test_slippage_is_split_between_spread_and_slippage_and_kept_in_the_price():
    bars = worlds.make_bars([[100.0]] * 2, [[105.0]] * 2, [[95.0]] * 2, [[100.0]] * 2)
    costs = CustomCosts(commission_bps=10, half_spread_bps=30, slippage_bps=10)
    advanced = run(bars, [[0.5], [NAN]], costs, capital=1000)
    assert advanced.fills.prices[0] == 100.0 * 1.004
    assert advanced.fills.spread_costs[0] == pytest.approx(5 * 0.3)
    assert advanced.fills.slippage_costs[0] == pytest.approx(5 * 0.1)
    assert advanced.costs[1] == pytest.approx(5 * 0.4 + 5 * 100.4 * 0.001)
    assert advanced.equity[1] == pytest.approx(1000 - advanced.costs[1])


def test_borrowing_costs_are_refused_with_what_to_set():
    with pytest.raises(
        EngineError,
        match=r"borrow_bps_per_year was 50;.* needs borrow_bps_per_year: 0 \(with kind 'custom'\)",
    ):
        exact_fractions(ExactRules(), UsEquities())


@pytest.mark.parametrize("name", ["commission_per_unit", "commission_minimum", "impact_bps"])
def test_costs_that_backtrader_does_not_charge_are_refused(name):
    with pytest.raises(EngineError, match=f"{name} was 0.5;"):
        exact_fractions(ExactRules(), CustomCosts(commission_bps=1, **{name: 0.5}))


def test_commission_tiers_are_refused():
    tier = CommissionTier(traded_value=1e6, commission_bps=0.5)
    with pytest.raises(EngineError, match="commission_tiers had 1 tiers"):
        exact_fractions(ExactRules(), CustomCosts(commission_bps=1, commission_tiers=(tier,)))


@pytest.mark.parametrize(
    ("name", "none", "value", "why"),
    [
        ("splits", 1, 2.0, "books no corporate actions"),
        ("dividends", 0, 0.5, "books no corporate actions"),
        ("funding", NAN, 0.01, "knows no funding"),
        ("delistings", NAN, 3.0, "would hold a delisted series for ever"),
        ("shortable", NAN, 100.0, "lends any number of shares"),
    ],
)
def test_what_backtrader_does_not_book_is_refused(name, none, value, why):
    bars = flat_bars([[100.0], [50.0]])
    calm = replace(bars, **{name: np.array([[none], [none]])})
    assert len(run(calm, [[NAN], [NAN]]).equity) == 2
    acted = replace(bars, **{name: np.array([[none], [value]])})
    with pytest.raises(EngineError, match=rf"{name} of s0 at 2010-01-02.* was {value}; .*{why}"):
        run(acted, [[NAN], [NAN]])


def test_an_unknown_price_is_refused_when_an_order_needs_it():
    bars = flat_bars([[100.0], [NAN]], [[100.0], [100.0]])
    assert run(bars, [[NAN], [0.5]]).equity[-1] == 1_000_000
    with pytest.raises(EngineError, match=r"open of s0 at 2010-01-02.* was nan"):
        run(bars, [[0.5], [NAN]])
    unknown = np.full((2, 1), NAN)
    rangeless = worlds.make_bars([[100.0]] * 2, unknown, unknown, [[100.0]] * 2)
    assert len(run(rangeless, [[0.5], [NAN]]).fills) == 1
    with pytest.raises(EngineError, match=r"high or low of s0 at 2010-01-02.* was nan"):
        run(rangeless, [[0.5], [NAN]], CustomCosts(slippage_bps=10))


def test_wrong_shapes_times_series_and_infinite_targets_are_refused():
    bars = flat_bars([[100.0, 50.0]] * 3)
    with pytest.raises(EngineError, match=r"targets have shape \(2, 3\); bars and series ask for \(3, 2\)"):
        run(bars, np.zeros((2, 3)))
    with pytest.raises(EngineError, match=r"target of s1 at 2010-01-01.* was inf"):
        run(bars, [[0.1, np.inf]] + [[0.1, 0.1]] * 2)
    state = run(bars, np.zeros((3, 2))).state
    with pytest.raises(EngineError, match="first bar ends at 2010-01-01"):
        advance_exact(state, bars, ExactRules(), FREE)
    with pytest.raises(EngineError, match="bars are of s0; the account trades s0, s1"):
        advance_exact(state, flat_bars([[1.0]]), ExactRules(), FREE)
    weights = np.zeros(2)
    with pytest.raises(EngineError, match=r"decision was made at 2010-01-01.*; the account stands at"):
        place_exact(state, Decision(bars.times[0], bars.series, weights), ExactRules())
    with pytest.raises(EngineError, match="decision is for a, b; the account trades s0, s1"):
        place_exact(state, Decision(bars.times[2], ("a", "b"), weights), ExactRules())


def test_equity_beyond_the_largest_number_is_refused():
    bars = flat_bars([[1.0], [1.0], [1e308]], [[1.0], [1.0], [1e308]])
    with pytest.raises(EngineError, match=r"equity at 2010-01-03.* was not finite"):
        run(bars, [[0.9], [NAN], [NAN]])


def test_more_units_than_a_float_counts_are_refused():
    bars = flat_bars([[0.01], [0.01]])
    with pytest.raises(
        EngineError, match=r"target of s0 at 2010-01-01.* asks for more than 9007199254740992 units"
    ):
        run(bars, [[0.5], [NAN]], capital=1e18)
    state = run(bars, [[NAN], [NAN]], capital=1e18).state
    with pytest.raises(EngineError, match="asks for more than"):
        place_exact(state, Decision(bars.times[1], bars.series, np.array([0.5])), ExactRules())


def test_no_bars_leave_the_account_as_it_was():
    bars = flat_bars([[100.0]])
    state = run(bars, [[0.5]]).state
    advanced = advance_exact(state, bars.rows(0, 0), ExactRules(), FREE)
    for name, array in exact_to_arrays(state).items():
        assert same_bits(array, exact_to_arrays(advanced.state)[name]), name
    assert len(advanced.equity) == 0


def test_a_stored_state_of_another_layout_is_refused():
    arrays = exact_to_arrays(start_exact(("a",), 1.0))
    with pytest.raises(EngineError, match="state has version 2; this engine reads version 1"):
        exact_from_arrays({**arrays, "version": 2})
    with pytest.raises(EngineError, match="stored state has no 'order_units'"):
        exact_from_arrays({key: value for key, value in arrays.items() if key != "order_units"})
    with pytest.raises(EngineError, match=r"state.units has shape \(2,\); \(1,\) is needed"):
        exact_from_arrays({**arrays, "units": [1.0, 2.0]})
    with pytest.raises(EngineError, match=r"state.orders.prices has shape \(1,\); \(0,\) is needed"):
        exact_from_arrays({**arrays, "order_prices": [1.0]})


def history(fields, values, actions=None):
    times = np.datetime64("2024-01-01T21:00", "ns") + np.arange(len(values)) * np.timedelta64(1, "D")
    panel = Panel(times, ("a",), fields, np.asarray(values, float)[:, None, :])
    clock = BarClock("24/7", np.timedelta64(1, "D"))
    return History(panel, clock, **({} if actions is None else {"actions": actions}))


def test_adjusted_bars_carry_prices_over_a_split_and_book_nothing():
    times = np.array(["2024-01-02T21:00"], "datetime64[ns]")
    actions = CorporateActions(times, np.array(["a"]), np.array([2.0]), np.array([0.0]))
    fields = ("open", "high", "low", "close", "volume", "factor")
    split = history(fields, [[100, 100, 100, 100, 7, 1], [50, 51, 49, 50, 14, 2]], actions)
    bars = adjusted_bars(split)
    assert bars.close[:, 0].tolist() == [100.0, 100.0]
    assert bars.high[1, 0] == 102.0
    assert (bars.splits == 1).all()
    assert adjusted_bars(split, after=split.times[0]).times.tolist() == split.times[1:].tolist()
    without = history(fields[:-1], [[100, 100, 100, 100, 7], [50, 51, 49, 50, 14]], actions)
    with pytest.raises(EngineError, match="has 1 splits and dividends but no field 'factor'"):
        adjusted_bars(without)


def test_adjusted_bars_leave_out_borrowable_shares_and_refuse_a_delisting():
    fields = ("open", "high", "low", "close", "shortable")
    rows = [[100, 100, 100, 100, 7], [50, 51, 49, 50, 0]]
    assert adjusted_bars(history(fields, rows)).shortable is None
    times = np.array(["2024-01-02T21:00"], "datetime64[ns]")
    delisted = CorporateActions(times, np.array(["a"]), np.ones(1), np.zeros(1), np.array([3.0]))
    with pytest.raises(EngineError, match="a is delisted"):
        adjusted_bars(history((*fields, "factor"), [[*row, 1] for row in rows], delisted))


def test_both_engines_are_kinds_and_say_their_terms():
    ours = ENGINES.build({"kind": "backtrader_exact", "target": "percent", "cheat_on_close": True})
    assert isinstance(ours, ExactRules)
    assert "at the same close" in ours.terms()[0]
    package = ENGINES.build("backtrader")
    assert isinstance(package, BacktraderPackage)
    assert "at the next bar's open" in package.terms()[0]


def test_rejections_are_listed_with_their_words():
    bars = flat_bars([[100.0], [100.0]])
    advanced = run(bars, [[1.5], [NAN]], capital=1000)
    listed = advanced.rejections.frame()[["time", "series", "units", "reason"]]
    assert listed.to_numpy().tolist() == [[pd.Timestamp(bars.times[1]), "s0", 15.0, "cash_at_submission"]]
    assert advanced.rejections.count("cash_at_submission") == 1
