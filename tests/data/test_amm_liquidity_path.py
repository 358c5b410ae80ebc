"""Claims about the liquidity that holds a price: a plain sum gives the same, and what else is asked for does not matter."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from data.amm.liquidity_path import liquidity_path
from data.amm.pool import sqrt_of
from data.amm.pool_log import RangeChanges

START = np.datetime64("2024-01-01", "ns")
SECOND = np.timedelta64(1, "s")


def made_changes(seed, count):
    rng = np.random.default_rng(seed)
    lower = rng.integers(-300, 300, count)
    return RangeChanges(
        times=START + np.sort(rng.integers(0, 5000, count)) * SECOND,
        blocks=np.arange(count),
        log_indices=np.zeros(count, np.int64),
        tick_lower=lower,
        tick_upper=lower + rng.integers(1, 300, count),
        liquidity=rng.integers(-(2**30), 2**40, count).astype(float),
    )


def plain_sum(changes, time, tick):
    held = (changes.times <= time) & (changes.tick_lower <= tick) & (tick < changes.tick_upper)
    return float(changes.liquidity[held].sum())


@settings(max_examples=30, derandomize=True, deadline=None)
@given(seed=st.integers(0, 100), count=st.integers(0, 60), asked=st.integers(0, 60))
def test_it_is_the_plain_sum_of_the_ranges_around_the_price(seed, count, asked):
    changes = made_changes(seed, count)
    rng = np.random.default_rng(seed + 1)
    times = START + np.sort(rng.integers(0, 5200, asked)) * SECOND
    ticks = rng.integers(-400, 400, asked)
    found = liquidity_path(changes, times, np.array([sqrt_of(tick + 0.5) for tick in ticks]))
    expected = [plain_sum(changes, time, tick) for time, tick in zip(times, ticks, strict=True)]
    np.testing.assert_array_equal(found, expected)


def test_many_instants_give_what_each_gives_alone():
    changes = made_changes(5, 500)
    times = START + np.arange(3000) * SECOND
    roots = np.exp(np.random.default_rng(1).normal(0, 0.01, 3000))
    found = liquidity_path(changes, times, roots)
    for row in (0, 1023, 1024, 1025, 2999):
        alone = liquidity_path(changes, times[row : row + 1], roots[row : row + 1])
        assert found[row] == alone[0]
