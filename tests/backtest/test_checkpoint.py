"""Checkpoints: a walk read back from disk goes on to the same bits."""

import importlib.util
import itertools
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backtest import checkpoint
from backtest.checkpoint import Progress, load_progress, save_fold
from backtest.errors import RunError
from backtest.walk import Plan, StepRecord, WalkState, make_folds, make_plan, start, step
from data.history import History

_PATH = Path(__file__).resolve().parents[1] / "oracles" / "small_walk.py"
_SPEC = importlib.util.spec_from_file_location("small_walk", _PATH)
small_walk = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(small_walk)
bits = small_walk.bits

SAVED = {"context": 8, "horizon": 3, "levels": small_walk.LEVELS}
CASES: dict[str, dict[str, Any]] = {
    "split conformal": {
        "forecaster": [{"kind": "bootstrap", "paths": 100, **SAVED}, {"kind": "ridge", **SAVED}],
        "calibration": {"kind": "split_conformal", "window": 20, "pooled": True},
    },
    "adaptive conformal": {
        "forecaster": [{"kind": "ar", **SAVED}],
        "calibration": "aci",
        "policy": {"kind": "volatility_target"},
        "retraining": "never",
    },
}


@pytest.fixture(scope="module")
def history() -> History:
    return small_walk.small_history()


def walk(
    plan: Plan, history: History, folder: Path | None, state: WalkState, folds: slice
) -> tuple[WalkState, list[StepRecord]]:
    """Walk some folds, storing each when there is a folder."""
    records: list[StepRecord] = []
    for fold in make_folds(plan, history)[folds]:
        kept = []
        for cutoff in fold.cutoffs:
            state, record = step(plan, state, history.until(cutoff), fold.number)
            kept.append(record)
        records += kept
        if folder is not None:
            save_fold(folder, plan, fold.number, state, kept)
    return state, records


def plan_of(case: str, history: History) -> Plan:
    return make_plan(small_walk.small_spec(**CASES[case]), history)


@pytest.mark.parametrize("case", CASES)
def test_a_stored_walk_comes_back_and_goes_on_to_the_same_bits(
    case: str, history: History, tmp_path: Path
) -> None:
    plan = plan_of(case, history)
    state, records = walk(plan, history, tmp_path, start(plan), slice(0, 2))
    progress = load_progress(tmp_path, plan)
    assert progress is not None
    assert progress.folds == 2
    assert bits(progress.records) == bits(tuple(records))
    assert bits(progress.state) == bits(state)
    assert progress.records[0].lanes[0].fit == records[0].lanes[0].fit
    onward, expected = (walk(plan, history, None, begun, slice(2, None)) for begun in (progress.state, state))
    assert bits(onward) == bits(expected)


def test_only_the_newest_fold_keeps_its_state_and_a_draft_is_no_fold(
    history: History, tmp_path: Path
) -> None:
    plan = plan_of("adaptive conformal", history)
    walk(plan, history, tmp_path, start(plan), slice(0, 3))
    (tmp_path / ".fold-00003").mkdir()
    assert [(path / "state").is_dir() for path in sorted(tmp_path.glob("fold-*"))] == [False, False, True]
    progress = load_progress(tmp_path, plan)
    assert isinstance(progress, Progress)
    assert progress.folds == 3


def test_nothing_stored_is_no_progress(history: History, tmp_path: Path) -> None:
    plan = plan_of("adaptive conformal", history)
    assert load_progress(tmp_path / "nowhere", plan) is None
    (tmp_path / ".fold-00000").mkdir()
    assert load_progress(tmp_path, plan) is None


def test_a_walk_damaged_anywhere_starts_again(history: History, tmp_path: Path) -> None:
    plan = plan_of("adaptive conformal", history)
    walk(plan, history, tmp_path / "whole", start(plan), slice(0, 2))
    files = [
        path.relative_to(tmp_path / "whole")
        for path in sorted((tmp_path / "whole").rglob("*.*"))
        if path.is_file()
    ]
    needed = [path for path in files if path.parts[-2] in ("fold-00000", "state", "0", "serving")]
    assert len(needed) > 10
    for path, share in zip(needed[::2], itertools.cycle((None, 0.0, 0.5, 0.9)), strict=False):
        copy = Path(shutil.copytree(tmp_path / "whole", tmp_path / "copy"))
        text = (copy / path).read_bytes()
        (copy / path).unlink() if share is None else (copy / path).write_bytes(text[: int(share * len(text))])
        assert load_progress(copy, plan) is None, path
        assert not copy.exists()


def test_a_walk_that_starts_again_replaces_what_was_there(history: History, tmp_path: Path) -> None:
    plan = plan_of("adaptive conformal", history)
    state, records = walk(plan, history, tmp_path, start(plan), slice(0, 2))
    shutil.rmtree(tmp_path / "fold-00001" / "state")
    assert load_progress(tmp_path, plan) is None
    walk(plan, history, tmp_path, start(plan), slice(0, 2))
    progress = load_progress(tmp_path, plan)
    assert bits((progress.state, list(progress.records))) == bits((state, records))


def test_a_fold_that_cannot_be_written_leaves_no_draft(
    history: History, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    plan = plan_of("adaptive conformal", history)
    monkeypatch.setattr(checkpoint, "_write_state", full)
    with pytest.raises(RunError, match="fold 0 cannot be written to .*No space left on device"):
        walk(plan, history, tmp_path, start(plan), slice(0, 1))
    assert list(tmp_path.iterdir()) == []


def test_numbers_survive_json_to_the_last_bit(history: History, tmp_path: Path) -> None:
    plan = plan_of("adaptive conformal", history)
    walk(plan, history, tmp_path, start(plan), slice(0, 1))
    fits = [record.lanes[0].fit for record in load_progress(tmp_path, plan).records if record.lanes[0].fit]
    assert [type(fit.cost_proxy) for fit in fits] == [float]
    assert fits[0].cutoff.dtype == np.dtype("datetime64[ns]")
