"""Retraining policies: when a model is fitted again."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Annotated

import annotated_types as at

from data.registry import Registry, spec


@dataclass(frozen=True)
class TrainingAge:
    """How old the fit in use is, at a decision.

    Attributes:
        fold: number of the present fold.
        fitted_fold: fold of the fit in use, or None before the first fit.
        bars: bars since the cutoff of the fit in use.
    """

    fold: int
    fitted_fold: int | None
    bars: int


@spec
class AbstractRetraining(ABC):
    """Decides at each cutoff, before the forecast, whether the model is fitted again."""

    @abstractmethod
    def due(self, age: TrainingAge) -> str | None:
        """Return the reason for a refit, or None; the first fit is always due."""


@spec
class EveryFold(AbstractRetraining):
    """Refit at the first decision of each fold (the default)."""

    def due(self, age: TrainingAge) -> str | None:
        """Return ``new fold`` when the fit in use is of an earlier fold."""
        if age.fitted_fold is None:
            return "first fit"
        return "new fold" if age.fold != age.fitted_fold else None


@spec
class EveryBars(AbstractRetraining):
    """Refit when the fit in use is at least ``bars`` old."""

    bars: Annotated[int, at.Ge(1)]

    def due(self, age: TrainingAge) -> str | None:
        """Return the age that made a refit due."""
        if age.fitted_fold is None:
            return "first fit"
        return f"{age.bars} bars old" if age.bars >= self.bars else None


@spec
class Never(AbstractRetraining):
    """Fit once and keep the model for the whole walk."""

    def due(self, age: TrainingAge) -> str | None:
        """Return a reason only for the first fit."""
        return "first fit" if age.fitted_fold is None else None


RETRAINING: Registry[AbstractRetraining] = Registry(
    "retraining",
    {
        "every_fold": "forecast.retraining:EveryFold",
        "every": "forecast.retraining:EveryBars",
        "never": "forecast.retraining:Never",
    },
    "wayfold.retraining",
)
