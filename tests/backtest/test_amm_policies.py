"""Each liquidity policy's own rule."""

import importlib.util
import math
from dataclasses import replace
from pathlib import Path

import pytest

from backtest.amm.expectation import change_variance, expected_stay
from backtest.amm.policies.base import LIQUIDITY_POLICIES, RangeDecision
from backtest.amm.policies.oracle_width import OracleWidth
from backtest.amm.policies.passive_rebalance import balanced_share, order_range
from backtest.amm.policies.plan import WIDTHS, Plan
from backtest.amm.policies.tau_reset import TauReset
from backtest.amm.policies.volatility_band import VolatilityBand
from backtest.amm.ranges import range_of_width
from backtest.amm.rebalance import rebalance
from backtest.amm.walk import LiquidityLane, play
from backtest.amm.windows import Span
from backtest.errors import EngineError
from data.amm.pool import LOG_TICK, sqrt_of, tick_of
from data.errors import SpecError
from forecast.randomness import RandomStreams

_PATH = Path(__file__).parents[1] / "oracles" / "liquidity_worlds.py"
_MODULE = importlib.util.spec_from_file_location("liquidity_worlds", _PATH)
worlds = importlib.util.module_from_spec(_MODULE)
_MODULE.loader.exec_module(worlds)

HISTORY = worlds.cut_history(2)
EMPTY = worlds.made_view(HISTORY)
TICK = tick_of(EMPTY.account.sqrt_price)


def decide(policy, view=EMPTY):
    built = LIQUIDITY_POLICIES.build(policy) if isinstance(policy, (str, dict)) else policy
    return built.decide(view, RandomStreams(0, view.history.cutoff))


def carried_out(policy, view=EMPTY):
    decision = decide(policy, view)
    after, done = rebalance(view.account, decision, view.history.cutoff, worlds.LIQUIDITY, view.terms)
    return replace(view, account=after), done


def moved(view, ticks):
    return worlds.at(view, sqrt_of(tick_of(view.account.sqrt_price) + ticks))


def lived(policy, **terms):
    """Return the life of an account from bar 40 to the end of a made history."""
    history = worlds.made_history(worlds.made_swaps(2), worlds.made_pool())
    span = Span(40, worlds.BARS - 1)
    future = None
    if policy.is_upper_bound:
        future = history.pool.swaps.between(history.times[span.first], history.cutoff)
    lane = LiquidityLane("lane", policy, None, worlds.made_terms(worlds.made_pool(), **terms), 0, future)
    return play(lane, history, span, 100.0)


def test_hold_closes_what_is_open_without_a_swap():
    decision = decide("hold", worlds.made_view(HISTORY, "two"))
    assert decision.ranges == () and not decision.converts
    assert decide("hold").ranges is None


@pytest.mark.parametrize("kind", ["full_range", "static"])
def test_a_static_range_is_opened_once_and_kept_wherever_the_price_goes(kind):
    opened, _ = carried_out(kind)
    for ticks in (-30_000, -1500, 0, 1500, 30_000):
        assert decide(kind, moved(opened, ticks)).ranges is None


def test_the_static_range_of_a_tenth_is_a_tenth_wide_around_the_price():
    (wanted,) = decide({"kind": "static", "width": 0.1}).ranges
    assert (wanted.upper - wanted.lower) * LOG_TICK == pytest.approx(math.log(1.1), abs=60 * LOG_TICK)
    assert abs(0.5 * (wanted.lower + wanted.upper) - TICK) <= 60
    assert wanted.share == 1.0


def test_recentre_leaves_a_range_that_holds_the_price_and_moves_one_that_does_not():
    spec = {"kind": "recentre", "width": 0.05}
    opened, _ = carried_out(spec)
    (position,) = opened.account.positions
    edge = position.upper - TICK
    assert decide(spec, moved(opened, edge - 1)).ranges is None
    (wanted,) = decide(spec, moved(opened, edge + 1)).ranges
    assert wanted.lower < TICK + edge + 1 < wanted.upper
    assert wanted.upper - wanted.lower == pytest.approx(position.upper - position.lower, abs=60)


def test_a_range_narrower_than_the_spacing_is_not_moved_again_at_the_same_price():
    spec = {"kind": "recentre", "width": 0.0001}
    for ticks in range(0, 60, 7):
        view = moved(EMPTY, ticks)
        opened, _ = carried_out(spec, view)
        assert decide(spec, opened).ranges is None


