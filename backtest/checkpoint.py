"""Checkpoints: the walk after each finished fold, on disk, so that an interrupted run goes on from there."""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from backtest.errors import RunError
from backtest.fitting import Fit, FitRecord, ModelState
from backtest.policies.base import Decision
from backtest.walk import LaneRecord, LaneState, Plan, StepRecord, WalkState
from data.errors import WayfoldError
from forecast.packing import pack_forecasts, unpack_forecasts
from forecast.storage import load_fitted, read_arrays, save_fitted, write_arrays

_DAMAGE = (OSError, ValueError, LookupError, EOFError, BadZipFile, WayfoldError)
"""What reading a file that was cut short can raise."""

_TIMES = ("cutoff", "serves_from")
"""Fields of a fit record that are times."""


@dataclass(frozen=True, eq=False)
class Progress:
    """How far a walk has come: finished folds, the state after them, and their records."""

    folds: int
    state: WalkState
    records: tuple[StepRecord, ...]


def save_fold(folder: Path, plan: Plan, number: int, state: WalkState, records: Sequence[StepRecord]) -> None:
    """Write one finished fold; it appears whole or not at all, and replaces the state of the fold before.

    Raises:
        RunError: when the disk does not take it.
    """
    draft, final = folder / f".fold-{number:05d}", folder / f"fold-{number:05d}"
    try:
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        _write_records(draft, plan, records)
        _write_state(draft / "state", plan, state)
        draft.rename(final)
        shutil.rmtree(folder / f"fold-{number - 1:05d}" / "state", ignore_errors=True)
    except OSError as error:
        shutil.rmtree(draft, ignore_errors=True)
        raise RunError(f"fold {number} cannot be written to {folder}: {error.strerror or error}") from error


def load_progress(folder: Path, plan: Plan) -> Progress | None:
    """Return what an interrupted run finished, or None when there is nothing.

    Folds that cannot be read, as after a loss of power, are removed: walking them again gives the same bits.
    """
    folds = sorted(folder.glob("fold-*"))
    if not folds:
        return None
    try:
        records = tuple(record for fold in folds for record in _read_records(fold, plan))
        return Progress(len(folds), _read_state(folds[-1] / "state", plan), records)
    except _DAMAGE:
        shutil.rmtree(folder, ignore_errors=True)
        return None


def _write_records(folder: Path, plan: Plan, records: Sequence[StepRecord]) -> None:
    facts = {
        "fold": [record.fold for record in records],
        "cutoff": [int(record.cutoff.astype(np.int64)) for record in records],
        "fits": [[_fit_facts(lane.fit) for lane in record.lanes] for record in records],
    }
    (folder / "records.json").write_text(json.dumps(facts))
    for i in range(len(plan.lanes)):
        arrays = pack_forecasts([record.lanes[i].forecast for record in records])
        arrays["weights"] = np.array([record.lanes[i].decision.weights for record in records])
        arrays["predict_seconds"] = np.array([record.lanes[i].predict_seconds for record in records])
        write_arrays(folder / f"lane-{i}.npz", arrays)


def _read_records(folder: Path, plan: Plan) -> list[StepRecord]:
    facts = json.loads((folder / "records.json").read_text())
    cutoffs = [np.datetime64(stamp, "ns") for stamp in facts["cutoff"]]
    lanes = []
    for i in range(len(plan.lanes)):
        arrays = read_arrays(folder / f"lane-{i}.npz")
        fits = [_fit(row[i]) for row in facts["fits"]]
        decisions = [Decision(t, plan.series, w) for t, w in zip(cutoffs, arrays["weights"], strict=True)]
        seconds = arrays["predict_seconds"].tolist()
        lanes.append(list(map(LaneRecord, fits, unpack_forecasts(arrays), decisions, seconds)))
    steps = zip(facts["fold"], cutoffs, zip(*lanes, strict=True), strict=True)
    return [StepRecord(fold, cutoff, row) for fold, cutoff, row in steps]


def _write_state(folder: Path, plan: Plan, state: WalkState) -> None:
    for i, lane in enumerate(state.lanes):
        place = folder / str(i)
        place.mkdir(parents=True)
        write_arrays(place / "engine.npz", plan.spec.engine.to_arrays(lane.engine))
        write_arrays(place / "calibration.npz", lane.calibration.to_arrays())
        write_arrays(place / "retraining.npz", lane.model.memory.to_arrays())
        write_arrays(place / "raw.npz", pack_forecasts([raw for raw, _ in lane.awaiting]))
        write_arrays(place / "issued.npz", pack_forecasts([issued for _, issued in lane.awaiting]))
        _write_fit(place / "serving", lane.model.serving)
        _write_fit(place / "training", lane.model.training)
    assert state.through is not None
    (folder / "through.json").write_text(json.dumps({"through": int(state.through.astype(np.int64))}))


def _read_state(folder: Path, plan: Plan) -> WalkState:
    through = np.datetime64(json.loads((folder / "through.json").read_text())["through"], "ns")
    return WalkState(tuple(_read_lane(folder / str(i), plan) for i in range(len(plan.lanes))), through)


def _read_lane(folder: Path, plan: Plan) -> LaneState:
    raw = unpack_forecasts(read_arrays(folder / "raw.npz"))
    issued = unpack_forecasts(read_arrays(folder / "issued.npz"))
    return LaneState(
        model=ModelState(
            serving=_read_fit(folder / "serving"),
            training=_read_fit(folder / "training"),
            memory=plan.spec.retraining.from_arrays(read_arrays(folder / "retraining.npz")),
        ),
        calibration=plan.spec.calibration.from_arrays(read_arrays(folder / "calibration.npz")),
        awaiting=tuple(zip(raw, issued, strict=True)),
        engine=plan.spec.engine.from_arrays(read_arrays(folder / "engine.npz")),
    )


def _write_fit(folder: Path, fit: Fit | None) -> None:
    if fit is None:
        return
    save_fitted(fit.fitted, folder)
    facts = {"record": _fit_facts(fit.record), "scales": dict(fit.scales)}
    (folder / "fit.json").write_text(json.dumps(facts))


def _read_fit(folder: Path) -> Fit | None:
    if not folder.is_dir():
        return None
    facts = json.loads((folder / "fit.json").read_text())
    record = _fit(facts["record"])
    assert record is not None
    return Fit(load_fitted(folder), record, facts["scales"])


def _fit_facts(fit: FitRecord | None) -> dict[str, Any] | None:
    if fit is None:
        return None
    times = {name: int(getattr(fit, name).astype(np.int64)) for name in _TIMES}
    return {**vars(fit), "state": dict(fit.state), **times}


def _fit(facts: Mapping[str, Any] | None) -> FitRecord | None:
    if facts is None:
        return None
    return FitRecord(**{**facts, **{name: np.datetime64(facts[name], "ns") for name in _TIMES}})
