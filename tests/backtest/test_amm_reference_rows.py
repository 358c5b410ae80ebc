"""Passive liquidity on two real years against figures that were measured elsewhere, with another engine."""

import importlib.util
import sys
from pathlib import Path

import pytest

_PATH = Path(__file__).resolve().parents[2] / "scripts" / "studies" / "liquidity_policies.py"
_MODULE = importlib.util.spec_from_file_location("liquidity_policies_study", _PATH)
study = importlib.util.module_from_spec(_MODULE)
sys.modules["liquidity_policies_study"] = study
_MODULE.loader.exec_module(study)


@pytest.fixture(scope="module")
def history(shared_data):
    return study.history_of(shared_data / "amm")


@pytest.mark.slow
@pytest.mark.shared_data
@pytest.mark.parametrize("label", ["full range", "static 10 %", "static 25 %", "static 50 %"])
def test_passive_rows_of_wbtc_weth_are_those_of_the_reference(history, label):
    """amm.md 5.9, on its windows; within 6 basis points of a mean whose standard error is up to 58, error within 1.5."""
    row = study.REFERENCE[label]
    played = study.lives(row, history, study.windows_of(history, study.REFERENCE_BARS, study.COUNT), {})
    net, error = study.mean_and_error(study.in_bps(played, "equity") - study.in_bps(played, "hold"))
    assert net == pytest.approx(row.net, abs=6.0)
    assert error == pytest.approx(row.error, abs=1.5)


@pytest.mark.slow
@pytest.mark.shared_data
def test_fees_by_path_and_by_the_liquidity_of_each_swap_agree_on_wide_ranges(history):
    """amm.md 3.3 and 4: event-L is fine for wide ranges on average; 0.9995 on the whole of this pool."""
    spans = study.windows_of(history, study.REFERENCE_BARS, study.COUNT)
    swaps = [history.pool.swaps.between(*study.ends_of(history, span)) for span in spans]
    path, event = map(
        sum, zip(*(study.unmoved_fees(history, each, float("inf")) for each in swaps), strict=True)
    )
    assert event / path == pytest.approx(1.0, abs=0.002)
    assert path / len(spans) * 12 / 1e4 == pytest.approx(0.02, abs=0.001)
