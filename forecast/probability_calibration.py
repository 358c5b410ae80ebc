"""Calibration of class probabilities: temperature, Platt's sigmoid or isotonic steps, fitted on held-out purged rows only."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import isotonic_regression, minimize, minimize_scalar
from scipy.special import expit, log_softmax, softmax

from data.panel import Floats
from forecast.errors import ForecastError
from forecast.labels import Classes, Rows

LEAST_HELD_OUT = 30
"""Fewest held-out samples a calibration is fitted to."""

_TEMPERATURES = (0.05, 50.0)


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Scores of samples that the classifier has not been fitted to, and could not have been.

    Attributes:
        scores: (N, K) log probabilities or decision values, finite.
        classes: (N,) true classes, 0 to K - 1.
        decided: (N,) row of each decision.
        trained_until: row at which the last label of the classifier's own training was known.

    Raises:
        ForecastError: when a training label was known only after the first decision here, so that both share bars; or
            there are too few samples, or a score is not finite.
    """

    scores: Floats
    classes: Classes
    decided: Rows
    trained_until: int

    def __post_init__(self) -> None:
        if len(self.classes) < LEAST_HELD_OUT:
            raise ForecastError(
                f"{len(self.classes)} samples were held out; a calibration needs {LEAST_HELD_OUT} or more"
            )
        if self.trained_until > self.decided.min():
            raise ForecastError(
                f"a training label was known at row {self.trained_until}, after the first held-out decision at row "
                f"{self.decided.min()}; calibrate on rows that training could not see"
            )
        if not np.isfinite(self.scores).all():
            raise ForecastError("a held-out score is not finite; calibrations need finite scores")


class AbstractProbabilityCalibration(ABC):
    """A fitted map from scores to probabilities."""

    @abstractmethod
    def probabilities(self, scores: Floats) -> Floats:
        """Return (N, K) probabilities, rows summing to 1, from (N, K) scores."""

    @abstractmethod
    def arrays(self) -> dict[str, Floats]:
        """Return what ``revived`` needs to make it again."""


@dataclass(frozen=True, eq=False)
class Temperature(AbstractProbabilityCalibration):
    """softmax(scores / temperature): keeps the order of the classes (Guo, Pleiss, Sun and Weinberger 2017, eq. 9)."""

    temperature: float

    @classmethod
    def fitted(cls, held: HeldOut) -> "Temperature":
        """Return the temperature of least log loss."""
        rows = np.arange(len(held.classes))

        def loss(log_temperature: float) -> float:
            logs = log_softmax(held.scores / np.exp(log_temperature), axis=1)
            return -float(logs[rows, held.classes].mean())

        low, high = np.log(_TEMPERATURES)
        return cls(float(np.exp(minimize_scalar(loss, bounds=(low, high), method="bounded").x)))

    def probabilities(self, scores: Floats) -> Floats:
        """Return the softmax of the scores over the temperature."""
        return np.asarray(softmax(scores / self.temperature, axis=1))

    def arrays(self) -> dict[str, Floats]:
        """Return the temperature."""
        return {"temperature": np.array([self.temperature])}


@dataclass(frozen=True, eq=False)
class Platt(AbstractProbabilityCalibration):
    """One sigmoid a class, sigma(slope score + offset), made to sum to 1 (Platt 1999, with his smoothed targets).

    Attributes:
        slopes: (K,).
        offsets: (K,).
    """

    slopes: Floats
    offsets: Floats

    @classmethod
    def fitted(cls, held: HeldOut) -> "Platt":
        """Return the sigmoids of least cross entropy, each class against the others."""
        pairs = [_sigmoid(held.scores[:, k], held.classes == k) for k in range(held.scores.shape[1])]
        slopes, offsets = np.array(pairs).T
        return cls(slopes, offsets)

    def probabilities(self, scores: Floats) -> Floats:
        """Return the sigmoids, divided by their sum."""
        return _normalised(expit(scores * self.slopes + self.offsets))

    def arrays(self) -> dict[str, Floats]:
        """Return slopes and offsets."""
        return {"slopes": self.slopes, "offsets": self.offsets}


