"""Walk-forward means: what a candidate earned out of sample, on its last fold, on all of them, and under other training."""

import math
from typing import ClassVar

from backtest.selection.estimators.base import (
    ANCHORED,
    ROLLING,
    AbstractEstimator,
    Estimate,
    Known,
    mean_value,
    replay_of,
)
from data.registry import spec


@spec
class SingleWalkForward(AbstractEstimator):
    """Mean utility of the last closed fold alone: one training set, one test."""

    def estimate(self, known: Known) -> list[Estimate]:
        """Return the mean over the last fold of each candidate."""
        last = known.folds == known.folds[-1] if len(known.folds) else known.folds
        return [mean_value(record.utilities[last], known.periods_per_year) for record in known.records]


@spec
class WalkForward(AbstractEstimator):
    """Mean utility of the candidate's own walk, all closed folds."""

    def estimate(self, known: Known) -> list[Estimate]:
        """Return the mean over every closed period of each candidate."""
        return [mean_value(record.utilities, known.periods_per_year) for record in known.records]


@spec
class AnchoredWalkForward(AbstractEstimator):
    """Mean utility of the walk in which every fit reads all rows so far: the training window is anchored at the start."""

    needs: ClassVar[frozenset[str]] = frozenset({ANCHORED})

    def estimate(self, known: Known) -> list[Estimate]:
        """Return the mean over every closed period of each candidate, trained on everything so far."""
        return _means(known, ANCHORED)


@spec
class RollingWalkForward(AbstractEstimator):
    """Mean utility of the walk in which every fit reads the latest rows only: the training window rolls."""

    needs: ClassVar[frozenset[str]] = frozenset({ROLLING})

    def estimate(self, known: Known) -> list[Estimate]:
        """Return the mean over every closed period of each candidate, trained on the latest rows."""
        return _means(known, ROLLING)


def _means(known: Known, name: str) -> list[Estimate]:
    found = [replay_of(record, name) for record in known.records]
    return [
        Estimate(math.nan, each.flag) if each.flag else mean_value(each.utilities[0], known.periods_per_year)
        for each in found
    ]
