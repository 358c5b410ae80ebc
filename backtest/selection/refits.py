"""Refits: what a forecaster's own strategy would have earned on its training rows, under cross-validation, and trained otherwise."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from backtest.cross_validation import LabelledSamples, backtest_paths, combinatorial_purged
from backtest.folds import FOLDS, AbstractFolds, CalendarFolds, ExpandingFolds, Fold, RollingFolds
from backtest.selection.estimators.base import ANCHORED, CROSS_VALIDATED, IN_SAMPLE, Replay
from backtest.selection.pool import AbstractRefits
from backtest.selection.replay import (
    decisions_between,
    given_fold,
    lane_returns,
    scheduled_walk,
    walk_plan,
)
from backtest.selection.utility import utilities
from backtest.walk import Lane, Plan, make_folds
from data.errors import SpecError
from data.history import History
from data.panel import Floats, Times
from forecast.base import AbstractFitted
from forecast.errors import ForecastError
from forecast.randomness import RandomStreams
from forecast.windows import target_values

CV_FOLDS, CV_TEST_FOLDS = 6, 2
"""Combinatorial cross-validation: 15 splits, 5 paths."""


@dataclass(frozen=True, eq=False)
class LaneRefits(AbstractRefits):
    """One lane of a walk, fitted and replayed on what was known at a date.

    Attributes:
        plan: the experiment the lane belongs to.
        lane: whose strategy it is.
        history: everything the selection may see; each replay cuts it at its own date.
    """

    plan: Plan
    lane: Lane
    history: History
    _walks: dict[str, Any] = field(default_factory=dict, repr=False)

    def replay(self, need: str, until: np.datetime64) -> Replay:
        """Return the utilities an estimator needs, made of bars up to ``until``; a model that refuses is n/a."""
        known = self.history.until(until)
        try:
            if need == IN_SAMPLE:
                return self._kept(self._in_sample(known))
            if need == CROSS_VALIDATED:
                return self._kept(*self._paths(known))
            return self._retrained(need, until)
        except (ForecastError, SpecError) as error:
            return Replay(np.empty((0, 0)), f"n/a ({need}: {error})")

    def _in_sample(self, known: History) -> Floats:
        """Return the net returns of the fit at the end of ``known`` on the rows it was fitted to."""
        train = self.plan.spec.folds.training(known)
        fit = self._fit(train, known.cutoff)
        cutoffs = self._decisions(train, known)
        fold = given_fold(0, known, cutoffs, train.cutoff)
        return self._returns(known, [fold], [fit])

    def _paths(self, known: History) -> list[Floats]:
        """Return the net returns of every cross-validated path over the training rows."""
        train = self.plan.spec.folds.training(known)
        tested, visible = cross_validation_rows(train.times, self.plan.spec.horizon)
        fits = [self._fit(held_out(train, rows), known.cutoff) for rows in visible]
        folds = self._folds(train, known, tested)
        return [
            self._returns(known, folds, [fits[split] for split in path[[fold.number for fold in folds]]])
            for path in backtest_paths(CV_FOLDS, CV_TEST_FOLDS)
        ]

    def _folds(self, train: History, known: History, tested: np.ndarray) -> list[Fold]:
        """Return the cross-validation folds with their decisions; one without a decision is left out."""
        cutoffs = self._decisions(train, known)
        number = tested[np.searchsorted(train.times, cutoffs)]
        parts = [(fold, cutoffs[number == fold]) for fold in range(CV_FOLDS) if (number == fold).any()]
        ends = [*(part[0] for _, part in parts[1:]), train.cutoff]
        return [given_fold(fold, known, part, end) for (fold, part), end in zip(parts, ends, strict=True)]

    def _retrained(self, need: str, until: np.datetime64) -> Replay:
        """Return the utilities of the walk with another training window; it is walked once and then cut."""
        if need not in self._walks:
            folds = trained_as(self.plan.spec.folds, anchored=need == ANCHORED)
            plan = replace(self.plan, spec=replace(self.plan.spec, folds=folds), lanes=(self.lane,))
            times, (returns,) = lane_returns(walk_plan(plan, self.history, make_folds(plan, self.history)))
            self._walks[need] = times, utilities(returns, self.plan.periods_per_year)
        times, worth = self._walks[need]
        past = worth[times <= until]
        return Replay(past[np.isfinite(past)][None, :])

    def _decisions(self, train: History, known: History) -> Times:
        """Return the decisions in the training rows, from the first with a full context on, the last row left out."""
        first = int(np.searchsorted(known.times, train.times[0]))
        first = max(first, self.lane.forecaster.context - 1)
        stop = int(np.searchsorted(known.times, train.cutoff))
        if first >= stop:
            raise SpecError(
                f"context {self.lane.forecaster.context} leaves no decision in {len(train.panel)} training rows"
            )
        return decisions_between(self.plan, known, first, stop)

    def _fit(self, train: History, at: np.datetime64) -> AbstractFitted:
        return self.lane.forecaster.fit(train, RandomStreams(self.plan.spec.seed, at))

    def _returns(self, known: History, folds: Sequence[Fold], fits: Sequence[AbstractFitted]) -> Floats:
        _, (returns,) = lane_returns(scheduled_walk(self.plan, self.lane, known, folds, fits))
        return returns

    def _kept(self, *paths: Floats) -> Replay:
        """Return the utilities of paths of one length, without the bars before their volatility is known."""
        worth = utilities(np.column_stack(paths), self.plan.periods_per_year)
        return Replay(worth[np.isfinite(worth).all(axis=1)].T)


def trained_as(folds: AbstractFolds, *, anchored: bool) -> AbstractFolds:
    """Return the same tests with training on all rows so far (anchored) or on the latest ones only (rolling).

    Raises:
        SpecError: when the kind of folds is not one of the three shipped ones.
    """
    settings = {key: value for key, value in FOLDS.describe(folds).items() if key != "kind"}
    if isinstance(folds, CalendarFolds):
        # The earliest test stays where it is: what was the least history becomes the length of the window, and back.
        rows = folds.train or folds.least
        return CalendarFolds(**{**settings, "train": None if anchored else rows, "least": rows})
    if isinstance(folds, (ExpandingFolds, RollingFolds)):
        return (ExpandingFolds if anchored else RollingFolds)(**settings)
    raise SpecError(f"folds of kind '{FOLDS.kind_of(folds)}' have no known anchored or rolling form")


def cross_validation_rows(times: Times, horizon: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return the fold of each row (T,), and for each split which rows training may see, (T,) bool.

    A row is a sample decided at its close whose label is known ``horizon`` rows later. Visible are the rows that some
    training label (t0, t1] or its decision reads: neither a tested label nor, for one horizon after it, anything else.

    Raises:
        SpecError: when there are too few rows.
    """
    count = len(times) - horizon
    if count < CV_FOLDS * (horizon + 1):
        raise SpecError(
            f"{len(times)} training rows are too few for {CV_FOLDS} folds of labels {horizon} bars long; "
            f"{CV_FOLDS * (horizon + 1) + horizon} are needed"
        )
    samples = LabelledSamples(times[:count], times[horizon:])
    tested = np.full(len(times), CV_FOLDS - 1)
    visible = []
    for split in combinatorial_purged(samples, folds=CV_FOLDS, test_folds=CV_TEST_FOLDS, embargo=horizon):
        seen = np.zeros(len(times), bool)
        for ahead in range(horizon + 1):
            seen[split.train + ahead] = True
        visible.append(seen)
    for fold, rows in enumerate(np.array_split(np.arange(count), CV_FOLDS)):
        tested[rows] = fold
    return tested, visible


