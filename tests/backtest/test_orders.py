"""Orders: each rule on its own, agreement with the slow twin, identity of chunks, conservation of cash."""

import importlib.util
import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.costs import CustomCosts, NoCosts
from backtest.engine.advance import advance, place
from backtest.engine.orders import (
    KINDS,
    Order,
    bracket,
    cancel_orders,
    oco,
    place_orders,
    resting_orders,
)
from backtest.engine.rules import EngineSpec
from backtest.engine.state import from_arrays, start_state, to_arrays
from backtest.errors import EngineError
from backtest.policies.base import Decision

_ORACLES = Path(__file__).resolve().parents[1] / "oracles"


def load(name):
    module = importlib.util.spec_from_file_location(name, _ORACLES / f"{name}.py")
    loaded = importlib.util.module_from_spec(module)
    module.loader.exec_module(loaded)
    return loaded


oracle, worlds = load("engine_oracle"), load("engine_worlds")
path = worlds.path

FREE = NoCosts()
SPREAD = CustomCosts(half_spread_bps=10, slippage_bps=10)
SERIES_OUT = (
    "equity",
    "cash",
    "gross_exposure",
    "net_exposure",
    "turnover",
    "costs",
    "dividends",
    "borrow",
    "funding",
    "interest",
)
ROOMY = EngineSpec(capital=1_000_000, participation=None)


def same_bits(a, b):
    return np.ascontiguousarray(a).tobytes() == np.ascontiguousarray(b).tobytes()


def rich_case(seed):
    bars, targets = worlds.rich_world(seed)
    spec, costs = worlds.rich_rules(seed), worlds.rich_costs(seed)
    return bars, worlds.margin_fits(targets, spec), spec, costs, worlds.rich_orders(seed, bars)


def whole(bars, spec, costs, targets=None, orders=()):
    return advance(start_state(bars.series, spec), bars, spec, costs, 252.0, targets, orders)


def through_npz(state):
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **to_arrays(state))
    file.seek(0)
    with np.load(file, allow_pickle=False) as stored:
        return from_arrays(stored)


def stepped(bars, spec, costs, targets, orders):
    state, parts = start_state(bars.series, spec), []
    for t, stamp in enumerate(bars.times):
        part = advance(state, bars.rows(t, t + 1), spec, costs, 252.0)
        ends = targets[t] == -np.inf
        weights = np.where(ends, np.nan, targets[t])
        state = place(part.state, Decision(stamp, bars.series, weights), spec, bars.tradable, ends)
        state = place_orders(state, [order for placed, order in orders if placed == stamp], spec)
        state = through_npz(state)
        parts.append(part)
    return state, parts


@settings(max_examples=60, deadline=None, derandomize=True)
@given(seed=st.integers(0, 100_000))
def test_one_call_equals_bar_by_bar_with_orders_and_storage_to_the_bit(seed):
    bars, targets, spec, costs, orders = rich_case(seed)
    at_once = whole(bars, spec, costs, targets, orders)
    state, parts = stepped(bars, spec, costs, targets, orders)
    for name in SERIES_OUT:
        together = np.concatenate([getattr(part, name) for part in parts])
        assert same_bits(together, getattr(at_once, name)), name
    for name in ("units", "prices", "commissions", "reasons", "times", "columns", "orders"):
        together = np.concatenate([getattr(part.fills, name) for part in parts])
        assert same_bits(together, getattr(at_once.fills, name)), name
    for name in ("units", "reasons", "times", "columns", "orders"):
        together = np.concatenate([getattr(part.rejections, name) for part in parts])
        assert same_bits(together, getattr(at_once.rejections, name)), name
    for name, array in to_arrays(at_once.state).items():
        assert same_bits(array, to_arrays(state)[name]), name


