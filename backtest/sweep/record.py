"""Record of a sweep: its points in one table, what the best is worth, and how it was made, as Parquet and JSON."""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from backtest.errors import RunError
from backtest.metrics.bootstrap import stationary_intervals
from backtest.metrics.metric import Metric
from backtest.metrics.ratios import sharpe
from backtest.metrics.returns import Returns, returns_from_equity, until_ruin
from backtest.run import code_version, require_space, run_id, write_table
from backtest.spec import RunSpec
from backtest.sweep.experiment import Report, Traded, by_sharpe, trade_points
from backtest.sweep.grid import GridPoint
from backtest.sweep.kernel import COLUMNS
from backtest.sweep.luck import luck_of
from backtest.trial_luck import trial_facts
from backtest.trials import add_batch, known_trials, trial_key, trials_summary
from data.errors import SpecError
from data.history import History
from forecast.randomness import RandomStreams

MANIFEST = "sweep.json"
RESAMPLES = 1000


@dataclass(frozen=True)
class SweepPlaces:
    """Where sweeps are kept: their folder and the trial ledger."""

    sweeps: Path
    trials: Path


@dataclass(frozen=True, eq=False)
class SweepRecord:
    """A finished sweep.

    Attributes:
        manifest: id, spec, data, trials, the best points with their intervals, and the sentences on luck.
        points: one row a point: its assignment, its numbers and its trial id, in the order of the grid.
        equity: long table ``point, time, equity`` of the curves that were kept.
    """

    manifest: Mapping[str, Any]
    points: pd.DataFrame
    equity: pd.DataFrame


@dataclass(frozen=True)
class SweepOptions:
    """What a person may choose of a sweep besides its configuration.

    Attributes:
        threads: accounts side by side.
        top: best points that get an interval.
        keep_equity: store the curve of every point.
    """

    threads: int = 1
    top: int = 10
    keep_equity: bool = False

    def __post_init__(self) -> None:
        if self.threads < 1 or self.top < 1:
            raise SpecError(f"threads was {self.threads} and top {self.top}; at least 1 is needed of each")


def run_sweep(
    spec: RunSpec,
    points: Sequence[GridPoint],
    history: History,
    places: SweepPlaces,
    report: Report,
    options: SweepOptions,
    recorded_at: str | None = None,
) -> SweepRecord:
    """Return the finished sweep of a grid, counted in the trial ledger and stored under its id.

    Points are counted before anything is shown or stored: who sees a result has tried it.

    Args:
        spec: the configuration with its grid.
        points: of that grid.
        history: the data.
        places: folder and ledger.
        report: told of the progress.
        options: threads and what is kept.
        recorded_at: stamp for the manifest.

    Raises:
        SpecError: when a point cannot be swept, or folds or models do not fit the data.
        RunError: when the disk does not take it, or the ledger is damaged.
    """
    require_space(places.sweeps)
    identifier = run_id(spec.digest(), history.fingerprint(), code_version(), spec.seed)
    keep = len(points) if options.keep_equity else options.top
    known = known_trials(places.trials)
    traded = trade_points(points, history, known, report, run=identifier, threads=options.threads, keep=keep)
    new = sum(add_batch(places.trials, batch) for batch in traded.batches)
    report(len(points), len(points), "judging the best")
    manifest = {
        "id": identifier,
        "name": spec.name,
        "recorded_at": recorded_at,
        "code_version": code_version(),
        "spec": spec.resolved(),
        "data": {"identity": spec.data.identity(), "fingerprint": history.fingerprint()},
        **_conclusions(traded, history, places.trials, options.top, new),
    }
    record = SweepRecord(manifest, _points_table(traded), _equity_table(traded))
    save_sweep(record, places.sweeps)
    return record


