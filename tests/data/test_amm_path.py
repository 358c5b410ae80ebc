"""Claims about the path kernels: fees of ranges, and the path inside bins, along the root prices of swaps."""

import importlib.util
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.amm.path import fee_growth, traversal
from data.amm.pool_log import SwapPath
from data.errors import PoolError

_PATH = Path(__file__).resolve().parents[1] / "oracles" / "amm_path_oracle.py"
_SPEC = importlib.util.spec_from_file_location("amm_path_oracle", _PATH)
oracle = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(oracle)

RATES = (0.003 / 0.997, 0.002)
STEPS = st.lists(st.floats(-0.1, 0.1).map(lambda step: round(step, 6)), min_size=1, max_size=12)
quick = settings(derandomize=True, deadline=None, max_examples=60)


def swaps_along(roots, liquidity=1.0):
    """Swaps from each root price to the next."""
    roots = np.asarray(roots, np.float64)
    count = np.arange(len(roots) - 1)
    zero = np.zeros(len(count))
    times = np.datetime64("2024-01-05", "ns") + count.astype("timedelta64[s]")
    return SwapPath(times, count, 0 * count, roots[:-1], roots[1:], zero, zero, zero + liquidity)


def walk(steps, start=1.0):
    return start * np.exp(np.cumsum([0.0, *steps]))


def made_walk(count=400, seed=3):
    return walk(np.random.default_rng(seed).normal(0.0, 0.01, count))


def made_ranges(count=7, seed=4):
    rng = np.random.default_rng(seed)
    centre, half = np.exp(rng.normal(0.0, 0.1, count)), np.exp(rng.uniform(0.001, 0.2, count))
    return centre / half, centre * half


@given(STEPS, st.floats(0.7, 1.3), st.floats(1.001, 1.6))
@quick
def test_fees_are_those_of_exact_fractions(steps, lower, width):
    roots = walk(steps)
    found = fee_growth(swaps_along(roots), np.array([lower]), np.array([lower * width]), RATES)
    moves = list(pairwise(roots))
    assert found[0] == pytest.approx(
        oracle.fee_growth(moves, lower, lower * width, RATES), rel=1e-12, abs=1e-300
    )


def test_small_moves_lose_no_digits():
    roots = 4e5 * (1.0 + 1e-7 * np.arange(5)[::-1])
    found = fee_growth(swaps_along(roots), np.array([1.0]), np.array([1e6]), RATES)
    moves = list(pairwise(roots))
    assert found[0, 0] == pytest.approx(oracle.fee_growth(moves, 1.0, 1e6, RATES)[0], rel=1e-14)


@given(STEPS, st.floats(0.0, 1.0))
@quick
def test_splitting_a_swap_in_two_leaves_fees_equal(steps, share):
    roots = walk(steps)
    middles = roots[:-1] + share * (roots[1:] - roots[:-1])
    split = np.append(np.stack([roots[:-1], middles], axis=1).ravel(), roots[-1])
    lower, upper = made_ranges()
    whole = fee_growth(swaps_along(roots), lower, upper, RATES)
    parts = fee_growth(swaps_along(split), lower, upper, RATES)
    np.testing.assert_allclose(parts, whole, rtol=1e-12, atol=1e-17)


@given(STEPS, st.lists(st.floats(0.6, 1.6), min_size=1, max_size=6, unique=True))
@quick
def test_ranges_that_share_out_the_line_earn_what_the_whole_line_earns(steps, cuts):
    swaps = swaps_along(walk(steps))
    ends = np.array([0.0, *sorted(cuts), np.inf])
    parts = fee_growth(swaps, ends[:-1], ends[1:], RATES).sum(axis=0)
    whole = fee_growth(swaps, np.zeros(1), np.full(1, np.inf), RATES)[0]
    np.testing.assert_allclose(parts, whole, rtol=1e-12, atol=1e-17)


