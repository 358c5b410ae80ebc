"""Claims about demeter's minutes: the bars they become, and the error for each way a file can be broken."""

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data.amm.minute_file import FIELDS, minute_bars
from data.amm.pool import Pool
from data.amm.tables import read_table
from data.errors import PoolError, SourceError

_PATH = Path(__file__).parents[1] / "oracles" / "pool_tables.py"
_SPEC = importlib.util.spec_from_file_location("pool_tables", _PATH)
made = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(made)

USDC = Pool(token0="USDC", token1="WETH", decimals0=6, decimals1=18, fee_pips=500, quote="token0")


def column(panel, name):
    return panel.field(name)[:, 0]


def test_a_minute_is_stamped_at_its_end():
    panel = minute_bars(made.minute_table(), USDC)
    assert str(panel.times[0]) == "2024-01-05T00:01:00.000000000"
    assert panel.series == ("WETH/USDC 0.05%",)
    assert panel.fields == FIELDS


@pytest.mark.parametrize("quote", ["token0", "token1"])
def test_extremes_hold_open_and_close_in_either_quote(quote):
    panel = minute_bars(made.minute_table(), replace(USDC, quote=quote))
    for name in ("open", "close"):
        assert (column(panel, "low") <= column(panel, name)).all()
        assert (column(panel, name) <= column(panel, "high")).all()


def test_buying_the_base_is_a_flow_above_0():
    table = made.minute_table()
    panel = minute_bars(table, USDC)
    assert (column(panel, "flow") > 0).tolist() == (table["inAmount0"] > 0).tolist()
    np.testing.assert_allclose(np.abs(column(panel, "flow")), column(panel, "volume"))
    np.testing.assert_allclose(
        column(panel, "flow")[table["inAmount0"] > 0], table["inAmount0"][table["inAmount0"] > 0] / 1e6
    )


@pytest.mark.parametrize(
    ("name", "value", "error", "words"),
    [
        ("closeTick", 300_000.0, PoolError, "00:06:00.* has open or close outside its extremes"),
        ("highestTick", 900_000.0, PoolError, "00:06:00.* has a tick outside -887272 to 887272"),
        ("inAmount0", -5, PoolError, "00:06:00.* has an amount paid in below 0"),
        ("currentLiquidity", 0, PoolError, "00:06:00.* has no liquidity"),
        ("netAmount1", "x", SourceError, "'netAmount1' holds 'x' at row 5"),
        ("timestamp", "2024-01-05 00:04:00", SourceError, "every minute is given once"),
    ],
)
def test_a_broken_minute_is_refused(name, value, error, words):
    table = made.minute_table()
    table[name] = table[name].astype(object)
    table.loc[5, name] = value
    with pytest.raises(error, match=words):
        minute_bars(table, USDC)


def test_tokens_in_the_other_order_are_refused():
    table = made.minute_table()
    turned = {
        "netAmount0": "netAmount1",
        "netAmount1": "netAmount0",
        "inAmount0": "inAmount1",
        "inAmount1": "inAmount0",
    }
    with pytest.raises(PoolError, match="the token order is swapped"):
        minute_bars(table.rename(columns=turned), USDC)


@pytest.mark.shared_data
def test_a_real_day_has_1440_minutes_and_the_known_price(shared_data):
    panel = minute_bars(read_table(shared_data / "amm/eth_usdc_weth_005_2024-01-05.minute.csv"), USDC)
    assert len(panel) == 1440
    assert 2150 < column(panel, "low").min() < column(panel, "high").max() < 2300
