"""Claims about tick maps: liquidity summed from mints and burns, and what of it is active at a tick."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.amm.pool_log import RangeChanges
from data.amm.swap_file import range_changes
from data.amm.tick_map import TickMap, liquidity_profile, tick_map
from data.errors import EventGapError, PoolError


def active(ticks, tick):
    """What is active at a tick: what begins at or below it less what ends there."""
    return ticks.net[ticks.ticks <= tick].sum()


quick = settings(derandomize=True, deadline=None, max_examples=60)
MINT = st.tuples(st.integers(-5, 5), st.integers(1, 4), st.integers(1, 10**6))


def changes_of(rows):
    """Changes (lower, upper, liquidity), one a block."""
    lower, upper, liquidity = np.array(rows, np.float64).reshape(-1, 3).T
    blocks = 100 + np.arange(len(rows))
    times = np.datetime64("2024-01-05", "ns") + (12 * blocks).astype("timedelta64[s]")
    return RangeChanges(times, blocks, 0 * blocks + 7, lower, upper, liquidity)


def mints(drawn):
    return [(60 * low, 60 * (low + width), liquidity) for low, width, liquidity in drawn]


@given(st.lists(MINT, min_size=1, max_size=12), st.floats(-700.0, 700.0))
@quick
def test_active_liquidity_is_that_of_the_ranges_about_the_tick(drawn, tick):
    rows = mints(drawn)
    wanted = sum(liquidity for lower, upper, liquidity in rows if lower <= tick < upper)
    assert active(tick_map(changes_of(rows)), tick) == pytest.approx(wanted, rel=1e-12, abs=1e-6)


@given(st.lists(MINT, min_size=1, max_size=12))
@quick
def test_net_liquidity_sums_to_nothing_and_gross_to_two_ends_of_each_range(drawn):
    rows = mints(drawn)
    found = tick_map(changes_of(rows))
    assert found.net.sum() == pytest.approx(0.0, abs=1e-6)
    assert found.gross.sum() == pytest.approx(2.0 * sum(liquidity for _, _, liquidity in rows))
    assert (np.abs(found.net) <= found.gross).all()
    assert found.liquidity[-1] == 0.0


@given(st.lists(MINT, min_size=1, max_size=12), st.integers(0, 11))
@quick
def test_a_range_that_is_burnt_whole_leaves_no_tick(drawn, place):
    rows = mints(drawn)
    lower, upper, liquidity = rows[place % len(rows)]
    with_and_without = tick_map(changes_of([*rows, (-6000, 6000, 1.0), (-6000, 6000, -1.0)]))
    assert with_and_without.ticks.tolist() == tick_map(changes_of(rows)).ticks.tolist()
    burnt = tick_map(changes_of([*rows, (lower, upper, -liquidity)]))
    kept = [row for k, row in enumerate(rows) if k != place % len(rows)]
    wanted = tick_map(changes_of(kept)).ticks.tolist() if kept else []
    assert burnt.ticks.tolist() == wanted


def test_a_tick_whose_net_is_nothing_stays_while_ranges_meet_there():
    found = tick_map(changes_of([(0, 60, 5.0), (60, 120, 5.0)]))
    assert found.ticks.tolist() == [0, 60, 120]
    assert found.net.tolist() == [5.0, 0.0, -5.0]
    assert found.gross.tolist() == [5.0, 10.0, 5.0]


def test_the_map_of_an_instant_knows_no_later_mint():
    changes = changes_of([(0, 60, 5.0), (0, 60, 2.0)])
    assert active(tick_map(changes.until(changes.times[0])), 30) == 5.0
    assert active(tick_map(changes), 30) == 7.0


def test_the_ends_of_a_range_are_in_below_and_out_above():
    found = tick_map(changes_of([(-120, 60, 5.0)]))
    assert [active(found, tick) for tick in (-121, -120.0, 59.9, 60, 10**6)] == [0, 5, 5, 0, 0]


def test_what_is_left_by_the_rounding_of_large_sums_is_no_liquidity():
    parts = [1.1e18, 2.3e18, 0.7e18]
    total = 1.1e18 + 2.3e18 + 0.7e18
    rows = [(0, 60, part) for part in parts] + [(0, 60, -np.nextafter(total, 0.0)), (60, 120, 1e18)]
    assert tick_map(changes_of(rows)).ticks.tolist() == [60, 120]


@given(
    st.lists(MINT, min_size=1, max_size=8),
    st.lists(st.integers(-500, 500), min_size=2, max_size=6, unique=True),
)
@quick
def test_profile_is_the_mean_of_the_active_liquidity_of_each_tick(drawn, cuts):
    found, edges = tick_map(changes_of(mints(drawn))), np.sort(cuts)
    means = [np.mean([active(found, tick) for tick in range(low, high)]) for low, high in pairwise(edges)]
    np.testing.assert_allclose(liquidity_profile(found, edges), means, rtol=1e-9, atol=1e-6)


def test_profile_beyond_the_map_and_of_an_empty_one_is_nothing():
    found = tick_map(changes_of([(0, 60, 5.0)]))
    assert liquidity_profile(found, np.array([-60.0, 0.0, 30.0, 90.0, 120.0])).tolist() == [
        0.0,
        5.0,
        2.5,
        0.0,
    ]
    none = TickMap(np.empty(0, np.int64), np.empty(0), np.empty(0))
    assert liquidity_profile(none, np.array([0.0, 1.0, 2.0])).tolist() == [0.0, 0.0]


def test_missing_mints_are_told_with_the_burn_that_shows_them():
    with pytest.raises(EventGapError, match=r"burn at block 101, log 7 takes 6 from the range 0 to 60"):
        tick_map(changes_of([(0, 60, 5.0), (0, 60, -6.0), (0, 60, 9.0)]))
    for nothing in (None, changes_of([(0, 60, 5.0)]).rows(0, 0)):
        with pytest.raises(EventGapError, match="has no liquidity changes"):
            tick_map(nothing)


def test_broken_maps_and_edges_are_refused():
    with pytest.raises(PoolError, match="rise, each once"):
        TickMap(np.array([60, 0]), np.zeros(2), np.zeros(2))
    with pytest.raises(PoolError, match="column 'net'"):
        TickMap(np.array([0, 60]), np.zeros(3), np.zeros(2))
    with pytest.raises(PoolError, match="do not rise"):
        liquidity_profile(tick_map(changes_of([(0, 60, 5.0)])), np.array([1.0]))


@pytest.mark.shared_data
def test_active_liquidity_rebuilt_from_ranges_is_that_of_the_swap_log(shared_data):
    """Blocks in which liquidity changed are left out: this log does not say which came first."""
    ranges = pd.read_parquet(shared_data / "amm" / "eth_wbtc_weth_030_netliquidity.parquet")
    swaps = pd.read_parquet(shared_data / "amm" / "eth_wbtc_weth_030_swaps_2021-05_2023-04.parquet")
    changes = range_changes(ranges, swaps["block_number"].to_numpy(np.int64))
    swaps = swaps.drop_duplicates("block_number", keep="last")
    swaps = swaps[~swaps["block_number"].isin(changes.blocks)].sample(200, random_state=1)
    errors = []
    for row in swaps.itertuples():
        stop = int(np.searchsorted(changes.blocks, row.block_number, side="right"))
        found = active(tick_map(changes.rows(0, stop)), row.tick)
        errors.append(abs(found / row.liquidity - 1.0))
    assert max(errors) < 1e-12
    assert np.median(errors) < 5e-14
