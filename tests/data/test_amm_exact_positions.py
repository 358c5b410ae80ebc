"""Exact positions: what is minted, burned and collected adds up, and fees are shared by liquidity in range and nothing else."""

import importlib.util
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.amm.exact_pool import ExactPool, PositionKey, PositionState, new_pool
from data.amm.exact_positions import burn, collect, mint
from data.amm.exact_swap import SwapOrder, swap
from data.amm.tick_math import Q96, max_liquidity_per_tick, sqrt_at_tick
from data.amm.tick_table import MASK_256, TickTable
from data.errors import PoolError, TickError

ORACLES = Path(__file__).resolve().parents[1] / "oracles"


def loaded(name):
    spec = importlib.util.spec_from_file_location(name, ORACLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


slow, worlds = loaded("exact_pool_oracle"), loaded("exact_pool_worlds")
quick = settings(derandomize=True, deadline=None, max_examples=60)
WIDE, ABOVE, BELOW = PositionKey("w", -600, 600), PositionKey("a", 600, 1200), PositionKey("b", -1200, -600)


def traded(pool, orders):
    for amount, is_input, is_down, distance in orders:
        pool, _ = swap(pool, worlds.order(pool, amount, is_input, is_down, distance))
    return pool


@quick
@given(worlds.RANGES, st.integers(-2000, 2000), st.integers(1, 10**22))
def test_mint_then_burn_pays_no_more_than_was_deposited(ranges, tick, liquidity):
    pool = worlds.made(ranges, tick=tick)
    minted = mint(pool, WIDE, liquidity)
    burned = burn(minted.pool, WIDE, liquidity)
    paid = collect(burned.pool, WIDE)
    assert minted.amount0 - 1 <= paid.amount0 == burned.amount0 <= minted.amount0
    assert minted.amount1 - 1 <= paid.amount1 == burned.amount1 <= minted.amount1
    assert paid.pool.table == pool.table
    assert paid.pool.liquidity == pool.liquidity


@quick
@given(worlds.RANGES, worlds.ORDERS, worlds.FEES)
def test_amounts_and_fees_are_those_of_the_slow_twin(ranges, orders, fee):
    pool = worlds.made(ranges, fee=fee)
    twin = slow.SlowPool(fee, pool.pool.spacing, pool.sqrt_x96)
    keys = worlds.keys(ranges, twin.spacing)
    for key, (*_, liquidity) in zip(keys, ranges, strict=True):
        twin.mint(key.tick_lower, key.tick_upper, liquidity)
    pool = traded(pool, orders)
    for amount, is_input, is_down, distance in orders:
        order = worlds.order(twin, amount, is_input, is_down, distance)
        twin.swap(order.amount, order.is_down, order.limit)
    for n, (key, (*_, liquidity)) in enumerate(zip(keys, ranges, strict=True)):
        burned = burn(pool, key, liquidity)
        assert (burned.amount0, burned.amount1) == twin.burn(n, liquidity)
        growth0, growth1 = twin.ranges[n][3:]
        owed = burned.pool.positions[key]
        assert owed.owed0 == burned.amount0 + (growth0 * liquidity >> 128)
        assert owed.owed1 == burned.amount1 + (growth1 * liquidity >> 128)


@quick
@given(worlds.RANGES, worlds.ORDERS, worlds.FEES, st.sampled_from([0, 4, 10]))
def test_the_pool_can_always_pay_what_it_owes(ranges, orders, fee, cut):
    pool = new_pool(worlds.made([], fee=fee, protocol0=cut, protocol1=cut).pool, sqrt_at_tick(7) + 12_345)
    held = [0, 0]
    keys = worlds.keys(ranges, pool.pool.spacing)
    for key, (*_, liquidity) in zip(keys, ranges, strict=True):
        pool, *paid = mint(pool, key, liquidity)
        held = [have + add for have, add in zip(held, paid, strict=True)]
    for amount, is_input, is_down, distance in orders:
        pool, done = swap(pool, worlds.order(pool, amount, is_input, is_down, distance))
        held = [held[0] + done.amount0, held[1] + done.amount1]
    for key, (*_, liquidity) in zip(keys, ranges, strict=True):
        pool, *out = collect(burn(pool, key, liquidity).pool, key)
        held = [have - less for have, less in zip(held, out, strict=True)]
    assert held[0] >= pool.protocol_fees0
    assert held[1] >= pool.protocol_fees1
    # What stays behind are roundings: some units a step, a position and a mint.
    assert (pool.table, pool.liquidity) == (TickTable(pool.pool.spacing), 0)


@quick
@given(worlds.ORDERS, st.integers(0, MASK_256), st.integers(0, MASK_256))
def test_fees_do_not_depend_on_where_the_growth_counters_stand(orders, growth0, growth1):
    def earned(pool):
        pool = mint(pool, WIDE, 10**20).pool
        return burn(traded(pool, orders), WIDE, 0).pool.positions[WIDE][3:]

    start = new_pool(worlds.PLAIN, Q96)
    assert earned(start) == earned(replace(start, growth0=growth0, growth1=growth1))


def test_two_equal_positions_share_fees_equally_and_twice_the_liquidity_earns_twice():
    first, second, third = (PositionKey(name, -600, 600) for name in "xyz")
    pool = new_pool(worlds.PLAIN, Q96)
    for key, liquidity in ((first, 10**20), (second, 10**20), (third, 2 * 10**20)):
        pool = mint(pool, key, liquidity).pool
    pool, _ = swap(pool, SwapOrder(10**18, is_down=True))
    one, two, double = (burn(pool, key, 0).pool.positions[key].owed0 for key in (first, second, third))
    assert one == two
    assert double // 2 == one


def test_liquidity_out_of_range_earns_nothing_and_is_not_active():
    pool = mint(new_pool(worlds.PLAIN, Q96), WIDE, 10**20).pool
    for key in (ABOVE, BELOW):
        pool = mint(pool, key, 10**22).pool
    assert pool.liquidity == 10**20
    pool, _ = swap(pool, SwapOrder(10**18, is_down=True))
    for key in (ABOVE, BELOW):
        assert burn(pool, key, 0).pool.positions[key][3:] == (0, 0)


def test_a_range_above_the_price_is_all_token0_and_below_it_all_token1():
    pool = new_pool(worlds.PLAIN, Q96)
    above, below = mint(pool, ABOVE, 10**20), mint(pool, BELOW, 10**20)
    assert above.amount0 > 0 == above.amount1
    assert below.amount1 > 0 == below.amount0


def test_fees_are_owed_only_once_they_are_booked():
    pool = mint(new_pool(worlds.PLAIN, Q96), WIDE, 10**20).pool
    pool, done = swap(pool, SwapOrder(10**18, is_down=True))
    assert collect(pool, WIDE)[1:] == (0, 0)
    booked = burn(pool, WIDE, 0)
    assert booked[1:] == (0, 0)
    some = collect(booked.pool, WIDE, 10, 10)
    assert some[1:] == (10, 0)
    rest = collect(some.pool, WIDE)
    assert 0 <= done.amount0 * 3 // 1000 - 10 - rest.amount0 <= 1


def test_owed_tokens_wrap_at_128_bits():
    pool = mint(new_pool(worlds.PLAIN, Q96), WIDE, 10**20).pool
    nearly = pool.positions[WIDE]._replace(owed0=(1 << 128) - 1)
    pool, _ = swap(replace(pool, positions={WIDE: nearly}), SwapOrder(10**18, is_down=True))
    assert burn(pool, WIDE, 0).pool.positions[WIDE].owed0 < 10**17


def test_a_change_leaves_the_pool_before_it_alone():
    pool = mint(new_pool(worlds.PLAIN, Q96), WIDE, 10**20).pool
    kept = replace(pool, positions=dict(pool.positions))
    mint(pool, ABOVE, 5)
    burn(pool, WIDE, 10**20)
    collect(pool, WIDE)
    assert pool == kept
    assert isinstance(pool, ExactPool)


@pytest.mark.parametrize(("low", "high"), [(-600, -600), (600, -600), (-605, 600), (-600, 887_280)])
def test_range_that_no_pool_has_is_refused(low, high):
    with pytest.raises(TickError):
        mint(new_pool(worlds.PLAIN, Q96), PositionKey("", low, high), 1)


@pytest.mark.parametrize("liquidity", [0, -1])
def test_only_liquidity_above_nothing_is_minted(liquidity):
    with pytest.raises(PoolError, match=f"liquidity to mint was {liquidity}; allowed: above 0"):
        mint(new_pool(worlds.PLAIN, Q96), WIDE, liquidity)


def test_a_tick_takes_no_more_than_it_may():
    pool = new_pool(worlds.PLAIN, Q96)
    most = max_liquidity_per_tick(60)
    with pytest.raises(PoolError, match=r"liquidity of the ranges at tick -600 would be"):
        mint(mint(pool, WIDE, most).pool, WIDE, 1)


def test_no_more_is_burned_than_is_held():
    pool = mint(new_pool(worlds.PLAIN, Q96), WIDE, 5).pool
    with pytest.raises(PoolError, match=r"liquidity to burn was 6; the position -600 to 600 of 'w' holds 5"):
        burn(pool, WIDE, 6)
    with pytest.raises(PoolError, match="holds 0"):
        burn(pool, ABOVE, 0)


def test_only_a_known_position_and_whole_amounts_are_collected():
    pool = mint(new_pool(worlds.PLAIN, Q96), WIDE, 5).pool
    with pytest.raises(PoolError, match="the pool has no position 600 to 1200 of 'a'"):
        collect(pool, ABOVE)
    with pytest.raises(PoolError, match="amounts to collect were -1 and 0"):
        collect(pool, WIDE, -1, 0)


def test_growth_of_a_range_nobody_holds_is_that_of_the_pool_while_the_price_is_in_it():
    pool = mint(new_pool(worlds.PLAIN, Q96), WIDE, 10**20).pool
    pool, _ = swap(pool, SwapOrder(10**18, is_down=True))
    assert pool.growth_inside(-60_000, 60_000) == (pool.growth0, pool.growth1)
    assert PositionState() == (0, 0, 0, 0, 0)
