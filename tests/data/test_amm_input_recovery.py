"""Input recovery: whatever was asked, an order is found that does the same, in the order of the three modes."""

import importlib.util
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.amm.event_log import LiquidityEvent, SwapEvent
from data.amm.exact_pool import new_pool, pool_at
from data.amm.exact_swap import SwapOrder, settled, swap
from data.amm.input_recovery import is_down, limit_order, recovered_order
from data.amm.tick_math import Q96, sqrt_at_tick

ORACLES = Path(__file__).resolve().parents[1] / "oracles"


def loaded(name):
    spec = importlib.util.spec_from_file_location(name, ORACLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


worlds = loaded("exact_pool_worlds")


def event_of(done):
    return SwapEvent(1, 1, done.amount0, done.amount1, done.sqrt_x96, done.liquidity, done.tick)


@settings(derandomize=True, deadline=None, max_examples=80)
@given(worlds.RANGES, st.integers(1, 10**20), st.booleans(), st.booleans(), st.integers(1, 3000), worlds.FEES)
def test_an_order_that_does_the_same_is_found_for_every_swap(ranges, amount, is_input, down, distance, fee):
    pool = worlds.made(ranges, fee=fee)
    after, done = swap(pool, worlds.order(pool, amount, is_input, down, distance))
    found = recovered_order(pool, event_of(done))
    assert found is not None
    assert found.order.is_down == down or done.amount0 == done.amount1 == 0
    again = settled(pool, found.order, found.outcome)
    assert (again.sqrt_x96, again.tick, again.liquidity) == (after.sqrt_x96, after.tick, after.liquidity)
    assert found.outcome[:2] == done[:2]


RANGE = [(-10, 20, 10**20)]


@pytest.mark.parametrize(
    ("order", "mode"),
    [
        (SwapOrder(10**17 + 1, is_down=True), "exact_in"),
        (SwapOrder(-(10**17) - 1, is_down=True), "exact_out"),
        (SwapOrder(10**17 + 1, is_down=False), "exact_in"),
        (SwapOrder(-(10**17) - 1, is_down=False), "exact_out"),
        (SwapOrder(10**24, is_down=True, limit=sqrt_at_tick(-40) + 999), "price_limit"),
        (SwapOrder(-(10**24), is_down=False, limit=sqrt_at_tick(40) + 999), "price_limit"),
    ],
)
def test_what_the_trader_fixed_is_told(order, mode):
    pool = worlds.made(RANGE)
    found = recovered_order(pool, event_of(swap(pool, order)[1]))
    assert found.mode == mode
    if mode != "price_limit":
        assert found.order == order
    else:
        assert found.order.limit == order.limit


@pytest.mark.parametrize(
    "changed", [{"amount0": 7}, {"amount1": -7}, {"liquidity": 3}, {"sqrt_x96": Q96 // 2}]
)
def test_a_swap_that_the_pool_does_not_make_has_no_order(changed):
    pool = worlds.made(RANGE)
    event = replace(event_of(swap(pool, SwapOrder(10**17, is_down=True))[1]), **changed)
    assert recovered_order(pool, event) is None


def test_where_nothing_flowed_the_price_tells_the_way():
    pool = new_pool(worlds.PLAIN, Q96)
    event = event_of(swap(pool, limit_order(Q96, sqrt_at_tick(-300)))[1])
    assert event.amount0 == event.amount1 == 0
    assert is_down(Q96, event)
    assert recovered_order(pool, event).mode == "price_limit"


@pytest.mark.shared_data
def test_every_real_swap_at_constant_liquidity_is_reproduced_and_its_mode_is_known(real_day, usdc_weth):
    before, active, modes = None, 0, Counter()
    for event in real_day.events:
        if isinstance(event, SwapEvent):
            if before is not None and event.liquidity == active:
                start = pool_at(usdc_weth, before.sqrt_x96, active, tick=before.tick)
                found = recovered_order(start, event)
                modes[found.mode if found is not None else None] += 1
            before, active = event, event.liquidity
        elif isinstance(event, LiquidityEvent) and before is not None:
            active += event.liquidity * (event.tick_lower <= before.tick < event.tick_upper)
    assert modes == {"exact_in": 4777, "exact_out": 577, "price_limit": 124}
    assert modes.total() == 5478
