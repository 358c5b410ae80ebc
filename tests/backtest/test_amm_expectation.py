"""What ranges are expected to earn and lose, against what they do on a path that comes true."""

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.amm.advance import start, start_with_position
from backtest.amm.expectation import (
    change_variance,
    expected_fees,
    expected_lvr,
    expected_stay,
    final_root_prices,
    forecast_bars,
    losses_against_hold,
    paths_inside,
    prospect,
    shortfall,
    time_inside,
)
from data.amm.path import fee_growth, traversal
from data.amm.pool import LOG_TICK, sqrt_of, sqrts_of, tick_of
from data.sessions import BarClock
from forecast.distribution import DEFAULT_LEVELS, ProfileForecast

_ORACLES = Path(__file__).parents[1] / "oracles"


def _load(name):
    module_spec = importlib.util.spec_from_file_location(name, _ORACLES / f"{name}.py")
    module = importlib.util.module_from_spec(module_spec)
    module_spec.loader.exec_module(module)
    return module


worlds = _load("liquidity_worlds")
lvr_path = _load("amm_path_oracle").lvr_path

HISTORY = worlds.cut_history(2)
PRICE = float(HISTORY.panel.field("sqrt_price")[-1, 0])
FORECAST = worlds.made_forecast(HISTORY, 1)
LEVELS = np.array(DEFAULT_LEVELS)
exactly = settings(max_examples=60, deadline=None, derandomize=True)


def come_true(swaps, forecast, price):
    """Return the forecast whose profile is what these swaps travel."""
    roots = sqrts_of(tick_of(price) + forecast.profile.edges)
    travelled = traversal(swaps, roots) * np.array([1 / price, price])
    profile = forecast.profile
    made = ProfileForecast(
        profile.cutoff, profile.times, profile.series, profile.edges, travelled[None, None]
    )
    return replace(forecast, profile=made)


@pytest.mark.parametrize("quote", ["token0", "token1"])
def test_fees_of_a_profile_that_comes_true_are_the_fees_earned(quote):
    pool, swaps = worlds.made_pool(quote), worlds.made_swaps(2)
    forecast = come_true(swaps, FORECAST, PRICE)
    edges = forecast.profile.edges + tick_of(PRICE)
    ranges = np.array([[edges[28], edges[33]], [edges[10], edges[31]], [edges[30], edges[31]]])
    found = expected_fees(pool, PRICE, paths_inside(forecast, PRICE, ranges))
    roots = sqrts_of(ranges)
    earned = fee_growth(swaps, roots[:, 0], roots[:, 1], pool.rates)
    worth = [pool.value(float(each[0]), float(each[1]), PRICE) for each in earned]
    assert found == pytest.approx(worth, rel=1e-12)


@exactly
@given(st.floats(-5000, 5000), st.floats(1, 6000))
def test_paths_inside_are_the_parts_of_each_bin(lower, size):
    ticks = np.array([[lower, lower + size]]) + tick_of(PRICE)
    edges, path = FORECAST.profile.edges, FORECAST.profile.values[0, 0]
    twin = np.zeros(2)
    for low, high, each in zip(edges[:-1], edges[1:], path, strict=True):
        twin += each * max(0.0, min(high, lower + size) - max(low, lower)) / (high - low)
    scale = np.array([PRICE, 1 / PRICE])
    assert paths_inside(FORECAST, PRICE, ticks)[0] / scale == pytest.approx(twin, abs=1e-12)


def test_the_full_range_travels_the_whole_path_and_is_always_inside():
    full = np.array([worlds.made_pool().full_range], float)
    paths = paths_inside(FORECAST, PRICE, full)
    assert paths[0] == pytest.approx(FORECAST.profile.values[0, 0].sum(axis=0) * [PRICE, 1 / PRICE])
    assert time_inside(FORECAST, PRICE, paths) == pytest.approx([1.0])


