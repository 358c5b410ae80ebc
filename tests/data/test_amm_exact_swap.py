"""Exact swap: equal to the slow twin to the last unit, never a gift to the trader, and every real swap as on chain."""

import csv
import importlib.util
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from data.amm.exact_pool import new_pool, pool_at
from data.amm.exact_swap import SwapOrder, outcome, swap
from data.amm.pool import Pool
from data.amm.tick_math import MAX_SQRT_X96, MIN_SQRT_X96, Q96, sqrt_at_tick
from data.amm.tick_table import MASK_256, TickTable
from data.errors import PoolError

ORACLES = Path(__file__).resolve().parents[1] / "oracles"


def loaded(name):
    spec = importlib.util.spec_from_file_location(name, ORACLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


slow, worlds = loaded("exact_pool_oracle"), loaded("exact_pool_worlds")
quick = settings(derandomize=True, deadline=None, max_examples=60)


@quick
@given(worlds.RANGES, worlds.ORDERS, worlds.FEES)
def test_swaps_are_those_of_the_slow_twin_to_the_last_unit(ranges, orders, fee):
    pool = worlds.made(ranges, fee=fee)
    twin = slow.SlowPool(fee, pool.pool.spacing, pool.sqrt_x96)
    for low, wide, liquidity in ranges:
        twin.mint(low * twin.spacing, (low + wide) * twin.spacing, liquidity)
    for amount, is_input, is_down, distance in orders:
        order = worlds.order(pool, amount, is_input, is_down, distance)
        pool, done = swap(pool, order)
        assert (done.amount0, done.amount1) == twin.swap(order.amount, order.is_down, order.limit)
        assert (pool.sqrt_x96, pool.tick) == (twin.sqrt, twin.tick)
        assert pool.liquidity == sum(each[2] for each in twin.active())
    for low, high, _, growth0, growth1 in twin.ranges:
        assert pool.growth_inside(low, high) == (growth0, growth1)


@quick
@given(worlds.RANGES, worlds.ORDERS, worlds.FEES)
def test_active_liquidity_is_the_sum_of_the_ticks_below(ranges, orders, fee):
    pool = worlds.made(ranges, fee=fee)
    for amount, is_input, is_down, distance in orders:
        pool, _ = swap(pool, worlds.order(pool, amount, is_input, is_down, distance))
        assert pool.liquidity == worlds.liquidity_at(pool.table, pool.tick)
    assert sum(state.net for state in pool.table.ticks.values()) == 0


@quick
@given(worlds.RANGES, st.integers(1, 10**20), st.booleans(), worlds.FEES)
def test_there_and_back_never_pays(ranges, amount, is_down, fee):
    pool, there = swap(worlds.made(ranges, fee=fee), SwapOrder(amount, is_down))
    received = -(there.amount1 if is_down else there.amount0)
    assume(received)
    _, back = swap(pool, SwapOrder(received, not is_down))
    paid = there.amount0 if is_down else there.amount1
    assert -(back.amount0 if is_down else back.amount1) <= paid


@quick
@given(st.integers(2, 10**21), st.floats(0.05, 0.95), st.booleans(), worlds.FEES)
def test_a_swap_in_two_parts_earns_the_fees_of_one(amount, share, is_down, fee):
    ranges = [(-30, 60, 10**21), (-2, 5, 10**20), (3, 9, 10**22)]
    start = worlds.made(ranges, fee=fee)
    target = worlds.order(start, 10**30, True, is_down, 900)
    whole = outcome(start, target)
    paid = whole.amount0 if is_down else whole.amount1
    one, _ = swap(start, SwapOrder(max(int(paid * share), 1), is_down, target.limit))
    assume(one.sqrt_x96 != target.limit)
    two = outcome(one, target)
    # One rounding a step: the price to its last bit, the fee to one raw unit.
    assert two.growth == pytest.approx(whole.growth, rel=1e-12)


@quick
@given(worlds.RANGES, st.integers(1, 10**20), st.integers(1, 10**20), st.booleans())
def test_more_input_gets_no_less_output(ranges, amount, more, is_down):
    pool = worlds.made(ranges)
    few, many = (outcome(pool, SwapOrder(each, is_down)) for each in (amount, amount + more))
    assert -(many[1 if is_down else 0]) >= -(few[1 if is_down else 0])


def test_the_protocols_share_is_cut_from_each_step_before_liquidity_is_paid():
    ranges = [(-30, 60, 10**20)]
    order = SwapOrder(10**18, is_down=True)
    free, _ = swap(worlds.made(ranges), order)
    cut, done = swap(worlds.made(ranges, protocol0=4), order)
    fee = free.growth0 * 10**20 / 2**128
    assert done.protocol_fee == cut.protocol_fees0 == pytest.approx(fee / 4, rel=1e-12)
    assert cut.growth0 == pytest.approx(free.growth0 * 3 / 4, rel=1e-12)
    assert (cut.protocol_fees1, cut.growth1) == (0, 0)
    _, up = swap(worlds.made(ranges, protocol0=4), SwapOrder(10**18, is_down=False))
    assert up.protocol_fee == 0


def test_fee_growth_wraps_around():
    start = pool_at(worlds.PLAIN, Q96, 10**18)
    near = type(start)(**{name: getattr(start, name) for name in start.__slots__} | {"growth0": MASK_256})
    grown, wrapped = swap(start, SwapOrder(10**15, True))[0], swap(near, SwapOrder(10**15, True))[0]
    assert wrapped.growth0 == grown.growth0 - 1


def test_a_used_tick_that_changes_nothing_still_ends_a_step():
    start = sqrt_at_tick(30) + 10**20
    plain = outcome(pool_at(worlds.PLAIN, start, 10**6), SwapOrder(10**4, is_down=True))
    used = pool_at(worlds.PLAIN, start, 10**6, TickTable.of_nets(60, {0: 0}))
    assert outcome(used, SwapOrder(10**4, is_down=True)) != plain
    assert outcome(used, SwapOrder(10**4, is_down=True)).liquidity == 10**6


def test_price_on_a_tick_crossed_downward_belongs_to_the_tick_below():
    pool = worlds.made([(-10, 10, 10**18), (10, 10, 10**18)], tick=620)
    down, _ = swap(pool, SwapOrder(10**30, True, sqrt_at_tick(600)))
    assert (down.sqrt_x96, down.tick) == (sqrt_at_tick(600), 599)
    up, _ = swap(down, SwapOrder(10**3, is_down=False))
    assert up.table.ticks.keys() == pool.table.ticks.keys()
    assert up.liquidity == worlds.liquidity_at(up.table, up.tick)


def test_empty_pool_goes_to_its_limit_for_nothing():
    _, down = swap(new_pool(worlds.PLAIN, Q96), SwapOrder(1, is_down=True))
    assert (down.amount0, down.amount1, down.sqrt_x96) == (0, 0, MIN_SQRT_X96 + 1)
    _, up = swap(new_pool(worlds.PLAIN, Q96), SwapOrder(-1, is_down=False))
    assert up.sqrt_x96 == MAX_SQRT_X96 - 1


@pytest.mark.parametrize(
    ("order", "pattern"),
    [
        (SwapOrder(0, is_down=True), "the amount of a swap was 0"),
        (SwapOrder(1, is_down=True, limit=Q96), "the limit of a swap was root price"),
        (SwapOrder(1, is_down=False, limit=Q96 - 1), "the limit of a swap was root price"),
        (SwapOrder(1, is_down=True, limit=MIN_SQRT_X96), "allowed: between 4295128739 and"),
        (SwapOrder(1, is_down=False, limit=MAX_SQRT_X96), "neither included"),
    ],
)
def test_order_that_no_pool_takes_is_refused(order, pattern):
    with pytest.raises(PoolError, match=pattern):
        outcome(new_pool(worlds.PLAIN, Q96), order)


def test_ticks_that_take_more_than_is_active_are_refused():
    pool = pool_at(worlds.PLAIN, Q96, 5, TickTable.of_nets(60, {-60: 9}))
    with pytest.raises(PoolError, match="crossing tick -60 takes 9 of the active liquidity 5"):
        outcome(pool, SwapOrder(10**9, is_down=True))


@pytest.mark.parametrize("is_down", [True, False])
def test_hundred_units_buy_ninety_eight_as_the_sdk_says(is_down):
    pool = Pool(token0="A", token1="B", fee_pips=500)
    full = TickTable.of_ranges(10, [(-887_270, 887_270, 10**18)])
    start = pool_at(pool, Q96, 10**18, full)
    bought, asked = outcome(start, SwapOrder(100, is_down)), outcome(start, SwapOrder(-98, is_down))
    wanted = (100, -98) if is_down else (-98, 100)
    assert (bought.amount0, bought.amount1) == (asked.amount0, asked.amount1) == wanted


NUMBERS = ("amount0", "amount1", "sqrtAfterX96", "tickAfter", "feeGrowth0DeltaX128", "feeGrowth1DeltaX128")


@pytest.mark.shared_data
def test_five_hundred_real_swaps_are_reproduced_to_the_wei(shared_data, usdc_weth):
    with (shared_data / "amm" / "usdc_weth_005_exact_swaps_500.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 500
    for row in rows:
        start = pool_at(
            usdc_weth, int(row["sqrtBeforeX96"]), int(row["liquidity"]), tick=int(row["tickBefore"])
        )
        limit = int(row["sqrtLimitX96"]) if row["sqrtLimitX96"] else None
        order = SwapOrder(int(row["amountSpecified"] or 1 << 200), row["zeroForOne"] == "1", limit)
        after, done = swap(start, order)
        found = done.amount0, done.amount1, after.sqrt_x96, after.tick, after.growth0, after.growth1
        assert found == tuple(int(row[name]) for name in NUMBERS)
