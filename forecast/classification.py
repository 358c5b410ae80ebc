"""The roles of a classifier, its spec and its fitted state, and every classifier by name."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import annotated_types as at
import numpy as np

from data.history import History
from data.registry import Registry, spec
from forecast.base import Count
from forecast.distribution import CategoricalForecast
from forecast.labels import Reading
from forecast.randomness import RandomStreams


@spec
class AbstractClassifier(ABC):
    """Hyper-parameters of a model that says how likely a series is to move up, down or neither.

    Attributes:
        context: bars of history that ``predict`` may look at; it uses no earlier row.
        horizon: bars ahead within which the move is asked.
        field: panel field whose move is asked; ``close`` is adjusted forward by ``factor`` where the panel has one.
        threshold: size of a move, as a share; 0.01 is 1 %.
        reading: what "moves within the horizon" means, see ``forecast.labels``.
    """

    context: Count = 64
    horizon: Count = 10
    field: str = "close"
    threshold: Annotated[float, at.Gt(0), at.Lt(1)] = 0.01
    reading: Reading = "ahead"

    @abstractmethod
    def fit(self, train: History, rng: RandomStreams) -> "AbstractFittedClassifier":
        """Return the model fitted to a history that ends at the fit's cutoff; labels are cut inside it.

        Raises:
            FitError: when the history is too short, or all its labels are of one class.
        """

    @abstractmethod
    def load(self, folder: Path) -> "AbstractFittedClassifier":
        """Return the fitted state that ``AbstractFittedClassifier.save`` wrote there; it forecasts the same bits."""


class AbstractFittedClassifier(ABC):
    """What one fit learnt; frozen by convention, never changed in place."""

    spec: AbstractClassifier

    @abstractmethod
    def predict(self, history: History, rng: RandomStreams) -> CategoricalForecast:
        """Return the probability of each move, (S, 1, K), for the bar ``horizon`` bars after the end of ``history``.

        Reads at most the last ``spec.context`` rows. A series is left out when fewer than 80 % of these rows are
        observed or when its last value is more than 5 bars old.
        """

    def predict_many(
        self, history: History, cutoffs: Sequence[np.datetime64], rngs: Sequence[RandomStreams]
    ) -> list[CategoricalForecast]:
        """Return one forecast per cutoff; the same bits as calling ``predict`` in a loop."""
        return [self.predict(history.until(t), rng) for t, rng in zip(cutoffs, rngs, strict=True)]

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write the fitted state into an existing empty folder; never pickle."""


CLASSIFIERS: Registry[AbstractClassifier] = Registry(
    "classifier",
    {
        "logistic": "forecast.models.classifiers:Logistic",
        "nearest_neighbours": "forecast.models.classifiers:NearestNeighbours",
        "tree": "forecast.models.classifiers:Tree",
        "bagging": "forecast.models.classifiers:Bagging",
        "adaboost": "forecast.models.classifiers:AdaBoost",
        "random_forest": "forecast.models.classifiers:RandomForest",
        "perceptron": "forecast.models.classifiers:Perceptron",
        "support_vectors": "forecast.models.classifiers:SupportVectors",
    },
    "wayfold.classifiers",
)