@settings(max_examples=200, deadline=None, derandomize=True)
@given(seed=st.integers(0, 1_000_000))
def test_everything_at_once_equals_its_slow_twin_to_the_bit(seed):
    bars, targets, spec, costs, orders = rich_case(seed)
    fast = whole(bars, spec, costs, targets, orders)
    slow = oracle.run_slowly(bars, spec, costs, 252.0, targets, orders)
    columns = np.column_stack([*(getattr(fast, name) for name in SERIES_OUT), fast.weights])
    fills = fast.fills.frame()
    order = ["time", "series", "reason", "units", "price", "commission", "spread_cost", "slippage_cost"]
    made = [tuple(row) for row in fills[[*order, "order"]].itertuples(index=False)]
    assert made == [(bars.times[row], *rest) for row, *rest in slow.fills]
    refused = fast.rejections.frame()[["time", "series", "reason", "units", "order"]]
    assert [tuple(row) for row in refused.itertuples(index=False)] == [
        (bars.times[row], *rest) for row, *rest in slow.rejections
    ]
    assert same_bits(columns, np.array(slow.curve))
    assert same_bits(fast.state.goals, [slow.goals.get(name, np.nan) for name in bars.series])
    assert resting_orders(fast.state) == {each.id: each.units - each.filled for each in slow.orders}
    assert fast.state.bankrupt == slow.bankrupt


@settings(max_examples=100, deadline=None, derandomize=True)
@given(seed=st.integers(0, 1_000_000))
def test_cash_and_units_are_conserved_at_every_bar_under_all_orders_and_flows(seed):
    bars, targets, spec, costs, orders = rich_case(seed)
    out = whole(bars, spec, costs, targets, orders)
    rows = np.searchsorted(bars.times, out.fills.times)
    spent = np.bincount(rows, out.fills.units * out.fills.prices + out.fills.commissions, len(bars))
    change = np.diff(out.cash, prepend=spec.capital)
    flows = out.dividends + out.funding + out.interest - out.borrow - spent
    assert np.allclose(change, flows, rtol=0, atol=1e-9 * spec.capital)
    traded = np.zeros(bars.close.shape)
    np.add.at(traded, (rows, out.fills.columns), out.fills.units)
    units = np.cumsum(traded, axis=0)
    marks, split = np.full(len(bars.series), np.nan), bars.splits
    for t in range(len(bars)):
        marks = np.where(np.isnan(bars.close[t]), marks / split[t], bars.close[t])
        value = np.where(np.abs(units[t]) > 1e-9, units[t] * marks, 0.0)
        assert out.equity[t] == pytest.approx(out.cash[t] + value.sum(), abs=1e-7 * spec.capital)
    paid = np.bincount(
        rows, out.fills.commissions + out.fills.spread_costs + out.fills.slippage_costs, len(bars)
    )
    assert np.allclose(out.costs, paid + out.borrow, rtol=1e-9, atol=1e-9)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(seed=st.integers(0, 1_000_000))
def test_no_order_fills_twice_its_units_or_at_the_bar_it_was_placed(seed):
    bars, targets, spec, costs, orders = rich_case(seed)
    bars = type(bars)(**{**vars(bars), "splits": np.ones(bars.close.shape)})
    out = whole(bars, spec, costs, targets, orders)
    for placed, order in orders:
        mine = out.fills.orders == order.id
        assert (out.fills.times[mine] > placed).all()
        assert abs(out.fills.units[mine].sum()) <= abs(order.units) * (1 + 1e-12)
        assert (out.fills.units[mine] * order.units > 0).all()
        if order.limit is not None:
            beyond = (out.fills.prices[mine] - order.limit) * np.sign(order.units)
            assert (beyond <= 0).all()


def run_orders(bars, orders, costs=FREE, spec=ROOMY):
    """Place the orders at the first close; return the fills of orders as (row, id, units, price)."""
    out = whole(bars, spec, costs, None, [(bars.times[0], order) for order in orders])
    rows = np.searchsorted(bars.times, out.fills.times).tolist()
    fills = list(
        zip(rows, out.fills.orders.tolist(), out.fills.units.tolist(), out.fills.prices.tolist(), strict=True)
    )
    return fills, out


FLAT = (100, 100, 100, 100)


def test_no_order_matches_the_bar_it_was_placed_on():
    fills, _ = run_orders(
        path((100, 130, 70, 100), FLAT), [Order(id=1, series="a", units=1, kind="limit", limit=80)]
    )
    assert fills == []


