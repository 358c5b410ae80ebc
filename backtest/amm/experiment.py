"""Experiment: a liquidity spec and its history become a stored run, window by window, counted as trials."""

import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from backtest.amm.conclusions import assumptions, conventions, verdict_of
from backtest.amm.contest import Contest, judge_window, make_contest
from backtest.amm.frontier import frontier_summary, frontier_table
from backtest.amm.means import blocks_table, paired_table, policies_table
from backtest.amm.placebo import placebo_table
from backtest.amm.policies.base import LIQUIDITY_POLICIES
from backtest.amm.scenery import scenery_tables
from backtest.amm.spec import EXPERIMENT, PASSIVE, LiquiditySpec
from backtest.amm.tables import joined_windows, window_tables
from backtest.amm.windows import JudgedWindow, judged_windows
from backtest.experiment import Places, Report, data_facts, machinery
from backtest.run import Run, code_version, require_space, run_id, save_run, write_table
from backtest.trial_luck import trial_facts, trial_sentence
from backtest.trials import Trial, add_trials, digest_of, sharpe_of, span_of, trial_key, trials_summary
from data.findings import findings_frame
from data.history import History
from data.quality import check_panel
from forecast.liquidity_scores import liquidity_losses, liquidity_profiles, scores_of


def liquidity_id(spec: LiquiditySpec, history: History) -> str:
    """Return the id of the run that this spec on this history gives."""
    return run_id(spec.digest(), history.fingerprint(), code_version(), spec.seed)


def run_liquidity(
    spec: LiquiditySpec, history: History, places: Places, report: Report, recorded_at: str | None = None
) -> Run:
    """Return the finished run, stored under its id and counted in the trial ledger.

    Finished windows are kept on disk: an interrupted run goes on from the last one.

    Raises:
        FoldError: when the history is too short for one window.
        EngineError: when it has no pool.
        RunError: when the disk does not take it.
    """
    begun = time.process_time()
    identifier = liquidity_id(spec, history)
    require_space(places.runs)
    contest = make_contest(spec, history)
    windows = judged_windows(history, spec.windows)
    partial = places.runs / f".{identifier}.partial"
    tables = joined_windows([_window(contest, window, partial, report, windows) for window in windows])
    report(len(windows), len(windows), "scoring forecasts and accounts")
    tables |= _summaries(contest, windows, tables)
    add_trials(places.trials, _trials(contest, tables["equity"], identifier))
    manifest = _manifest(contest, windows, tables, places) | {
        "id": identifier,
        "recorded_at": recorded_at,
        "cpu_seconds": time.process_time() - begun,
    }
    run = Run(manifest, tables)
    save_run(run, places.runs)
    shutil.rmtree(partial, ignore_errors=True)
    return run


def _window(
    contest: Contest, window: JudgedWindow, partial: Path, report: Report, windows: tuple[JudgedWindow, ...]
) -> dict[str, pd.DataFrame]:
    """Return the tables of one window, read back where an interrupted run has left them."""
    folder = partial / f"window-{window.number:05d}"
    if not folder.is_dir():
        report(window.number, len(windows), f"window {window.number + 1} of {len(windows)}")
        outcome = judge_window(contest, window)
        made = {
            **window_tables(contest, outcome),
            "frontier": frontier_table(contest, outcome),
            "forecast_losses": liquidity_losses(outcome.forecasts, contest.history),
            "profiles": liquidity_profiles(outcome.forecasts, contest.history),
        }
        _keep(made, folder)
    return {path.stem: pd.read_parquet(path) for path in sorted(folder.glob("*.parquet"))}


def _keep(tables: Mapping[str, pd.DataFrame], folder: Path) -> None:
    """Write the tables of a window; they appear all or not at all."""
    draft = folder.with_name(f".{folder.name}")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    for name, table in tables.items():
        write_table(table, draft / f"{name}.parquet")
    draft.rename(folder)


def _summaries(
    contest: Contest, windows: tuple[JudgedWindow, ...], tables: Mapping[str, pd.DataFrame]
) -> dict[str, pd.DataFrame]:
    """Return the tables over all windows."""
    return {
        "policies": policies_table(contest, tables["statements"]),
        "paired": paired_table(contest, tables["statements"], PASSIVE),
        "blocks": blocks_table(contest, tables["statements"]),
        "frontier": frontier_summary(tables["frontier"]),
        "findings": findings_frame(check_panel(contest.history)),
        "forecast_scores": scores_of(tables["forecast_losses"]),
        "placebo": placebo_table(contest, contest.spec.placebos),
        **scenery_tables(contest, windows),
    }


def _trials(contest: Contest, equity: pd.DataFrame, run: str) -> list[Trial]:
    """Return one trial for each policy the user asked for; hold, full range and upper bounds count zero."""
    return [_trial(contest, label, equity[equity["lane"] == label], run) for label in contest.tried]


def _trial(contest: Contest, label: str, own: pd.DataFrame, run: str) -> Trial:
    """Return a policy as a trial; settings that change nothing it does make no other one of it."""
    settings = contest.spec.resolved() | {"policies": LIQUIDITY_POLICIES.describe(contest.policies[label])}
    for name in ("name", "frontier", "placebos"):
        settings.pop(name)
    key = trial_key(contest.spec.data.identity())
    curves = [each["equity"].to_numpy(np.float64) for _, each in own.groupby("fold")]
    returns = np.concatenate([curve[1:] / curve[:-1] - 1.0 for curve in curves])
    return Trial(
        digest_of(key, settings),
        key,
        run,
        label,
        sharpe_of(returns),
        returns,
        span_of(own["time"].to_numpy()),
    )


def _manifest(
    contest: Contest, windows: tuple[JudgedWindow, ...], tables: Mapping[str, pd.DataFrame], places: Places
) -> dict[str, Any]:
    spec, history = contest.spec, contest.history
    known = trials_summary(places.trials, trial_key(spec.data.identity()))
    periods = history.clock.periods_per_year(history.times[0], history.times[-1])
    return {
        "experiment": EXPERIMENT,
        "name": spec.name,
        "code_version": code_version(),
        "seed": spec.seed,
        "spec": spec.resolved(),
        "data": data_facts(spec.data, history),
        "pool": contest.terms.pool.name,
        "numeraire": contest.terms.pool.numeraire,
        "capital": spec.capital,
        "primary": next(iter(contest.policies)),
        "benchmark": PASSIVE,
        "folds": len(windows),
        **machinery(),
        "trials": {**trial_facts(known, periods), "sentence": trial_sentence(known.count)},
        "verdict": verdict_of(contest, tables),
        "conventions": conventions(contest),
        "defaults": assumptions(contest),
    }
