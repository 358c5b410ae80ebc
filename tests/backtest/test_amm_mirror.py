"""A pool and its mirror image, tokens swapped, are one market: the whole experiment must come to the same on both."""

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from backtest.amm.contest import judge_window, make_contest
from backtest.amm.frontier import frontier_table
from backtest.amm.means import blocks_table, paired_table, policies_table
from backtest.amm.scenery import scenery_tables
from backtest.amm.tables import window_tables
from backtest.amm.windows import judged_windows
from data.amm.pool_log import PoolLog


def _oracle(name):
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parents[1] / "oracles" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


small, worlds = _oracle("small_contest"), _oracle("liquidity_worlds")

POLICIES = [
    {"kind": "static", "width": 0.05, "tried": [0.02, 0.1], "every": 6},
    {"kind": "recentre", "width": 0.03, "tried": [0.06], "every": 6},
    {"kind": "volatility_band", "multiple": 2.0, "tried": [4.0], "horizon": 6, "lookback": 48},
    {"kind": "passive_rebalance", "width": 0.05, "order_width": 0.02, "tried": [], "every": 12},
    {"kind": "tau_reset", "width": 0.05, "tau": 200, "tried": [400]},
    {"kind": "plan", "forecaster": "last_value", "tried": [0.0], "every": 12},
    {"kind": "oracle_width", "every": 12},
]
TOLERANCE = 1e-9 * 100.0


def mirrored(history):
    """The same events told by a pool whose token0 is the other token and whose quote stays what it was."""
    log = history.pool
    pool, swaps, changes = log.pool, log.swaps, log.changes
    other = replace(
        pool,
        token0=pool.token1, token1=pool.token0, decimals0=pool.decimals1, decimals1=pool.decimals0,
        protocol0=pool.protocol1, protocol1=pool.protocol0, quote="token0" if pool.quote == "token1" else "token1",
    )  # fmt: skip
    turned = replace(
        swaps,
        sqrt_before=1 / swaps.sqrt_before, sqrt_after=1 / swaps.sqrt_after,
        amount0=swaps.amount1, amount1=swaps.amount0,
    )  # fmt: skip
    ranges = replace(changes, tick_lower=-changes.tick_upper, tick_upper=-changes.tick_lower)
    return worlds.with_log(PoolLog(other, turned, ranges))


@pytest.fixture(scope="module", params=[False, True], ids=["small", "diluting"])
def both(request):
    spec = small.small_spec(
        policies=POLICIES, capital=100.0, costs={"mint_gas": 0.01, "burn_gas": 0.02, "swap_gas": 0.005},
        windows={"bars": 72, "train": 2, "embargo": 6}, own_dilution=request.param,
        frontier={"capital": [10.0], "gas": [0.1]},
    )  # fmt: skip
    honest = worlds.made_history(worlds.made_swaps(scale=0.0015), worlds.made_pool("token1", 10_000))
    return tuple(judged(spec, history) for history in (honest, mirrored(honest)))


def judged(spec, history):
    contest = make_contest(spec, history)
    windows = judged_windows(history, spec.windows)
    outcomes = [judge_window(contest, window) for window in windows[:2]]
    parts = [{**window_tables(contest, each), "frontier": frontier_table(contest, each)} for each in outcomes]
    tables = {name: pd.concat([part[name] for part in parts], ignore_index=True) for name in parts[0]}
    tables |= {
        "policies": policies_table(contest, tables["statements"]),
        "blocks": blocks_table(contest, tables["statements"]),
        "paired": paired_table(contest, tables["statements"], "full_range"),
    }
    return contest, {**tables, **scenery_tables(contest, windows)}


@pytest.mark.parametrize("name", ["statements", "equity", "actions", "ranges", "frontier", "policies", "paired", "blocks", "prices", "slippage"])  # fmt: skip
def test_every_table_is_that_of_the_mirrored_pool(both, name) -> None:
    one, other = (tables[name] for _, tables in both)
    assert len(one) == len(other) and list(one.columns) == list(other.columns)
    for column in one.columns.difference(["reason", "chosen", "cpu_seconds"]):
        if pd.api.types.is_float_dtype(one[column]):
            np.testing.assert_allclose(other[column], one[column], rtol=1e-6, atol=TOLERANCE, err_msg=column)
        else:
            assert other[column].tolist() == one[column].tolist(), column


def test_pools_counted_in_token0_add_up_and_their_policies_did_something(both) -> None:
    contest, tables = both[1]
    assert (contest.terms.pool.quote, contest.terms.pool.numeraire) == ("token0", "WETH")
    told = tables["statements"]
    net = told["fees"] - told["divergence"] - told["gas"] - told["conversion"]
    np.testing.assert_allclose(net, told["net"], rtol=0, atol=TOLERANCE)
    moved = set(tables["actions"]["lane"])
    assert moved == {each["kind"] for each in POLICIES} | {"full_range"}
    assert (told.groupby("lane")["fees"].sum()[list(moved)] > 0).all()


def test_the_heat_of_the_mirrored_pool_is_the_same_liquidity_at_the_same_prices(both) -> None:
    one, other = (tables["heat"].sort_values(["time", "low_price"], ignore_index=True) for _, tables in both)
    for column in ("low_price", "high_price", "liquidity"):
        np.testing.assert_allclose(other[column], one[column], rtol=1e-6)
