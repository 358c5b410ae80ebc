"""The engine: identity of chunks, agreement with its slow twin, conservation, and each rule on its own."""

import importlib.util
import io
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.book import book
from backtest.costs import CustomCosts, NoCosts, UsEquities
from backtest.engine.advance import advance, place
from backtest.engine.bars import Bars
from backtest.engine.role import ENGINES
from backtest.engine.rules import EngineSpec
from backtest.engine.state import from_arrays, start_state, to_arrays
from backtest.errors import EngineError
from backtest.policies.base import Decision
from data.errors import SpecError

_PATH = Path(__file__).resolve().parents[1] / "oracles" / "engine_oracle.py"
_MODULE = importlib.util.spec_from_file_location("engine_oracle", _PATH)
oracle = importlib.util.module_from_spec(_MODULE)
_MODULE.loader.exec_module(oracle)

FREE = NoCosts()
DEAR = CustomCosts(commission_bps=7, half_spread_bps=3, slippage_bps=5, borrow_bps_per_year=900)
SERIES_OUT = ("equity", "cash", "gross_exposure", "net_exposure", "turnover", "costs", "dividends")


def same_bits(a, b):
    return np.ascontiguousarray(a).tobytes() == np.ascontiguousarray(b).tobytes()


def make_bars(opens, closes=None, **other):
    opens = np.asarray(opens, float)
    closes = opens if closes is None else np.asarray(closes, float)
    length, count = opens.shape
    fields = {
        "high": np.fmax(opens, closes),
        "low": np.fmin(opens, closes),
        "volume": np.full(opens.shape, np.nan),
        "splits": np.ones(opens.shape),
        "dividends": np.zeros(opens.shape),
        "tradable": np.ones(count, bool),
        **other,
    }
    times = np.datetime64("2024-01-01", "ns") + np.arange(length) * np.timedelta64(1, "D")
    return Bars(times, tuple("abcdefgh"[:count]), opens, close=closes, **fields)


def random_world(seed, length=24, count=4, short=True):
    """Return bars with absent bars, splits, dividends and thin volume, and targets with gaps."""
    rng = np.random.default_rng(seed)
    closes = 50 * np.exp(np.cumsum(rng.normal(0, 0.03, (length, count)), axis=0))
    opens = closes * np.exp(rng.normal(0, 0.01, (length, count)))
    absent = rng.random((length, count)) < 0.15
    absent[0] = False
    opens[absent | (rng.random((length, count)) < 0.05)] = np.nan
    closes[absent] = np.nan
    splits = np.where(rng.random((length, count)) < 0.03, rng.choice([2.0, 1 / 3, 1.5, 0.1]), 1.0)
    dividends = np.where(rng.random((length, count)) < 0.05, rng.random((length, count)), 0.0)
    volume = np.where(rng.random((length, count)) < 0.3, np.nan, rng.integers(0, 40_000, (length, count)))
    targets = rng.normal(0.1, 0.4, (length, count)) if short else rng.dirichlet(np.ones(count), length)
    targets[rng.random((length, count)) < 0.4] = np.nan
    targets[rng.random((length, count)) < 0.1] = 0.0
    return make_bars(opens, closes, splits=splits, dividends=dividends, volume=volume), targets


def random_spec(seed):
    rng = np.random.default_rng(seed)
    return EngineSpec(
        capital=float(rng.choice([20_000.0, 1_000_000.0])),
        units=str(rng.choice(["integer", "fractional"])),
        participation=[None, 0.05, 0.5][rng.integers(3)],
        fill=str(rng.choice(["open", "close"])),
    )


def whole(bars, spec, costs, targets):
    return advance(start_state(bars.series, spec), bars, spec, costs, 252.0, targets)


def stepped(bars, spec, costs, targets, store):
    state, parts = start_state(bars.series, spec), []
    for t in range(len(bars)):
        part = advance(state, bars.rows(t, t + 1), spec, costs, 252.0)
        state = store(
            place(part.state, Decision(bars.times[t], bars.series, targets[t]), spec, bars.tradable)
        )
        parts.append(part)
    return state, parts


def through_npz(state):
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **to_arrays(state))
    file.seek(0)
    with np.load(file, allow_pickle=False) as stored:
        return from_arrays(stored)


def through_json(state):
    return from_arrays(
        json.loads(json.dumps({key: value.tolist() for key, value in to_arrays(state).items()}))
    )