def test_a_volatility_band_is_k_sigma_of_the_changes_over_its_horizon_to_each_side():
    (wanted,) = decide(VolatilityBand(multiple=3.0, horizon=12, lookback=100)).ranges
    prices = HISTORY.panel.field("close")[-101:, 0]
    squares = [math.log(prices[i + 12] / prices[i]) ** 2 for i in range(len(prices) - 12)]
    half = 3.0 * math.sqrt(sum(squares) / len(squares)) / LOG_TICK
    assert wanted.upper - TICK == pytest.approx(half, abs=60) and half > 500
    assert TICK - wanted.lower == pytest.approx(half, abs=60)


def test_a_volatility_band_scales_the_changes_of_a_forecast_to_its_own_horizon():
    forecast = worlds.made_forecast(HISTORY, variance=1e-3)
    (wanted,) = decide(
        VolatilityBand(multiple=2.0, horizon=96, forecaster="har"), replace(EMPTY, forecast=forecast)
    ).ranges
    half = 2.0 * math.sqrt(4 * change_variance(forecast)) / LOG_TICK
    assert wanted.upper - TICK == pytest.approx(half, abs=60) and half > 500


def test_a_volatility_band_waits_until_a_variance_is_known():
    decision = decide("volatility_band", replace(EMPTY, history=HISTORY.last(24)))
    assert decision.ranges is None and "no variance" in decision.reason


def test_a_volatility_band_needs_more_bars_than_its_horizon():
    with pytest.raises(SpecError, match="lookback was 24"):
        LIQUIDITY_POLICIES.build({"kind": "volatility_band", "lookback": 24})


@pytest.mark.parametrize("quote", ["token0", "token1"])
def test_a_passive_rebalance_uses_up_both_tokens_and_converts_nothing(quote):
    view = moved(worlds.made_view(worlds.cut_history(2, quote), gas=0.0), 500)
    after, done = carried_out("passive_rebalance", view)
    account = after.account
    assert done.conversion == 0.0 and len(account.positions) == 2
    assert account.value(account.idle0, account.idle1) < 1e-9 * account.equity


@pytest.mark.parametrize("is_token0", [True, False])
def test_the_order_lies_on_the_side_of_the_price_where_its_token_is_sold(is_token0):
    pool = worlds.made_pool()
    price = sqrt_of(1234.5)
    lower, upper = order_range(pool, price, 0.05, is_token0)
    assert (lower, upper) == ((1260, 1740) if is_token0 else (720, 1200))


def test_the_balanced_share_is_what_the_scarcer_token_allows():
    pool = worlds.made_pool()
    price = sqrt_of(0.0)
    assert balanced_share(pool, (-600, 600), price, (1e8, 1e8))[0] == pytest.approx(1.0)
    share, surplus_is_0 = balanced_share(pool, (-600, 600), price, (3e8, 1e8))
    assert share == pytest.approx(0.5) and surplus_is_0
    share, surplus_is_0 = balanced_share(pool, (-600, 600), price, (0.0, 1e8))
    assert share == 0.0 and not surplus_is_0


def test_an_order_worth_less_than_its_gas_is_not_placed():
    cheap = decide("passive_rebalance", moved(worlds.made_view(HISTORY, gas=0.0), 300))
    dear = decide("passive_rebalance", moved(worlds.made_view(HISTORY, gas=30.0), 300))
    assert len(cheap.ranges) == 2 and len(dear.ranges) == 1


def test_a_small_tau_moves_before_the_price_has_left_and_a_large_one_waits_outside():
    opened, _ = carried_out(TauReset(width=0.25, tau=400))
    (position,) = opened.account.positions
    edge = position.upper - TICK
    assert edge > 1000
    assert decide(TauReset(width=0.25, tau=400), moved(opened, 500)).ranges
    assert decide(TauReset(width=0.25, tau=3000), moved(opened, edge + 500)).ranges is None
    assert decide(TauReset(width=0.25, tau=3000), moved(opened, 3100)).ranges


def planned(view=EMPTY, *, intensity=1.0, variance=4e-4, **settings):
    forecast = worlds.made_forecast(view.history, 1, intensity=intensity, variance=variance)
    view = replace(view, forecast=forecast)
    return Plan(**settings), view


def test_the_plan_explains_its_decision_by_the_highest_score():
    for intensity in (0.0, 0.5, 2.0, 20.0):
        for state in worlds.STATES:
            plan, view = planned(worlds.made_view(HISTORY, state), intensity=intensity)
            rows = plan.explain(view)
            best = max(rows, key=lambda row: row.score)
            assert decide(plan, view).ranges == best.ranges
            assert rows[0].ranges is None and rows[0].cost == 0.0
            for row in rows:
                assert row.score == row.fees - row.lvr - row.cost - row.risk


