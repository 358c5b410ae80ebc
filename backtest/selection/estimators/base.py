"""The role of an estimator: from what was known at a deployment date to a value for each candidate."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from backtest.errors import MetricError
from backtest.metrics.returns import LEAST_INFERENCE
from backtest.selection.utility import annual_value
from data.panel import Floats, read_only
from data.registry import Registry, spec

IN_SAMPLE, CROSS_VALIDATED, ANCHORED, ROLLING = "in_sample", "cross_validated", "anchored", "rolling"
EXTRAS: tuple[str, ...] = (IN_SAMPLE, CROSS_VALIDATED, ANCHORED, ROLLING)
"""What an estimator may need beside the candidate's own walk; each costs fits or another walk."""


@dataclass(frozen=True)
class Estimate:
    """The estimated annual value J of one candidate: finite, or NaN with a ``flag`` that says why there is none.

    Raises:
        MetricError: when the value is infinite, or NaN without a flag.
    """

    value: float
    flag: str = ""

    def __post_init__(self) -> None:
        if math.isinf(self.value) or (math.isnan(self.value) and not self.flag):
            raise MetricError(
                f"estimate was {self.value}; a finite value, or NaN with a flag, is needed (flag '{self.flag}')"
            )


@dataclass(frozen=True, eq=False)
class Replay:
    """Utilities a candidate would have had on some paths.

    Attributes:
        utilities: (P, T) per period, finite; empty when refused.
        flag: why there are none, else empty.
    """

    utilities: Floats
    flag: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "utilities", read_only(np.asarray(self.utilities, np.float64)))


@dataclass(frozen=True, eq=False)
class Record:
    """One candidate as it was known at a deployment date; every period in it had closed by then.

    Attributes:
        candidate: its id.
        returns: (T,) net simple returns per period of its own walk, out of sample.
        utilities: (T,) utilities of the same periods, finite.
        extras: what was made for estimators that need more than the walk, by the names in ``EXTRAS``.
    """

    candidate: str
    returns: Floats
    utilities: Floats
    extras: Mapping[str, Replay] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("returns", "utilities"):
            object.__setattr__(self, name, read_only(np.asarray(getattr(self, name), np.float64)))
        if self.returns.shape != self.utilities.shape or not np.isfinite(self.utilities).all():
            raise MetricError(
                f"record of '{self.candidate}' has returns {self.returns.shape} and utilities {self.utilities.shape}; "
                "as many finite ones are needed"
            )


@dataclass(frozen=True, eq=False)
class Known:
    """Everything that was known at a deployment date: nothing in it is later.

    Attributes:
        at: the deployment date, the close of a bar.
        periods_per_year: periods in a year, from the calendar.
        records: one a candidate, all over the same T periods.
        folds: (T,) fold of the walk that each period belongs to.
        regime: (T, F) state of the market before each period, NaN where not known.
        regime_now: (R, F) state of the market at the last R closes, ``at`` included.
    """

    at: np.datetime64
    periods_per_year: float
    records: tuple[Record, ...]
    folds: np.ndarray
    regime: Floats
    regime_now: Floats


@spec
class AbstractEstimator(ABC):
    """A rule that turns what was known into estimated values; bigger is better, one unit for all (annual J).

    Attributes:
        needs: extras it reads beside the walk.
    """

    needs: ClassVar[frozenset[str]] = frozenset()

    @abstractmethod
    def estimate(self, known: Known) -> list[Estimate]:
        """Return one estimate a record, in their order; NaN with a flag where it cannot tell."""


ESTIMATORS: Registry[AbstractEstimator] = Registry(
    "estimator",
    {
        "in_sample": "backtest.selection.estimators.in_sample:InSampleMean",
        "single_walk_forward": "backtest.selection.estimators.walk_forward:SingleWalkForward",
        "walk_forward": "backtest.selection.estimators.walk_forward:WalkForward",
        "anchored_walk_forward": "backtest.selection.estimators.walk_forward:AnchoredWalkForward",
        "rolling_walk_forward": "backtest.selection.estimators.walk_forward:RollingWalkForward",
        "cpcv_mean": "backtest.selection.estimators.cross_validated:CrossValidatedMean",
        "cpcv_lower_quantile": "backtest.selection.estimators.cross_validated:CrossValidatedQuantile",
        "lower_bound": "backtest.selection.estimators.lower_bound:LowerBound",
        "shrinkage": "backtest.selection.estimators.shrinkage:EmpiricalBayes",
        "deflated_sharpe": "backtest.selection.estimators.deflated:DeflatedSharpeRank",
        "regime_weighted": "backtest.selection.estimators.regime_weighted:RegimeWeighted",
    },
    "wayfold.estimators",
)


def mean_value(utilities: Floats, periods_per_year: float) -> Estimate:
    """Return q mean(u) of (T,) utilities, or NaN with a flag for fewer than 20 periods."""
    if len(utilities) < LEAST_INFERENCE:
        return Estimate(math.nan, f"n/a ({len(utilities)} < {LEAST_INFERENCE} periods)")
    return Estimate(float(annual_value(utilities, periods_per_year)))


def replay_of(record: Record, name: str) -> Replay:
    """Return an extra of a record, or an empty one that says it was not made."""
    return record.extras.get(name, Replay(np.empty((0, 0)), f"n/a (no {name} returns were made)"))
