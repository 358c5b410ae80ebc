"""Claims about pool files as sources: bars beside the log, notes every report repeats, and errors that name the file."""

import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.errors import EventGapError, PoolError, SourceError, SpecError
from data.registry import Registry
from data.sources.base import AbstractSource

_PATH = Path(__file__).parents[1] / "oracles" / "pool_tables.py"
_SPEC = importlib.util.spec_from_file_location("pool_tables", _PATH)
made = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(made)

NOWHERE = Path("unused")
WBTC = {"token0": "WBTC", "token1": "WETH", "decimals0": 8, "decimals1": 18, "fee_pips": 3000}
USDC = {"token0": "USDC", "token1": "WETH", "decimals0": 6, "fee_pips": 500, "quote": "token0"}
KINDS = Registry(
    "data source",
    {
        "pool_swaps": "data.sources.pool_files:PoolSwapsSource",
        "pool_events": "data.sources.pool_files:PoolEventsSource",
        "pool_minutes": "data.sources.pool_files:PoolMinutesSource",
    },
    "wayfold.sources",
)


def source(kind, folder, **more) -> AbstractSource:
    return KINDS.build({"kind": kind, "folder": str(folder), "pool": WBTC, **more}, "data")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    tmp_path = tmp_path_factory.mktemp("pool")
    made.swap_table(count=4000).to_parquet(tmp_path / "swaps.parquet")
    made.range_table().to_parquet(tmp_path / "ranges.parquet")
    made.event_table(count=2000).to_csv(tmp_path / "events.csv.gz", index=False)
    made.event_table(count=2000, is_whole=True).to_csv(tmp_path / "whole.csv", index=False)
    made.minute_table().to_csv(tmp_path / "minutes.csv", index=False)
    hours = pd.date_range("2023-12-01", periods=1500, freq="h")
    prices = pd.DataFrame({"timestamp": hours.strftime("%m/%d/%Y %H:%M"), "price": 2000.0 + np.arange(1500)})
    prices.to_csv(tmp_path / "usd.csv", index=False)
    return tmp_path


def test_swaps_and_ranges_become_hourly_bars_beside_the_log(folder):
    history = source("pool_swaps", folder, swaps="swaps.parquet", ranges="ranges.parquet").load(NOWHERE)
    assert history.panel.series == ("WBTC/WETH 0.3%",)
    assert history.clock.bar == "1h"
    assert history.pool is not None
    assert history.pool.changes is not None
    assert history.panel.field("swaps").sum() <= len(history.pool.swaps) == 3999
    assert (history.panel.field("liquidity") == made.HELD).all()
    assert "block numbers on an even scale of 13.14 seconds" in history.notes[0]
    assert "100.0% of the swaps" in history.notes[-1]


def test_without_ranges_the_mint_history_is_missing_and_the_notes_say_so(folder):
    history = source("pool_swaps", folder, swaps="swaps.parquet").load(NOWHERE)
    assert history.pool.changes is None
    assert "ranges of its liquidity are not known" in history.notes[-1]


def test_a_period_cuts_bars_and_swaps_alike(folder):
    whole = source("pool_events", folder, events="whole.csv").load(NOWHERE)
    start, end = str(whole.times[1]), str(whole.times[2])
    cut = source("pool_events", folder, events="whole.csv", start=start, end=end).load(NOWHERE)
    assert len(cut.panel) == 2
    assert cut.pool.swaps.times[-1] <= whole.times[2]
    assert cut.pool.changes is not None


def test_dollars_are_joined_an_hour_after_their_stamp(folder):
    history = source("pool_events", folder, events="events.csv.gz", usd_file="usd.csv").load(NOWHERE)
    hours = (history.times - np.datetime64("2023-12-01", "ns")) // np.timedelta64(1, "h")
    np.testing.assert_array_equal(history.panel.field("usd")[:, 0], 2000.0 + hours - 1)


def test_dollars_older_than_a_day_are_unknown(folder):
    table = pd.read_csv(folder / "usd.csv").iloc[:700]
    table.to_csv(folder / "old.csv", index=False)
    history = source("pool_events", folder, events="events.csv.gz", usd_file="old.csv").load(NOWHERE)
    assert np.isnan(history.panel.field("usd")).all()


def test_stamps_of_two_possible_calendars_are_refused(folder):
    (folder / "short.csv").write_text("timestamp,price\n1/2/2024 1:00,5\n1/2/2024 2:00,6\n")
    with pytest.raises(
        SourceError, match="short.csv: stamps such as '1/2/2024 1:00' rise in 2 of the known spellings"
    ):
        source("pool_events", folder, events="events.csv.gz", usd_file="short.csv").load(NOWHERE)


def test_block_numbers_are_not_joined_with_dates(folder):
    with pytest.raises(SpecError, match=r"unknown key .*usd_file"):
        source("pool_swaps", folder, swaps="swaps.parquet", usd_file="usd.csv")


def test_minutes_are_bars_without_a_log(folder):
    history = source("pool_minutes", folder, minutes="minutes.csv", pool=USDC).load(NOWHERE)
    assert history.pool is None
    assert history.clock.bar == "1min"
    assert "fees of ranges cannot be known" in history.notes[0]