@pytest.mark.parametrize(
    ("order", "bar", "price"),
    [
        ({"kind": "market"}, (102, 105, 95, 101), 102),
        ({"kind": "market_on_close"}, (102, 105, 95, 101), 101),
        ({"kind": "limit", "limit": 99}, (102, 105, 95, 101), 99),
        ({"kind": "limit", "limit": 99}, (97, 105, 95, 101), 97),
        ({"kind": "limit", "limit": 99}, (102, 105, 99, 101), None),
        ({"kind": "limit", "limit": 99}, (99, 105, 99, 101), 99),
        ({"kind": "stop", "stop": 104}, (102, 105, 95, 101), 104),
        ({"kind": "stop", "stop": 105}, (102, 105, 95, 101), 105),
        ({"kind": "stop", "stop": 104}, (107, 108, 95, 101), 107),
        ({"kind": "stop_limit", "stop": 104, "limit": 104.5}, (102, 105, 95, 101), 104),
        ({"kind": "stop_limit", "stop": 104, "limit": 105}, (107, 108, 104, 106), 105),
        ({"kind": "stop_limit", "stop": 104, "limit": 103}, (102, 105, 95, 102), 103),
        ({"kind": "stop_limit", "stop": 104, "limit": 103}, (102, 105, 95, 104), None),
        ({"kind": "trailing_stop", "trail_amount": 4}, (102, 105, 95, 101), 104),
        ({"kind": "trailing_stop", "trail_fraction": 0.05}, (102, 105, 95, 101), 105),
    ],
)
def test_where_a_buy_is_filled(order, bar, price):
    fills, _ = run_orders(path(FLAT, bar), [Order(id=1, series="a", units=2, **order)])
    assert fills == ([] if price is None else [(1, 1, 2, price)])


@pytest.mark.parametrize(
    ("order", "bar", "price"),
    [
        ({"kind": "limit", "limit": 104}, (102, 105, 95, 101), 104),
        ({"kind": "limit", "limit": 104}, (106, 107, 95, 101), 106),
        ({"kind": "limit", "limit": 105}, (102, 105, 95, 101), None),
        ({"kind": "stop", "stop": 96}, (102, 105, 95, 101), 96),
        ({"kind": "stop", "stop": 96}, (94, 105, 90, 101), 94),
        ({"kind": "stop_limit", "stop": 96, "limit": 95}, (102, 105, 95, 101), 96),
        ({"kind": "stop_limit", "stop": 96, "limit": 97}, (102, 105, 95, 96), None),
        ({"kind": "stop_limit", "stop": 96, "limit": 97}, (102, 105, 95, 98), 97),
        ({"kind": "trailing_stop", "trail_amount": 5}, (102, 105, 95, 101), 95),
    ],
)
def test_where_a_sale_is_filled(order, bar, price):
    fills, _ = run_orders(path(FLAT, bar), [Order(id=1, series="a", units=-2, **order)])
    assert fills == ([] if price is None else [(1, 1, -2, price)])


def test_a_stop_pays_half_spread_and_slippage_and_a_waiting_limit_does_not():
    stop, limit = (
        Order(id=1, series="a", units=-2, kind="stop", stop=96),
        Order(id=2, series="a", units=2, kind="limit", limit=97),
    )
    fills, out = run_orders(path(FLAT, (100, 101, 95, 100)), [stop, limit], SPREAD)
    assert fills == [(1, 1, -2, pytest.approx(96 * (1 - 0.002))), (1, 2, 2, 97)]
    assert out.costs[1] == pytest.approx(2 * 96 * 0.002)


def test_costs_never_push_a_limit_beyond_its_price():
    fills, out = run_orders(
        path(FLAT, FLAT), [Order(id=1, series="a", units=1, kind="limit", limit=100.1)], SPREAD
    )
    assert fills == [(1, 1, 1, 100.1)]
    assert out.fills.spread_costs[0] + out.fills.slippage_costs[0] == pytest.approx(0.1)


def test_a_trailing_stop_uses_the_extremes_through_the_last_bar():
    bars = path(FLAT, (100, 130, 100, 129), (129, 129, 125, 127), (127, 127, 119, 120))
    fills, _ = run_orders(bars, [Order(id=1, series="a", units=-1, kind="trailing_stop", trail_amount=10)])
    # The high of 130 arms the stop at 120 from the next bar on, and not within its own bar.
    assert fills == [(3, 1, -1, 120)]


def entry_and_exits(low, high, **entry):
    return bracket(
        Order(id=1, series="a", units=10, **entry),
        Order(id=2, series="a", units=-10, kind="stop", stop=low),
        Order(id=3, series="a", units=-10, kind="limit", limit=high),
    )


