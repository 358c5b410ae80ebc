"""Claims about the study of peers' fee methods: each counts as it is said to, and errs where paths or ranges are narrow."""

import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.amm.event_file import event_log
from data.amm.pool import Pool, sqrt_of
from data.amm.pool_log import SwapPath

_PATH = Path(__file__).resolve().parents[2] / "scripts" / "studies" / "amm_peer_methods.py"
_SPEC = importlib.util.spec_from_file_location("amm_peer_methods", _PATH)
study = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(study)

POOL = Pool(token0="A", token1="B", fee_pips=500)
LIQUIDITY = 1e20
WIDE = np.array([1000.0])


def day_along(ticks, minutes, widths=WIDE):
    """A day whose swaps go from tick to tick within one liquidity, at the given minutes."""
    roots = np.array([sqrt_of(tick) for tick in ticks])
    before, after = roots[:-1], roots[1:]
    net0, net1 = LIQUIDITY * (1.0 / after - 1.0 / before), LIQUIDITY * (after - before)
    gross = 1.0 / (1.0 - POOL.fee)
    amount0, amount1 = np.where(net0 > 0, net0 * gross, net0), np.where(net1 > 0, net1 * gross, net1)
    count = np.arange(len(after))
    times = np.datetime64("2024-01-05", "ns") + np.asarray(minutes).astype("timedelta64[m]")
    liquidity = np.full(len(after), LIQUIDITY)
    path = SwapPath(times, count, 0 * count, before, after, amount0, amount1, liquidity)
    return study.day_of(POOL, path, widths)


ZIGZAG = ([0.5, 20.5, 0.5, 20.5, 10.5], [1, 2, 3, 70])


def test_within_one_liquidity_the_share_of_each_swap_is_the_path_formula():
    day = day_along(*ZIGZAG, widths=np.array([5.0, 15.0, 1000.0]))
    assert study.swap_share(day) == pytest.approx(study.path_formula(day), rel=1e-3)
    assert study.swap_share(day)[2] == pytest.approx(study.path_formula(day)[2], rel=1e-9)


def test_displacement_forgets_what_happened_between_two_closes():
    day = day_along(*ZIGZAG)
    whole = study.path_formula(day)
    assert study.displacement(day, "m") == pytest.approx(whole, rel=1e-12)
    assert study.displacement(day, "h") == pytest.approx(whole * 30.0 / 70.0, rel=2e-3)


def test_an_hour_counts_whole_or_not_at_all_by_its_close():
    day = day_along(*ZIGZAG, widths=np.array([15.0]))
    assert study.hour_in_range(day) == pytest.approx(day.fees[3] / LIQUIDITY)
    assert study.hour_in_range(day_along(*ZIGZAG)) == pytest.approx(day.fees.sum() / LIQUIDITY)


def test_a_candle_counts_by_the_share_of_its_span_in_range():
    half = day_along([0.5, 20.5, 0.5], [1, 2], widths=np.array([10.0]))
    whole = study.path_formula(day_along([0.5, 20.5, 0.5], [1, 2]))
    assert study.candle_overlap(half, "h") == pytest.approx(whole / 2.0, rel=1e-9)
    assert study.candle_overlap(half, "D") == pytest.approx(whole / 2.0, rel=1e-9)


def test_a_minute_counts_by_the_share_of_its_move_in_range():
    day = day_along([0.5, 20.5], [1], widths=np.array([10.0, 1000.0]))
    minutes = {
        "openTick": np.array([0.0, 20.0]),
        "closeTick": np.array([20.0, 20.0]),
        "inAmount0": np.zeros(2),
        "inAmount1": np.array([1e18, 3e18]),
        "currentLiquidity": np.full(2, LIQUIDITY),
    }
    one, three = POOL.fee * 1e18 / LIQUIDITY, POOL.fee * 3e18 / LIQUIDITY
    assert study.minute_bars(day, minutes) == pytest.approx([one / 2.0, one + three])


def test_overlap_of_a_point_is_in_or_out():
    low = np.array([[1.0], [2.0], [0.0]])
    found = study.overlap(low, np.array([[1.0], [2.0], [4.0]]), np.array([1.0]), np.array([2.0]))
    assert found[:, 0].tolist() == [1.0, 0.0, 0.25]


@pytest.mark.shared_data
def test_the_real_day_shows_the_published_errors(shared_data):
    """Of a range of +-500 ticks every method but displacement is about right; at +-5 ticks all but the swap's share are far off."""
    folder = shared_data / "amm"
    events = pd.read_csv(folder / "eth_usdc_weth_005_2024-01-05_events.csv.gz", dtype=str)
    minutes = pd.read_csv(folder / "eth_usdc_weth_005_2024-01-05.minute.csv", dtype={"timestamp": str})
    columns = {name: minutes[name].to_numpy(np.float64) for name in minutes.columns[1:]}
    day = study.day_of(study.POOL, event_log(events).to_pool_log(study.POOL).swaps, study.WIDTHS)
    found = study.errors(day, columns)
    assert found["swap share"] == pytest.approx(study.MEASURED["swap share"], abs=0.11)
    assert found["minute bars"] == pytest.approx(study.MEASURED["minute bars"], abs=4.5)
    for unit in ("minutes", "hours"):
        name = f"displacement, {unit}"
        assert found[name] == pytest.approx(study.MEASURED[name], abs=4.0)
    assert np.abs(found["minute bars"][0]) > 25.0
    assert len(study.table(found).splitlines()) == 1 + 2 * len(found)
