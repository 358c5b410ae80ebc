"""Carrying out a decision: value is conserved, costs are exact, and what an account cannot pay it refuses."""

import importlib.util
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.amm.account import whole_tokens
from backtest.amm.advance import start, start_with_position
from backtest.amm.policies.base import RangeDecision, WantedRange
from backtest.amm.rebalance import rebalance
from backtest.errors import EngineError
from data.amm.pool import Pool
from data.errors import TickError

_PATH = Path(__file__).resolve().parents[1] / "oracles" / "pool_account_worlds.py"
_MODULE = importlib.util.spec_from_file_location("pool_account_worlds", _PATH)
worlds = importlib.util.module_from_spec(_MODULE)
_MODULE.loader.exec_module(worlds)

BEGIN, CAPITAL = worlds.BEGIN, worlds.CAPITAL
POOL = Pool(token0="A", token1="B", fee_pips=3000)
DEEP = 1e30
quotes = st.sampled_from(["token0", "token1"])


def decision(*ranges, converts=True):
    return RangeDecision(BEGIN, tuple(WantedRange(*each) for each in ranges), converts=converts, reason="why")


def done(account, wanted, terms, liquidity=DEEP):
    return rebalance(account, wanted, BEGIN, liquidity, terms)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.integers(0, 2**32 - 1))
def test_value_before_is_value_after_plus_costs(seed):
    world = worlds.drawn_world(seed)
    account = start(world.terms, CAPITAL, world.start, BEGIN)
    for wanted in world.decisions.values():
        liquidity = float(world.swaps.liquidity[len(account.positions)])
        after, action = done(account, wanted, world.terms, liquidity)
        assert after.equity + action.gas + action.conversion == pytest.approx(account.equity, rel=1e-12)
        assert after.net == pytest.approx(
            after.fees - after.divergence - after.gas - after.conversion, abs=1e-12 * CAPITAL
        )
        assert after.idle0 >= 0 and after.idle1 >= 0
        account = after


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.integers(0, 2**32 - 1))
def test_all_of_a_whole_share_is_at_work_and_a_lesser_share_is_exact(seed):
    rng = np.random.default_rng(seed)
    quote = str(rng.choice(["token0", "token1"]))
    terms = worlds.terms_of(replace(POOL, quote=quote), conversion_fee=float(rng.uniform(0, 0.01)))
    share = float(rng.choice([1.0, rng.uniform(0.1, 1.0)]))
    low = 60 * int(rng.integers(-50, 49))
    ticks = (low, low + 60 * int(rng.integers(1, 50)))
    account = start(terms, CAPITAL, 1.0, BEGIN)
    after, _ = done(account, decision((*ticks, share)), terms, liquidity=float(10 ** rng.uniform(19, 24)))
    (position,) = after.positions
    inside = after.value(*position.amounts(after.sqrt_price))
    assert inside == pytest.approx(share * after.equity, rel=1e-9)


def test_the_same_range_again_costs_gas_and_nothing_else():
    terms = worlds.terms_of(POOL, gas=0.5)
    account = start_with_position(POOL, (-600, 600), 1e21, 1.0, BEGIN)
    after, action = done(account, decision((-600, 600)), terms)
    assert action.kind == "move"
    assert action.gas == 1.0 and after.gas == 1.0
    assert account.equity - after.equity == pytest.approx(action.gas + action.conversion, rel=1e-9)
    # What gas took from the quote token is the whole imbalance; it is worth less than the gas of converting it.
    assert action.conversion == 0.0


def test_a_move_of_no_width_costs_exactly_gas_and_swap():
    terms = worlds.terms_of(POOL, gas=0.01, impact=False)
    account = start(terms, CAPITAL, 1.0, BEGIN)
    after, action = done(account, decision((60, 120)), terms)
    given = CAPITAL / 2 - 0.02
    assert action.gas == pytest.approx(0.02, rel=1e-15)
    assert action.conversion == pytest.approx(0.003 * given, rel=1e-12)
    assert account.equity - after.equity == pytest.approx(0.02 + 0.003 * given, rel=1e-12)


