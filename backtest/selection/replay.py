"""Replay: the walk's own step over chosen decisions, with models that are fitted already or trained otherwise."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from backtest.experiment import Report
from backtest.folds import Fold
from backtest.metrics.returns import until_ruin
from backtest.paths import lane_paths, traded_bars
from backtest.walk import Lane, Plan, StepRecord, Walked, finish, start, step
from data.history import History
from data.panel import Floats, Times, as_time
from data.registry import spec
from forecast.base import AbstractFitted, AbstractForecaster
from forecast.randomness import RandomStreams
from forecast.retraining.schedule import EveryFold


@spec
class Scheduled(AbstractForecaster):
    """A forecaster whose fits are given: asked to fit at a decision, it hands out the one that is in force then.

    Attributes:
        starts: first decision of each fit, nanoseconds since 1970, increasing.
        fits: the fits.
    """

    starts: tuple[int, ...]
    fits: tuple[AbstractFitted, ...]

    def fit(self, train: History, rng: RandomStreams) -> AbstractFitted:
        """Return the fit in force at the decision; the history is not read."""
        now = int(as_time(rng.cutoff).astype(np.int64))
        return self.fits[max(0, int(np.searchsorted(self.starts, now, side="right")) - 1)]

    def load(self, folder: Path) -> AbstractFitted:
        """Return the first fit as its own model stored it."""
        return self.fits[0].spec.load(folder)


def walk_plan(plan: Plan, history: History, folds: Sequence[Fold], report: Report | None = None) -> Walked:
    """Return the walk of a plan's lanes through the folds' decisions; the same step as every other walk."""
    state, records = start(plan), list[StepRecord]()
    total = sum(len(fold.cutoffs) for fold in folds)
    for fold in folds:
        for cutoff in fold.cutoffs:
            state, record = step(plan, state, history.until(cutoff), fold.number)
            records.append(record)
            if report is not None:
                report(len(records), total, f"fold {fold.number + 1} of {len(folds)}")
    state = finish(plan, state, history.until(folds[-1].test_end))
    return Walked(plan, history, tuple(folds), tuple(records), state)


def lane_returns(walked: Walked) -> tuple[Times, list[Floats]]:
    """Return the ends of the bars (T,) and each lane's net returns over them (T,), 0 after ruin."""
    paths = lane_paths(walked, traded_bars(walked))
    return paths[0].net.times[1:], [account_returns(path.net.equity) for path in paths]


def account_returns(equity: Floats) -> Floats:
    """Return the (T,) net simple returns of an equity curve (T+1,); the bar of ruin is -1 and all after it 0."""
    curve = until_ruin(equity)
    earned = np.zeros(len(equity) - 1)
    earned[: len(curve) - 1] = curve[1:] / curve[:-1] - 1.0
    return earned


def scheduled_walk(
    plan: Plan, lane: Lane, history: History, folds: Sequence[Fold], fits: Sequence[AbstractFitted]
) -> Walked:
    """Return the walk of one lane with one given fit a fold."""
    asked = lane.forecaster
    names = ("context", "horizon", "field", "levels", "quantity")
    settings: dict[str, Any] = {name: getattr(asked, name) for name in names}
    starts = tuple(int(as_time(fold.test_start).astype(np.int64)) for fold in folds)
    model = Scheduled(**{**settings, "starts": starts, "fits": tuple(fits)})
    alone = replace(
        plan, spec=replace(plan.spec, retraining=EveryFold()), lanes=(replace(lane, forecaster=model),)
    )
    return walk_plan(alone, history, folds)


def decisions_between(plan: Plan, history: History, first_row: int, stop_row: int) -> Times:
    """Return every decision time from ``first_row`` on to before ``stop_row``, on the spec's own spacing."""
    every = plan.spec.folds.decide_every or plan.spec.horizon
    return history.times[first_row:stop_row:every]


def given_fold(number: int, history: History, cutoffs: Times, test_end: np.datetime64) -> Fold:
    """Return a fold that tests these decisions; what it trains on is given otherwise."""
    return Fold(number, history.times[0], cutoffs[0], 0, cutoffs[0], test_end, cutoffs)