def test_times_inside_ranges_that_part_the_pool_add_up_to_one():
    cuts = np.concatenate([[-800_000.0], tick_of(PRICE) + np.array([-700.0, -10.0, 333.0]), [800_000.0]])
    paths = paths_inside(FORECAST, PRICE, np.column_stack([cuts[:-1], cuts[1:]]))
    shares = time_inside(FORECAST, PRICE, paths)
    assert shares.sum() == pytest.approx(1.0) and (shares >= 0).all()


def test_nothing_travelled_is_no_time_inside():
    quiet = worlds.made_forecast(HISTORY, 1, intensity=0.0)
    paths = paths_inside(quiet, PRICE, np.array([worlds.made_pool().full_range], float))
    assert time_inside(quiet, PRICE, paths) == [0.0]


def test_loss_of_the_full_range_is_an_eighth_of_the_variance_of_its_worth():
    """Milionis et al. (2022), example 3: sigma**2 / 8 per unit of value and time of a constant-product pool."""
    pool, variance = worlds.made_pool(), 0.04
    low, high = sqrts_of(np.array(pool.full_range, float))
    loss = expected_lvr(pool, PRICE, variance, np.array([1.0]))[0]
    worth = pool.value(1 / PRICE - 1 / high, PRICE - low, PRICE)
    assert loss / worth == pytest.approx(variance / 8, rel=1e-6)


def test_expected_loss_is_the_mean_of_the_loss_on_random_walks():
    pool, steps, variance = worlds.made_pool(), 500, 0.001
    rng = np.random.default_rng(0)
    moves = rng.normal(0, np.sqrt(variance / steps), (400, steps)) / 2
    walks = PRICE * np.exp(np.cumsum(moves - variance / steps / 8, axis=1))
    walks = np.concatenate([np.full((400, 1), PRICE), walks], axis=1)
    ends = sqrt_of(-800_000.0), sqrt_of(800_000.0)
    lost = np.mean([lvr_path(walk, *ends) for walk in walks]) * 10.0**-pool.decimals1
    assert expected_lvr(pool, PRICE, variance, np.array([1.0]))[0] == pytest.approx(lost, rel=0.01)


@pytest.mark.parametrize("quote", ["token0", "token1"])
def test_losses_are_what_the_account_falls_behind_its_basket(quote):
    history = worlds.cut_history(3, quote)
    view = worlds.made_view(history, "two")
    account = view.account
    ticks = np.array([(each.lower, each.upper) for each in account.positions], float)
    liquidity = np.array([each.liquidity for each in account.positions])
    roots = account.sqrt_price * np.exp(np.linspace(-0.2, 0.2, 9))
    found = losses_against_hold(account, ticks, liquidity, roots)
    behind = [account.net - replace(account, sqrt_price=root).net for root in roots.tolist()]
    assert found == pytest.approx(behind, abs=1e-9)


@pytest.mark.parametrize("ratio", [0.5, 0.9, 1.0, 1.3, 4.0])
def test_losses_of_the_full_range_are_the_divergence_loss_of_the_textbook(ratio):
    """2 sqrt(r) / (1 + r) - 1 of the basket's worth; amm.md 3.5."""
    pool = worlds.made_pool()
    account = start_with_position(pool, pool.full_range, 1e15, PRICE, HISTORY.cutoff)
    loss = losses_against_hold(
        account, np.array([pool.full_range], float), np.array([1e15]), np.array([PRICE * ratio**0.5])
    )[0]
    hold = account.capital * (1 + ratio) / 2
    assert -loss / hold == pytest.approx(2 * ratio**0.5 / (1 + ratio) - 1, abs=1e-7)


@exactly
@given(st.integers(0, 1000), st.floats(0.01, 1.0))
def test_shortfall_is_the_mean_of_the_worst_part(seed, tail):
    losses = np.random.default_rng(seed).normal(0, 1, (1, len(LEVELS)))
    edges = np.concatenate([[0.0], 0.5 * (LEVELS[1:] + LEVELS[:-1]), [1.0]])
    cells = 200_000
    drawn = np.sort(losses[0][np.searchsorted(edges[1:-1], (np.arange(cells) + 0.5) / cells)])[::-1]
    twin = drawn[: round(tail * cells)].mean()
    assert shortfall(losses, LEVELS, tail)[0] == pytest.approx(twin, abs=1e-3)


