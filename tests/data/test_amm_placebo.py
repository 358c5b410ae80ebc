"""Placebo: every step is kept, the direction is gone, and what was liquidity stays liquidity."""

import numpy as np
import pytest

from data.amm.log_checks import check_ranges, check_swaps
from data.amm.placebo import placebo_history, random_signs, reversed_time
from data.amm.pool import Pool, sqrt_of
from data.amm.pool_log import PoolLog, RangeChanges, SwapPath
from data.amm.reference import HOUR
from data.amm.simulator import reference_of, simulate
from data.amm.world import LiquidityLayer, PoolWorld
from data.errors import PoolError
from data.history import History
from data.panel import Panel
from data.sessions import BarClock


def made(hours=24 * 20, seed=1, pool=None):
    closes = 2000 * np.exp(np.cumsum(np.random.default_rng(seed).normal(0.001, 0.006, hours)))
    times = np.datetime64("2022-01-01", "ns") + HOUR * np.arange(hours)
    layers = (LiquidityLayer(capital=1e6), LiquidityLayer(capital=1e6, width=0.2, days=2))
    world = PoolWorld(layers=layers, **({} if pool is None else {"pool": pool}))
    return simulate(world, reference_of(times, closes)).log


@pytest.fixture(scope="module")
def log():
    return made()


def test_backwards_every_step_is_undone_in_reverse(log):
    back = reversed_time(log)
    np.testing.assert_array_equal(back.swaps.sqrt_before, log.swaps.sqrt_after[::-1])
    np.testing.assert_array_equal(back.swaps.sqrt_after, log.swaps.sqrt_before[::-1])
    gaps = np.diff(log.swaps.times)
    np.testing.assert_array_equal(np.diff(back.swaps.times), gaps[::-1])
    np.testing.assert_array_equal(np.diff(back.swaps.blocks), np.diff(log.swaps.blocks)[::-1])


def test_backwards_twice_is_the_log_itself(log):
    again = reversed_time(reversed_time(log))
    for name in ("sqrt_before", "sqrt_after", "log_indices"):
        np.testing.assert_array_equal(getattr(again.swaps, name), getattr(log.swaps, name))
    for name in ("amount0", "amount1"):
        np.testing.assert_allclose(getattr(again.swaps, name), getattr(log.swaps, name), rtol=1e-14)


def test_backwards_the_ranges_hold_what_they_held_at_the_same_place_of_the_path(log):
    back = reversed_time(log)
    count = len(log.swaps)
    for row in range(5, count, 709):
        before = active(log, log.swaps.blocks[row], log.swaps.log_indices[row], log.swaps.sqrt_before[row])
        mirrored = count - 1 - row
        after = active(
            back,
            back.swaps.blocks[mirrored],
            back.swaps.log_indices[mirrored],
            back.swaps.sqrt_after[mirrored],
        )
        assert after == pytest.approx(before, rel=1e-9)
    opened = back.changes.blocks < back.swaps.blocks[0]
    assert back.changes.liquidity[opened][:2].min() > 0


def active(log, block, place, root):
    """Liquidity at a root price just before an event, summed over every change."""
    changes = log.changes
    known = (changes.blocks < block) | ((changes.blocks == block) & (changes.log_indices < place))
    low, high = (np.array([sqrt_of(t) for t in ticks]) for ticks in (changes.tick_lower, changes.tick_upper))
    return changes.liquidity[known & (low <= root) & (root < high)].sum()


def test_backwards_traders_pay_the_fee_on_what_goes_in(log):
    back = reversed_time(log).swaps
    up = back.sqrt_after > back.sqrt_before
    assert (back.amount1[up] > 0).all() and (back.amount0[up] < 0).all()
    assert (back.amount0[~up] > 0).all()
    constant = np.isclose(back.liquidity[1:], back.liquidity[:-1], rtol=1e-12)
    paid = back.amount1[1:][constant & up[1:]] * (1 - log.pool.fee)
    moved = (back.liquidity * (back.sqrt_after - back.sqrt_before))[1:][constant & up[1:]]
    np.testing.assert_allclose(paid, moved, rtol=1e-6)


@pytest.mark.parametrize("together", [None, HOUR])
def test_random_signs_keep_sizes_blocks_and_instants(log, together):
    placebo = random_signs(log, 3, together)
    sizes, others = (
        np.abs(np.log(each.swaps.sqrt_after / each.swaps.sqrt_before)) for each in (log, placebo)
    )
    np.testing.assert_allclose(others, sizes, atol=1e-13)
    np.testing.assert_array_equal(placebo.swaps.blocks, log.swaps.blocks)
    np.testing.assert_array_equal(placebo.swaps.times, log.swaps.times)
    np.testing.assert_array_equal(placebo.swaps.sqrt_before[1:], placebo.swaps.sqrt_after[:-1])
    assert placebo.changes is None