@given(STEPS, st.floats(1e-6, 1e6))
@quick
def test_a_scaled_price_scales_token1_and_shrinks_token0(steps, factor):
    roots = walk(steps)
    lower, upper = made_ranges()
    plain = fee_growth(swaps_along(roots), lower, upper, RATES)
    scaled = fee_growth(swaps_along(factor * roots), factor * lower, factor * upper, RATES)
    np.testing.assert_allclose(
        scaled, plain * [1.0 / factor, factor], rtol=1e-9, atol=1e-12 * max(factor, 1.0 / factor)
    )


@given(STEPS)
@quick
def test_the_mirrored_pool_swaps_the_tokens(steps):
    roots = walk(steps)
    lower, upper = made_ranges()
    plain = fee_growth(swaps_along(roots), lower, upper, RATES)
    mirrored = fee_growth(swaps_along(1.0 / roots), 1.0 / upper, 1.0 / lower, RATES[::-1])
    np.testing.assert_allclose(mirrored[:, ::-1], plain, rtol=1e-9, atol=1e-16)


def test_bits_of_a_range_do_not_depend_on_what_else_is_asked():
    swaps = swaps_along(made_walk())
    lower, upper = made_ranges(101)
    many = fee_growth(swaps, lower, upper, RATES)
    for row in range(101):
        one = slice(row, row + 1)
        assert np.array_equal(fee_growth(swaps, lower[one], upper[one], RATES)[0], many[row])


@given(STEPS, st.lists(st.floats(0.6, 1.6), min_size=2, max_size=7, unique=True))
@quick
def test_traversal_is_the_fee_of_each_bin_at_a_rate_of_one(steps, edges):
    roots, edges = walk(steps), np.sort(edges)
    found = traversal(swaps_along(roots), edges)
    moves = list(pairwise(roots))
    np.testing.assert_allclose(found, oracle.traversal(moves, edges), rtol=1e-12, atol=1e-300)


def test_traversal_of_swaps_that_end_on_the_edges():
    up_and_down = [0.5, 1.0, 2.0, 1.0, 0.5, 4.0]
    found = traversal(swaps_along(up_and_down), np.array([0.7, 1.0, 2.0, 3.0]))
    np.testing.assert_allclose(found, [[0.5 + 0.5, 1.0], [1.0 + 1.0, 0.5], [2.0, 0.0]])


@pytest.mark.parametrize(
    ("lower", "upper", "said"),
    [
        ([1.2], [1.1], "range 0 was 1.2 to 1.1"),
        ([1.0, np.nan], [1.1, 1.2], "range 1 was nan"),
        ([-1.0], [1.1], "range 0 was -1.0"),
        ([1.0], [1.1, 1.2], r"\(1,\) lower and \(2,\) upper"),
    ],
)
def test_what_is_no_range_is_refused(lower, upper, said):
    swaps = swaps_along([1.0, 1.1])
    with pytest.raises(PoolError, match=said):
        fee_growth(swaps, np.array(lower), np.array(upper), RATES)


@pytest.mark.parametrize("edges", [[1.0, 1.0], [1.1, 1.0], [1.0], [1.0, np.nan, 2.0]])
def test_edges_that_do_not_rise_are_refused(edges):
    with pytest.raises(PoolError, match="do not rise"):
        traversal(swaps_along([1.0, 1.1]), np.array(edges))


@pytest.mark.shared_data
def test_hundred_ranges_on_two_real_years_are_the_sums_of_their_swaps(shared_data):
    file = shared_data / "amm" / "eth_wbtc_weth_030_swaps_2021-05_2023-04.parquet"
    roots = pd.read_parquet(file, columns=["sqrt_price_est"])["sqrt_price_est"].to_numpy()
    centre = np.median(roots)
    widths = np.geomspace(1.001, 3.0, 100)
    lower, upper = centre / widths, centre * widths
    found = fee_growth(swaps_along(roots), lower, upper, RATES)
    before, after = roots[:-1, None], roots[1:, None]
    overlap = np.clip(after, lower, upper) - np.clip(before, lower, upper)
    np.testing.assert_allclose(found[:, 1], RATES[1] * np.maximum(overlap, 0.0).sum(axis=0), rtol=1e-10)
