"""Run check: the decisions of a stored run, through our exact engine and backtrader itself."""

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from backtest.experiment import Places, run_spec
from backtest.run import Run
from backtest.run_check import check_run
from backtest.spec import RunSpec
from data.history import History

_PATH = Path(__file__).resolve().parents[1] / "oracles" / "small_walk.py"
_SPEC = importlib.util.spec_from_file_location("small_walk", _PATH)
small_walk = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(small_walk)

SECTIONS = {
    "forecaster": [{"kind": "ridge", "context": 8, "horizon": 3, "levels": small_walk.LEVELS}, {"kind": "drift", "context": 8, "horizon": 3, "levels": small_walk.LEVELS}],
    "policy": "long_short",
}  # fmt: skip


@pytest.fixture(scope="module")
def history() -> History:
    return small_walk.small_history()


@pytest.fixture(scope="module")
def spec() -> RunSpec:
    return small_walk.small_spec(**SECTIONS)


@pytest.fixture(scope="module")
def run(spec: RunSpec, history: History, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("checked")
    return run_spec(spec, history, Places(folder / "runs", folder / "trials.jsonl"), small_walk.quiet)


def test_both_engines_make_the_same_of_every_asked_account(run: Run, spec: RunSpec, history: History) -> None:
    checks = check_run(run, spec, history)
    assert list(checks) == ["ridge", "drift"]
    for check in checks.values():
        assert check.is_identical
        assert check.fills > 10
        assert check.bars == len(run.tables["equity"]["time"].unique())
        assert check.sentence().startswith("identical to backtrader")


def test_the_run_s_own_weights_are_what_is_compared(run: Run, spec: RunSpec, history: History) -> None:
    targets = run.tables["targets"].copy()
    targets.loc[targets["weight"] > 0, "weight"] = 0.0
    other = Run(run.manifest, {**run.tables, "targets": targets})
    before, after = check_run(run, spec, history), check_run(other, spec, history)
    assert after["ridge"].is_identical
    assert after["ridge"].final_equity != before["ridge"].final_equity


def test_an_experiment_on_the_exact_engine_is_checked_by_its_own_rules(
    history: History, tmp_path: Path
) -> None:
    costs = {"kind": "custom", "half_spread_bps": 2.0}
    engine = {"kind": "backtrader_exact", "capital": 50_000.0}
    spec = small_walk.small_spec(**SECTIONS, costs=costs, engine=engine)
    run = run_spec(spec, history, Places(tmp_path / "runs", tmp_path / "trials.jsonl"), small_walk.quiet)
    check = check_run(run, spec, history)["ridge"]
    own = run.tables["equity"].query("lane == 'ridge'")["equity"].to_numpy()
    assert check.is_identical
    assert np.float64(check.final_equity) == own[-1]


def test_bars_after_the_run_are_left_out(run: Run, spec: RunSpec, history: History) -> None:
    last = run.tables["equity"]["time"].max().to_datetime64()
    cut = history.until(last)
    assert check_run(run, spec, replace(cut)) == check_run(run, spec, history)
