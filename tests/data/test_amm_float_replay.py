"""Claims about the float replay: swaps over a tick map, beside exact fractions and beside the exact engine."""

import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.amm.exact_pool import pool_at
from data.amm.exact_swap import SwapOrder, swap
from data.amm.float_replay import SwapInputs, replay
from data.amm.path import fee_growth
from data.amm.pool import Pool, sqrt_of
from data.amm.pool_log import SwapPath
from data.amm.swap_file import range_changes, swap_path
from data.amm.tick_map import TickMap, tick_map
from data.amm.tick_math import sqrt_at_tick
from data.amm.tick_table import TickTable
from data.errors import EventGapError, PoolError

_PATH = Path(__file__).resolve().parents[1] / "oracles" / "amm_replay_oracle.py"
_SPEC = importlib.util.spec_from_file_location("amm_replay_oracle", _PATH)
oracle = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(oracle)

POOL = Pool(token0="A", token1="B", fee_pips=3000)
RANGES = ((-6000, 6000, 3 * 10**21), (-600, 180, 10**22), (-60, 0, 4 * 10**23), (240, 1200, 5 * 10**21))
quick = settings(derandomize=True, deadline=None, max_examples=60)
AMOUNTS = st.floats(15.0, 20.5).map(lambda power: float(int(10.0**power)))
ORDERS = st.lists(st.tuples(AMOUNTS, st.booleans(), st.booleans()), min_size=1, max_size=8)


def map_of(*ranges):
    """The tick map of ranges of ticks (lower, upper, liquidity)."""
    lower, upper, liquidity = (np.array(column) for column in zip(*ranges, strict=True))
    return TickMap.of_ranges(lower, upper, liquidity.astype(np.float64))


MAP = map_of(*RANGES)
ROOTS = [(sqrt_of(lower), sqrt_of(upper), size) for lower, upper, size in RANGES]


def inputs_of(orders):
    """Inputs (amount, paid in token0, exact out)."""
    amounts = [-amount if is_out else amount for amount, _, is_out in orders]
    return SwapInputs(np.array(amounts), np.array([down for _, down, _ in orders]))


def one(amount, is_down, limit=None, start=1.0, pool=POOL, ticks=MAP):
    limits = None if limit is None else np.array([limit])
    return replay(pool, ticks, start, SwapInputs(np.array([amount]), np.array([is_down]), limits))


@given(ORDERS)
@quick
def test_swaps_are_those_of_exact_fractions(orders):
    found, here = replay(POOL, MAP, 1.0, inputs_of(orders)), 1.0
    for row, (amount, is_down, is_out) in enumerate(orders):
        wanted = oracle.swapped(ROOTS, here, -amount if is_out else amount, is_down, POOL.fee)
        parts = (found.sqrt_after, found.amount0, found.amount1, found.fees)
        assert [part[row] for part in parts] == pytest.approx(wanted, rel=1e-10)
        here = float(found.sqrt_after[row])


@given(ORDERS)
@quick
def test_root_prices_and_fees_are_those_of_the_exact_engine(orders):
    found = replay(POOL, MAP, 1.0, inputs_of(orders))
    table = TickTable.of_ranges(POOL.spacing, RANGES)
    pool = pool_at(POOL, 1 << 96, sum(size for low, high, size in RANGES if low <= 0 < high), table)
    growth = np.zeros(2)
    for row, (amount, is_down, is_out) in enumerate(orders):
        before = pool
        pool, done = swap(pool, SwapOrder(int(-amount if is_out else amount), is_down))
        assert found.sqrt_after[row] == pytest.approx(pool.sqrt_x96 / 2**96, rel=1e-11)
        assert found.amount0[row] == pytest.approx(done.amount0, rel=1e-9, abs=9)
        assert found.amount1[row] == pytest.approx(done.amount1, rel=1e-9, abs=9)
        assert found.liquidity[row] == pytest.approx(pool.liquidity, rel=1e-12)
        assert found.crossings[row] == len(done.crossings)
        growth += (pool.growth0 - before.growth0) / 2**128, (pool.growth1 - before.growth1) / 2**128
    assert found.tick == pool.tick
    inside = np.array(pool.growth_inside(-6000, 6000), np.float64) / 2**128
    # A root price of float64 resolves a step to 2**-52, and so its fees to that times the rate.
    steps = len(orders) + int(found.crossings.sum())
    least = 4 * steps * POOL.rates[0] * 2.0**-52
    np.testing.assert_allclose(found.growth.sum(axis=0), inside, rtol=1e-9, atol=least)
    np.testing.assert_allclose(found.growth.sum(axis=0), growth, rtol=1e-9, atol=least)