@pytest.mark.parametrize(
    "pool", [None, Pool(token0="USDC", token1="ETH", decimals0=6, fee_pips=500, quote="token0")]
)
def test_the_price_in_quote_tokens_is_a_martingale(pool):
    steady = made(60, pool=pool)
    ratios = [
        steady.pool.price(placebo.swaps.sqrt_after[-1]) / steady.pool.price(steady.swaps.sqrt_before[0])
        for placebo in (random_signs(steady, seed, HOUR) for seed in range(800))
    ]
    assert np.mean(ratios) == pytest.approx(1, abs=4 * np.std(ratios) / np.sqrt(800))


def test_steps_of_one_span_turn_together(log):
    placebo = random_signs(log, 5, HOUR)
    steps, others = (np.log(each.swaps.sqrt_after / each.swaps.sqrt_before) for each in (log, placebo))
    hours = (log.swaps.times - np.timedelta64(1, "ns")).astype("datetime64[h]")
    for hour in np.unique(hours)[::37]:
        signs = np.sign(steps * others)[hours == hour]
        assert abs(signs.sum()) == len(signs)


def test_amounts_of_random_steps_are_those_of_their_liquidity(log):
    swaps, fee = random_signs(log, 4, None).swaps, log.pool.fee
    up = swaps.sqrt_after > swaps.sqrt_before
    moved = swaps.liquidity * (swaps.sqrt_after - swaps.sqrt_before)
    np.testing.assert_allclose(swaps.amount1[up], moved[up] / (1 - fee))
    np.testing.assert_allclose(swaps.amount1[~up], moved[~up])
    assert (swaps.amount0[up] < 0).all() and (swaps.amount0[~up] > 0).all()


def test_a_longer_log_changes_no_earlier_sign(log):
    for together in (None, HOUR):
        cutoff = np.datetime64("2022-01-10T05:00", "ns")
        short = random_signs(log.until(cutoff), 8, together)
        assert random_signs(log, 8, together).until(cutoff).fingerprint() == short.fingerprint()


def test_a_placebo_has_bars_over_the_same_hours_and_says_what_it_is(log):
    times = np.datetime64("2022-01-02", "ns") + HOUR * np.arange(24 * 15)
    history = History(
        panel=Panel(times, (log.pool.name,), ("close",), np.ones((len(times), 1, 1))),
        clock=BarClock("24/7", "1h"),
        pool=log,
    )
    placebo = placebo_history(history, random_signs(log, 2), "random signs, seed 2")
    np.testing.assert_array_equal(placebo.times, times)
    assert placebo.panel.series == (log.pool.name,)
    assert placebo.notes == ("Placebo: random signs, seed 2.",)
    assert placebo_history(history, reversed_time(log), "reversed time").pool.changes is not None


def test_an_empty_log_has_no_placebo(log):
    empty = PoolLog(log.pool, log.swaps.rows(0, 0), None)
    for make in (reversed_time, lambda each: random_signs(each, 0)):
        with pytest.raises(PoolError, match="holds no swap"):
            make(empty)


def test_ranges_closed_before_the_end_are_not_opened_at_the_mirrored_beginning():
    times = np.array(["2022-01-01", "2022-01-02", "2022-01-03"], "datetime64[ns]")
    swaps = SwapPath(times[1:2], [20], [0], [1.0], [1.01], [-9.9], [10.0], [1000.0])
    changes = RangeChanges(
        times[[0, 0, 2]], [10, 10, 30], [0, 1, 0], [-60, -120, -60], [60, 120, 60], [5.0, 7.0, -5.0]
    )
    back = reversed_time(PoolLog(Pool(token0="A", token1="B"), swaps, changes)).changes
    np.testing.assert_array_equal(back.liquidity, [7.0, 5.0, -7.0, -5.0])
    np.testing.assert_array_equal(back.blocks, [9, 10, 30, 30])


@pytest.mark.parametrize(
    "make", [reversed_time, lambda each: random_signs(each, 3), lambda each: random_signs(each, 3, None)]
)
def test_a_placebo_tells_one_story_by_the_checks_of_real_logs(log, make):
    placebo = make(log)
    check_swaps(placebo.swaps, placebo.pool, 0.0)
    assert placebo.changes is None or check_ranges(placebo) > 0.99