def test_the_entry_bar_is_not_blind():
    fills, out = run_orders(path(FLAT, (100, 101, 94, 96), FLAT), entry_and_exits(95, 110))
    assert fills == [(1, 1, 10, 100), (1, 2, -10, 95)]
    assert resting_orders(out.state) == {}


def test_a_double_touch_is_resolved_against_the_trader():
    fills, _ = run_orders(path(FLAT, FLAT, (100, 120, 90, 115)), entry_and_exits(95, 110))
    assert fills == [(1, 1, 10, 100), (2, 2, -10, 95)]


def test_a_take_profit_on_the_entry_bar_counts_where_it_can_be_decided():
    at_open, _ = run_orders(path(FLAT, (100, 111, 99, 100)), entry_and_exits(95, 110))
    assert at_open == [(1, 1, 10, 100), (1, 3, -10, 110)]
    inside = {"kind": "limit", "limit": 98}
    unknown, _ = run_orders(path(FLAT, (100, 111, 97, 100)), entry_and_exits(95, 110, **inside))
    assert unknown == [(1, 1, 10, 98)]
    decided, _ = run_orders(path(FLAT, (100, 112, 97, 111)), entry_and_exits(95, 110, **inside))
    assert decided == [(1, 1, 10, 98), (1, 3, -10, 110)]


def test_a_stop_inside_the_entry_bar_counts_as_hit():
    fills, _ = run_orders(path(FLAT, (100, 106, 90, 105)), entry_and_exits(95, 120, kind="stop", stop=103))
    assert fills == [(1, 1, 10, 103), (1, 2, -10, 95)]


def test_an_exit_never_sells_more_than_the_entry_was_filled_and_ends_its_rest():
    spec = EngineSpec(capital=1_000_000, participation=0.1)
    bars = path(FLAT, FLAT, (101, 101, 94, 95), FLAT)
    bars = type(bars)(**{**vars(bars), "volume": np.full((4, 1), 40.0)})
    orders = entry_and_exits(95, 110, kind="limit", limit=100)
    out = whole(bars, spec, FREE, None, [(bars.times[0], order) for order in orders])
    assert out.fills.units.tolist() == [4, -4]
    assert out.fills.orders.tolist() == [1, 2]
    assert resting_orders(out.state) == {}


def test_a_stop_that_went_off_goes_on_until_its_units_are_sold():
    spec = EngineSpec(capital=1_000_000, participation=0.1)
    bars = path(FLAT, (100, 100, 90, 100), FLAT, FLAT)
    bars = type(bars)(**{**vars(bars), "volume": np.full((4, 1), 40.0)})
    order = Order(id=1, series="a", units=-10, kind="stop", stop=95)
    out = whole(bars, spec, FREE, None, [(bars.times[0], order)])
    assert out.fills.units.tolist() == [-4, -4, -2]
    assert out.fills.prices.tolist() == [95, 100, 100]


def test_exits_end_with_an_entry_that_was_never_filled():
    orders = list(entry_and_exits(95, 110, kind="limit", limit=50, expires="day"))
    _, out = run_orders(path(FLAT, FLAT, FLAT), orders)
    assert resting_orders(out.state) == {}
    assert out.rejections.frame()[["units", "reason", "order"]].to_numpy().tolist() == [[10.0, "expired", 1]]


def test_the_first_of_a_group_to_be_filled_ends_the_others():
    low, high = (
        Order(id=1, series="a", units=1, kind="limit", limit=95),
        Order(id=2, series="a", units=1, kind="stop", stop=105),
    )
    fills, out = run_orders(path(FLAT, (100, 101, 90, 100), (100, 110, 100, 100)), oco(low, high))
    assert fills == [(1, 1, 1, 95)]
    assert resting_orders(out.state) == {}


def test_an_order_rests_until_it_is_filled_cancelled_or_expired():
    order = Order(id=7, series="a", units=1, kind="limit", limit=95)
    bars = path(FLAT, FLAT, (100, 100, 90, 100))
    state = place_orders(whole(bars.rows(0, 1), ROOMY, FREE).state, [order], ROOMY)
    assert resting_orders(advance(state, bars.rows(1, 2), ROOMY, FREE, 252.0).state) == {7: 1}
    assert resting_orders(cancel_orders(state, [7])) == {}
    assert resting_orders(advance(state, bars.rows(1, 3), ROOMY, FREE, 252.0).state) == {}


