"""An experiment: interrupted or not, the same run; every strategy asked for is counted once."""

import importlib.util
import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from backtest import experiment
from backtest import run as run_module
from backtest.errors import RunError
from backtest.experiment import Places, experiment_id, run_spec
from backtest.run import MANIFEST, Run, load_run
from backtest.trials import read_trials, trial_key
from data.history import History
from forecast.models.bootstrap import HistoricalBootstrap
from forecast.models.ridge import Ridge

_PATH = Path(__file__).resolve().parents[1] / "oracles" / "small_walk.py"
_SPEC = importlib.util.spec_from_file_location("small_walk", _PATH)
small_walk = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(small_walk)

TWO_MODELS: dict[str, Any] = {
    "forecaster": [
        {"kind": "bootstrap", "context": 8, "horizon": 3, "paths": 100, "levels": small_walk.LEVELS},
        {"kind": "ridge", "context": 8, "horizon": 3, "levels": small_walk.LEVELS},
    ],
    "policy": "long_short",
    "calibration": {"kind": "split_conformal", "window": 20, "pooled": True},
}
QUICK: dict[str, Any] = {"forecaster": {"kind": "ridge", "context": 8, "horizon": 3}, "policy": "long_flat"}


class Stopped(KeyboardInterrupt):
    """Someone pressed a key."""


@pytest.fixture(scope="module")
def history() -> History:
    return small_walk.small_history()


@pytest.fixture(scope="module")
def short(history: History) -> History:
    return history.until(history.times[146])


def places(folder: Path) -> Places:
    return Places(folder / "runs", folder / "trials.jsonl")


def run(folder: Path, history: History, report: Any = small_walk.quiet, **sections: Any) -> Run:
    return run_spec(small_walk.small_spec(**sections), history, places(folder), report, "2026-01-01T00:00:00")


