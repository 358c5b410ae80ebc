"""Simulator: arbitrageurs keep to their band, noise knows nothing, nothing is lost, and a longer span changes no event."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.amm.float_replay import SwapInputs, replay
from data.amm.hourly_streams import Orders
from data.amm.log_checks import check_ranges, check_swaps
from data.amm.pool import Pool, sqrt_of
from data.amm.pool_log import EventTable
from data.amm.reference import hourly_variances, reference_path
from data.amm.simulation_kernel import Looks, Ranges, Rules, room_for, run_span
from data.amm.simulator import opened, reference_of, simulate
from data.amm.tick_map import tick_map
from data.amm.world import BLOCKS_PER_HOUR, LiquidityLayer, PoolWorld
from data.errors import PoolError, SpecError
from data.registry import validated

HOUR = np.timedelta64(1, "h")
FULL = LiquidityLayer(capital=4e6)
FLIPPED = Pool(token0="USDC", token1="ETH", decimals0=6, decimals1=18, fee_pips=500, quote="token0")


def oracle():
    path = Path(__file__).resolve().parents[1] / "oracles" / "simulator_oracle.py"
    spec = importlib.util.spec_from_file_location("simulator_oracle", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def made_reference(hours=24 * 40, volatility=0.6, seed=3, drift=0.0):
    scale = volatility / np.sqrt(24 * 365.25)
    moves = np.random.default_rng(seed).normal(drift - scale**2 / 2, scale, hours)
    closes = 2000 * np.exp(np.concatenate([[0.0], np.cumsum(moves)]))
    times = np.datetime64("2022-01-01", "ns") + HOUR * np.arange(hours + 1)
    return reference_of(times, closes, volatility)


def look_at(simulation, rows):
    """Root of the reference at the last look at or before these swaps."""
    at = np.searchsorted(simulation.look_times, simulation.log.swaps.times[rows], side="right") - 1
    return simulation.look_roots[np.maximum(at, 0)]


@pytest.fixture(scope="module")
def usual():
    return simulate(PoolWorld(), made_reference())


@pytest.mark.parametrize("pool", [PoolWorld().pool, FLIPPED])
@pytest.mark.parametrize("blocks", [1, 25])
def test_arbitrageurs_trade_to_the_edge_of_their_band_and_only_from_outside_it(pool, blocks):
    made = simulate(PoolWorld(pool=pool, arbitrage_blocks=blocks), made_reference(24 * 10))
    swaps, rows = made.log.swaps, np.flatnonzero(~made.is_noise)
    band = np.sqrt(1 - pool.fee)
    reference = look_at(made, rows)
    np.testing.assert_array_equal(
        swaps.times[rows], made.look_times[np.searchsorted(made.look_times, swaps.times[rows])]
    )
    is_up = swaps.sqrt_after[rows] > swaps.sqrt_before[rows]
    np.testing.assert_array_equal(swaps.sqrt_after[rows], np.where(is_up, reference * band, reference / band))
    assert len(rows) > 100
    assert 0.3 < is_up.mean() < 0.7


def test_after_every_look_the_pool_lies_in_the_band(usual):
    swaps = usual.log.swaps
    noisy = np.isin(swaps.times, usual.look_times) & usual.is_noise
    last = np.searchsorted(swaps.times[~noisy], usual.look_times, side="right") - 1
    band = np.sqrt(1 - usual.log.pool.fee)
    shown = usual.look_roots[last >= 0] / swaps.sqrt_after[~noisy][last[last >= 0]]
    at_look = np.isin(usual.look_times[last >= 0], swaps.times[noisy])
    assert (shown[~at_look] >= band * (1 - 1e-12)).all()
    assert (shown[~at_look] <= (1 + 1e-12) / band).all()


def test_arbitrage_profits_at_the_reference_price_in_every_trade(usual):
    swaps, rows = usual.log.swaps, np.flatnonzero(~usual.is_noise)
    worth = -(swaps.amount0[rows] * look_at(usual, rows) ** 2 + swaps.amount1[rows])
    assert (worth > 0).all()


def test_swaps_join_exactly_and_lie_on_the_block_clock(usual):
    swaps, changes = usual.log.swaps, usual.log.changes
    np.testing.assert_array_equal(swaps.sqrt_before[1:], swaps.sqrt_after[:-1])
    np.testing.assert_array_equal(
        swaps.times, np.datetime64(0, "ns") + swaps.blocks * np.timedelta64(12, "s")
    )
    both = np.concatenate(
        [EventTable.where(table, i) for table in (swaps, changes) for i in range(len(table))] or [[]],
        axis=None,
    )
    assert len(set(both.tolist())) == len(both)


def test_the_liquidity_of_a_swap_is_that_of_the_ranges_open_then(usual):
    swaps, changes = usual.log.swaps, usual.log.changes
    for row in range(0, len(swaps), 997):
        known = (changes.blocks < swaps.blocks[row]) | (
            (changes.blocks == swaps.blocks[row]) & (changes.log_indices < swaps.log_indices[row])
        )
        root = swaps.sqrt_after[row]
        low, high = (
            np.array([sqrt_of(t) for t in ticks[known]]) for ticks in (changes.tick_lower, changes.tick_upper)
        )
        active = changes.liquidity[known][(low <= root) & (root < high)].sum()
        assert swaps.liquidity[row] == pytest.approx(active, rel=1e-9)


def test_layers_are_opened_around_the_price_on_the_spacing_with_their_capital(usual):
    changes, pool, swaps = usual.log.changes, usual.log.pool, usual.log.swaps
    layers = {layer.width: layer.capital for layer in PoolWorld(layers=(FULL,)).layers}
    assert (changes.liquidity > 0).sum() == (changes.liquidity < 0).sum() + 3
    assert not (changes.tick_lower % pool.spacing).any() and not (changes.tick_upper % pool.spacing).any()
    lower, upper, liquidity = opened(pool, FULL, layers[None], 4.4e-5)
    amounts = liquidity * (1 / 4.4e-5 - 1 / sqrt_of(upper)), liquidity * (4.4e-5 - sqrt_of(lower))
    assert pool.value(*amounts, 4.4e-5) == pytest.approx(4e6)
    later = np.flatnonzero((changes.liquidity > 0) & (changes.blocks > changes.blocks[0]))
    before = np.searchsorted(swaps.blocks, changes.blocks[later]) - 1
    middle = (changes.tick_lower[later] + changes.tick_upper[later]) / 2
    at = 2 * np.log(swaps.sqrt_after[before]) / np.log(1.0001)
    assert (np.abs(middle - at) <= pool.spacing).all()


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 10_000),
    noise=st.floats(0, 3000),
    size=st.floats(10, 2e5),
    fee=st.sampled_from([100, 500, 3000]),
)
def test_what_traders_pay_is_what_the_ranges_hold_more_and_the_fees(seed, noise, size, fee):
    pool = Pool(token0="ETH", token1="USDC", decimals0=18, decimals1=6, fee_pips=fee)
    layers = (FULL, LiquidityLayer(capital=3e6, width=0.05, days=1000))
    world = PoolWorld(pool=pool, layers=layers, noise_per_day=noise, noise_size=size, seed=seed)
    made = simulate(world, made_reference(72, seed=seed))
    swaps, changes = made.log.swaps, made.log.changes
    ranges = [
        (sqrt_of(low), sqrt_of(high), liquidity)
        for low, high, liquidity in zip(
            changes.tick_lower, changes.tick_upper, changes.liquidity, strict=True
        )
    ]
    slow = oracle()
    fees = [np.maximum(amounts, 0).sum() * pool.fee for amounts in (swaps.amount0, swaps.amount1)]
    ends = (swaps.sqrt_before[0], swaps.sqrt_after[-1]) if len(swaps) else (1.0, 1.0)
    for held, amounts, fee_paid in zip(
        (slow.held0, slow.held1), (swaps.amount0, swaps.amount1), fees, strict=True
    ):
        more = sum(held(part, ends[1]) - held(part, ends[0]) for part in ranges)
        assert amounts.sum() - fee_paid == pytest.approx(more, abs=1e-9 * np.abs(amounts).sum() + 1e-6)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.data())
def test_the_kernel_is_its_slow_twin(data):
    rng = np.random.default_rng(data.draw(st.integers(0, 10_000)))
    edges = np.sort(np.exp(rng.normal(0, 0.2, (4, 2))), axis=1)
    ranges = Ranges(np.append(edges[:, 0], 1e-6), np.append(edges[:, 1], 1e6), rng.uniform(1, 50, 5))
    reference = np.exp(np.cumsum(rng.normal(0, 0.05, 30)))
    looks = Looks(np.arange(10, 310, 10), reference * 0.99, reference / 0.99)
    at = np.sort(rng.integers(1, 305, 40))
    orders = Orders(at, rng.random(40) < 0.5, rng.lognormal(0, 1, 40))
    is_quote1 = bool(rng.random() < 0.5)
    trace = room_for(70)
    root, done = run_span(1.0, ranges, looks, orders, Rules(0.02, 1.0, is_quote1), trace, 0)
    slow = oracle()
    asked = {}
    for block, is_up, value in zip(*(column.tolist() for column in orders), strict=True):
        power = 0 if is_up == is_quote1 else (2 if is_up else -2)
        asked.setdefault(block, []).append((is_up, lambda s, v=value, p=power: v * s**p))
    bands = {int(b): (low, high) for b, low, high in zip(*looks, strict=True)}
    expected = slow.slow_swaps(0.02, list(zip(*ranges, strict=True)), bands, asked, 1.0)
    assert done == len(expected)
    got = np.column_stack(
        [
            c[:done]
            for c in (trace.blocks, trace.before, trace.after, trace.amount0, trace.amount1, trace.is_noise)
        ]
    )
    np.testing.assert_allclose(got, np.array(expected, float), rtol=1e-7, atol=1e-7)
    assert root == trace.after[done - 1]


def test_a_longer_reference_changes_no_earlier_event():
    long = made_reference(24 * 20)
    short = reference_of(
        np.datetime64(0, "ns") + HOUR * long.hours[: 24 * 9 + 1], long.closes[: 24 * 9 + 1], long.volatility
    )
    for world in (PoolWorld(), PoolWorld(arbitrage_blocks=5, noise_per_day=0)):
        end = np.datetime64(0, "ns") + HOUR * short.hours[-1]
        assert simulate(world, long).log.until(end).fingerprint() == simulate(world, short).log.fingerprint()


def test_another_future_of_the_reference_changes_no_earlier_event():
    one = made_reference(24 * 12)
    closes = one.closes.copy()
    closes[24 * 6 + 1 :] *= 3
    times = np.datetime64(0, "ns") + HOUR * one.hours
    for volatility in (0.6, None):
        logs = [
            simulate(PoolWorld(), reference_of(times, prices, volatility)).log
            for prices in (one.closes, closes)
        ]
        first, second = (log.until(times[24 * 6]).fingerprint() for log in logs)
        assert first == second
        assert logs[0].fingerprint() != logs[1].fingerprint()


def test_the_same_seed_gives_the_same_bits_and_another_one_others():
    reference = made_reference(48)
    one, same, other = (simulate(PoolWorld(seed=seed), reference).log.fingerprint() for seed in (5, 5, 6))
    assert one == same != other


def test_noise_comes_as_often_as_asked_at_random_sides_and_sizes(usual):
    swaps, noise = usual.log.swaps, usual.is_noise
    days = 40
    assert noise.sum() == pytest.approx(400 * days, abs=5 * np.sqrt(400 * days))
    is_up = (swaps.sqrt_after > swaps.sqrt_before)[noise]
    assert is_up.mean() == pytest.approx(0.5, abs=5 * 0.5 / np.sqrt(noise.sum()))
    paid = np.log(np.maximum(swaps.amount1[noise][is_up], 0) * 1e-6)
    assert paid.mean() == pytest.approx(np.log(600), abs=5 * 1.2 / np.sqrt(is_up.sum()))
    assert paid.std() == pytest.approx(1.2, rel=0.05)


def test_without_noise_every_swap_is_an_arbitrage():
    made = simulate(PoolWorld(noise_per_day=0), made_reference(240))
    assert not made.is_noise.any() and len(made.log.swaps)


def full_range_fees_over_loss(world, reference):
    """Fees of full-range liquidity over the loss versus rebalancing at every look, both per unit of liquidity, in token1."""
    made = simulate(world, reference)
    swaps, roots = made.log.swaps, made.look_roots
    up, down = (
        np.maximum(side, 0)
        for side in (swaps.sqrt_after - swaps.sqrt_before, swaps.sqrt_before - swaps.sqrt_after)
    )
    fees = made.log.pool.rates[0] * (up.sum() + down.sum())
    return fees / (np.diff(roots) ** 2 / roots[:-1]).sum()


@pytest.mark.parametrize("blocks", [5, 25, 100])
def test_against_arbitrage_alone_liquidity_loses_by_the_published_share(blocks):
    # Milionis et al. 2023: fees / LVR = 1 / (1 + m / fee), m the mean step beyond the band. For blocks at random times m is
    # sigma sqrt(dt / 2); for even ones and normal steps 0.5826 sigma sqrt(dt) (Chernoff 1965; Broadie et al. 1997, eq. 1.1).
    step = 0.6 * np.sqrt(blocks * 12 / (365.25 * 86_400))
    ratio = full_range_fees_over_loss(
        PoolWorld(arbitrage_blocks=blocks, noise_per_day=0), made_reference(24 * 200)
    )
    assert ratio < 1
    assert ratio == pytest.approx(1 / (1 + 0.5826 * step / 0.003), rel=0.03)


def test_noise_pays_what_arbitrage_takes():
    reference = made_reference(24 * 100)
    quiet, usual, busy = (
        full_range_fees_over_loss(PoolWorld(noise_per_day=noise), reference) for noise in (0, 400, 2000)
    )
    assert quiet < usual < busy
    assert 0.8 < usual < 1.3  # The real WBTC/WETH pool earned 0.79 of sigma^2 / 8 over its first two years.


def test_the_reference_passes_through_its_closes_and_varies_as_asked_between_them():
    hours = np.array([0.0, 1, 2, 26, 27])
    closes = np.log([100.0, 101, 99, 120, 118])
    path = reference_path(hours, closes, np.array([1e-4, 1e-4, 4e-4, 1e-4]), 300, 1)
    assert len(path) == 27 * 300
    np.testing.assert_array_equal(path[np.array([1, 2, 26, 27]) * 300 - 1], closes[1:])
    squares = np.diff(path[600:7800]) ** 2
    assert squares.sum() == pytest.approx(24 * 4e-4, rel=0.06)


def test_the_variance_between_closes_knows_the_close_it_leads_to_and_no_later_one():
    moves = np.array([0.01, -0.02, 0.03])
    found = hourly_variances(moves, np.array([1.0, 2, 1]))
    assert found[0] == pytest.approx(1e-4)
    assert found[1] == pytest.approx(0.94 * 1e-4 + 0.06 * 2e-4)
    np.testing.assert_array_equal(hourly_variances(moves[:2], np.array([1.0, 2])), found[:2])


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"arbitrage_blocks": 7}, "arbitrage_blocks was 7; it must divide the 300"),
        ({"layers": [{"capital": 1, "width": 0.5}]}, "no layer is full range"),
        ({"layers": []}, "at least 1"),
        ({"noise_size": 0}, "world.noise_size was 0"),
        ({"noise_pr_day": 1}, "did you mean 'noise_per_day'"),
    ],
)
def test_wrong_worlds_are_named(config, words):
    with pytest.raises(SpecError, match=words):
        validated(PoolWorld, config, "world")


def test_what_cannot_be_followed_is_named():
    times = np.datetime64("2022-01-01", "ns") + HOUR * np.arange(3)
    with pytest.raises(PoolError, match=r"was nan at 2022-01-01T01:00"):
        reference_of(times, np.array([1, np.nan, 2.0]))
    with pytest.raises(PoolError, match="has 1 bars; at least 2"):
        reference_of(times[:1], np.ones(1))
    with pytest.raises(PoolError, match="allowed: whole hours"):
        reference_of(times + np.timedelta64(1, "s"), np.ones(3))
    with pytest.raises(PoolError, match=r"width was 0.001; the tick spacing .* needs 0.006"):
        opened(PoolWorld().pool, LiquidityLayer(capital=1, width=0.001), 1.0, 4e-5)


def test_a_block_ends_in_its_hour(usual):
    hours = (usual.log.swaps.blocks - 1) // BLOCKS_PER_HOUR
    opening = usual.log.changes.blocks[0] // BLOCKS_PER_HOUR
    assert hours.min() == opening and hours.max() == opening + 40 * 24 - 1


def test_the_log_tells_one_story_by_the_checks_of_real_logs(usual):
    check_swaps(usual.log.swaps, usual.log.pool, 0.0)
    assert check_ranges(usual.log) == 1.0


def test_the_float_replay_of_the_noise_and_arbitrage_is_the_log():
    layers = (FULL, LiquidityLayer(capital=3e6, width=0.05, days=1000))
    made = simulate(PoolWorld(layers=layers, noise_size=50_000.0), made_reference(72))
    swaps = made.log.swaps
    is_down = swaps.amount0 > 0
    asked = SwapInputs(np.where(is_down, swaps.amount0, swaps.amount1), is_down)
    again = replay(made.log.pool, tick_map(made.log.changes), float(swaps.sqrt_before[0]), asked)
    np.testing.assert_allclose(again.sqrt_after, swaps.sqrt_after, rtol=1e-10)
    np.testing.assert_allclose(again.liquidity, swaps.liquidity, rtol=1e-9)
    np.testing.assert_allclose(again.amount1[is_down], swaps.amount1[is_down], rtol=1e-6)
    assert again.crossings.sum() > 10