@pytest.mark.parametrize(
    ("kind", "files"),
    [
        ("pool_swaps", {"swaps": "swaps.parquet"}),
        ("pool_events", {"events": "events.csv.gz"}),
    ],
)
def test_tokens_in_the_other_order_are_refused_by_the_bounds(folder, kind, files):
    good = source(kind, folder, price_between=[10, 25], **files)
    assert len(good.load(NOWHERE).panel)
    turned = {**WBTC, "token0": "WETH", "token1": "WBTC", "decimals0": 18, "decimals1": 8}
    # Whole-token amounts are the other decimals' too, so a swap history is refused before its price is looked at.
    with pytest.raises(PoolError, match="price_between allows 10 to 25|decimals"):
        source(kind, folder, price_between=[10, 25], **{**files, "pool": turned}).load(NOWHERE)


def test_minutes_outside_the_bounds_are_refused(folder):
    with pytest.raises(
        PoolError, match="minutes.csv: the minute that ends at .* price_between allows 1 to 2"
    ):
        source("pool_minutes", folder, minutes="minutes.csv", pool=USDC, price_between=[1, 2]).load(NOWHERE)


def test_a_gap_names_the_file_the_block_and_the_log(folder):
    made.swap_table(count=400).drop(index=200).to_parquet(folder / "gap.parquet")
    with pytest.raises(EventGapError, match=r"gap.parquet: the swap at block \d+, log \d+"):
        source("pool_swaps", folder, swaps="gap.parquet").load(NOWHERE)


def test_a_file_that_is_not_there_is_named_with_the_folder(folder):
    with pytest.raises(SourceError, match="nothing.parquet' was not found.*'folder' says"):
        source("pool_swaps", folder, swaps="nothing.parquet").load(NOWHERE)


def with_row(folder, name, **row):
    table = made.event_table(count=2000)
    place = {"block_number": "300", "log_index": "9", "block_timestamp": table["block_timestamp"][399], **row}
    pd.concat([table[:400], pd.DataFrame([place]), table[400:]]).to_csv(folder / name, index=False)


def test_another_protocol_share_than_the_pools_is_refused(folder):
    with_row(folder, "share.csv", tx_type="SET_FEE_PROTOCOL", amount0="4", amount1="0")
    with pytest.raises(
        PoolError, match="share.csv: the protocol's share of fees became 1/4 and 1/0 .* block 300, log 9"
    ):
        source("pool_events", folder, events="share.csv").load(NOWHERE)
    assert source("pool_events", folder, events="share.csv", pool={**WBTC, "protocol0": 4}).load(NOWHERE)


def test_a_protocol_share_that_is_no_number_is_refused(folder):
    with_row(folder, "words.csv", tx_type="SET_FEE_PROTOCOL", amount0="four", amount1="0")
    with pytest.raises(SourceError, match="words.csv: column 'amount0' holds 'four' at row 400"):
        source("pool_events", folder, events="words.csv").load(NOWHERE)


def test_flash_loans_are_told_in_the_notes(folder):
    with_row(folder, "flash.csv", tx_type="FLASH", amount0="4", amount1="0")
    assert "Fees of 1 flash loans" in source("pool_events", folder, events="flash.csv").load(NOWHERE).notes[0]


def test_less_than_one_bar_is_no_history(folder):
    made.event_table(count=5).to_csv(folder / "few.csv", index=False)
    with pytest.raises(SourceError, match="do not span one complete bar"):
        source("pool_events", folder, events="few.csv").load(NOWHERE)


def test_bounds_the_wrong_way_round_are_refused(folder):
    with pytest.raises(SpecError, match="the lower bound comes first"):
        source("pool_swaps", folder, swaps="swaps.parquet", price_between=[25, 10])


def test_the_folder_is_no_part_of_what_names_the_data(folder):
    here = source("pool_swaps", folder, swaps="swaps.parquet", start="1970-01-02")
    there = source("pool_swaps", "elsewhere", swaps="swaps.parquet", start="1970-01-02")
    assert here.identity() == there.identity()
    assert here.identity()["swaps"] == "swaps.parquet"
    assert here.identity()["pool"]["token0"] == "WBTC"


def test_a_source_round_trips_through_its_description(folder):
    here = source("pool_events", folder, events="events.csv.gz", price_between=[10, 25])
    assert KINDS.build(KINDS.describe(here)) == here


@pytest.mark.shared_data
def test_two_real_years_load_with_their_ranges(shared_data):
    history = source(
        "pool_swaps",
        shared_data / "amm",
        swaps="eth_wbtc_weth_030_swaps_2021-05_2023-04.parquet",
        ranges="eth_wbtc_weth_030_netliquidity.parquet",
        price_between=[5, 50],
    ).load(NOWHERE)
    assert len(history.panel) == 16_899
    assert np.isfinite(history.panel.values).all()
    assert (history.panel.field("liquidity") > 0).all()


@pytest.mark.shared_data
def test_a_real_day_loads_with_the_dollars_of_its_hours(shared_data):
    history = source(
        "pool_events",
        shared_data / "amm",
        events="eth_usdc_weth_005_2024-01-05_events.csv.gz",
        pool={**USDC, "quote": "token1"},
        usd_file="eth_usd_uniswap_hourly_2021-05_2024-01.csv",
        price_between=[1 / 2500, 1 / 2000],
    ).load(NOWHERE)
    usd = history.panel.field("usd")[:, 0]
    # One whole USDC costs close WETH, so dollars per WETH times that is about one dollar.
    np.testing.assert_allclose(usd * history.panel.field("close")[:, 0], 1.0, atol=0.02)