@pytest.fixture(scope="module")
def whole(history: History, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("whole")
    return load_run(folder / "runs" / run(folder, history, **TWO_MODELS).id)


def stopper(fold: int) -> Any:
    def report(done: int, total: int, words: str) -> None:
        if words.startswith(f"fold {fold + 1} of"):
            raise Stopped

    return report


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


@pytest.mark.parametrize("finished", [1, 3])
def test_an_interrupted_run_goes_on_to_the_same_run(
    finished: int, history: History, whole: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Stopped):
        run(tmp_path, history, stopper(finished), **TWO_MODELS)
    assert names(tmp_path / "runs") == [f".{whole.id}.partial"]
    assert names(tmp_path / "runs" / f".{whole.id}.partial") == [f"fold-{k:05d}" for k in range(finished)]
    assert read_trials(tmp_path / "trials.jsonl") == []
    fitted = []
    for kind in (HistoricalBootstrap, Ridge):
        monkeypatch.setattr(kind, "fit", counted(kind.fit, fitted))
    resumed = run(tmp_path, history, **TWO_MODELS)
    assert sorted(fitted) == sorted(["HistoricalBootstrap", "Ridge"] * (4 - finished))
    assert names(tmp_path / "runs") == [whole.id]
    same_run(load_run(tmp_path / "runs" / resumed.id), whole)


def counted(fit: Any, log: list[str]) -> Any:
    def counting(self: Any, *arguments: Any) -> Any:
        log.append(type(self).__name__)
        return fit(self, *arguments)

    return counting


def same_run(one: Run, other: Run) -> None:
    """Fail unless two runs are the same to the last bit, CPU seconds apart."""
    assert set(one.tables) == set(other.tables)
    for name, table in one.tables.items():
        kept = [column for column in table.columns if column != "cpu_seconds"]
        pd.testing.assert_frame_equal(table[kept], other.tables[name][kept], check_exact=True, obj=name)
    facts = [
        {key: value for key, value in each.manifest.items() if key != "cpu_seconds"} for each in (one, other)
    ]
    assert facts[0] == facts[1]


def test_a_failure_in_the_first_fold_leaves_nothing(history: History, tmp_path: Path) -> None:
    with pytest.raises(Stopped):
        run(tmp_path, history, stopper(0), **QUICK)
    assert names(tmp_path) == ["runs"]
    assert names(tmp_path / "runs") == []


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), ValueError("not a table"), Stopped()]
)
def test_a_failure_while_saving_keeps_the_folds_and_no_half_written_run(
    error: BaseException, short: History, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(run_module, "write_table", failing)
        with pytest.raises(RunError if isinstance(error, OSError) else type(error)):
            run(tmp_path, short, **QUICK)
    name = experiment_id(small_walk.small_spec(**QUICK), short)
    assert names(tmp_path / "runs") == [f".{name}.partial"]
    assert run(tmp_path, short, **QUICK).id == name
    assert names(tmp_path / "runs") == [name]
    assert len(read_trials(tmp_path / "trials.jsonl")) == 1


def test_what_was_stored_is_what_was_returned_in_strict_json(short: History, tmp_path: Path) -> None:
    returned = run(tmp_path, short, **TWO_MODELS)
    folder = tmp_path / "runs" / returned.id

    def refuse(constant: str) -> None:
        raise AssertionError(f"the manifest holds {constant}")

    manifest = json.loads((folder / MANIFEST).read_text(), parse_constant=refuse)
    assert manifest == json.loads(json.dumps(returned.manifest, default=str))
    assert manifest["id"] == experiment_id(small_walk.small_spec(**TWO_MODELS), short)
    assert manifest["spec"] == small_walk.small_spec(**TWO_MODELS).resolved()
    assert manifest["primary"] == "bootstrap"
    assert manifest["benchmark"] == "buy_and_hold"
    assert manifest["recorded_at"] == "2026-01-01T00:00:00"
    assert {"numpy", "pandas"} <= set(manifest["packages"])
    for name, table in load_run(folder).tables.items():
        pd.testing.assert_frame_equal(table, returned.tables[name], check_dtype=False, obj=name)


def test_every_asked_strategy_counts_once_and_nothing_else(short: History, tmp_path: Path) -> None:
    naive = {"forecaster": [{"kind": "naive", "context": 8}, {"kind": "drift", "context": 8}]}
    again = {**QUICK, "forecaster": [QUICK["forecaster"], QUICK["forecaster"]], "name": "again"}
    counts = [
        run(tmp_path, short, **sections).manifest["trials"]["count"]
        for sections in (QUICK, QUICK, again, naive, {**QUICK, "policy": "long_short"}, TWO_MODELS)
    ]
    assert counts == [1, 1, 1, 1, 2, 4]
    trials = read_trials(tmp_path / "trials.jsonl")
    assert [trial.lane for trial in trials] == ["ridge", "ridge", "bootstrap", "ridge"]
    assert {trial.key for trial in trials} == {trial_key(small_walk.small_spec().data.identity())}
    assert {len(trial.returns) for trial in trials} == {27}


def test_a_deleted_run_still_counts_but_not_for_other_data(short: History, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "runs" / run(tmp_path, short, **QUICK).id)
    other = {"kind": "synthetic", "count": 3, "bars": 170, "seed": 9}
    assert run(tmp_path, short, **QUICK, data=other).manifest["trials"]["count"] == 1
    assert run(tmp_path, short, **{**QUICK, "policy": "long_short"}).manifest["trials"]["count"] == 2


def test_settings_data_and_seed_make_the_id(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    spec, later = small_walk.small_spec(**QUICK), history.until(history.times[-2])
    ids = {
        experiment_id(spec, history),
        experiment_id(spec, later),
        experiment_id(small_walk.small_spec(**QUICK, seed=6), history),
        experiment_id(small_walk.small_spec(**QUICK, limits={"min_trade": 0.02}), history),
    }
    monkeypatch.setattr(experiment, "code_version", lambda: "other code")
    assert len(ids | {experiment_id(spec, history)}) == 5
