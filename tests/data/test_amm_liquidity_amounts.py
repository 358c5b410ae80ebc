"""Amounts and liquidity: published vectors of the SDK (Uniswap v3-sdk, MIT), rounding for the pool, and inverse functions."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.amm.liquidity_amounts import (
    amount0,
    amount1,
    amounts,
    liquidity_of_amount0,
    liquidity_of_amounts,
    router_liquidity_of_amount0,
)
from data.amm.tick_math import Q96, sqrt_at_tick, tick_at_sqrt
from data.errors import PoolError

MOST = (1 << 256) - 1


def root(numerator, denominator):
    return math.isqrt((numerator << 192) // denominator)


LOW, HIGH = root(100, 110), root(110, 100)


@pytest.mark.parametrize(
    ("price", "most", "router"),
    [
        (root(1, 1), (100, 200), 2148),
        (root(1, 1), (100, MOST), 2148),
        (root(1, 1), (MOST, 200), 4297),
        (root(99, 110), (100, 200), 1048),
        (root(99, 110), (100, MOST), 1048),
        (
            root(99, 110),
            (MOST, 200),
            1214437677402050006470401421068302637228917309992228326090730924516431320489727,
        ),
        (root(111, 100), (100, 200), 2097),
        (
            root(111, 100),
            (100, MOST),
            1214437677402050006470401421098959354205873606971497132040612572422243086574654,
        ),
        (root(111, 100), (MOST, 200), 2097),
    ],
)
def test_liquidity_of_amounts_as_the_router_computes_it(price, most, router):
    assert liquidity_of_amounts(price, LOW, HIGH, most, is_router=True) == router


@pytest.mark.parametrize(
    ("price", "most", "exact"),
    [
        (root(1, 1), (100, 200), 2148),
        (root(1, 1), (MOST, 200), 4297),
        (root(99, 110), (100, MOST), 1048),
        (
            root(99, 110),
            (MOST, 200),
            1214437677402050006470401421082903520362793114274352355276488318240158678126184,
        ),
        (root(111, 100), (MOST, 200), 2097),
    ],
)
def test_liquidity_of_amounts_to_the_unit(price, most, exact):
    assert liquidity_of_amounts(price, LOW, HIGH, most) == exact


START = root(100 * 10**6, 100 * 10**18)
NEAR = round(tick_at_sqrt(START) / 10) * 10


@pytest.mark.parametrize(
    ("low", "high", "burned", "minted"),
    [
        (10, 20, (49949961958869841754181, 0), (49949961958869841754182, 0)),
        (-20, -10, (0, 49970077052), (0, 49970077053)),
        (-20, 20, (120054069145287995769396, 79831926242), (120054069145287995769397, 79831926243)),
    ],
)
def test_amounts_of_a_position_are_those_of_the_sdk(low, high, burned, minted):
    ends = sqrt_at_tick(NEAR + low), sqrt_at_tick(NEAR + high)
    assert amounts(START, *ends, 100 * 10**18, is_paid_in=False) == burned
    assert amounts(START, *ends, 100 * 10**18, is_paid_in=True) == minted


roots = st.integers(-200_000, 200_000).map(sqrt_at_tick)
liquidities = st.integers(0, 10**25)


@settings(derandomize=True, deadline=None)
@given(roots, roots, liquidities)
def test_what_is_paid_in_is_what_is_paid_out_or_a_little_more(a, b, liquidity):
    for amount in (amount0, amount1):
        paid, received = (amount(a, b, liquidity, is_paid_in=way) for way in (True, False))
        assert received <= paid <= received + 2
        assert amount(b, a, liquidity, is_paid_in=True) == paid


@settings(derandomize=True, deadline=None)
@given(roots, roots, roots, st.integers(1, 10**25))
def test_liquidity_that_a_range_holds_can_be_bought_with_what_it_costs(price, a, b, liquidity):
    low, high = sorted((a, b + 1))
    cost = amounts(price, low, high, liquidity, is_paid_in=True)
    assert liquidity_of_amounts(price, low, high, cost) >= liquidity


@settings(derandomize=True, deadline=None)
@given(roots, roots, roots, st.integers(0, 10**25), st.integers(0, 10**25))
def test_liquidity_that_amounts_buy_costs_no_more_than_they_are(price, a, b, most0, most1):
    low, high = sorted((a, b + 1))
    bought = liquidity_of_amounts(price, low, high, (most0, most1))
    cost = amounts(price, low, high, bought, is_paid_in=True)
    assert cost[0] <= most0 + 1
    assert cost[1] <= most1


@settings(derandomize=True, deadline=None)
@given(roots, roots, st.integers(0, 10**25))
def test_the_router_never_finds_more_liquidity_than_there_is(a, b, amount):
    low, high = sorted((a, b + 1))
    exact, router = liquidity_of_amount0(low, high, amount), router_liquidity_of_amount0(low, high, amount)
    assert exact - 1 - amount * Q96 // (high - low) // Q96 <= router <= exact


def test_empty_range_is_refused():
    with pytest.raises(PoolError, match="both ends of the range have root price"):
        liquidity_of_amounts(Q96, Q96, Q96, (1, 1))


def test_price_that_no_pool_has_is_refused():
    with pytest.raises(PoolError, match="root price was 5; allowed"):
        liquidity_of_amounts(5, LOW, HIGH, (1, 1))
