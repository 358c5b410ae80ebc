"""The published R2 of log daily fee growth on WBTC/WETH, reproduced by plain regressions and met by the models."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PUBLISHED = {"har": 0.51, "weekly_mean": 0.43, "last_value": 0.38}


def _study():
    path = ROOT / "scripts" / "studies" / "liquidity_forecasts.py"
    specification = importlib.util.spec_from_file_location("liquidity_forecasts_study", path)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.mark.shared_data
@pytest.mark.slow
def test_days_of_6450_blocks_reproduce_the_published_figures_and_the_models_meet_them(shared_data):
    if not (shared_data / "amm").is_dir():
        pytest.skip("the pool's swap history is not beside the project (../shared/data/amm)")
    study = _study()
    history = study.load(shared_data, 6450)
    plain = study.plain_table(history, 6450)
    assert plain == pytest.approx(PUBLISHED, abs=0.012)
    study.REFIT_DAYS, study.DAILY = 30, ("last_value", "weekly_mean")
    scores, _ = study.table(history, list(PUBLISHED))
    assert scores["r2_log_fee_growth"].to_dict() == pytest.approx(PUBLISHED, abs=0.03)
    assert (scores["n"] == 472).all()