@pytest.mark.parametrize(
    "store", [lambda state: state, through_npz, through_json], ids=["kept", "npz", "json"]
)
@settings(max_examples=20, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10_000))
def test_one_call_equals_bar_by_bar_with_place_and_storage_to_the_bit(store, seed):
    bars, targets = random_world(seed)
    spec = random_spec(seed)
    at_once = whole(bars, spec, DEAR, targets)
    state, parts = stepped(bars, spec, DEAR, targets, store)
    for name in SERIES_OUT:
        assert same_bits(np.concatenate([getattr(part, name) for part in parts]), getattr(at_once, name)), (
            name
        )
    assert same_bits(np.vstack([part.weights for part in parts]), at_once.weights)
    for name in ("units", "prices", "commissions", "reasons", "times", "columns"):
        together = np.concatenate([getattr(part.fills, name) for part in parts])
        assert same_bits(together, getattr(at_once.fills, name)), name
    for name, array in to_arrays(at_once.state).items():
        assert same_bits(array, to_arrays(state)[name]), name


@settings(max_examples=60, deadline=None, derandomize=True)
@given(seed=st.integers(0, 100_000), short=st.booleans())
def test_kernel_equals_its_slow_twin_to_the_bit(seed, short):
    bars, targets = random_world(seed, short=short)
    spec = random_spec(seed)
    fast = whole(bars, spec, DEAR, targets)
    slow = oracle.run_slowly(bars, spec, DEAR, 252.0, targets)
    flows = ("borrow", "funding", "interest")
    columns = np.column_stack([*(getattr(fast, name) for name in (*SERIES_OUT, *flows)), fast.weights])
    assert same_bits(columns, np.array(slow.curve))
    frame = fast.fills.frame()
    assert len(frame) == len(slow.fills)
    expected = [(bars.times[row], *rest) for row, *rest in slow.fills]
    order = [
        "time",
        "series",
        "reason",
        "units",
        "price",
        "commission",
        "spread_cost",
        "slippage_cost",
        "order",
    ]
    assert [tuple(row) for row in frame[order].itertuples(index=False)] == expected
    assert same_bits(fast.state.units, [slow.units[name] for name in bars.series])
    assert same_bits(fast.state.goals, [slow.goals.get(name, np.nan) for name in bars.series])
    assert fast.state.bankrupt == slow.bankrupt


@settings(max_examples=40, deadline=None, derandomize=True)
@given(seed=st.integers(0, 100_000))
def test_equity_changes_only_by_price_moves_dividends_and_costs(seed):
    bars, targets = random_world(seed)
    spec = random_spec(seed)
    out = whole(bars, spec, DEAR, targets)
    mid = bars.open if spec.fill == "open" else bars.close
    units, marks, equity = np.zeros(4), np.full(4, np.nan), spec.capital
    frame = out.fills.frame()
    for t in range(len(bars)):
        marks_before = marks / bars.splits[t]
        units = units * bars.splits[t]
        marks = np.where(np.isnan(bars.close[t]), marks_before, bars.close[t])
        profit = np.nansum(np.where(units != 0, units * (marks - marks_before), 0.0))
        for row in frame[(frame["time"] == bars.times[t]) & (frame["reason"] != "split")].itertuples():
            s = bars.series.index(row.series)
            price = mid[t, s] if row.reason == "target" else row.price
            profit += row.units * (marks[s] - price)
            units[s] += row.units
        expected = equity + profit + out.dividends[t] - out.costs[t]
        equity = out.equity[t]
        assert equity == pytest.approx(expected, rel=1e-9, abs=1e-9 * spec.capital)
        assert np.allclose(
            units, out.weights[t] * equity / np.where(np.isnan(marks), 1, marks), rtol=1e-9, atol=1e-7
        )
    assert equity == pytest.approx(book(out.state).equity, rel=0, abs=0)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(seed=st.integers(0, 100_000), power=st.sampled_from([-20, -3, 1, 7, 30]))
def test_another_currency_unit_changes_no_order_and_scales_money_exactly(seed, power):
    bars, targets = random_world(seed)
    spec, factor = random_spec(seed), 2.0**power
    dear = EngineSpec(
        capital=spec.capital * factor, units=spec.units, participation=spec.participation, fill=spec.fill
    )
    a, b = whole(bars, spec, DEAR, targets), whole(bars.scaled(factor), dear, DEAR, targets)
    assert same_bits(a.equity * factor, b.equity)
    assert same_bits(a.fills.units, b.fills.units)
    assert same_bits(a.weights, b.weights)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(seed=st.integers(0, 100_000))
