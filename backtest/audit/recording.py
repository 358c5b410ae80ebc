"""Recording: all that a walk makes, by artefact, time and place, frozen the moment it is made."""

import hashlib
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from backtest.folds import Fold
from backtest.paths import LanePath, lane_paths, traded_bars
from backtest.walk import Plan, StepRecord, Walked, WalkState, finish, start, step
from data.errors import WayfoldError
from data.history import History
from data.panel import as_time
from forecast.base import AbstractFitted
from forecast.distribution import QuantileForecast
from forecast.lookahead import Outputs

ARTEFACTS: tuple[str, ...] = (
    "features", "fits", "forecasts", "calibrations", "targets", "accounts", "fills", "equity",
)  # fmt: skip
"""What is compared, in the order in which a step makes it."""

UNUSABLE = (WayfoldError, ValueError, ArithmeticError, LookupError)
"""What a model or policy can raise on bars it cannot use."""

Made = dict[str, dict[np.datetime64, dict[str, Any]]]
Seen = Callable[[WalkState, StepRecord], None]


@dataclass(frozen=True, eq=False)
class Recording:
    """Everything a walk made up to a time, and what stopped it early, if anything did."""

    outputs: Outputs
    failure: Exception | None


def recorded(plan: Plan, folds: Sequence[Fold], history: History, until: np.datetime64) -> Recording:
    """Return everything the walk makes at its decisions up to ``until``, and its accounts over all bars of ``history``.

    A decision needs the bars up to it and nothing else, so later ones are not run; the accounts go on to the last bar.
    """
    made: Made = {artefact: {} for artefact in ARTEFACTS[1:]}
    walked, failure = walked_until(plan, folds, history, until, lambda s, r: _add_step(made, plan, s, r))
    if walked.records:
        _add_paths(made, lane_paths(walked, traded_bars(walked)))
    return Recording(made, failure)


def walked_until(
    plan: Plan, folds: Sequence[Fold], history: History, until: np.datetime64, seen: Seen
) -> tuple[Walked, Exception | None]:
    """Return the walk through the decisions up to ``until``, finished over all bars, and what stopped it early.

    Args:
        plan: the accounts.
        folds: their cutoffs are the decisions; calendars are published ahead, so they may come from longer data.
        history: the bars.
        until: the last time of a decision.
        seen: told of every step, before the next one is made.
    """
    state, records, failure = start(plan), list[StepRecord](), None
    for fold in folds:
        for cutoff in fold.cutoffs[fold.cutoffs <= as_time(until)]:
            try:
                state, record = step(plan, state, history.until(cutoff), fold.number)
            except UNUSABLE as error:
                failure = error
                break
            records.append(record)
            seen(state, record)
        if failure is not None:
            break
    if records:
        state = finish(plan, state, history)
    return Walked(plan, history, _decided(folds, records, history), tuple(records), state), failure


def _decided(folds: Sequence[Fold], records: Sequence[StepRecord], history: History) -> tuple[Fold, ...]:
    """Return the folds with a decision made; the last one's test ends with the bars."""
    made = {record.fold for record in records}
    kept = [fold for fold in folds if fold.number in made]
    return (*kept[:-1], replace(kept[-1], test_end=history.cutoff)) if kept else ()


def _add_step(made: Made, plan: Plan, state: WalkState, record: StepRecord) -> None:
    for artefact in ARTEFACTS[1:6]:
        made[artefact][record.cutoff] = {}
    at = {artefact: made[artefact][record.cutoff] for artefact in ARTEFACTS[1:6]}
    for lane, now, done in zip(plan.lanes, state.lanes, record.lanes, strict=True):
        newest = now.model.training or now.model.serving
        if done.fit is not None and newest is not None:
            at["fits"][lane.label] = np.array([*_digests(newest.fitted), f"{done.fit.rows} rows"])
        raw = now.awaiting[-1][0]
        at["forecasts"] |= _forecast_cells(f"{lane.label}", raw)
        at["forecasts"] |= _forecast_cells(f"{lane.label} calibrated", done.forecast)
        at["calibrations"][lane.label] = _joined(now.calibration.to_arrays())
        at["targets"] |= {
            f"{lane.label} {name}": np.array(weight)
            for name, weight in zip(done.decision.series, done.decision.weights, strict=True)
        }
        at["accounts"][lane.label] = _joined(plan.spec.engine.to_arrays(now.engine))


def _forecast_cells(label: str, forecast: QuantileForecast) -> dict[str, Any]:
    return {
        f"{label} {name}": np.append(forecast.values[s].ravel(), forecast.last[s])
        for s, name in enumerate(forecast.series)
    }


def _joined(arrays: Mapping[str, Any]) -> Any:
    """Return named arrays as one array of bytes."""
    parts = [
        name.encode() + repr(np.shape(array)).encode() + np.ascontiguousarray(array).tobytes()
        for name, array in arrays.items()
    ]
    return np.frombuffer(b"".join(parts), np.uint8)


def _digests(fitted: AbstractFitted) -> list[str]:
    """Return the sha256 of every file that a fitted model stores, each after its name."""
    with tempfile.TemporaryDirectory() as folder:
        fitted.save(Path(folder))
        files = sorted(path for path in Path(folder).rglob("*") if path.is_file())
        return [f"{path.name} {hashlib.sha256(path.read_bytes()).hexdigest()}" for path in files]


def _add_paths(made: Made, paths: Sequence[LanePath]) -> None:
    for path in paths:
        for t, time in enumerate(path.net.times):
            curve = np.array([path.net.equity[t], path.gross.equity[t], *path.net.weights[t]])
            made["equity"].setdefault(np.datetime64(time), {})[path.lane.label] = curve
        fills = path.net.fills.frame()
        rows = map(repr, fills.drop(columns="time").itertuples(index=False, name=None))
        for time, name, row in zip(fills["time"].to_numpy(), fills["series"], rows, strict=True):
            at, place = made["fills"].setdefault(np.datetime64(time, "ns"), {}), f"{path.lane.label} {name}"
            at[place] = np.append(at.get(place, np.empty(0, "U1")), row)
