"""Anchored quote: the paper's goals under the curve and under an anchored quote, by hand and by what must hold."""

import importlib.util
import math
from pathlib import Path

import numpy as np
import pytest

from data.amm.anchored_quote import compare_quotes
from data.amm.pool import Pool, sqrt_of, tick_of
from data.amm.pool_log import PoolLog, SwapPath
from data.amm.simulator import Simulation, reference_of, simulate
from data.amm.world import PoolWorld
from data.errors import PoolError, TickError

MINUTE = np.timedelta64(60, "s")
A_B = Pool(token0="A", token1="B")
FLIPPED = Pool(token0="USDC", token1="ETH", decimals0=6, decimals1=18, quote="token0")


def by_hand(paid=10.0, references=(1.0, 1.0, 1.0)):
    """One noise trader pays token1 into a pool of liquidity 1000 at price 1, between looks at these root prices."""
    start = np.datetime64("2022-01-01", "ns")
    net = paid * (1 - A_B.fee)
    after = 1 + net / 1000
    got = 1000 * (1 - 1 / after)
    swaps = SwapPath([start + 5 * MINUTE], [1], [0], [1.0], [after], [-got], [paid], [1000.0])
    looks = start + 3 * MINUTE * np.arange(len(references))
    return Simulation(PoolLog(A_B, swaps), np.array([True]), looks, np.array(references))


def world(hours=24 * 60, seed=2, pool=None, **settings):
    scale = 0.6 / np.sqrt(24 * 365.25)
    moves = np.random.default_rng(seed).normal(-(scale**2) / 2, scale, hours)
    closes = 2000 * np.exp(np.concatenate([[0.0], np.cumsum(moves)]))
    times = np.datetime64("2022-01-01", "ns") + np.timedelta64(1, "h") * np.arange(hours + 1)
    return simulate(
        PoolWorld(**settings, **({} if pool is None else {"pool": pool})), reference_of(times, closes, 0.6)
    )


def around(made, width):
    middle, half = tick_of(made.look_roots[0]), math.log1p(width) / math.log(1.0001)
    return made.log.pool.range_around(middle - half, middle + half)


@pytest.fixture(scope="module")
def made():
    return world()


def test_one_trade_by_hand_is_the_same_under_both_quotes_where_the_reference_stands_still():
    curve, anchored = compare_quotes(by_hand(), (-600, 600))
    low, high, after = sqrt_of(-600), sqrt_of(600), 1 + 10 * 0.997 / 1000
    capital = (1 - 1 / high) + (1 - low)
    for goals in (curve, anchored):
        assert goals.fees == pytest.approx(0.003 / 0.997 * (after - 1) / capital)
        assert goals.slippage_bps == pytest.approx((after - 1) * 1e4)
        assert goals.trader_cost_bps == pytest.approx((after / 0.997 - 1) * 1e4)
        gained = (after - 1) - (1 - 1 / after)
        assert goals.divergence_loss == pytest.approx(gained / capital)
        assert goals.loss == pytest.approx(-gained / capital)
        assert goals.unfilled == 0.0
    full = 2.0
    assert curve.capital_efficiency == pytest.approx(full / capital, rel=1e-9)


def test_an_anchored_quote_begins_at_the_reference_and_the_curve_where_the_last_trade_ended():
    curve, anchored = compare_quotes(by_hand(references=(1.0, 1.002, 1.002)), (-600, 600), late=0)
    after = 1.002 + 0.00997
    assert anchored.slippage_bps == pytest.approx((after / 1.002 - 1) * 1e4)
    assert curve.slippage_bps == pytest.approx((1 - 1.00997 / 1.002**2) * 1e4 * -1, rel=1e-6)


def test_a_late_anchor_is_arbitraged_where_the_reference_ran_further_than_the_fee():
    still, ran = (
        compare_quotes(by_hand(references=(1.0, step, step)), (-600, 600), late=1)[1]
        for step in (1.001, 1.01)
    )
    assert ran.fees > still.fees
    assert ran.loss > still.loss