def test_nothing_trades_on_an_absent_bar_and_no_fill_exceeds_the_volume_cap(seed):
    bars, targets = random_world(seed)
    out = whole(bars, EngineSpec(participation=0.05), DEAR, targets)
    traded = out.fills.reasons == 0
    rows = np.searchsorted(bars.times, out.fills.times[traded])
    columns = out.fills.columns[traded]
    assert not np.isnan(bars.open[rows, columns]).any()
    volume = bars.volume[rows, columns]
    known = ~np.isnan(volume)
    assert (np.abs(out.fills.units[traded][known]) <= 0.05 * volume[known]).all()


@settings(max_examples=30, deadline=None, derandomize=True)
@given(seed=st.integers(0, 100_000))
def test_a_long_only_account_never_owes_cash(seed):
    bars, targets = random_world(seed, short=False)
    out = whole(bars, random_spec(seed), DEAR, targets)
    assert (out.cash >= 0).all()
    assert (out.state.units >= 0).all()


@settings(max_examples=30, deadline=None, derandomize=True)
@given(seed=st.integers(0, 100_000))
def test_dearer_trading_costs_more_for_the_same_orders(seed):
    bars, _ = random_world(seed)
    first = np.full(bars.close.shape, np.nan)
    first[0] = [0.2, -0.2, 0.1, -0.3]
    spec = EngineSpec(participation=None)
    cheap, dear = whole(bars, spec, DEAR, first), whole(bars, spec, DEAR.scaled(2.0), first)
    assert dear.costs.sum() >= cheap.costs.sum()
    assert dear.equity[-1] <= cheap.equity[-1]


def test_an_order_fills_at_the_open_after_its_decision_with_costs_against_the_trader():
    bars = make_bars([[10.0], [20.0], [30.0]], [[11.0], [22.0], [33.0]])
    targets = np.array([[0.5], [np.nan], [np.nan]])
    out = whole(bars, EngineSpec(capital=11_000, participation=None), DEAR, targets)
    assert out.weights[0, 0] == 0
    fill = out.fills.frame().iloc[0]
    assert fill["time"].to_datetime64() == bars.times[1]
    assert fill["units"] == 500
    assert fill["price"] == pytest.approx(20 * 1.0008)
    assert fill["commission"] == pytest.approx(500 * 20 * 1.0008 * 0.0007)
    assert out.equity[1] == pytest.approx(11_000 + 500 * 2 - out.costs[1])


def test_units_are_truncated_toward_zero_and_fractional_units_are_not():
    bars, targets = make_bars([[3.0, 7.0], [3.0, 7.0]]), np.array([[0.5, -0.5], [np.nan, np.nan]])
    integer = whole(bars, EngineSpec(capital=100, participation=None), FREE, targets)
    fractional = whole(bars, EngineSpec(capital=100, participation=None, units="fractional"), FREE, targets)
    assert integer.state.units.tolist() == [16, -7]
    assert fractional.state.units.tolist() == [50 / 3, -50 / 7]


def test_buys_are_cut_to_the_cash_that_sells_bring_first():
    bars = make_bars([[10.0, 10.0], [10.0, 10.0], [5.0, 10.0]], [[10.0, 10.0], [10.0, 10.0], [5.0, 10.0]])
    targets = np.array([[1.0, 0.0], [0.0, 1.0], [np.nan, np.nan]])
    out = whole(bars, EngineSpec(capital=1000, participation=None), FREE, targets)
    assert out.fills.units.tolist() == [100, -100, 49]
    assert out.cash[-1] == 10
    assert np.isnan(out.state.goals).all()


def test_what_cash_cannot_buy_rests_while_a_sell_is_waiting():
    bars = make_bars([[10.0, 10.0], [10.0, 10.0], [np.nan, 10.0], [10.0, 10.0], [10.0, 10.0]])
    targets = np.full((5, 2), np.nan)
    targets[0], targets[1] = [1.0, 0.0], [0.0, 1.0]
    out = whole(bars, EngineSpec(capital=1000, participation=None), FREE, targets)
    assert out.fills.frame()["units"].tolist() == [100, -100, 100]
    assert out.state.units.tolist() == [0, 100]


