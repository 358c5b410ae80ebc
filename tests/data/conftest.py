"""A real pool and one day of its events, read once for every test."""

import pytest

from data.amm.event_file import event_log
from data.amm.pool import Pool
from data.amm.tables import read_table


@pytest.fixture(scope="session")
def usdc_weth():
    """USDC/WETH 0.05 % on mainnet, counted in USDC."""
    return Pool(token0="USDC", token1="WETH", decimals0=6, decimals1=18, fee_pips=500, quote="token0")


@pytest.fixture(scope="session")
def real_day(shared_data):
    """Every event of that pool on 2024-01-05, exact."""
    return event_log(read_table(shared_data / "amm" / "eth_usdc_weth_005_2024-01-05_events.csv.gz"))
