"""Amounts of a range: published vectors of the SDK (Uniswap v3-sdk, MIT), and rounding for the pool."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.amm.liquidity_amounts import amount0, amount1, amounts
from data.amm.tick_math import sqrt_at_tick, tick_at_sqrt

START = math.isqrt((100 * 10**6 << 192) // (100 * 10**18))
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