def test_the_plan_tries_every_width_on_both_sides_of_the_price_once():
    plan, view = planned(worlds.made_view(HISTORY, "inside"))
    rows = plan.explain(view)
    assert len(rows) == 2 + 3 * (len(WIDTHS) - 1) + 1
    assert rows[1].ranges == () and rows[-1].label == "full range"
    assert len({row.ranges for row in rows}) == len(rows)


def test_the_plan_opens_where_fees_exceed_the_loss_and_not_where_they_do_not():
    rich, view = planned(intensity=20.0, variance=1e-5)
    assert decide(rich, view).ranges
    poor, view = planned(intensity=1.0, variance=1e-2)
    assert decide(poor, view).ranges is None


def test_more_risk_aversion_never_chooses_more_risk():
    risks = []
    for aversion in (0.0, 0.01, 0.1, 1.0, 10.0, 1000.0):
        plan, view = planned(intensity=5.0, risk_aversion=aversion)
        measured = Plan(risk_aversion=1.0).explain(view)
        chosen = decide(plan, view).ranges
        risks.append(next(row.risk for row in measured if row.ranges == chosen))
    assert risks == sorted(risks, reverse=True) and risks[-1] == 0.0 < risks[0]


def test_a_move_costs_as_often_as_the_price_is_expected_to_leave_the_range():
    plan, view = planned(worlds.made_view(HISTORY, gas=0.5), variance=4e-4)
    per_bar = change_variance(view.forecast) / worlds.SPAN
    for row in plan.explain(view)[1:]:
        wanted = RangeDecision(HISTORY.cutoff, row.ranges)
        after, done = rebalance(view.account, wanted, HISTORY.cutoff, worlds.LIQUIDITY, view.terms)
        stay = min(max(expected_stay(after, per_bar), 1.0), view.remaining_bars)
        assert row.cost == pytest.approx((done.gas + done.conversion) * worlds.SPAN / stay)


def test_a_narrow_range_costs_more_often_than_a_wide_one():
    plan, view = planned(worlds.made_view(HISTORY, gas=0.5), variance=1e-3)
    centred = [row.cost for row in plan.explain(view) if row.label in ("1%", "5%", "25%", "full range")]
    assert len(centred) == 4 and centred == sorted(centred, reverse=True)


def test_a_window_that_ends_within_the_span_earns_its_part_of_it():
    plan, view = planned(intensity=5.0)
    whole, part = plan.explain(view), plan.explain(replace(view, remaining_bars=6))
    for one, other in zip(whole, part, strict=True):
        assert other.fees == pytest.approx(one.fees / 4) and other.lvr == pytest.approx(one.lvr / 4)


def test_the_plan_counts_its_own_liquidity_where_fees_are_shared():
    plan, view = planned()
    shared = replace(view, terms=replace(view.terms, own_dilution=True))
    for alone, diluted in zip(plan.explain(view)[1:], plan.explain(shared)[1:], strict=True):
        assert 0 < diluted.fees < alone.fees


def test_without_aversion_and_gas_the_numeraire_does_not_choose():
    views = [worlds.made_view(worlds.cut_history(2, quote), gas=0.0) for quote in ("token0", "token1")]
    for intensity in (1.0, 3.0, 9.0):
        chosen = [decide(*planned(view, intensity=intensity, risk_aversion=0.0)).ranges for view in views]
        assert chosen[0] == chosen[1]


def test_the_plan_refuses_a_view_without_a_forecast():
    with pytest.raises(EngineError, match="'har'"):
        decide("plan")


def test_the_oracle_does_at_least_as_well_as_every_width_it_knows():
    bound = lived(OracleWidth())
    worth = bound.account.equity
    for width in (*WIDTHS[:-1],):
        static = LIQUIDITY_POLICIES.build({"kind": "static", "width": width})
        assert worth >= lived(static).account.equity - 1e-9
    assert worth >= lived(LIQUIDITY_POLICIES.build("hold")).account.equity - 1e-9
    assert worth >= lived(LIQUIDITY_POLICIES.build("full_range")).account.equity - 1e-9


def test_the_oracle_leaves_everything_as_it_is_where_moving_only_costs():
    bound = lived(OracleWidth(), gas=90.0)
    assert bound.account.actions == 0 and bound.decisions[0].reason == "best left alone"


def test_the_oracle_chooses_a_range_of_its_grid_around_the_price():
    first = lived(OracleWidth(), gas=0.0).decisions[0]
    price = float(
        worlds.made_history(worlds.made_swaps(2), worlds.made_pool()).panel.field("sqrt_price")[40, 0]
    )
    grid = [range_of_width(worlds.made_pool(), price, width) for width in WIDTHS]
    assert first.ranges is None or (first.ranges[0].lower, first.ranges[0].upper) in grid
