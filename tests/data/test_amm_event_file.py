"""Claims about raw event files: the events they become, and the error for each way a file can be broken."""

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.amm.event_file import event_log
from data.amm.event_log import CollectEvent, LiquidityEvent, SwapEvent
from data.amm.log_checks import check_swaps
from data.amm.tables import read_table
from data.errors import EventGapError, EventOrderError, PoolError, SourceError

_PATH = Path(__file__).parents[1] / "oracles" / "pool_tables.py"
_SPEC = importlib.util.spec_from_file_location("pool_tables", _PATH)
made = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(made)

DAY = "amm/eth_usdc_weth_005_2024-01-05_events.csv.gz"


def test_rows_become_exact_events():
    table = made.event_table()
    log = event_log(table)
    assert len(log) == len(table)
    first = log.events[0]
    assert isinstance(first, SwapEvent)
    assert (first.block, first.log_index) == (101, 3)
    assert str(first.sqrt_x96) == table["sqrtPriceX96"][0]
    assert str(log.times[0]) == "2024-01-05T00:00:12.000000000"
    assert log.start_sqrt_x96 is None
    assert not log.is_whole


def test_a_file_from_the_pools_making_knows_its_first_price_and_its_ranges():
    log = event_log(made.event_table(is_whole=True))
    assert log.is_whole
    assert log.start_sqrt_x96 == 390_000 * 2**96
    assert isinstance(log.events[0], LiquidityEvent)
    assert log.events[0].owner.endswith("abc")
    pool_log = log.to_pool_log(made.WBTC)
    assert len(pool_log.swaps) == 20
    assert pool_log.changes is not None


def test_csv_and_parquet_give_the_same_events(tmp_path):
    table = made.event_table(is_whole=True)
    table.to_csv(tmp_path / "events.csv.gz", index=False)
    table.to_parquet(tmp_path / "events.parquet")
    wanted = event_log(table)
    for name in ("events.csv.gz", "events.parquet"):
        found = event_log(read_table(tmp_path / name))
        assert (found.events, found.start_sqrt_x96) == (wanted.events, wanted.start_sqrt_x96)
        np.testing.assert_array_equal(found.times, wanted.times)


def broken(column, row, value, *, is_whole=False):
    table = made.event_table(is_whole=is_whole)
    table.loc[row, column] = value
    return table


@pytest.mark.parametrize(
    ("table", "error", "words"),
    [
        (made.event_table().drop(columns="log_index"), SourceError, "column 'log_index' is not there"),
        (broken("amount0", 3, "1.5"), SourceError, "'amount0' holds '1.5' at row 3; a whole number"),
        (broken("amount0", 3, np.nan), SourceError, "'amount0' is empty at row 3"),
        (broken("tx_type", 3, "SWOP"), SourceError, "tx_type 'SWOP' at row 3 is unknown"),
        (
            broken("block_timestamp", 3, "yesterday"),
            SourceError,
            "'block_timestamp' holds 'yesterday' at row 3",
        ),
        (
            broken("block_number", 9, "101"),
            EventOrderError,
            "at block 101, log 4 stands after block 105, log 3",
        ),
        (broken("current_tick", 5, "-257000"), PoolError, "block 103, log 4 has tick -257000"),
        (
            pd.concat([made.event_table()[:5], made.event_table()[4:]]),
            EventOrderError,
            "stands after block 103, log 3",
        ),
        (
            pd.concat([made.event_table()[:3], made.event_table(is_whole=True)[:1]]),
            EventOrderError,
            "INITIALIZE at row 3 stands after other events",
        ),
        (
            made.event_table(is_whole=True).iloc[[0, 0, 1]],
            EventOrderError,
            "INITIALIZE at row 1 stands after other events",
        ),
        (broken("liquidity", 1, "-5", is_whole=True), PoolError, "mint at block 100, log 1 has liquidity -5"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_broken_file_is_refused(table, error, words):
    with pytest.raises(error, match=words):
        event_log(table.reset_index(drop=True))


def test_a_whole_history_that_lacks_a_mint_is_refused():
    with pytest.raises(
        PoolError, match="block 101, log 3 has liquidity 3000000000000000000, .* leave 0; .* lacks some"
    ):
        event_log(made.event_table(), is_whole=True)
    with pytest.raises(PoolError, match="leave 2999999999999999999"):
        event_log(broken("liquidity", 1, str(made.HELD - 1), is_whole=True))


def test_swapped_columns_of_tokens_are_refused():
    table = made.event_table()
    turned = table.rename(columns={"amount0": "amount1", "amount1": "amount0"})
    with pytest.raises(PoolError, match="swapped|missing"):
        event_log(turned).to_pool_log(made.WBTC)


def test_a_swap_missing_between_two_usable_ticks_is_found():
    log = event_log(made.event_table(count=60))
    swaps = log.to_pool_log(made.WBTC).swaps
    check_swaps(swaps, made.WBTC, 0.0)
    kept = np.delete(np.arange(len(swaps)), 20)
    columns = {name: getattr(swaps, name)[kept] for name in vars(swaps)}
    columns["sqrt_before"] = np.append(swaps.sqrt_before[0], columns["sqrt_after"][:-1])
    with pytest.raises(EventGapError, match="events are missing before it"):
        check_swaps(replace(swaps, **columns), made.WBTC, 0.0)


@pytest.mark.shared_data
def test_a_real_day_is_read_to_the_last_integer(real_day, usdc_weth):
    kinds = [type(event) for event in real_day.events]
    mints = [event.is_mint for event in real_day.events if isinstance(event, LiquidityEvent)]
    assert (kinds.count(SwapEvent), sum(mints), len(mints) - sum(mints), kinds.count(CollectEvent)) == (
        6046,
        54,
        69,
        65,
    )
    swaps = real_day.to_pool_log(usdc_weth).swaps
    check_swaps(swaps, usdc_weth, 0.0)
    assert len(swaps) == 6045
    assert usdc_weth.price(swaps.sqrt_after[0]) == pytest.approx(2270, abs=5)


@pytest.mark.shared_data
def test_a_real_day_is_no_whole_history(shared_data):
    with pytest.raises(PoolError, match="block 18937382, log 169 .* leave 0"):
        event_log(read_table(shared_data / DAY), is_whole=True)