def test_growth_between_ticks_is_that_of_the_path_formula():
    rng = np.random.default_rng(2)
    swaps = SwapInputs(10.0 ** rng.uniform(16, 20.5, 300), rng.random(300) < 0.5)
    cut = Pool(token0="A", token1="B", fee_pips=3000, protocol0=5, protocol1=8)
    found = replay(cut, MAP, 1.0, swaps)
    count = np.arange(300)
    times = np.datetime64("2024-01-05", "ns") + count.astype("timedelta64[s]")
    before = np.append(1.0, found.sqrt_after[:-1])
    path = SwapPath(
        times, count, 0 * count, before, found.sqrt_after, found.amount0, found.amount1, found.liquidity
    )
    roots = MAP.sqrt_prices
    wanted = fee_growth(path, roots[:-1], roots[1:], cut.rates)
    between = slice(1, -1)  # the outermost intervals are never reached here
    assert (found.crossings > 0).sum() > 15
    np.testing.assert_allclose(found.growth[between], wanted[between], rtol=1e-9, atol=1e-30)


def test_liquidity_after_is_that_of_the_map_at_the_tick():
    rng = np.random.default_rng(5)
    found = replay(POOL, MAP, 1.0, SwapInputs(10.0 ** rng.uniform(18, 20.5, 200), rng.random(200) < 0.5))
    ticks = 2.0 * np.log(found.sqrt_after) / np.log(1.0001)
    wanted = [MAP.net[MAP.ticks <= tick].sum() for tick in ticks]
    np.testing.assert_allclose(found.liquidity, wanted, rtol=1e-12)


def test_pieces_that_carry_price_and_tick_give_the_bits_of_one_call():
    rng = np.random.default_rng(7)
    amounts, downs = 10.0 ** rng.uniform(18, 20.5, 100), rng.random(100) < 0.5
    whole = replay(POOL, MAP, 1.0, SwapInputs(amounts, downs))
    first = replay(POOL, MAP, 1.0, SwapInputs(amounts[:40], downs[:40]))
    rest = replay(POOL, MAP, first.sqrt_after[-1], SwapInputs(amounts[40:], downs[40:]), tick=first.tick)
    assert np.array_equal(whole.sqrt_after[40:], rest.sqrt_after)
    assert np.array_equal(whole.fees[40:], rest.fees)
    assert whole.tick == rest.tick


def test_a_price_right_on_a_tick_is_below_it_after_a_downward_crossing():
    root = sqrt_of(-60)
    found = one(1e30, True, limit=root, start=sqrt_of(-30))
    assert (found.sqrt_after[0], found.tick, found.crossings[0]) == (root, -61, 1)
    assert found.liquidity[0] == MAP.net[MAP.ticks <= -61].sum()
    back = replay(POOL, MAP, root, SwapInputs(np.array([1e18]), np.array([False])), tick=found.tick)
    up = one(1e30, False, limit=sqrt_of(0), start=sqrt_of(-30))
    assert (up.tick, up.crossings[0], back.crossings[0]) == (0, 1, 1)


def test_a_limit_ends_a_swap_and_a_gap_without_liquidity_costs_nothing():
    ticks = map_of((-120, -60, 10**22), (60, 120, 10**22))
    found = one(1e30, False, limit=sqrt_of(90), start=sqrt_of(-90), ticks=ticks)
    paid = 1e22 * (sqrt_of(-60) - sqrt_of(-90) + sqrt_of(90) - sqrt_of(60)) / (1.0 - POOL.fee)
    assert found.sqrt_after[0] == sqrt_of(90)
    assert found.amount1[0] == pytest.approx(paid, rel=1e-12)
    beyond = one(1e30, False, limit=2.0, start=sqrt_of(-90), ticks=ticks)
    assert (beyond.sqrt_after[0], beyond.liquidity[0]) == (2.0, 0.0)


def test_output_of_a_whole_range_to_the_last_digit_is_filled():
    ticks = map_of((-60, 0, 10**22))
    out = 1e22 * (1.0 - sqrt_of(-60))
    assert one(-out, True, ticks=ticks).amount1[0] == pytest.approx(-out, rel=1e-13)