def test_a_capped_order_fills_in_parts_until_it_is_done():
    bars = make_bars(np.full((5, 1), 10.0), volume=np.array([[900.0], [800.0], [0.0], [np.nan], [100.0]]))
    targets = np.full((5, 1), np.nan)
    targets[0] = 0.5
    out = whole(bars, EngineSpec(capital=10_000), FREE, targets)
    assert out.fills.units.tolist() == [40, 460]
    assert out.fills.times.tolist() == bars.times[[1, 3]].tolist()


def test_a_weight_of_nan_leaves_position_and_resting_order_and_zero_ends_both():
    bars = make_bars(np.full((4, 1), 10.0), volume=np.full((4, 1), 200.0))
    spec = EngineSpec(capital=1000)
    keep = np.array([[0.5], [np.nan], [np.nan], [np.nan]])
    stop = np.array([[0.5], [0.0], [np.nan], [np.nan]])
    assert whole(bars, spec, FREE, keep).fills.units.tolist() == [10, 10, 10]
    assert whole(bars, spec, FREE, stop).fills.units.tolist() == [10, -10]


@pytest.mark.parametrize(
    ("ratio", "units", "in_lieu"), [(2.0, 202, 0.0), (1 / 3, 33, 2 / 3), (1.5, 151, 0.5)]
)
def test_a_split_scales_units_and_orders_and_pays_the_fraction_at_the_open(ratio, units, in_lieu):
    splits = np.array([[1.0], [1.0], [ratio], [1.0]])
    prices = np.array([[10.0], [10.0], [10 / ratio], [10 / ratio]])
    bars = make_bars(prices, splits=splits)
    targets = np.array([[0.0101], [np.nan], [np.nan], [np.nan]])
    out = whole(bars, EngineSpec(capital=100_000, participation=None), FREE, targets)
    assert out.state.units.tolist() == [units]
    assert out.cash[-1] == pytest.approx(100_000 - 1010 + in_lieu * 10 / ratio)
    assert out.equity == pytest.approx(100_000)
    assert out.fills.units.sum() == pytest.approx(units)


def test_a_resting_order_is_scaled_by_the_split_to_come():
    bars = make_bars(
        [[10.0], [np.nan], [5.0]], [[10.0], [np.nan], [5.0]], splits=np.array([[1.0], [1.0], [2.0]])
    )
    out = whole(
        bars, EngineSpec(capital=1000, participation=None), FREE, np.array([[0.5], [np.nan], [np.nan]])
    )
    assert out.fills.units.tolist() == [100]


def test_longs_receive_dividends_and_shorts_pay_them_before_the_split():
    splits = np.array([[1.0, 1.0], [1.0, 1.0], [2.0, 1.0]])
    dividends = np.array([[0.0, 0.0], [0.0, 0.0], [0.5, 0.25]])
    bars = make_bars([[10.0, 10.0], [10.0, 10.0], [5.0, 10.0]], splits=splits, dividends=dividends)
    targets = np.array([[0.5, -0.5], [np.nan, np.nan], [np.nan, np.nan]])
    out = whole(bars, EngineSpec(capital=1000, participation=None), FREE, targets)
    assert out.dividends.tolist() == [0, 0, 50 * 0.5 - 50 * 0.25]
    assert out.equity.tolist() == [1000, 1000, 1012.5]


def test_shorts_pay_borrow_each_bar_at_the_last_mark():
    bars = make_bars(np.full((4, 1), 10.0))
    costs = CustomCosts(slippage_bps=1e-9, borrow_bps_per_year=252)
    targets = np.array([[-1.0], [np.nan], [np.nan], [np.nan]])
    out = whole(bars, EngineSpec(capital=1000, participation=None), costs, targets)
    assert out.costs == pytest.approx([0, 0, 0.1, 0.1], abs=1e-6)


def test_a_bankrupt_account_is_closed_at_its_marks_flagged_and_takes_no_order():
    bars = make_bars([[10.0], [10.0], [30.0], [10.0], [10.0]])
    targets = np.array([[-1.0], [np.nan], [np.nan], [1.0], [1.0]])
    out = whole(bars, EngineSpec(capital=1000, participation=None), FREE, targets)
    assert out.state.bankrupt
    assert out.equity.tolist() == [1000, 1000, -1000, -1000, -1000]
    assert out.fills.frame()["reason"].tolist() == ["target", "liquidation"]
    assert np.isfinite(out.weights).all() and (out.weights[2:] == 0).all()
    decision = Decision(bars.times[-1], bars.series, np.array([1.0]))
    assert place(out.state, decision, EngineSpec()) is out.state