def held_out(train: History, visible: np.ndarray) -> History:
    """Return the training history with every field NaN in the rows that are not visible, cut at both ends to visible ones.

    Where the panel has prices, the factor is rebased after each gap so that the adjusted close goes on where it stopped: the move
    over the gap is a sum of held-out returns and must not reach a fit as one big change.
    """
    rows = np.flatnonzero(visible)
    first, last = int(rows[0]), int(rows[-1])
    values = train.panel.values.copy()
    values[~visible] = np.nan
    hidden = replace(train, panel=replace(train.panel, values=values))
    if "close" in train.panel.fields:
        factor = _bridged(train, visible)
        hidden = replace(hidden, panel=hidden.panel.with_field("factor", factor))
    return hidden.between(train.times[first], train.times[last])


def _bridged(train: History, visible: np.ndarray) -> Floats:
    """Return the panel's factor (T, S), or ones, scaled after each gap; series with values of 0 or below are left as they are."""
    close = target_values(train, "close")
    own = train.panel.field("factor") if "factor" in train.panel.fields else np.ones(close.shape)
    factor = np.where(visible[:, None], own, np.nan)
    gaps = np.flatnonzero(~visible[:-1] & visible[1:]) + 1
    for s in range(close.shape[1]):
        seen = np.where(visible, close[:, s], np.nan)
        if np.nanmin(seen, initial=1.0) <= 0:
            continue
        for row in gaps:
            before, after = seen[:row], seen[row:]
            held, back = before[~np.isnan(before)], after[~np.isnan(after)]
            if len(held) and len(back):
                factor[row:, s] *= held[-1] / back[0]
    return factor
