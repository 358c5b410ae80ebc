"""Simulated pool as a source: offline, any price can be followed, a cut is a cut, and what is wrong is named."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.amm.world import PoolWorld
from data.errors import SourceError, SpecError
from data.registry import plain, validated
from data.sources.pool_simulated import PoolSimulatedSource

NOWHERE = Path("no-lake")
MADE = {"kind": "synthetic", "process": "garch_t", "count": 1, "bars": 481, "bar": "1h", "price": 2000}


def source(reference=None, **settings):
    return validated(PoolSimulatedSource, {"reference": {**MADE, **(reference or {})}, **settings}, "data")


@pytest.fixture(scope="module")
def history():
    return source().load(NOWHERE)


def test_hourly_bars_of_one_pool_follow_the_reference(history):
    reference = source().reference.load(NOWHERE)
    assert history.panel.series == ("ETH/USDC 0.3%",)
    np.testing.assert_array_equal(history.times, reference.times[1:])
    apart = np.log(history.panel.field("close")[:, 0] / reference.panel.field("close")[1:, 0])
    assert np.abs(apart).max() < 0.02
    assert np.abs(apart).mean() < 0.003
    assert history.pool.changes is not None
    assert (history.clock.calendar, history.clock.bar) == ("24/7", "1h")


def test_the_notes_say_that_it_is_made(history):
    assert any("no evidence about markets" in note for note in history.notes)
    assert any("choice of settings" in note for note in history.notes)


def test_more_bars_change_no_earlier_one(history):
    longer = source({"bars": 600}).load(NOWHERE)
    assert longer.until(history.cutoff).fingerprint() == history.fingerprint()


def test_a_changed_future_of_the_reference_changes_no_earlier_bar(history):
    made = source()
    raw = made.raw(NOWHERE)
    closes = raw.panel.field("close").copy()
    closes[300:] *= 1.5
    altered = made.derive(
        type(raw)(panel=raw.panel.with_field("close", closes), clock=raw.clock, notes=raw.notes)
    )
    cutoff = raw.times[299]
    assert altered.until(cutoff).fingerprint() == history.until(cutoff).fingerprint()
    assert altered.fingerprint() != history.fingerprint()


def test_a_period_is_a_cut(history):
    cut = source(start="2015-01-05", end="2015-01-10").load(NOWHERE)
    assert cut.fingerprint() == history.between("2015-01-05", "2015-01-10T23:59:59.999999999").fingerprint()
    assert cut.times[0] == np.datetime64("2015-01-05")


def test_the_prices_of_a_file_can_be_followed(tmp_path):
    hours = pd.date_range("2022-01-01", periods=400, freq="h")
    prices = 1800 * np.exp(np.cumsum(np.random.default_rng(0).normal(0, 0.006, 400)))
    pd.DataFrame({"time": hours, "close": prices}).to_csv(tmp_path / "eth.csv", index=False)
    file = {"kind": "csv", "files": [str(tmp_path / "eth.csv")], "calendar": "24/7", "bar": "1h"}
    config = {"reference": file, "world": {"noise_per_day": 0}}
    history = validated(PoolSimulatedSource, config, "data").load(NOWHERE)
    apart = np.log(history.panel.field("close")[:, 0] / prices[1:])
    assert np.nanmax(np.abs(apart)) <= -np.log(1 - 0.003) + 1e-12


def test_daily_bars_of_an_exchange_are_bridged():
    daily = {"bar": "session", "calendar": "XNYS", "bars": 8, "process": "gbm", "first": "2022-06-01"}
    history = source(daily).load(NOWHERE)
    assert len(history.panel) == (history.times[-1] - history.times[0]) / np.timedelta64(1, "h") + 1


def test_a_section_survives_the_round_trip_and_its_identity_names_the_world():
    made = source({"process": "gbm"}, world={"noise_per_day": 7, "layers": [{"capital": 5}]})
    assert validated(PoolSimulatedSource, plain(made), "data") == made
    assert plain(made)["reference"]["kind"] == "synthetic"
    assert made.identity()["world"]["noise_per_day"] == 7
    assert made.identity()["reference"]["process"] == "gbm"
    assert hash(made) != hash(source())


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"reference": {"kind": "synthetik"}}, "unknown data source kind 'synthetik'; did you mean"),
        ({"reference": {"kind": "synthetic", "bars": 1}}, "data.reference.bars was 1"),
        ({}, "missing key 'data.reference'"),
        ({"reference": MADE, "world": {"noize_size": 1}}, "did you mean 'noise_size'"),
        ({"reference": MADE, "series": ["ETH"]}, "series 'ETH' is not made"),
    ],
)
def test_wrong_settings_are_named(config, words):
    with pytest.raises(SpecError, match=words):
        validated(PoolSimulatedSource, config, "data")


def test_a_pool_follows_prices_and_no_other_made_pool():
    with pytest.raises(ValueError, match="reference is a simulated pool"):
        PoolSimulatedSource(reference=source())


def test_a_reference_that_cannot_be_followed_is_named():
    with pytest.raises(SourceError, match="has 4 series; choose one with reference.series"):
        source({"count": 4}).load(NOWHERE)
    with pytest.raises(SourceError, match="allowed: whole hours"):
        source({"bar": "30min"}).load(NOWHERE)


def test_reading_a_configuration_imports_no_numba():
    import subprocess
    import sys

    code = (
        "import sys; from data.registry import validated; from data.sources.pool_simulated import PoolSimulatedSource;"
        f"validated(PoolSimulatedSource, {{'reference': {MADE!r}}}, 'data'); print('numba' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_the_usual_world_makes_about_five_hundred_swaps_a_day(history):
    assert len(history.pool.swaps) / 20 == pytest.approx(500, rel=0.15)
    assert PoolWorld().looks_per_hour == 12


@pytest.mark.shared_data
def test_the_real_price_of_ether_makes_a_pool_whose_fee_income_persists_from_day_to_day(
    shared_data, tmp_path
):
    raw = pd.read_csv(shared_data / "amm" / "eth_usd_uniswap_hourly_2021-05_2024-01.csv")
    times = pd.to_datetime(raw["timestamp"], format="%m/%d/%Y %H:%M")
    pd.DataFrame({"time": times, "close": raw["price"]}).head(24 * 365).to_csv(
        tmp_path / "eth.csv", index=False
    )
    file = {"kind": "csv", "files": [str(tmp_path / "eth.csv")], "calendar": "24/7", "bar": "1h"}
    history = validated(PoolSimulatedSource, {"reference": file}, "data").load(NOWHERE)
    growth = history.panel.field("fee_growth")[:, 0]
    days = np.log(growth[: len(growth) // 24 * 24].reshape(-1, 24).sum(axis=1))
    assert 0.5 < np.corrcoef(days[1:], days[:-1])[0, 1] < 0.95
    roots = history.panel.field("sqrt_price")[:, 0]
    assert 0.7 < growth[1:].sum() / (np.diff(roots) ** 2 / roots[:-1]).sum() < 1.3