def test_an_absent_close_keeps_the_mark():
    bars = make_bars([[10.0], [10.0], [np.nan]], [[10.0], [12.0], [np.nan]])
    out = whole(
        bars, EngineSpec(capital=100, participation=None), FREE, np.array([[1.0], [np.nan], [np.nan]])
    )
    assert out.equity.tolist() == [100, 120, 120]


def test_fill_close_needs_no_open_and_never_uses_the_close_of_the_decision():
    closes = np.array([[10.0], [20.0], [40.0]])
    bars = make_bars(np.full((3, 1), np.nan), closes)
    spec = EngineSpec(capital=1000, participation=None, fill="close")
    out = whole(bars, spec, FREE, np.array([[0.5], [np.nan], [np.nan]]))
    assert out.fills.prices.tolist() == [20]
    assert out.equity.tolist() == [1000, 1000, 2000]


def test_no_bars_change_nothing():
    bars, targets = random_world(3)
    spec = EngineSpec()
    state = whole(bars, spec, DEAR, targets).state
    out = advance(state, bars.rows(5, 5), spec, DEAR, 252.0)
    assert same_bits(out.state.goals, state.goals) and out.state.time == state.time and len(out.fills) == 0


def wrong_targets(bars):
    return np.zeros((len(bars.series), len(bars)))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda b, s: advance(s, b, EngineSpec(), FREE, 252.0, np.zeros((2, 24))),
            r"shape \(2, 24\).*\(24, 2\)",
        ),
        (
            lambda b, s: advance(s, b, EngineSpec(), FREE, 252.0, np.full((24, 2), np.inf)),
            "of a at 2024-01-01.*inf",
        ),
        (lambda b, s: advance(s, b, EngineSpec(), FREE, 0.0), "periods_per_year was 0.0"),
        (lambda b, s: advance(start_state(("x",), EngineSpec()), b, EngineSpec(), FREE, 252.0), "trades x"),
        (
            lambda b, s: place(s, Decision(b.times[0], ("x", "y"), np.zeros(2)), EngineSpec()),
            "decision is for x, y",
        ),
        (lambda b, s: place(s, Decision(b.times[0], b.series, np.zeros(2)), EngineSpec()), "stands at NaT"),
        (lambda b, s: from_arrays({"version": 2}), "no 'bankrupt'"),
        (lambda b, s: from_arrays({**to_arrays(s), "version": 9}), "version 9"),
    ],
)
def test_misuse_is_named(call, message):
    bars, _ = random_world(1, count=2)
    with pytest.raises(EngineError, match=message):
        call(bars, start_state(bars.series, EngineSpec()))


def test_bars_must_follow_the_account():
    bars, targets = random_world(2)
    spec = EngineSpec()
    done = whole(bars, spec, FREE, targets)
    with pytest.raises(EngineError, match="already stands at"):
        advance(done.state, bars.rows(3, 5), spec, FREE, 252.0)


@pytest.mark.parametrize("reason", ["untradable", "unseen"])
def test_a_weight_without_a_price_is_refused_by_series_and_time(reason):
    prices = np.array([[10.0, np.nan if reason == "unseen" else 5.0]])
    bars = make_bars(prices, tradable=np.array([True, reason == "unseen"]))
    with pytest.raises(EngineError, match=r"target weight of b at 2024-01-01.* was 0.5"):
        whole(bars, EngineSpec(), FREE, np.array([[0.5, 0.5]]))
    assert len(whole(bars, EngineSpec(), FREE, np.array([[0.5, 0.0]])).fills) == 0


def test_engine_spec_refuses_zero_capital_and_round_trips():
    with pytest.raises(SpecError, match="capital was 0"):
        ENGINES.build({"kind": "realistic", "capital": 0})
    spec = ENGINES.build({"kind": "realistic", "units": "fractional", "participation": None})
    assert ENGINES.build(ENGINES.describe(spec)) == spec


def test_inputs_are_not_changed():
    bars, targets = random_world(5)
    copy, prices = targets.copy(), bars.close.copy()
    state = start_state(bars.series, EngineSpec())
    advance(state, bars, EngineSpec(), UsEquities(), 252.0, targets)
    assert same_bits(copy, targets) and same_bits(prices, bars.close) and same_bits(state.units, np.zeros(4))
