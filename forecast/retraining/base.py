"""Retraining: the role, what a policy may know at a decision, and the table of its kinds.

The walk-forward runner, the scheduled job and the paper account ask the same policy object. A policy is a pure function of
its state and of what is known at the cutoff, so the same rows give the same retraining times everywhere.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

import annotated_types as at
import numpy as np
import numpy.typing as npt

from data.history import History
from data.registry import Registry, spec
from forecast.retraining.variance_horizon import VarianceHorizon

Arrays = Mapping[str, npt.NDArray[Any]]
Bars = Annotated[int, at.Ge(0)]


@dataclass(frozen=True)
class KnownLoss:
    """The loss of one forecast, from the decision at which all its truth is known.

    Attributes:
        issued: cutoff of the forecast.
        loss: mean absolute error of the median over steps and series, each over the series' scale at the fit.
        naive: the same for the last value at ``issued``.
    """

    issued: np.datetime64
    loss: float
    naive: float


@dataclass(frozen=True)
class FitAge:
    """The fit in use, as a policy sees it.

    Attributes:
        fold: fold of the decision it was made for.
        cutoff: that decision.
        bars: bars since then.
        reference: its validation loss at training time in the unit of ``KnownLoss.loss``; None where none was measured.
    """

    fold: int
    cutoff: np.datetime64
    bars: int
    reference: float | None = None


@dataclass(frozen=True, eq=False)
class Moment:
    """What is known at one decision.

    Attributes:
        fold: number of the present fold.
        history: everything known at the cutoff.
        fit: the newest fit, also while it is still training, or None before the first.
        losses: losses that became known since the last decision, oldest first, of forecasts made by the newest fit.
    """

    fold: int
    history: History
    fit: FitAge | None
    losses: tuple[KnownLoss, ...] = ()


@dataclass(frozen=True)
class Verdict:
    """What a policy says: a reason to fit again, or None; and the numbers it went by, for the fit log."""

    reason: str | None
    facts: Mapping[str, float] = field(default_factory=dict)


class RetrainingState(ABC):
    """What a policy remembers between decisions; frozen."""

    @abstractmethod
    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return plain arrays from which ``AbstractRetraining.from_arrays`` makes the same state, to the bit."""


@dataclass(frozen=True)
class Memoryless(RetrainingState):
    """The state of a policy that remembers nothing."""

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return one empty array."""
        return {"nothing": np.zeros(0)}


@spec
class AbstractRetraining(ABC):
    """Decides at each cutoff, before the forecast, whether the model is fitted again.

    Attributes:
        latency: bars a fit takes: a model trained at t serves from the first decision at or after t + latency bars; the
            first fit serves at once.
        truth_delay: bars between a forecast's last bar and the decision at which its truth may be used.
        variance_horizon: how the window of each fit is chosen; None means all of the training history.
    """

    latency: Bars = 0
    truth_delay: Bars = 0
    variance_horizon: VarianceHorizon | None = None

    @property
    def uses_losses(self) -> bool:
        """Whether decisions depend on losses; where not, the fits of a walk are known before it begins."""
        return False

    @property
    def needs_reference(self) -> bool:
        """Whether ``FitAge.reference`` must be measured at each fit."""
        return False

    def start(self) -> Any:
        """Return the state before the first decision."""
        return Memoryless()

    @abstractmethod
    def decide(self, state: Any, moment: Moment) -> tuple[Any, Verdict]:
        """Return the next state and the verdict; the first fit is always due.

        A policy asked while the newest fit is still training may ask for another one; the walk then starts it when the
        one in training serves.
        """

    def training(self, train: History, horizon: int) -> History:
        """Return the part of the training history that a fit reads; all of it, unless ``variance_horizon`` cuts it."""
        return train if self.variance_horizon is None else self.variance_horizon.training(train, horizon)

    def from_arrays(self, arrays: Arrays) -> Any:
        """Return the state that ``RetrainingState.to_arrays`` wrote."""
        return Memoryless()


RETRAINING: Registry[AbstractRetraining] = Registry(
    "retraining",
    {
        "every_fold": "forecast.retraining.schedule:EveryFold",
        "every": "forecast.retraining.schedule:EveryBars",
        "never": "forecast.retraining.schedule:Never",
        "calendar": "forecast.retraining.calendar:Calendar",
        "performance": "forecast.retraining.performance:Performance",
        "page_hinkley": "forecast.retraining.page_hinkley:PageHinkley",
        "adaptive_window": "forecast.retraining.adaptive_window:AdaptiveWindow",
        "sequential_ratio": "forecast.retraining.sequential_ratio:SequentialRatio",
        "two_sample": "forecast.retraining.two_sample:TwoSample",
        "any_of": "forecast.retraining.combination:AnyOf",
    },
    "wayfold.retraining",
)
