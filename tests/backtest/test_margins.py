"""Margin, borrow limits, costs of many kinds, funding, interest and delisting: each rule on its own."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from backtest.costs import CommissionTier, CustomCosts, NoCosts
from backtest.engine.advance import advance, place
from backtest.engine.orders import Order, place_orders, resting_orders
from backtest.engine.role import ENGINES
from backtest.engine.rules import EngineSpec, Margin
from backtest.engine.state import start_state
from backtest.errors import EngineError
from backtest.policies.base import Decision
from data.errors import PanelError, SpecError
from data.events import CorporateActions

_PATH = Path(__file__).resolve().parents[1] / "oracles" / "engine_worlds.py"
_MODULE = importlib.util.spec_from_file_location("engine_worlds", _PATH)
worlds = importlib.util.module_from_spec(_MODULE)
_MODULE.loader.exec_module(worlds)
make_bars = worlds.make_bars

FREE = NoCosts()
HALF = EngineSpec(capital=1000, participation=None, margin=Margin(initial=0.5, maintenance=0.25))


def whole(bars, spec, costs=FREE, targets=None, orders=()):
    return advance(start_state(bars.series, spec), bars, spec, costs, 252.0, targets, orders)


def first(*weights, length=4):
    targets = np.full((length, len(weights)), np.nan)
    targets[0] = weights
    return targets


def test_margin_lets_longs_and_shorts_reach_equity_over_the_initial_margin():
    bars = make_bars(np.full((4, 2), 10.0))
    out = whole(bars, HALF, FREE, first(1.2, -0.8))
    assert out.state.units.tolist() == [120, -80]
    assert out.gross_exposure[-1] == 2.0
    assert out.cash[-1] == 600


@pytest.mark.parametrize("weights", [(1.5, 0.6), (-1.5, 0.6), (2.1, np.nan)])
def test_weights_beyond_the_margin_are_refused(weights):
    bars = make_bars(np.full((4, 2), 10.0))
    with pytest.raises(
        EngineError, match=r"sum to 2.1 without their signs; an initial margin of 0.5 allows 2"
    ):
        whole(bars, HALF, FREE, first(*weights))
    state = whole(bars, HALF).state
    with pytest.raises(EngineError, match="sum to 2.1"):
        place(state, Decision(bars.times[-1], bars.series, np.array(weights)), HALF)


def test_opening_trades_are_cut_to_the_margin_at_the_prices_they_get():
    bars = make_bars([[10.0, 10.0], [11.0, 10.0], [11.0, 10.0], [11.0, 10.0]], np.full((4, 2), 10.0))
    out = whole(bars, HALF, FREE, first(1.0, 1.0))
    assert out.fills.units.tolist() == [95, 95]
    assert out.rejections.frame()[["series", "units", "reason"]].to_numpy().tolist() == [
        ["a", 5.0, "margin"],
        ["b", 5.0, "margin"],
    ]


def test_below_the_maintenance_margin_positions_are_reduced_to_the_initial_margin():
    bars = make_bars([[10.0], [10.0], [6.5], [6.5], [6.5]])
    out = whole(bars, HALF, FREE, first(2.0, length=5))
    # At 6.5 equity is 300 against 1300 held; 600 may be held.
    assert out.fills.frame()["reason"].tolist() == ["target", "margin_call"]
    assert out.fills.units.tolist() == [200, -108]
    assert out.gross_exposure[3] == pytest.approx(2.0, abs=0.01)


def test_a_margin_call_waits_for_a_price_ends_orders_and_is_not_undone_by_a_decision():
    bars = make_bars([[10.0], [10.0], [6.5], [np.nan], [6.5]], [[10.0], [10.0], [6.5], [np.nan], [6.5]])
    targets = first(2.0, length=5)
    targets[2:] = 2.0
    orders = [(bars.times[1], Order(id=1, series="a", units=-1, kind="stop", stop=1))]
    out = whole(bars, HALF, FREE, targets, orders)
    assert out.fills.frame()["reason"].tolist() == ["target", "margin_call"]
    assert out.fills.times.tolist() == bars.times[[1, 4]].tolist()
    assert resting_orders(out.state) == {}
    assert out.rejections.frame()[["reason", "order"]].to_numpy().tolist() == [["margin_call", 1]]


def test_a_decision_may_ask_for_less_than_a_margin_call():
    bars = make_bars([[10.0], [10.0], [6.5], [6.5]])
    targets = first(2.0)
    targets[2] = 0.0
    assert whole(bars, HALF, FREE, targets).state.units.tolist() == [0]


def test_equity_not_above_zero_is_bankruptcy_with_margin_too():
    bars = make_bars([[10.0], [10.0], [4.0], [4.0]])
    out = whole(bars, HALF, FREE, first(2.0))
    assert out.state.bankrupt and out.equity.tolist() == [1000, 1000, -200, -200]


def test_orders_open_within_the_margin_and_close_without_it():
    bars = make_bars(np.full((3, 1), 10.0))
    state = place_orders(whole(bars.rows(0, 1), HALF).state, [Order(id=1, series="a", units=-250)], HALF)
    after = advance(state, bars.rows(1, 2), HALF, FREE, 252.0)
    assert after.fills.units.tolist() == pytest.approx([-200], abs=1)
    assert after.rejections.frame()["reason"].tolist() == ["margin"]


def test_a_short_is_cut_to_what_can_be_borrowed_and_the_rest_refused():
    bars = make_bars(np.full((4, 2), 10.0), shortable=np.array([[np.nan, 30.0]] * 4))
    spec = EngineSpec(capital=1000, participation=None)
    out = whole(bars, spec, FREE, first(-0.5, -0.5))
    assert out.state.units.tolist() == [-50, -30]
    assert out.rejections.frame()[["series", "units", "reason"]].to_numpy().tolist() == [
        ["b", -20.0, "shortable"]
    ]
    assert np.isnan(out.state.goals).all()
    order = (bars.times[0], Order(id=1, series="b", units=-31))
    assert whole(bars, spec, FREE, None, [order]).state.units.tolist() == [0, -30]


def one_buy(costs, units=100, price=10.0, volume=np.nan, spec=None):
    bars = make_bars(np.full((2, 1), price), volume=np.full((2, 1), volume))
    spec = spec or EngineSpec(capital=1e6, participation=None)
    return whole(bars, spec, costs, None, [(bars.times[0], Order(id=1, series="a", units=units))])


@pytest.mark.parametrize(
    ("costs", "fee"),
    [
        ({"commission_bps": 10}, 1.0),
        ({"commission_per_unit": 0.05}, 5.0),
        ({"commission_bps": 10, "commission_per_unit": 0.05}, 6.0),
        ({"commission_bps": 10, "commission_minimum": 7}, 7.0),
        ({"commission_per_unit": 0.1, "commission_minimum": 7}, 10.0),
    ],
)
def test_commission_is_by_value_by_unit_and_at_least_the_minimum(costs, fee):
    out = one_buy(CustomCosts(**costs))
    assert out.fills.commissions.tolist() == pytest.approx([fee])
    assert out.cash[-1] == pytest.approx(1e6 - 1000 - fee)


@pytest.mark.parametrize("as_order", [True, False])
def test_the_minimum_is_of_an_order_and_not_of_each_of_its_fills(as_order):
    bars = make_bars(np.full((5, 1), 10.0), volume=np.full((5, 1), 100.0))
    costs, spec = (
        CustomCosts(commission_bps=100, commission_minimum=7),
        EngineSpec(capital=1000, participation=0.4),
    )
    orders = [(bars.times[0], Order(id=1, series="a", units=95))] if as_order else []
    targets = None if as_order else first(0.95, length=5)
    out = whole(bars, spec, costs, targets, orders)
    assert out.fills.units.tolist() == [40, 40, 15]
    assert out.fills.commissions.tolist() == pytest.approx([7, 1, 1.5])


def test_commission_falls_with_the_value_traded_in_the_calendar_month():
    tiers = (CommissionTier(traded_value=900, commission_bps=5),)
    length = 40
    bars = make_bars(np.full((length, 1), 10.0))
    orders = [(bars.times[t], Order(id=t + 1, series="a", units=100)) for t in (0, 1, 30, 31)]
    spec = EngineSpec(capital=1e6, participation=None)
    out = whole(bars, spec, CustomCosts(commission_bps=10, commission_tiers=tiers), None, orders)
    # The bars of the second and third order end on 3 January and 1 February 00:00, which still belongs to January.
    assert out.fills.commissions.tolist() == pytest.approx([1.0, 0.5, 0.5, 1.0])


def test_impact_grows_with_the_square_root_of_the_share_of_the_volume():
    costs = CustomCosts(slippage_bps=1, impact_bps=100)
    for units, share in ((100, 1.0), (25, 0.25), (1, 0.01)):
        out = one_buy(costs, units, volume=100.0)
        assert out.fills.prices[0] == pytest.approx(10 * (1 + 0.0001 + 0.01 * np.sqrt(share)))
        assert out.costs[-1] == pytest.approx(units * 10 * (0.0001 + 0.01 * np.sqrt(share)))
    assert one_buy(costs, 100).fills.prices[0] == pytest.approx(10.001)
    assert one_buy(costs, 150, volume=100.0).fills.units.tolist() == [100]
    assert len(one_buy(costs, 100, volume=0.0).fills) == 0


def test_funding_is_paid_by_longs_to_shorts_at_the_bars_end():
    funding = np.array([[0.01, 0.01], [0.01, 0.01], [np.nan, -0.02], [0.0, 0.0]])
    bars = make_bars(np.full((4, 2), 10.0), funding=funding)
    spec = EngineSpec(capital=1000, participation=None)
    out = whole(bars, spec, FREE, first(0.5, -0.2))
    assert out.funding.tolist() == pytest.approx([0, -5 + 2, -4, 0])
    assert out.cash[-1] == pytest.approx(700 - 3 - 4)


def test_cash_earns_the_rate_known_at_the_last_close_and_a_debt_pays_it():
    closes = np.array([[10.0, 0.0252], [10.0, 0.0504], [10.0, np.nan]])
    bars = make_bars(closes, tradable=np.array([True, False]))
    spec = EngineSpec(capital=1000, participation=None, cash_rate="b")
    out = whole(bars, spec)
    assert out.interest.tolist() == pytest.approx([0, 0.1, 0.20002])
    loan = EngineSpec(capital=1000, participation=None, cash_rate="b", margin=Margin())
    owed = whole(bars, loan, FREE, np.array([[1.5, np.nan]] + [[np.nan, np.nan]] * 2))
    assert owed.interest[-1] < 0 and owed.cash[1] < 0
    with pytest.raises(EngineError, match="cash_rate names 'zz'"):
        whole(bars, EngineSpec(cash_rate="zz"))
    with pytest.raises(EngineError, match="cash_rate names a, which is tradable"):
        whole(bars, EngineSpec(cash_rate="a"))


def test_a_delisting_pays_out_ends_orders_and_nothing_trades_afterwards():
    gone = np.full((4, 1), np.nan)
    gone[2] = 8.0
    closes = np.array([[10.0], [10.0], [np.nan], [np.nan]])
    bars = make_bars(closes, delistings=gone)
    spec = EngineSpec(capital=1000, participation=None)
    orders = [(bars.times[1], Order(id=1, series="a", units=-50, kind="stop", stop=9))]
    out = whole(bars, spec, FREE, first(0.5), orders)
    assert out.fills.frame()["reason"].tolist() == ["target", "delisting"]
    assert out.cash.tolist() == [1000, 500, 900, 900] and out.equity[-1] == 900
    assert out.rejections.frame()[["units", "reason", "order"]].to_numpy().tolist() == [
        [-50.0, "delisted", 1]
    ]
    late = np.full((4, 1), np.nan)
    late[3] = 0.5
    with pytest.raises(EngineError, match="target weight of a at 2024-01-04.* was delisted"):
        whole(bars, spec, FREE, late)
    order = Order(id=2, series="a", units=1)
    with pytest.raises(EngineError, match="was delisted"):
        place_orders(out.state, [order], spec)
    with pytest.raises(EngineError, match="order for a was placed at 2024-01-03.* delisted"):
        whole(bars, spec, FREE, None, [(bars.times[2], order)])


def test_a_delisting_that_cannot_be_is_refused():
    times = np.array(["2024-01-01"], "datetime64[ns]")
    with pytest.raises(PanelError, match="delisting paid -1.0"):
        CorporateActions(times, np.array(["a"]), np.ones(1), np.zeros(1), np.array([-1.0]))
    kept = CorporateActions(times, np.array(["a"]), np.ones(1), np.zeros(1), np.array([0.0]))
    assert kept.until("2024-01-02").delistings.tolist() == [0.0]
    assert np.isnan(CorporateActions(times, np.array(["a"]), np.ones(1), np.zeros(1)).delistings).all()


@pytest.mark.parametrize(
    ("units", "lot", "held"), [("integer", 20.0, 40), ("fractional", 0.5, 49.5), ("integer", None, 49)]
)
def test_targets_are_whole_lots(units, lot, held):
    bars = make_bars(np.full((2, 1), 10.0))
    spec = EngineSpec(capital=1000, participation=None, units=units, lot=lot)
    assert whole(bars, spec, FREE, first(0.499, length=2)).state.units.tolist() == [held]


def test_a_day_on_which_nothing_trades_fills_nothing_and_keeps_every_order():
    prices = np.array([[10.0, 10.0], [np.nan, np.nan], [10.0, 10.0]])
    bars = make_bars(prices)
    spec = EngineSpec(capital=1000, participation=None)
    orders = [(bars.times[0], Order(id=1, series="b", units=5))]
    out = whole(bars, spec, FREE, first(0.5, np.nan, length=3), orders)
    assert out.fills.times.tolist() == bars.times[[2, 2]].tolist()
    assert out.equity.tolist() == [1000, 1000, 1000]
    idle = whole(make_bars(np.full((3, 2), np.nan)), spec)
    assert idle.equity.tolist() == [1000, 1000, 1000] and len(idle.fills) == 0


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"margin": {"initial": 0.2, "maintenance": 0.5}}, "maintenance margin was 0.5, above the initial"),
        ({"margin": {"initial": 0}}, "initial was 0"),
        ({"lot": 0.5}, "lot was 0.5 with integer units"),
        ({"capital": 0}, "capital was 0"),
    ],
)
def test_rules_that_cannot_be_are_refused(config, message):
    with pytest.raises(SpecError, match=message):
        ENGINES.build({"kind": "realistic", **config})


def test_rules_with_margin_survive_a_file():
    spec = ENGINES.build({"kind": "realistic", "margin": {"initial": 0.3}, "lot": 100, "cash_rate": "RATE"})
    assert ENGINES.build(ENGINES.describe(spec)) == spec
    sentence = spec.terms()[0]
    assert "lots of 100" in sentence and "margin 30% to open and 25% to hold" in sentence
