"""The benchmark of pools: twins do the same work, the made world is what the table says, targets are judged by what was measured."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from data.amm.float_replay import replay
from data.amm.path import fee_growth

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks"
_SPEC = importlib.util.spec_from_file_location("amm_speed", FOLDER / "amm_speed.py")
bench = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(bench)


def test_numpy_pays_what_the_path_kernel_pays():
    swaps = bench.path_along(np.exp(np.cumsum(np.random.default_rng(0).normal(0.0, 0.01, 300))))
    lower, upper = np.array([0.8, 0.95, 1.1]), np.array([1.2, 1.0, 1.3])
    wanted = bench.fees_by_numpy(swaps, lower, upper, 0.003)
    np.testing.assert_allclose(
        fee_growth(swaps, lower, upper, (0.003, 0.003)), wanted, rtol=1e-10, atol=1e-30
    )


def test_the_map_is_that_of_its_ranges():
    held = bench.ranges()
    ticks = bench.map_of(held)
    assert 350 < len(ticks.ticks) < 450
    for tick in (-700_000, -1000, 0, 37, 2000):
        wanted = sum(liquidity for lower, upper, liquidity in held if lower <= tick < upper)
        assert ticks.net[ticks.ticks <= tick].sum() == pytest.approx(wanted, rel=1e-12)


def test_replay_and_exact_engine_get_the_same_orders(monkeypatch):
    monkeypatch.setattr(bench, "COMPARED", 200)
    held, asked = bench.ranges(), bench.orders(200)
    roots, _ = bench.by_exact_engine(held, asked)
    np.testing.assert_allclose(
        replay(bench.POOL, bench.map_of(held), 1.0, asked).sqrt_after, roots, rtol=1e-11
    )


def test_the_account_of_the_year_holds_the_fees_of_the_path():
    done = replay(bench.POOL, bench.map_of(bench.ranges()), 1.0, bench.orders(9000))
    account = bench.account_over(done)
    bench.check_fees(account, done)
    assert account.bars == 8760


def test_targets_are_met_or_missed_by_what_was_measured():
    rows = [
        bench.Row("paths", 0.1, "swap-ranges/s", 16e6, "numpy", 1.0),
        bench.Row("swaps", 0.1, "swaps/s", 0.9e6, "exact", 10.0),
        bench.Row("a year", 1.5, "swaps/s", 2.2e6, "demeter", 150.0),
    ]
    assert [each.is_met for each in bench.targets(rows)] == [True, False, False]
    assert len(bench.targets(rows[:2])) == 2
    assert rows[0].line().split()[-1] == "10"


def test_peers_of_pools_are_pinned():
    lines = (FOLDER / "peers" / "amm_requirements.txt").read_text().splitlines()
    assert all("==" in line for line in lines if line[0] != "#")
