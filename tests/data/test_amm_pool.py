import math
from decimal import Decimal, getcontext

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.amm.pool import MAX_TICK, SPACINGS, Pool, sqrt_of, tick_of
from data.errors import SpecError, TickError
from data.registry import validated

POOL = Pool(token0="WBTC", token1="WETH", decimals0=8, decimals1=18, fee_pips=3000)
MIRROR = Pool(token0="USDC", token1="WETH", decimals0=6, decimals1=18, fee_pips=500, quote="token0")
ticks = st.integers(-MAX_TICK, MAX_TICK)
quick = settings(derandomize=True, deadline=None)


@given(ticks)
@quick
def test_a_tick_is_half_the_log_of_its_root_price(tick: int) -> None:
    getcontext().prec = 60
    exact = (Decimal(10001) / 10000) ** tick
    assert sqrt_of(tick) == pytest.approx(float(exact.sqrt()), rel=1e-13)
    assert tick_of(sqrt_of(tick)) == pytest.approx(tick, abs=1e-8)


def test_a_wbtc_costs_about_fifteen_weth_at_tick_257363() -> None:
    assert POOL.price(sqrt_of(257_363)) == pytest.approx(15.02, abs=0.01)
    assert (POOL.base, POOL.numeraire, POOL.name) == ("WBTC", "WETH", "WBTC/WETH 0.3%")


def test_a_weth_costs_about_2270_usdc_at_tick_199045() -> None:
    assert MIRROR.price(sqrt_of(199_045)) == pytest.approx(2269, abs=1)
    assert MIRROR.name == "WETH/USDC 0.05%"


@pytest.mark.parametrize("pool", [POOL, MIRROR])
@given(st.floats(1e-3, 1e6))
@quick
def test_a_price_and_its_root_price_lead_to_each_other(pool: Pool, price: float) -> None:
    assert pool.price(pool.sqrt_price(price)) == pytest.approx(price, rel=1e-12)


@given(st.floats(1, 1e12), st.floats(1, 1e22), st.integers(190_000, 260_000))
@quick
def test_worth_is_the_same_counted_in_either_token(amount0: float, amount1: float, tick: int) -> None:
    other = Pool(token0="WBTC", token1="WETH", decimals0=8, decimals1=18, quote="token0")
    root = sqrt_of(tick)
    assert other.value(amount0, amount1, root) * POOL.price(root) == pytest.approx(
        POOL.value(amount0, amount1, root), rel=1e-12
    )


def test_liquidity_earns_the_fee_less_the_protocols_cut() -> None:
    pool = Pool(token0="A", token1="B", fee_pips=10_000, protocol0=4, protocol1=10)
    assert pool.rates == pytest.approx((0.01 / 0.99 * 0.75, 0.01 / 0.99 * 0.9))


@pytest.mark.parametrize(
    ("lower", "upper", "said"),
    [
        (60, 60, "range was 60 to 60; the lower tick must be below the upper one"),
        (120, 60, "range was 120 to 60"),
        (61, 120, "tick 61 is off the spacing of 60; nearest: 60 and 120"),
        (-60, 887_280, "tick 887280 is outside the pool; allowed: -887220 to 887220"),
    ],
)
def test_a_range_the_pool_does_not_have_is_refused(lower: int, upper: int, said: str) -> None:
    with pytest.raises(TickError, match=said):
        POOL.check_range(lower, upper)


@pytest.mark.parametrize("fee_pips", sorted(SPACINGS))
@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
@quick
def test_the_nearest_usable_range_is_always_a_range_of_the_pool(
    fee_pips: int, lower: float, upper: float
) -> None:
    pool = Pool(token0="A", token1="B", fee_pips=fee_pips)
    pool.check_range(*pool.range_around(lower, upper))
    pool.check_range(*pool.full_range)


def test_two_equal_tokens_and_an_unknown_fee_are_refused() -> None:
    with pytest.raises(SpecError, match="both tokens are A"):
        validated(Pool, {"token0": "A", "token1": "A"}, "pool")
    with pytest.raises(SpecError, match="fee_pips was 2500"):
        validated(Pool, {"token0": "A", "token1": "B", "fee_pips": 2500}, "pool")


def test_prices_of_many_are_the_prices_of_each() -> None:
    import numpy as np

    roots = np.array([sqrt_of(t) for t in (199_000, 200_000)])
    assert MIRROR.prices(roots).tolist() == [MIRROR.price(float(root)) for root in roots]
    assert math.isclose(MIRROR.value(1e6, 0.0, float(roots[0])), 1.0)
