"""Experiments: a spec run on this machine, stored, counted as a trial, and reported."""

from dataclasses import dataclass
from pathlib import Path

from backtest.amm.experiment import liquidity_id, run_liquidity
from backtest.amm.spec import LiquiditySpec
from backtest.audit.outcome import load_audit
from backtest.cross_check import CrossCheck
from backtest.experiment import Places, experiment_id, run_spec
from backtest.report.html import write_report
from backtest.run import MANIFEST, Run, load_run
from backtest.run_check import check_run
from backtest.spec import RunSpec
from backtest.sweep.grid import require_single
from data.history import History
from service.clock import now_utc
from service.output import Progress
from service.settings import Settings


@dataclass(frozen=True)
class Done:
    """A finished run, where it lies, its report, and whether it was there before."""

    run: Run
    folder: Path
    report: Path
    was_stored: bool


def run_experiment(
    spec: RunSpec | LiquiditySpec, settings: Settings, progress: Progress, *, fresh: bool = False
) -> Done:
    """Return the run of a spec: stored before, resumed, or made now; its report is written beside it."""
    if isinstance(spec, RunSpec):
        require_single(spec)
    progress(0, 0, "reading data")
    history = spec.data.load(settings.lake)
    folder = settings.runs / _identifier(spec, history)
    stored = (folder / MANIFEST).is_file() and not fresh
    if not stored:
        places, recorded_at = Places(settings.runs, settings.trials), now_utc().isoformat(timespec="seconds")
        if isinstance(spec, RunSpec):
            run_spec(spec, history, places, progress, recorded_at)
        else:
            run_liquidity(spec, history, places, progress, recorded_at)
    run = load_run(folder)
    report = folder / "report.html"
    if not stored or not report.is_file():
        report_run(run, settings, report)
    return Done(run, folder, report, stored)


def _identifier(spec: RunSpec | LiquiditySpec, history: History) -> str:
    return experiment_id(spec, history) if isinstance(spec, RunSpec) else liquidity_id(spec, history)


def cross_checked(spec: RunSpec, settings: Settings, done: Done, progress: Progress) -> dict[str, CrossCheck]:
    """Return, for each account the user asked for, whether backtrader makes the same of its decisions."""
    progress(0, 0, "sending the decisions through backtrader")
    return check_run(done.run, spec, spec.data.load(settings.lake))


def report_run(run: Run, settings: Settings, path: Path) -> Path:
    """Write the report of a run, with its audit where ``wayfold audit`` has left one, and return its path.

    Raises:
        RunError: when the audit cannot be read, or the report not be written.
    """
    audit = settings.audits / f"{run.id}.json"
    found = {"audit": load_audit(audit)} if audit.is_file() else {}
    return write_report({**run.manifest, **found}, run.tables, path)


def report_again(settings: Settings, run: str) -> None:
    """Write the report of a run again, if the run is stored, so that it shows what is known by now."""
    folder = settings.runs / run
    if (folder / MANIFEST).is_file():
        report_run(load_run(folder), settings, folder / "report.html")
