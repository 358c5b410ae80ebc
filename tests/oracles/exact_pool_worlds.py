"""Small pools for tests: ranges around a price, and orders of every kind."""

from hypothesis import strategies as st

from data.amm.exact_pool import PositionKey, new_pool
from data.amm.exact_positions import mint
from data.amm.exact_swap import SwapOrder
from data.amm.pool import Pool
from data.amm.tick_math import sqrt_at_tick

PLAIN = Pool(token0="A", token1="B", fee_pips=3000)
FEES = st.sampled_from([100, 500, 3000, 10_000])
RANGES = st.lists(
    st.tuples(st.integers(-30, 29), st.integers(1, 40), st.integers(1, 10**22)), min_size=1, max_size=6
)
ORDERS = st.lists(
    st.tuples(st.integers(1, 10**20), st.booleans(), st.booleans(), st.integers(1, 3000)),
    min_size=1,
    max_size=5,
)


def keys(ranges, spacing):
    """Positions of ranges given in spacings from 0, one owner each."""
    return [
        PositionKey(f"owner {n}", low * spacing, (low + wide) * spacing)
        for n, (low, wide, _) in enumerate(ranges)
    ]


def made(ranges, *, fee=3000, tick=7, **cut):
    """A pool with ranges minted into it."""
    pool = new_pool(Pool(token0="A", token1="B", fee_pips=fee, **cut), sqrt_at_tick(tick) + 12_345)
    for key, (*_, liquidity) in zip(keys(ranges, pool.pool.spacing), ranges, strict=True):
        pool = mint(pool, key, liquidity).pool
    return pool


def liquidity_at(table, tick):
    """What is active at a tick by a tick table: the sum of what begins at or below it."""
    return sum(state.net for place, state in table.ticks.items() if place <= tick)


def order(pool, amount, is_input, is_down, distance):
    """An order of a pool that ends ``distance`` ticks ahead at the latest."""
    limit = sqrt_at_tick(pool.tick + (-distance if is_down else distance + 1))
    return SwapOrder(amount if is_input else -amount, is_down, limit)
