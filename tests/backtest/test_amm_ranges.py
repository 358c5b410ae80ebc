"""Ranges from widths, and the liquidity a unit of value buys in them."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.amm.account import PoolPosition
from backtest.amm.ranges import (
    liquidity_per_value,
    range_holding,
    range_of_width,
    unit_amounts,
    width_ticks,
)
from data.amm.pool import LOG_TICK, Pool, sqrt_of, sqrts_of, tick_of

pools = st.builds(
    lambda fee, quote: Pool(
        token0="WBTC", token1="WETH", decimals0=8, decimals1=18, fee_pips=fee, quote=quote
    ),
    st.sampled_from([100, 500, 3000, 10_000]),
    st.sampled_from(["token0", "token1"]),
)
ticks = st.floats(-300_000, 300_000)
widths = st.floats(1e-4, 3.0)
exactly = settings(max_examples=200, deadline=None, derandomize=True)


@exactly
@given(pools, ticks, widths)
def test_a_centred_range_has_its_width_to_a_spacing_and_holds_the_price(pool, tick, width):
    lower, upper = range_of_width(pool, sqrt_of(tick), width)
    pool.check_range(lower, upper)
    assert lower <= tick_of(sqrt_of(tick)) < upper
    half = 0.5 * math.log1p(width) / LOG_TICK
    assert abs(lower - (tick - half)) <= pool.spacing
    assert abs(upper - (tick + half)) <= pool.spacing


@exactly
@given(pools, ticks, st.floats(0, 50_000))
def test_a_range_that_holds_a_tick_is_usable_and_holds_it(pool, tick, half):
    lower, upper = range_holding(pool, tick, half)
    pool.check_range(lower, upper)
    assert lower <= tick < upper


@exactly
@given(pools, ticks, st.floats(0.05, 3.0), st.sampled_from([-0.5, 0.5]))
def test_half_a_width_of_shift_puts_an_edge_at_the_price(pool, tick, width, shift):
    lower, upper = range_of_width(pool, sqrt_of(tick), width, shift)
    edge, other = (lower, upper) if shift > 0 else (upper, lower)
    assert abs(edge - tick) <= 0.5 * pool.spacing + 1e-6
    assert abs(abs(other - edge) - width_ticks(width)) <= pool.spacing + 1e-6


def test_a_width_of_21_percent_is_ten_percent_each_way():
    pool = Pool(token0="A", token1="B", fee_pips=100)
    lower, upper = range_of_width(pool, 1.0, 0.21)
    assert sqrt_of(upper) ** 2 == pytest.approx(1.1, abs=1e-4)
    assert sqrt_of(lower) ** 2 == pytest.approx(1 / 1.1, abs=1e-4)


def test_an_infinite_width_is_the_full_range():
    pool = Pool(token0="A", token1="B")
    assert range_of_width(pool, 3.0, math.inf) == pool.full_range == (-887_220, 887_220)


@exactly
@given(pools, ticks, st.floats(10, 20_000), st.floats(10, 20_000), st.floats(-30_000, 30_000))
def test_a_unit_of_value_is_worth_one(pool, tick, below, above, away):
    low, high = sqrts_of(np.array([[tick - below], [tick + above]]))
    price = sqrt_of(tick + away)
    liquidity = liquidity_per_value(pool, low, high, price)
    amount0, amount1 = unit_amounts(low, high, np.array([price]))
    worth = pool.value(float(liquidity[0] * amount0[0]), float(liquidity[0] * amount1[0]), price)
    assert worth == pytest.approx(1.0, rel=1e-12)


@exactly
@given(ticks, st.floats(10, 20_000), st.floats(10, 20_000))
def test_inside_the_range_it_is_the_textbook_formula(tick, below, above):
    pool = Pool(token0="A", token1="B", decimals0=18, decimals1=18)
    price, low, high = sqrt_of(tick), sqrt_of(tick - below), sqrt_of(tick + above)
    found = liquidity_per_value(pool, np.array([low]), np.array([high]), price)[0]
    assert found == pytest.approx(1e18 / (2 * price - price**2 / high - low), rel=1e-9)


@pytest.mark.parametrize("ratio", [1.01, 1.5, 4.0])
def test_capital_efficiency_at_the_centre_is_that_of_the_white_paper(ratio):
    """Adams et al. (2021), section 3: 1 / (1 - (Pa / Pb)**(1/4)); amm.md 3.5."""
    pool = Pool(token0="A", token1="B")
    edges = ratio**-0.25, ratio**0.25
    narrow = liquidity_per_value(pool, *(np.array([each]) for each in edges), 1.0)[0]
    full = liquidity_per_value(pool, np.array([1e-18]), np.array([1e18]), 1.0)[0]
    assert narrow / full == pytest.approx(1 / (1 - (1 / ratio) ** 0.25), rel=1e-12)


@exactly
@given(st.integers(-3000, 3000), st.integers(1, 2000), st.floats(-6000, 6000))
def test_amounts_are_those_of_the_account(lower, size, tick):
    position = PoolPosition(lower, lower + size, 1.0, 0.0, 0.0, np.datetime64("2024-01-01", "ns"))
    edges = sqrts_of(np.array([lower, lower + size]))
    amounts = unit_amounts(edges[:1], edges[1:], np.array([sqrt_of(tick)]))
    assert [float(each[0]) for each in amounts] == pytest.approx(position.amounts(sqrt_of(tick)), rel=1e-14)