def test_cancelling_an_entry_cancels_its_exits():
    bars = path(FLAT)
    state = place_orders(whole(bars, ROOMY, FREE).state, entry_and_exits(95, 110), ROOMY)
    assert resting_orders(cancel_orders(state, [1])) == {}
    assert resting_orders(cancel_orders(state, [2])) == {1: 10, 3: -10}


@pytest.mark.parametrize(
    ("expires", "filled"), [(None, True), ("day", False), (np.datetime64("2024-01-02T12"), False)]
)
def test_expiry_is_the_end_of_the_day_or_an_instant(expires, filled):
    order = Order(id=1, series="a", units=1, kind="limit", limit=95, expires=expires)
    fills, out = run_orders(path(FLAT, FLAT, (100, 100, 90, 100)), [order])
    assert bool(fills) == filled
    assert out.rejections.count("expired") == (not filled)


def test_market_orders_fill_in_parts_within_the_volume():
    spec = EngineSpec(capital=1_000_000, participation=0.1)
    bars = path(FLAT, FLAT, FLAT, FLAT)
    bars = type(bars)(**{**vars(bars), "volume": np.array([[50.0], [50.0], [70.0], [1000.0]])})
    out = whole(bars, spec, FREE, None, [(bars.times[0], Order(id=1, series="a", units=15))])
    assert out.fills.units.tolist() == [5, 7, 3]


def test_what_cash_does_not_pay_is_refused():
    spec = EngineSpec(capital=250, participation=None)
    fills, out = run_orders(path(FLAT, FLAT), [Order(id=1, series="a", units=3)], FREE, spec)
    assert fills == [(1, 1, 2, 100)]
    assert out.rejections.frame()[["units", "reason", "order"]].to_numpy().tolist() == [[1.0, "cash", 1]]


def test_a_split_scales_an_order_and_its_prices():
    bars = path(FLAT, (50, 50, 44, 50))
    bars = type(bars)(**{**vars(bars), "splits": np.array([[1.0], [2.0]])})
    fills, _ = run_orders(bars, [Order(id=1, series="a", units=3, kind="limit", limit=90)])
    assert fills == [(1, 1, 6, 45)]


def test_a_bankrupt_account_takes_no_order():
    bars = path(FLAT, FLAT, (300, 300, 300, 300), FLAT)
    spec = EngineSpec(capital=100, participation=None)
    orders = [
        (bars.times[0], Order(id=1, series="a", units=-1)),
        (bars.times[0], Order(id=2, series="a", units=1, kind="limit", limit=1)),
        (bars.times[2], Order(id=3, series="a", units=1)),
    ]
    out = whole(bars, spec, FREE, None, orders)
    assert out.state.bankrupt and resting_orders(out.state) == {} and out.state.last_order == 3
    later = place_orders(out.state, [Order(id=4, series="a", units=1)], spec)
    assert resting_orders(later) == {} and later.last_order == 4


