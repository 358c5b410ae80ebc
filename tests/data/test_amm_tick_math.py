"""Tick mathematics: every factor and every price from the definition, and the two directions are one another's inverse."""

import json
from decimal import Decimal, localcontext

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.amm.pool import MAX_TICK
from data.amm.tick_math import (
    MAX_SQRT_X96,
    MIN_SQRT_X96,
    MIN_TICK,
    Q96,
    check_sqrt,
    max_liquidity_per_tick,
    sqrt_at_tick,
    tick_at_sqrt,
)
from data.errors import PoolError, TickError

ticks = st.integers(MIN_TICK, MAX_TICK)
inner_ticks = st.integers(MIN_TICK, MAX_TICK - 1)


def test_limits_are_the_published_ones():
    assert MIN_SQRT_X96 == 4295128739
    assert MAX_SQRT_X96 == 1461446703485210103287273052203988822378723970342
    assert sqrt_at_tick(0) == Q96


@settings(derandomize=True, deadline=None)
@given(ticks)
def test_root_price_is_that_of_the_formula_to_the_precision_of_its_rounding(tick):
    with localcontext() as context:
        context.prec = 80
        far = Decimal("1.0001") ** (Decimal(abs(tick)) / 2)
        wanted = (far if tick > 0 else 1 / far) * Q96
        # Twenty factors and their products, each good to half a part in 2**128 of a product as small as 1 / far.
        assert abs(Decimal(sqrt_at_tick(tick)) - wanted) <= 1 + wanted * 40 * far / (1 << 128)


@settings(derandomize=True, deadline=None)
@given(inner_ticks)
def test_tick_of_a_ticks_price_is_the_tick_and_just_below_it_the_one_before(tick):
    assert tick_at_sqrt(sqrt_at_tick(tick)) == tick
    if tick > MIN_TICK:
        assert tick_at_sqrt(sqrt_at_tick(tick) - 1) == tick - 1


@settings(derandomize=True, deadline=None)
@given(st.integers(MIN_SQRT_X96, MAX_SQRT_X96 - 1))
def test_price_lies_between_its_tick_and_the_next_one(sqrt):
    tick = tick_at_sqrt(sqrt)
    assert sqrt_at_tick(tick) <= sqrt < sqrt_at_tick(tick + 1)


@pytest.mark.parametrize(
    ("spacing", "most"),
    [
        (10, 1917569901783203986719870431555990),
        (60, 11505743598341114571880798222544994),
        (200, 38350317471085141830651933667504588),
    ],
)
def test_most_liquidity_of_a_tick_is_the_published_one(spacing, most):
    assert max_liquidity_per_tick(spacing) == most


@pytest.mark.parametrize("tick", [MIN_TICK - 1, MAX_TICK + 1])
def test_tick_outside_the_pool_is_refused(tick):
    with pytest.raises(TickError, match=f"tick was {tick}; allowed: -887272 to 887272"):
        sqrt_at_tick(tick)


@pytest.mark.parametrize("sqrt", [0, MIN_SQRT_X96 - 1, MAX_SQRT_X96])
def test_price_outside_the_pool_is_refused(sqrt):
    with pytest.raises(PoolError, match=f"root price was {sqrt}; allowed: 4295128739 to"):
        tick_at_sqrt(sqrt)


def test_refusal_says_which_price_was_meant():
    with pytest.raises(PoolError, match="limit of the trade was 1"):
        check_sqrt(1, "limit of the trade")


@pytest.mark.shared_data
def test_table_of_ticks_and_prices_is_met(shared_data):
    table = json.loads((shared_data / "amm" / "tickmath.json").read_text())
    assert len(table) == 35
    for tick, sqrt in table:
        assert sqrt_at_tick(tick) == int(sqrt)
        if tick < MAX_TICK:
            assert tick_at_sqrt(int(sqrt)) == tick
