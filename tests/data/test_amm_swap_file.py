"""Claims about swap histories on a block clock: what a good one says, and the error for each way one can be broken."""

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.amm.log_checks import check_price_between, check_ranges
from data.amm.pool import tick_of
from data.amm.pool_log import PoolLog
from data.amm.swap_file import block_times, range_changes, swap_path
from data.amm.tables import read_table
from data.errors import EventGapError, EventOrderError, PoolError, SourceError, TickError

_PATH = Path(__file__).parents[1] / "oracles" / "pool_tables.py"
_SPEC = importlib.util.spec_from_file_location("pool_tables", _PATH)
made = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(made)

SWAPS = "amm/eth_wbtc_weth_030_swaps_2021-05_2023-04.parquet"
RANGES = "amm/eth_wbtc_weth_030_netliquidity.parquet"


def log_of(swaps=None, ranges=None):
    swaps = made.swap_table() if swaps is None else swaps
    path = swap_path(swaps, made.WBTC)
    changes = range_changes(made.range_table() if ranges is None else ranges, path.blocks)
    return PoolLog(made.WBTC, path, changes)


def test_the_first_row_only_tells_where_the_second_begins():
    table = made.swap_table()
    swaps = swap_path(table, made.WBTC)
    assert len(swaps) == len(table) - 1
    np.testing.assert_array_equal(swaps.sqrt_before, table["sqrt_price_est"][:-1])
    np.testing.assert_array_equal(swaps.sqrt_after, table["sqrt_price_est"][1:])
    np.testing.assert_array_equal(swaps.amount0, table["amount0_raw"][1:])


def test_blocks_become_nominal_instants_on_an_even_scale():
    times = block_times(np.array([0, 6576, 12_369_886]), 13.14)
    assert times[0] == np.datetime64(0, "ns")
    assert (times[1] - times[0]) / np.timedelta64(1, "s") == pytest.approx(86_400, rel=1e-4)
    assert (times[2] - times[0]) / np.timedelta64(1, "s") == pytest.approx(12_369_886 * 13.14)


def test_swaps_keep_the_order_of_the_file_within_a_block():
    swaps = swap_path(made.swap_table(), made.WBTC)
    same = np.diff(swaps.blocks) == 0
    assert same.any()
    assert (np.diff(swaps.log_indices)[same] == 1).all()


def test_ranges_become_changes_and_the_dust_of_an_emptied_one_is_nothing():
    changes = log_of().changes
    assert changes.liquidity.tolist() == [made.HELD, 5e17, -5e17]


def test_a_change_stands_after_the_swaps_of_its_block():
    table = made.swap_table()
    ranges = made.range_table()
    ranges.loc[2, "block_number"] = table["block_number"].iloc[10]
    log = log_of(table, ranges)
    block = log.changes.blocks[-1]
    assert log.changes.log_indices[-1] >= (log.swaps.blocks == block).sum()


def test_the_ranges_rebuild_the_liquidity_of_every_swap():
    assert check_ranges(log_of()) == 1.0


def broken(**cells):
    """The table with single cells replaced: column=(row, value)."""
    table = made.swap_table()
    for column, (row, value) in cells.items():
        table[column] = table[column].astype(float)
        table.loc[row, column] = value
    return table


def swapped_tokens():
    table = made.swap_table()
    amount1 = table["amount1_adjusted"] * 1e10
    return table.assign(
        amount0_raw=amount1, amount0_adjusted=amount1 / 1e8, amount1_adjusted=table["amount0_raw"] / 1e18
    )


def row_twice(row=7):
    table = made.swap_table()
    return pd.concat([table[: row + 1], table[row:]], ignore_index=True)


def unsorted():
    table = made.swap_table()
    return pd.concat([table[:10], table[20:30], table[10:20], table[30:]], ignore_index=True)


def other_root():
    table = made.swap_table()
    return table.assign(sqrt_price_est=1.0 / table["sqrt_price_est"])