def test_a_range_without_a_token_fills_no_more_of_it():
    anchored = compare_quotes(by_hand(paid=200.0), (-60, 60))[1]
    assert anchored.unfilled == 0.0
    many = by_hand(paid=200.0)
    swaps = many.log.swaps
    rows = [0, 0, 0]
    chain = SwapPath(
        swaps.times[rows], [1, 2, 3], [0, 0, 0], [1.0, swaps.sqrt_after[0], swaps.sqrt_after[0] ** 2],
        swaps.sqrt_after[0] ** np.array([1.0, 2, 3]), swaps.amount0[rows], swaps.amount1[rows], swaps.liquidity[rows],
    )  # fmt: skip
    three = Simulation(PoolLog(A_B, chain), np.ones(3, bool), many.look_times, many.look_roots)
    again = compare_quotes(three, (-60, 60))[1]
    assert again.unfilled == pytest.approx(2 / 3)
    assert again.fees == pytest.approx(anchored.fees)


def test_on_the_curve_a_full_range_diverges_by_the_known_formula(made):
    curve = compare_quotes(made, made.log.pool.full_range)[0]
    ratio = (made.look_roots[-1] / made.look_roots[0]) ** 2
    assert curve.divergence_loss == pytest.approx(
        2 * math.sqrt(ratio) / (1 + ratio) - 1, abs=6e-4
    )  # the pool lies up to the fee off
    assert curve.capital_efficiency == pytest.approx(1)
    years = len(made.look_roots) / (365.25 * 24 * 12)
    assert curve.loss == pytest.approx(0.6**2 / 8 * years, rel=0.15)


@pytest.mark.parametrize("pool", [None, FLIPPED])
def test_a_prompt_anchor_spares_providers_the_loss_and_traders_the_distance(pool):
    world_made = world(24 * 20, pool=pool)
    curve, anchored = compare_quotes(world_made, around(world_made, 0.5), late=0)
    assert anchored.loss < 0 < curve.loss
    assert anchored.slippage_bps < curve.slippage_bps
    assert anchored.fees < curve.fees
    assert curve.capital_efficiency > 2


def test_the_later_the_anchor_the_more_arbitrageurs_take(made):
    losses = [compare_quotes(made, around(made, 0.5), late)[1].loss for late in (0, 1, 3)]
    assert losses[0] < losses[1] < losses[2]


def test_the_numeraire_does_not_change_a_share_at_one_price():
    one, other = world(240), world(240, pool=FLIPPED)
    shares = [compare_quotes(each, each.log.pool.full_range)[0].divergence_loss for each in (one, other)]
    assert shares[0] == pytest.approx(shares[1], abs=1e-4)


def test_what_cannot_be_compared_is_named(made):
    with pytest.raises(PoolError, match="late was -1"):
        compare_quotes(made, around(made, 0.5), late=-1)
    with pytest.raises(PoolError, match="does not hold the first reference price"):
        compare_quotes(made, (0, 60))
    with pytest.raises(TickError, match="off the spacing"):
        compare_quotes(made, (1, 60))
    with pytest.raises(PoolError, match="no noise trader came"):
        compare_quotes(world(24, noise_per_day=0), made.log.pool.full_range)


def test_the_study_shows_every_width_under_both_quotes():
    path = Path(__file__).resolve().parents[2] / "scripts" / "studies" / "amm_anchored_quote.py"
    spec = importlib.util.spec_from_file_location("amm_anchored_quote", path)
    study = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(study)
    made, other = (study.made_world(seed, days=5) for seed in range(2))
    lines = study.table([made, other]).splitlines()
    assert len(lines) == 1 + len(study.WIDTHS) * (1 + len(study.LATE))
    assert len({len(each) for each in lines}) == 1
    low, high = study.ticks_around(made, 0.25)
    one, two = (compare_quotes(each, study.ticks_around(each, 0.25), 1)[1].fees for each in (made, other))
    assert study.rows([made, other])[-2][2].fees == pytest.approx((one + two) / 2)
    assert (high - low) * math.log(1.0001) == pytest.approx(math.log(1.25), abs=60 * 1e-4)
