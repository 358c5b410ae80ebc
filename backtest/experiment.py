"""Experiment: a spec and its history become a stored run, fold by fold, counted as a trial."""

import platform
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from backtest.book import book
from backtest.checkpoint import Progress, load_progress, save_fold
from backtest.conclusions import conclude
from backtest.run import Run, code_version, require_space, run_id, save_run
from backtest.spec import RunSpec
from backtest.sweep.grid import require_single
from backtest.tables import run_tables
from backtest.trials import Trial, account_trial, add_trials, trial_key, trials_summary
from backtest.walk import (
    Plan,
    StepRecord,
    Walked,
    WalkState,
    finish,
    fits_ahead,
    make_folds,
    make_plan,
    start,
    step,
)
from data.history import History
from data.sources.base import AbstractSource
from forecast.registry import FORECASTERS, NAIVE_KINDS

Report = Callable[[int, int, str], None]
"""Told after each decision: decisions done, decisions in all, a short state."""

PACKAGES = ("wayfold", "numpy", "pandas", "scipy", "statsmodels", "arch", "lightgbm", "xgboost-cpu",
            "xgboost", "numba", "pyarrow", "torch")  # fmt: skip


@dataclass(frozen=True)
class Places:
    """Where an experiment is kept: the folder of runs and the trial ledger."""

    runs: Path
    trials: Path


def experiment_id(spec: RunSpec, history: History) -> str:
    """Return the id of the run that this spec on this history gives."""
    return run_id(spec.digest(), history.fingerprint(), code_version(), spec.seed)


def run_spec(
    spec: RunSpec, history: History, places: Places, report: Report, recorded_at: str | None = None
) -> Run:
    """Return the finished run, stored under its id and counted in the trial ledger.

    Finished folds are kept on disk: an interrupted run goes on from the last one. Nothing half-written is left.

    Raises:
        SpecError: when the spec has a grid, or folds or models do not fit the data.
        RunError: when the disk does not take it.
    """
    begun = time.process_time()
    require_single(spec)
    identifier = experiment_id(spec, history)
    require_space(places.runs)
    partial = places.runs / f".{identifier}.partial"
    try:
        walked = walk_history(spec, history, report, partial)
        report(len(walked.records), len(walked.records), "scoring forecasts and accounts")
        tables = run_tables(walked)
        add_trials(places.trials, run_trials(walked, tables["equity"], identifier))
        known = trials_summary(places.trials, trial_key(spec.data.identity()))
        facts = conclude(walked, tables, known)
        seconds = time.process_time() - begun
        run = Run({**_provenance(walked, identifier, recorded_at, seconds), **facts.manifest}, facts.tables)
        save_run(run, places.runs)
    except BaseException:
        _drop_unfinished(partial)
        raise
    shutil.rmtree(partial, ignore_errors=True)
    return run


def walk_history(spec: RunSpec, history: History, report: Report, partial: Path | None = None) -> Walked:
    """Return the walk of a spec through a history, storing each finished fold in ``partial`` when one is given."""
    plan = make_plan(spec, history)
    folds = make_folds(plan, history)
    done = (load_progress(partial, plan) if partial is not None else None) or Progress(0, start(plan), ())
    state, records = done.state, list(done.records)
    total = sum(len(fold.cutoffs) for fold in folds)
    if any(lane.forecaster.fits_together for lane in plan.lanes):
        report(len(records), total, "fitting all folds at once")
    ahead = fits_ahead(plan, history, folds)
    for fold in folds[done.folds :]:
        kept: list[StepRecord] = []
        for cutoff in fold.cutoffs:
            state, record = step(plan, state, history.until(cutoff), fold.number, ahead)
            kept.append(record)
            report(
                len(records) + len(kept),
                total,
                f"fold {fold.number + 1} of {len(folds)}, {_growth(plan, state)}",
            )
        records += kept
        if partial is not None:
            save_fold(partial, plan, fold.number, state, kept)
    state = finish(plan, state, history.until(folds[-1].test_end))
    return Walked(plan, history, folds, tuple(records), state)


def _growth(plan: Plan, state: WalkState) -> str:
    equity = book(state.lanes[0].engine).equity
    return f"{plan.lanes[0].label} net {equity / plan.spec.engine.capital - 1:+.1%} out of sample"


def _drop_unfinished(partial: Path) -> None:
    """Remove what a failed run left, except finished folds."""
    if partial.is_dir() and not any(partial.glob("fold-*")):
        shutil.rmtree(partial, ignore_errors=True)


def run_trials(walked: Walked, equity: pd.DataFrame, run: str) -> list[Trial]:
    """Return one trial for each account the user asked for; naive models, references and the benchmark count zero."""
    return [
        account_trial(
            walked.plan.spec,
            lane.forecaster,
            run,
            lane.label,
            own["time"].to_numpy(),
            own["equity"].to_numpy(),
        )
        for lane in walked.plan.lanes
        if lane.role == "asked" and FORECASTERS.kind_of(lane.forecaster) not in NAIVE_KINDS
        for own in (equity[equity["lane"] == lane.label],)
    ]


def _provenance(walked: Walked, identifier: str, recorded_at: str | None, seconds: float) -> dict[str, Any]:
    spec, history = walked.plan.spec, walked.history
    return {
        "id": identifier,
        "name": spec.name,
        "recorded_at": recorded_at,
        "code_version": code_version(),
        "seed": spec.seed,
        "spec": spec.resolved(),
        "data": data_facts(spec.data, history),
        "primary": walked.plan.lanes[0].label,
        "benchmark": walked.plan.lanes[-1].label,
        "folds": len(walked.folds),
        **machinery(),
        "cpu_seconds": seconds,
    }


def data_facts(source: AbstractSource, history: History) -> dict[str, Any]:
    """Return what a manifest says about the data: identity, fingerprint, span, clock, series and notes."""
    first, last = history.times[0], history.times[-1]
    return {
        "identity": source.identity(),
        "fingerprint": history.fingerprint(),
        "first": str(np.datetime64(first, "s")),
        "last": str(np.datetime64(last, "s")),
        "bars": len(history.panel),
        "calendar": history.clock.calendar,
        "bar": history.clock.bar,
        "periods_per_year": history.clock.periods_per_year(first, last),
        "series": list(history.panel.series),
        "untradable": sorted(history.untradable),
        "notes": list(history.notes),
    }


def machinery() -> dict[str, Any]:
    """Return the versions of the packages and of Python that made a run."""
    return {"packages": _versions(PACKAGES), "python": platform.python_version()}


def _versions(names: Sequence[str]) -> dict[str, str]:
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