def test_shortfall_of_everything_is_the_mean_and_of_little_is_the_worst():
    losses = np.array([[3.0, 1.0, -2.0]])
    levels = np.array([0.25, 0.5, 0.75])
    assert shortfall(losses, levels, 1.0)[0] == pytest.approx(3 * 0.375 + 1 * 0.25 - 2 * 0.375)
    assert shortfall(losses, levels, 0.01)[0] == pytest.approx(3.0)


def test_a_prospect_adds_up_its_ranges():
    view = worlds.made_view(HISTORY, "two")
    both = prospect(view.account, FORECAST, 0.1)
    alone = [
        prospect(replace(view.account, positions=(each,)), FORECAST, 0.1) for each in view.account.positions
    ]
    assert both.fees == pytest.approx(sum(each.fees for each in alone))
    assert both.lvr == pytest.approx(sum(each.lvr for each in alone))
    assert both.fees > 0 and both.lvr > 0 and both.shortfall > 0


def test_an_account_without_ranges_has_no_prospect():
    account = start(worlds.made_terms(worlds.made_pool()), 100.0, PRICE, HISTORY.cutoff)
    empty = prospect(account, FORECAST, 0.1)
    assert (empty.fees, empty.lvr, empty.shortfall) == (0.0, 0.0, 0.0)


def test_the_change_s_variance_is_that_of_its_quantiles():
    forecast = worlds.made_forecast(HISTORY, 1)
    changes = np.random.default_rng(0).normal(0, 0.02, 400_000)
    offset = replace(forecast.offset, values=np.quantile(changes, LEVELS)[None, None])
    found = change_variance(replace(forecast, offset=offset))
    assert found == pytest.approx(4e-4, rel=0.1) and found < 4e-4


@pytest.mark.parametrize(("below", "above"), [(300, 300), (120, 480), (60, 900)])
def test_a_stay_is_the_mean_time_a_walk_needs_to_leave(below, above):
    pool, variance, parts = worlds.made_pool(), 1e-4, 150
    tick = round(tick_of(PRICE) / 60) * 60
    account = start_with_position(
        pool, (tick - below, tick + above), 1e15, sqrt_of(float(tick)), HISTORY.cutoff
    )
    rng = np.random.default_rng(1)
    at, left, steps = np.zeros(4000), np.zeros(4000, bool), np.zeros(4000)
    for _ in range(60 * parts):
        steps += ~left
        at = at + rng.choice([-1.0, 1.0], 4000) * np.sqrt(variance / parts) / LOG_TICK
        left |= (at <= -below) | (at >= above)
        if left.all():
            break
    assert expected_stay(account, variance) == pytest.approx(steps.mean() / parts, rel=0.08)


def test_nobody_stays_outside_and_nobody_leaves_where_nothing_moves():
    outside = worlds.made_view(HISTORY, "outside").account
    inside = worlds.made_view(HISTORY, "inside").account
    assert expected_stay(outside, 1e-4) == 0.0
    assert expected_stay(inside, 0.0) == np.inf
    assert expected_stay(worlds.made_view(HISTORY).account, 1e-4) == np.inf


def test_final_prices_are_the_quantiles_of_the_price():
    found = final_root_prices(FORECAST, PRICE)
    assert 2 * np.log(found / PRICE) == pytest.approx(FORECAST.offset.values[0, 0], abs=1e-12)


def test_a_forecast_spans_the_bars_of_the_clock():
    assert forecast_bars(FORECAST, worlds.CLOCK) == 24
    assert forecast_bars(FORECAST, BarClock("24/7", "4h")) == 6