@given(quotes, st.sampled_from([(-120, -60), (60, 120)]))
@settings(max_examples=4, deadline=None)
def test_impact_is_that_of_the_average_price_on_the_curve(quote, ticks):
    pool = replace(POOL, quote=quote)
    terms, liquidity = worlds.terms_of(pool), 1e21
    account = start(terms, CAPITAL, 1.0, BEGIN)
    after, action = done(account, decision(ticks), terms, liquidity)
    raw = 50e18 * 0.997
    # All of one token is given: token0 moves 1/s by raw / L, token1 moves s by raw / L; the average price is s s'.
    moved = 1.0 + raw / liquidity
    received = raw / moved
    assert action.conversion == pytest.approx(50.0 - received / 1e18, rel=1e-12)
    assert after.equity == pytest.approx(CAPITAL - action.conversion, rel=1e-12)


def test_a_stated_fee_replaces_that_of_the_pool():
    terms = worlds.terms_of(POOL, conversion_fee=0.01, impact=False)
    _, action = done(start(terms, CAPITAL, 1.0, BEGIN), decision((60, 120)), terms)
    assert action.conversion == pytest.approx(0.5, rel=1e-12)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.floats(0.1, 40.0), st.floats(18.5, 24.0), quotes)
def test_the_conversion_is_the_smallest_that_suffices(gas, depth, quote):
    pool = replace(POOL, quote=quote)
    terms = worlds.terms_of(pool, conversion_fee=0.005)
    account = start(terms, CAPITAL, 1.0, BEGIN)
    after, _ = done(account, decision((-1200, 600)), terms, 10.0**depth)
    assert after.idle0 == pytest.approx(0.0, abs=1e-9 * 1e20)
    assert after.idle1 == pytest.approx(0.0, abs=1e-9 * 1e20)


def test_gas_comes_from_the_quote_token():
    for quote in ("token0", "token1"):
        terms = worlds.terms_of(replace(POOL, quote=quote), gas=2.0)
        account = start_with_position(terms.pool, (-600, 600), 1e21, 1.0, BEGIN)
        after, action = done(account, decision(), terms)
        assert action.kind == "close" and action.gas == 2.0 and action.conversion == 0.0
        assert after.cash == pytest.approx(account.cash - 2.0, rel=1e-12)
        assert after.units == pytest.approx(account.units, rel=1e-12)
        assert whole_tokens(terms.pool, after.idle0, after.idle1)[0] == after.cash


@pytest.mark.parametrize("converts", [True, False])
def test_without_quote_tokens_gas_is_converted_for(converts):
    terms = worlds.terms_of(POOL, gas=2.0, impact=False)
    account = start_with_position(POOL, (60, 600), 1e21, 1.0, BEGIN)
    after, action = done(account, decision(converts=converts), terms)
    assert account.cash == 0.0 and after.cash == pytest.approx(0.0, abs=1e-12)
    assert action.gas == 4.0
    assert action.conversion == pytest.approx(4.0 / 0.997 - 4.0, rel=1e-12)


@pytest.mark.parametrize("converts", [True, False])
def test_costs_above_the_account_are_refused_and_nothing_changes(converts):
    terms = worlds.terms_of(POOL, gas=200.0)
    account = replace(start(terms, CAPITAL, 1.0, BEGIN), pending=decision((-600, 600)))
    after, action = done(account, decision((-600, 600), converts=converts), terms)
    assert action.kind == "refused" and "would take all of the account's 100" in action.reason
    assert (action.gas, action.conversion, after.actions) == (0.0, 0.0, 0)
    assert (after.idle0, after.idle1) == (account.idle0, account.idle1)
    assert after.pending is None and after.positions == ()


def test_a_conversion_in_an_empty_pool_is_refused():
    terms = worlds.terms_of(POOL)
    _, action = done(start(terms, CAPITAL, 1.0, BEGIN), decision((60, 120)), terms, liquidity=0.0)
    assert action.kind == "refused" and "no active liquidity" in action.reason


