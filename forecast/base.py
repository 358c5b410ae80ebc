"""The two roles of a model: the spec (hyper-parameters) and the fitted state."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import annotated_types as at
import numpy as np
from pydantic import AfterValidator

from data.history import History
from data.panel import Floats
from data.registry import spec
from forecast.distribution import DEFAULT_LEVELS, QuantileForecast
from forecast.errors import FitError
from forecast.randomness import RandomStreams

Count = Annotated[int, at.Ge(1)]


def _increasing(levels: tuple[float, ...]) -> tuple[float, ...]:
    inside = all(0 < level < 1 for level in levels)
    if not levels or not inside or any(a >= b for a, b in pairwise(levels)):
        raise ValueError("levels must be increasing numbers between 0 and 1, both ends left out")
    return levels


Levels = Annotated[tuple[float, ...], AfterValidator(_increasing)]
"""Quantile levels, strictly increasing, inside (0, 1), at least one."""


@spec
class AbstractForecaster(ABC):
    """Hyper-parameters only: frozen, hashable, round-trips through YAML.

    Attributes:
        context: bars of history that ``predict`` may look at; it uses no earlier row.
        horizon: bars ahead; step h is about the h-th bar to end after the cutoff.
        field: panel field that is forecast; ``close`` is adjusted forward by ``factor`` where the panel has one.
        levels: quantile levels of the forecast.
        quantity: ``level`` (value of the field) or ``variance`` (variance of its one-bar log return).
        fold_tolerance: how far forecasts of ``fit_many`` may be from those of ``fit``, as a share of the last value; 0
            means the same bits. Above 0 for models whose folds share matrix products.
    """

    fold_tolerance: ClassVar[float] = 0.0

    context: Count = 64
    horizon: Count = 5
    field: str = "close"
    levels: Levels = DEFAULT_LEVELS
    quantity: Literal["level", "variance"] = "level"

    @abstractmethod
    def fit(self, train: History, rng: RandomStreams) -> "AbstractFitted":
        """Return the model fitted to a history that ends at the fit's cutoff; labels are cut inside it.

        Raises:
            FitError: when the history is too short or has no series that can be fitted.
        """

    def fit_many(self, trains: Sequence[History], rngs: Sequence[RandomStreams]) -> list["AbstractFitted"]:
        """Return one fitted model per history; as ``fit`` in a loop, to the last bit or within ``fold_tolerance``.

        Raises:
            FitError: when one of them cannot be fitted; ``try_fit_many`` keeps the others.
        """
        made = self.try_fit_many(trains, rngs)
        for each in made:
            if isinstance(each, FitError):
                raise each
        return [each for each in made if not isinstance(each, FitError)]

    def try_fit_many(
        self, trains: Sequence[History], rngs: Sequence[RandomStreams]
    ) -> list["AbstractFitted | FitError"]:
        """Return one fitted model, or the error of its fit, per history: one failed fold never loses the others."""
        return [self._try_fit(train, rng) for train, rng in zip(trains, rngs, strict=True)]

    def fit_again(self, previous: "AbstractFitted", train: History, rng: RandomStreams) -> "AbstractFitted":
        """Return the model fitted again; from scratch unless the model has a warm start and is asked to use it."""
        return self.fit(train, rng)

    @property
    def fits_together(self) -> bool:
        """Whether many histories are fitted faster together than one by one."""
        return False

    @property
    def mixes_series(self) -> bool:
        """Whether the forecast of one series depends on the values of the others."""
        return False

    def _try_fit(self, train: History, rng: RandomStreams) -> "AbstractFitted | FitError":
        try:
            return self.fit(train, rng)
        except FitError as error:
            return error

    @abstractmethod
    def load(self, folder: Path) -> "AbstractFitted":
        """Return the fitted state that ``AbstractFitted.save`` wrote there; it forecasts the same bits."""


class AbstractFitted(ABC):
    """Arrays and weights of one fit; frozen by convention, never changed in place."""

    spec: AbstractForecaster

    @property
    def validation_errors(self) -> Mapping[str, Floats] | None:
        """Mean absolute error of the median on rows the fit held out, (H,) in the field's unit by series; None without."""
        return None

    @abstractmethod
    def predict(self, history: History, rng: RandomStreams) -> QuantileForecast:
        """Return the forecast made at the end of ``history``, for every series that can be forecast.

        Reads at most the last ``spec.context`` rows. A series is left out when fewer than 80 % of these rows are
        observed or when its last value is more than 5 bars old.
        """

    def predict_many(
        self, history: History, cutoffs: Sequence[np.datetime64], rngs: Sequence[RandomStreams]
    ) -> list[QuantileForecast]:
        """Return one forecast per cutoff; the same bits as calling ``predict`` in a loop."""
        return [self.predict(history.until(t), rng) for t, rng in zip(cutoffs, rngs, strict=True)]

    def update(self, history: History) -> "AbstractFitted":
        """Return the model after seeing newer history without a refit; by default the same model."""
        return self

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write the fitted state (npz, JSON, the model's own text or JSON) into an existing empty folder; never pickle."""