@dataclass(frozen=True, eq=False)
class Isotonic(AbstractProbabilityCalibration):
    """One non-decreasing curve a class, made to sum to 1 (Zadrozny and Elkan 2002).

    Attributes:
        knots: K increasing arrays of scores.
        levels: K arrays of shares at the knots; linear between, constant beyond.
    """

    knots: tuple[Floats, ...]
    levels: tuple[Floats, ...]

    @classmethod
    def fitted(cls, held: HeldOut) -> "Isotonic":
        """Return the curves of least squared error, each class against the others."""
        curves = [_steps(held.scores[:, k], held.classes == k) for k in range(held.scores.shape[1])]
        return cls(tuple(knots for knots, _ in curves), tuple(levels for _, levels in curves))

    def probabilities(self, scores: Floats) -> Floats:
        """Return the curves at the scores, divided by their sum."""
        columns = [np.interp(scores[:, k], self.knots[k], self.levels[k]) for k in range(scores.shape[1])]
        return _normalised(np.column_stack(columns))

    def arrays(self) -> dict[str, Floats]:
        """Return the curves by class."""
        named = {f"knots.{k}": each for k, each in enumerate(self.knots)}
        return named | {f"levels.{k}": each for k, each in enumerate(self.levels)}


KINDS: Mapping[str, Any] = {"temperature": Temperature, "platt": Platt, "isotonic": Isotonic}


def revived(kind: str, arrays: Mapping[str, Floats]) -> AbstractProbabilityCalibration:
    """Return the calibration that ``arrays`` described."""
    if kind == "temperature":
        return Temperature(float(arrays["temperature"][0]))
    if kind == "platt":
        return Platt(arrays["slopes"], arrays["offsets"])
    count = sum(name.startswith("knots.") for name in arrays)
    return Isotonic(
        tuple(arrays[f"knots.{k}"] for k in range(count)), tuple(arrays[f"levels.{k}"] for k in range(count))
    )


def _sigmoid(scores: Floats, is_class: Any) -> tuple[float, float]:
    """Return slope and offset of one class, fitted to targets drawn in from 0 and 1 by what the counts allow."""
    hits = int(is_class.sum())
    target = np.where(is_class, (hits + 1) / (hits + 2), 1 / (len(scores) - hits + 2))
    centre, scale = scores.mean(), max(float(scores.std()), 1e-12)
    unit = (scores - centre) / scale

    def loss(pair: Floats) -> tuple[float, Floats]:
        raw = pair[0] * unit + pair[1]
        gap = expit(raw) - target
        value = np.logaddexp(0.0, raw) - target * raw
        return float(value.mean()), np.array([(gap * unit).mean(), gap.mean()])

    slope, offset = minimize(loss, np.zeros(2), jac=True, method="L-BFGS-B").x
    return float(slope / scale), float(offset - slope * centre / scale)


def _steps(scores: Floats, is_class: Any) -> tuple[Floats, Floats]:
    knots, place = np.unique(scores, return_inverse=True)
    counts = np.bincount(place)
    shares = np.bincount(place, weights=is_class.astype(np.float64)) / counts
    levels = isotonic_regression(shares, weights=counts).x
    # Only the ends of each step are needed.
    kept = np.ones(len(knots), bool)
    kept[1:-1] = (levels[1:-1] != levels[:-2]) | (levels[1:-1] != levels[2:])
    return knots[kept], np.asarray(levels[kept], np.float64)


def _normalised(values: Floats) -> Floats:
    total = values.sum(axis=1, keepdims=True)
    even = np.full(values.shape, 1.0 / values.shape[1])
    return np.where(total > 0, values / np.where(total > 0, total, 1.0), even)
