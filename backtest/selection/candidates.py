"""Candidates: every asked forecaster of every configuration walked forward, and the reference models beside them."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from backtest.engine.bars import Bars
from backtest.experiment import Report
from backtest.folds import Fold
from backtest.paths import LanePath, fold_of, lane_paths, traded_bars
from backtest.selection.pool import Candidate, Pool
from backtest.selection.refits import LaneRefits
from backtest.selection.regime import market_regime
from backtest.selection.replay import account_returns, walk_plan
from backtest.spec import RunSpec, with_references
from backtest.trials import Trial, account_trial, trial_id
from backtest.walk import Lane, Plan, Walked, make_folds, make_plan
from data.errors import SpecError
from data.history import History
from data.panel import Floats, Times
from forecast.registry import FORECASTERS, NAIVE_KINDS


@dataclass(frozen=True)
class Entry:
    """One configuration whose forecasters are candidates.

    Attributes:
        label: what tells it from the others, empty for a single one.
        spec: the experiment, without a grid.
    """

    label: str
    spec: RunSpec


@dataclass(frozen=True, eq=False)
class CandidateWalk:
    """One configuration walked forward; also what the trial ledger counts.

    Attributes:
        entry: the configuration.
        walked: the finished walk.
        bars: the bars its accounts were traded on.
        paths: each lane's account.
    """

    entry: Entry
    walked: Walked
    bars: Bars
    paths: tuple[LanePath, ...]

    @property
    def times(self) -> Times:
        """(T,) ends of the bars that have a return."""
        return self.paths[0].net.times[1:]


def candidate_count(entries: Sequence[Entry], *, references: bool = True) -> int:
    """Return how many candidates the configurations make, before anything is walked; arguments as in ``walk_candidates``."""
    seen: set[str] = set()
    for number, entry in enumerate(entries):
        asked = entry.spec.forecaster
        for model in with_references(asked) if references and number == 0 else asked:
            seen.add(trial_id(entry.spec, model))
    return len(seen)


def walk_candidates(
    entries: Sequence[Entry], history: History, report: Report, *, references: bool = True
) -> list[CandidateWalk]:
    """Return each configuration's walk through the history.

    The first one also walks the benchmark and, when asked, the reference models; a model that another configuration has walked
    already under the same settings is left out.

    Args:
        entries: configurations of one data section, at least one.
        history: everything the selection may see.
        report: told after each decision.
        references: the reference models (naive, drift, seasonal naive, ridge) are candidates too.

    Raises:
        SpecError: when the configurations read different data or nothing is left to walk.
    """
    _check_entries(entries)
    seen: set[str] = set()
    walks = []
    for number, entry in enumerate(entries):
        plan = make_plan(entry.spec, history)
        lanes = [lane for lane in plan.lanes if _is_wanted(lane, number, references=references)]
        kept = [lane for lane in lanes if _is_new(lane, entry.spec, seen)]
        if kept:
            plan = replace(plan, lanes=tuple(kept))
            walks.append(_walk(entry, plan, history, _part(report, number, len(entries))))
    return walks


def make_pool(walks: Sequence[CandidateWalk], history: History) -> Pool:
    """Return the pool of every lane but the benchmark's, on the bars of the history up to the first end of a walk.

    Deployment dates are the fold starts of the first configuration. Naive models declare a cost of 0, others of 1, so a tie
    goes to what anyone can do.
    """
    known = history.until(min(walk.times[-1] for walk in walks))
    first, times = walks[0], known.times
    return Pool(
        times=times,
        periods_per_year=first.walked.plan.periods_per_year,
        candidates=tuple(_candidates(walks, known)),
        benchmark=_placed(times, first.times, account_returns(first.paths[-1].net.equity)),
        folds=np.where(times < first.times[0], -1, fold_of(first.walked, times)),
        dates=np.array([fold.test_start for fold in first.walked.folds if fold.test_start < times[-1]]),
        regime=market_regime(known),
    )


def candidate_trials(walks: Sequence[CandidateWalk], runs: Sequence[str]) -> list[Trial]:
    """Return one trial for each candidate: to choose among strategies is to try them all; naive models count zero.

    Args:
        walks: the walks.
        runs: id of the run that each walk would have been.
    """
    return [
        account_trial(
            walk.entry.spec, path.lane.forecaster, run, path.lane.label, path.net.times, path.net.equity
        )
        for walk, run in zip(walks, runs, strict=True)
        for path in walk.paths
        if path.lane.role != "benchmark" and FORECASTERS.kind_of(path.lane.forecaster) not in NAIVE_KINDS
    ]


def _candidates(walks: Sequence[CandidateWalk], history: History) -> Iterator[Candidate]:
    for walk in walks:
        for path in walk.paths:
            if path.lane.role != "benchmark":
                suffix = f" [{walk.entry.label}]" if walk.entry.label else ""
                returns = _placed(history.times, walk.times, account_returns(path.net.equity))
                refits = LaneRefits(walk.walked.plan, path.lane, history)
                yield Candidate(f"{path.lane.label}{suffix}", _declared_cost(path.lane), returns, refits)


def _walk(entry: Entry, plan: Plan, history: History, report: Report) -> CandidateWalk:
    folds: tuple[Fold, ...] = make_folds(plan, history)
    walked = walk_plan(plan, history, folds, report)
    bars = traded_bars(walked)
    return CandidateWalk(entry, walked, bars, tuple(lane_paths(walked, bars)))


def _placed(times: Times, at: Times, values: Floats) -> Floats:
    placed = np.full(len(times), np.nan)
    kept = at <= times[-1]
    placed[np.searchsorted(times, at[kept])] = values[kept]
    return placed


def _declared_cost(lane: Lane) -> float:
    return 0.0 if FORECASTERS.kind_of(lane.forecaster) in NAIVE_KINDS else 1.0


def _is_wanted(lane: Lane, number: int, *, references: bool) -> bool:
    if number == 0:
        return references or lane.role != "reference"
    return lane.role == "asked"


def _is_new(lane: Lane, spec: RunSpec, seen: set[str]) -> bool:
    """Return whether no lane with the same model and settings was walked yet, and remember it; the benchmark is no candidate."""
    key = lane.role if lane.role == "benchmark" else trial_id(spec, lane.forecaster)
    is_new = key not in seen
    seen.add(key)
    return is_new


def _check_entries(entries: Sequence[Entry]) -> None:
    if not entries:
        raise SpecError("no configuration was given; at least one is needed to select from")
    identities = {json.dumps(entry.spec.resolved()["data"], sort_keys=True) for entry in entries}
    if len(identities) > 1:
        raise SpecError(
            f"the grid reads {len(identities)} different data sections; candidates must trade the same data"
        )


def _part(report: Report, number: int, count: int) -> Report:
    def told(done: int, total: int, state: str) -> None:
        report(done + number * total, count * total, f"configuration {number + 1} of {count}, {state}")

    return told if count > 1 else report