def test_gas_that_the_active_liquidity_cannot_give_is_refused():
    terms = worlds.terms_of(POOL, gas=2.0)
    account = start_with_position(POOL, (60, 600), 1e21, 1.0, BEGIN)
    _, action = done(account, decision(), terms, liquidity=1e18)
    assert action.kind == "refused" and "cannot give 4" in action.reason


def test_a_gap_smaller_than_the_gas_of_closing_it_is_left():
    terms = worlds.terms_of(POOL, gas=1.0)
    account = start(terms, CAPITAL, 1.0, BEGIN)
    after, action = done(account, decision((-600, 600)), terms)
    assert action.gas == 1.0 and action.conversion == 0.0
    assert 0.0 < after.idle0 < 1.1e18


def test_without_conversion_ranges_take_what_tokens_there_are_in_order():
    terms = worlds.terms_of(POOL)
    account = replace(start(terms, CAPITAL, 1.0, BEGIN), idle1=80e18)
    after, action = done(account, decision((-600, 600, 0.1), (-120, -60, 0.1), converts=False), terms)
    assert action.conversion == 0.0 and action.kind == "open"
    base, order = after.positions
    assert base.amounts(1.0) == pytest.approx((50e18, 50e18), rel=1e-12)
    assert order.amounts(1.0) == pytest.approx((0.0, 30e18), rel=1e-12)
    assert after.equity == pytest.approx(account.equity, rel=1e-12)


def test_without_conversion_a_range_that_can_take_nothing_is_not_opened_nor_paid_for():
    terms = worlds.terms_of(POOL, gas=0.5)
    account = replace(start(terms, CAPITAL, 1.0, BEGIN), idle0=0.0)
    wanted = decision((60, 120, 0.5), (-120, -60, 0.5), converts=False)
    after, action = done(account, wanted, terms)
    assert action.gas == 0.5 and [(each.lower, each.upper) for each in after.positions] == [(-120, -60)]
    _, refused = done(account, decision((60, 120), converts=False), terms)
    assert refused.kind == "refused" and "no range can take the tokens" in refused.reason


def test_a_lesser_share_leaves_the_rest_idle_and_converts_no_more_than_it_must():
    terms = worlds.terms_of(POOL)
    account = start(terms, CAPITAL, 1.0, BEGIN)
    after, action = done(account, decision((-600, 600, 0.4)), terms)
    assert action.conversion == 0.0
    assert after.idle0 == pytest.approx(30e18, rel=1e-9) and after.idle1 == pytest.approx(30e18, rel=1e-9)


def test_closing_collects_the_fees_at_the_price_of_the_close():
    account = start_with_position(POOL, (-600, 600), 1e21, 1.0, BEGIN)
    paid = replace(account, positions=(replace(account.positions[0], fees0=2e18, fees1=1e18),))
    after, _ = done(paid, decision(), worlds.terms_of(POOL))
    assert paid.fees == after.fees == after.collected == pytest.approx(3.0, rel=1e-15)
    assert after.uncollected() == (0.0, 0.0) and after.equity == pytest.approx(paid.equity, rel=1e-15)


def test_leaving_everything_as_it_is_costs_nothing():
    account = start_with_position(POOL, (-600, 600), 1e21, 1.0, BEGIN)
    after, action = done(account, RangeDecision(BEGIN, None), worlds.terms_of(POOL, gas=5.0))
    assert action.kind == "hold" and action.gas == 0.0 and after.positions == account.positions
    assert after.actions == 0


def test_impossible_ranges_and_shares_are_refused_before_anything_is_done():
    account, terms = start(worlds.terms_of(POOL), CAPITAL, 1.0, BEGIN), worlds.terms_of(POOL)
    with pytest.raises(TickError, match="nearest: 0 and 60"):
        done(account, decision((30, 600)), terms)
    with pytest.raises(TickError, match="must be below"):
        done(account, decision((600, 60)), terms)
    with pytest.raises(EngineError, match=r"sum to 1\.2"):
        done(account, decision((60, 120, 0.6), (120, 180, 0.6)), terms)
    assert math.isclose(account.equity, CAPITAL)