@pytest.mark.parametrize("amount", [1e30, -1e30])
@pytest.mark.parametrize("is_down", [True, False])
def test_running_out_of_liquidity_is_told(amount, is_down):
    with pytest.raises(
        EventGapError, match=r"liquidity ran out at root price [\d.]+ in swap 0 .* -6000 and 6000"
    ):
        one(amount, is_down)


def test_an_empty_map_has_no_liquidity_at_all():
    none = TickMap(np.empty(0, np.int64), np.empty(0), np.empty(0))
    with pytest.raises(EventGapError, match="the outermost ticks of the map are none"):
        one(1.0, True, ticks=none)


def test_bad_inputs_are_refused():
    with pytest.raises(PoolError, match="the amount of swap 0 was 0.0"):
        one(0.0, True)
    with pytest.raises(PoolError, match="limit of swap 0 was root price 1.1; it must be below the price 1"):
        one(1e18, True, limit=1.1)
    with pytest.raises(PoolError, match="limit of swap 0 was root price 1; it must be above the price 1"):
        one(1e18, False, limit=1.0)
    with pytest.raises(PoolError, match="root price was nan"):
        one(1e18, True, start=np.nan)
    with pytest.raises(PoolError, match="is_down of the swaps has shape"):
        SwapInputs(np.ones(2), np.array([True]))


@pytest.mark.shared_data
def test_real_swaps_within_one_liquidity_are_those_of_the_chain(shared_data, usdc_weth):
    rows = pd.read_csv(shared_data / "amm" / "usdc_weth_005_exact_swaps_500.csv", dtype=str)
    rows = rows[rows["mode"] != "priceLimit"]
    for row in rows.itertuples():
        liquidity, tick = float(row.liquidity), int(row.tickBefore)
        ticks = map_of((tick // 10 * 10 - 10_000, tick // 10 * 10 + 10_000, liquidity))
        amount = float(row.amountSpecified)
        found = one(
            amount, row.zeroForOne == "1", start=int(row.sqrtBeforeX96) / 2**96, pool=usdc_weth, ticks=ticks
        )
        assert found.sqrt_after[0] == pytest.approx(int(row.sqrtAfterX96) / 2**96, rel=1e-11)
        assert found.amount0[0] == pytest.approx(float(row.amount0), rel=1e-9, abs=2.0)
        assert found.amount1[0] == pytest.approx(float(row.amount1), rel=1e-7, abs=2.0)


@pytest.mark.shared_data
def test_real_swaps_over_real_ticks_end_at_the_liquidity_and_amounts_of_the_log(shared_data):
    """The log's root prices are estimates within their tick, so what a swap pays out is known to some parts in a million."""
    pool = Pool(token0="WBTC", token1="WETH", decimals0=8)
    ranges = pd.read_parquet(shared_data / "amm" / "eth_wbtc_weth_030_netliquidity.parquet")
    table = pd.read_parquet(shared_data / "amm" / "eth_wbtc_weth_030_swaps_2021-05_2023-04.parquet")
    changes = range_changes(ranges, table["block_number"].to_numpy(np.int64))
    swaps = swap_path(table, pool)
    rows = np.flatnonzero(~np.isin(swaps.blocks, changes.blocks))
    rows = np.random.default_rng(0).choice(rows, 300, replace=False)
    errors = []
    for row in rows:
        ticks = tick_map(changes.rows(0, int(np.searchsorted(changes.blocks, swaps.blocks[row]))))
        is_down = bool(swaps.amount0[row] > 0)
        paid = (swaps.amount0 if is_down else swaps.amount1)[row]
        found = one(paid, is_down, start=swaps.sqrt_before[row], pool=pool, ticks=ticks)
        received = (
            (found.amount1[0], swaps.amount1[row]) if is_down else (found.amount0[0], swaps.amount0[row])
        )
        errors.append((found.liquidity[0] / swaps.liquidity[row] - 1.0, received[0] / received[1] - 1.0))
    liquidity, amounts = np.abs(errors).T
    assert (liquidity < 1e-9).sum() >= 298
    assert np.median(amounts) < 1e-5


def test_a_tick_root_is_that_of_the_exact_engine():
    for tick in (-100_000, -60, 0, 60, 200_000, 880_000):
        assert sqrt_of(tick) == pytest.approx(sqrt_at_tick(tick) / 2**96, rel=1e-13)