def test_ending_a_resting_target_keeps_the_position():
    bars = path(FLAT, FLAT, FLAT, FLAT)
    bars = type(bars)(**{**vars(bars), "volume": np.full((4, 1), 100.0)})
    spec = EngineSpec(capital=10_000, participation=0.05)
    targets = np.array([[0.5], [-np.inf], [np.nan], [np.nan]])
    assert whole(bars, spec, FREE, targets).state.units.tolist() == [5]
    state = whole(bars.rows(0, 2), spec, FREE, targets[:1].repeat(2, axis=0)).state
    held = Decision(bars.times[1], bars.series, np.array([np.nan]))
    assert np.isnan(place(state, held, spec, ends=np.ones(1, bool)).goals).all()
    assert not np.isnan(place(state, held, spec).goals).any()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Order(id=0, series="a", units=1), "id of order 0 was 0; allowed: a whole number above 0"),
        (lambda: Order(id=1, series="a", units=0), "units of order 1 were 0; allowed: finite and not 0"),
        (lambda: Order(id=1, series="a", units=np.nan), "were nan"),
        (lambda: Order(id=1, series="a", units=np.inf), "were inf"),
        (lambda: Order(id=1, series="a", units=1, kind="limt"), "kind 'limt'; did you mean 'limit'"),
        (lambda: Order(id=1, series="a", units=1, kind="limit"), "is a limit without limit"),
        (lambda: Order(id=1, series="a", units=1, limit=5), "is a market with limit; it takes no price"),
        (lambda: Order(id=1, series="a", units=1, kind="stop", stop=-5), "stop of order 1 was -5"),
        (lambda: Order(id=1, series="a", units=1, kind="stop", stop=np.nan), "stop of order 1 was nan"),
        (lambda: Order(id=1, series="a", units=1, kind="trailing_stop"), "with 0 trails; exactly one"),
        (
            lambda: Order(id=1, series="a", units=1, kind="trailing_stop", trail_fraction=1.5),
            "trail_fraction of order 1 was 1.5; allowed: above 0 and below 1",
        ),
        (lambda: bracket(Order(id=1, series="a", units=1)), "bracket of order 1 has no exit"),
        (
            lambda: bracket(Order(id=1, series="a", units=1), Order(id=2, series="a", units=1)),
            "exit 2 trades 1 of a after an entry of 1 of a",
        ),
    ],
)
def test_an_order_that_cannot_be_is_refused_by_name(make, message):
    with pytest.raises(EngineError, match=message):
        make()


@pytest.mark.parametrize(
    ("orders", "message"),
    [
        ([Order(id=1, series="zz", units=1)], "order 1 is for 'zz'"),
        ([Order(id=2, series="a", units=1), Order(id=2, series="a", units=1)], "id 2 was placed already"),
        ([Order(id=2, series="a", units=1, parent=1)], "parent 1 of order 2 is unknown"),
        ([Order(id=2, series="a", units=1.5)], "units of order 2 were 1.5; allowed: whole units"),
    ],
)
def test_orders_that_do_not_fit_the_account_are_refused_by_name(orders, message):
    bars = path(FLAT, FLAT)
    with pytest.raises(EngineError, match=message):
        place_orders(whole(bars, ROOMY, FREE).state, orders, ROOMY)
    with pytest.raises(EngineError, match=message):
        whole(bars, ROOMY, FREE, None, [(bars.times[0], order) for order in orders])


def test_an_id_is_never_used_twice():
    bars = path(FLAT, FLAT, FLAT)
    order = Order(id=1, series="a", units=1)
    state = advance(
        place_orders(whole(bars.rows(0, 1), ROOMY, FREE).state, [order], ROOMY),
        bars.rows(1, 2),
        ROOMY,
        FREE,
        252.0,
    ).state
    assert resting_orders(state) == {}
    with pytest.raises(EngineError, match="id 1 was placed already"):
        place_orders(state, [order], ROOMY)
    with pytest.raises(EngineError, match="order 5 was never placed"):
        cancel_orders(state, [5])
    assert cancel_orders(state, [1]).last_order == 1


def test_orders_at_no_bar_or_out_of_time_are_refused():
    bars = path(FLAT, FLAT)
    order, other = Order(id=1, series="a", units=1), Order(id=2, series="a", units=1)
    with pytest.raises(EngineError, match="order 1 is placed at 2020-01-01"):
        whole(bars, ROOMY, FREE, None, [(np.datetime64("2020-01-01"), order)])
    with pytest.raises(EngineError, match="order 2 is placed at .* in order of time"):
        whole(bars, ROOMY, FREE, None, [(bars.times[1], order), (bars.times[0], other)])


def test_without_opens_only_market_orders_are_taken():
    bars = path(FLAT, FLAT)
    spec = EngineSpec(fill="close")
    with pytest.raises(EngineError, match="order 1 is a limit; with 'fill: close'"):
        whole(
            bars, spec, FREE, None, [(bars.times[0], Order(id=1, series="a", units=1, kind="limit", limit=9))]
        )
    out = whole(bars, spec, FREE, None, [(bars.times[0], Order(id=1, series="a", units=1))])
    assert out.fills.units.tolist() == [1]


def test_every_kind_is_met_by_the_random_worlds():
    kinds = {
        order.kind for seed in range(40) for _, order in worlds.rich_orders(seed, worlds.rich_world(seed)[0])
    }
    assert kinds == set(KINDS)