@pytest.mark.parametrize(
    ("table", "error", "words"),
    [
        (made.swap_table().drop(columns="tick"), SourceError, "column 'tick' is not there"),
        (broken(liquidity=(3, np.nan)), SourceError, "'liquidity' holds nan at row 3"),
        (broken(block_number=(4, np.nan)), SourceError, "'block_number' is empty at row 4"),
        (
            broken(liquidity=(9, 0.0)),
            PoolError,
            "at block 124000.., log . has liquidity 0; a swap needs some",
        ),
        (broken(tick=(12, 1.0)), PoolError, "has tick 1, its root price .* lies at tick 2575"),
        (broken(sqrt_price_est=(12, -1.0)), PoolError, "has tick 257"),
        (swapped_tokens(), PoolError, "the token order or the decimals are swapped"),
        (other_root(), PoolError, "the token order may be swapped"),
        (broken(amount1_adjusted=(12, 1e-30)), PoolError, "one flows in, the other out"),
        (row_twice(), EventOrderError, r"repeats the one before it \(row 8\)"),
        (unsorted(), EventOrderError, "at row 20 stands after block"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_broken_history_is_refused(table, error, words):
    with pytest.raises(error, match=words):
        swap_path(table, made.WBTC)


@pytest.mark.parametrize("row", [5, 17, 30])
def test_a_missing_swap_is_found_where_it_is_missing(row):
    table = made.swap_table().drop(index=row).reset_index(drop=True)
    with pytest.raises(EventGapError, match=f"block {table['block_number'][row]}, log .*missing"):
        swap_path(table, made.WBTC)


def test_wrong_decimals_are_seen_against_raw_amounts_and_against_prices():
    with pytest.raises(PoolError, match="decimals0 of the pool is wrong"):
        swap_path(made.swap_table(), replace(made.WBTC, decimals0=6))
    with pytest.raises(PoolError, match="the token order or the decimals are swapped"):
        swap_path(made.swap_table(), replace(made.WBTC, decimals1=6))


def test_a_price_outside_the_bounds_names_the_swap_and_the_pool():
    log = log_of()
    check_price_between(log.swaps, log.pool, (5.0, 50.0))
    turned = replace(made.WBTC, quote="token0")
    with pytest.raises(
        PoolError,
        match=r"block 124\d+, log \d left a price of 0.06\d* WBTC per WETH; price_between allows 5 to 50",
    ):
        check_price_between(log.swaps, turned, (5.0, 50.0))


def test_ranges_without_the_mint_are_refused():
    ranges = made.range_table().iloc[1:]
    with pytest.raises(
        PoolError, match="rebuild the liquidity of 0% of the swaps; at block .* mints or burns are missing"
    ):
        check_ranges(log_of(ranges=ranges))


def test_a_range_off_the_spacing_is_refused():
    ranges = made.range_table()
    ranges.loc[0, "tick_lower"] = 240_001
    with pytest.raises(
        TickError,
        match=r"change at block 12399991, log 0 is none of WBTC/WETH 0.3%: tick 240001 is off the spacing of 60",
    ):
        check_ranges(log_of(ranges=ranges))


@pytest.mark.parametrize(
    ("row", "column", "value", "error", "words"),
    [
        (
            1,
            "liquidity",
            -5e17,
            PoolError,
            "the range 120000 to 180000 holds -5e\\+17 at block 12399995; allowed: 0 or more",
        ),
        (2, "block_number", 12_399_995, EventOrderError, "120000 to 180000 has two rows in block 12399995"),
        (
            2,
            "block_number",
            12_000_000,
            EventOrderError,
            "block 12000000 at row 2 stands after block 12399995",
        ),
        (2, "liquidity", np.nan, SourceError, "'liquidity' holds nan at row 2"),
    ],
)
def test_broken_ranges_are_refused(row, column, value, error, words):
    ranges = made.range_table()
    ranges[column] = ranges[column].astype(float)
    ranges.loc[row, column] = value
    with pytest.raises(error, match=words):
        log_of(ranges=ranges)


@pytest.mark.shared_data
def test_two_years_of_a_real_pool_are_read_and_its_ranges_rebuild_its_liquidity(shared_data):
    swaps = swap_path(read_table(shared_data / SWAPS), made.WBTC)
    changes = range_changes(read_table(shared_data / RANGES), swaps.blocks)
    log = PoolLog(made.WBTC, swaps, changes)
    assert (len(swaps), len(changes)) == (161_983, 35_682)
    assert check_ranges(log) > 0.99
    check_price_between(swaps, made.WBTC, (5.0, 50.0))
    assert tick_of(swaps.sqrt_after[-1]) == pytest.approx(257_362, abs=1)


@pytest.mark.shared_data
@pytest.mark.parametrize("row", [1000, 80_000, 150_000])
def test_a_swap_taken_out_of_the_real_pool_is_missed(shared_data, row):
    table = read_table(shared_data / SWAPS)[row - 500 : row + 500].reset_index(drop=True)
    swap_path(table, made.WBTC)
    same = (table["liquidity"].diff() == 0) & (table["liquidity"].diff(-1) == 0)
    largest = int((table["amount1_adjusted"].abs() * same)[400:600].idxmax())
    with pytest.raises(EventGapError):
        swap_path(table.drop(index=largest).reset_index(drop=True), made.WBTC)