def _conclusions(traded: Traded, history: History, ledger: Path, top: int, new: int) -> dict[str, Any]:
    counts = trials_summary(ledger, trial_key(traded.points[0].spec.data.identity()))
    order = by_sharpe(traded.rows, range(len(traded.points)))[:top]
    best = [(row, _returns(traded, row, history)) for row in order]
    ratios = [_with_interval(returns, traded.points[row].spec) for row, returns in best]
    luck = luck_of(best[0][1], ratios[0], traded.points[order[0]].label, counts, len(traded.points), new)
    return {
        "points": len(traded.points),
        "trials": {**trial_facts(counts, best[0][1].periods_per_year), "new": new},
        "deflated_sharpe": _number(luck.deflated.full.value),
        "deflated_sharpe_effective": _number(luck.deflated.effective.value),
        "best": [
            {"point": row, "label": traded.points[row].label, **_interval(ratio)}
            for (row, _), ratio in zip(best, ratios, strict=True)
        ],
        "sentences": list(luck.sentences),
    }


def _returns(traded: Traded, row: int, history: History) -> Returns:
    periods = history.clock.periods_per_year(history.times[0], history.times[-1])
    return returns_from_equity(until_ruin(traded.equity[row]), periods)


def _with_interval(returns: Returns, spec: RunSpec) -> Metric:
    """Return the annual Sharpe ratio with its interval, drawn as a run of the point draws it."""
    found = sharpe(returns)
    rng = RandomStreams(spec.seed, np.datetime64(0, "ns")).of("sweep")
    interval = stationary_intervals(returns, rng, resamples=RESAMPLES)["sharpe"]
    if interval.flag:
        return found.with_flag(interval.flag)
    return found.with_interval(interval.low, interval.high, interval.convention)


def _interval(ratio: Metric) -> dict[str, Any]:
    return {
        "sharpe": _number(ratio.value),
        "low": _number(ratio.low),
        "high": _number(ratio.high),
        "flag": ratio.flag,
    }


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _points_table(traded: Traded) -> pd.DataFrame:
    """Return one row a point; a value that is no number or text is written as JSON."""
    assigned = [
        {
            path: value if isinstance(value, (int, float, str)) else json.dumps(value)
            for path, value in p.assignment.items()
        }
        for p in traded.points
    ]
    frame = pd.DataFrame(assigned).assign(
        **dict(zip(COLUMNS, traded.rows.T, strict=True)), trial=list(traded.ids)
    )
    for path in traded.points[0].assignment:
        if len({type(each[path]) for each in assigned}) > 1:
            frame[path] = [str(each[path]) for each in assigned]
    return frame.assign(fills=frame["fills"].astype(np.int64))


def _equity_table(traded: Traded) -> pd.DataFrame:
    parts = [
        pd.DataFrame({"point": row, "time": traded.times[row], "equity": curve})
        for row, curve in sorted(traded.equity.items())
    ]
    return pd.concat(parts, ignore_index=True)


def save_sweep(record: SweepRecord, sweeps: Path) -> Path:
    """Write a sweep into ``sweeps/<id>`` and return that folder; it appears whole or not at all.

    Raises:
        RunError: when the folder cannot be written.
    """
    name = str(record.manifest["id"])
    final, draft = sweeps / name, sweeps / f".{name}.draft"
    try:
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        write_table(record.points, draft / "points.parquet")
        write_table(record.equity, draft / "equity.parquet")
        (draft / MANIFEST).write_text(json.dumps(record.manifest, indent=1, allow_nan=False))
        shutil.rmtree(final, ignore_errors=True)
        draft.rename(final)
    except OSError as error:
        shutil.rmtree(draft, ignore_errors=True)
        raise RunError(
            f"sweep {name[:12]} cannot be written to {sweeps}: {error.strerror or error}"
        ) from error
    return final


def load_sweep(folder: Path) -> SweepRecord:
    """Return the sweep stored in a folder.

    Raises:
        RunError: when it is not there or damaged.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        return SweepRecord(
            manifest, pd.read_parquet(folder / "points.parquet"), pd.read_parquet(folder / "equity.parquet")
        )
    except (OSError, ValueError) as error:
        raise RunError(f"{folder} holds no readable sweep: {error}") from error
