"""Likelihood ratios: what one standardised loss says for a change, and Wald's bounds and sample sizes."""

import math
from dataclasses import dataclass

import numpy as np

from data.panel import Floats


@dataclass(frozen=True)
class MeanShift:
    """Standard normal against a normal with mean ``shift`` and the same variance."""

    shift: float

    def ratio(self, value: Floats) -> Floats:
        """Return the log of the likelihood ratio, d (z - d / 2)."""
        return self.shift * (value - self.shift / 2)

    @property
    def drifts(self) -> tuple[float, float]:
        """Its mean without and with the change."""
        half = self.shift**2 / 2
        return -half, half


@dataclass(frozen=True)
class ScaleShift:
    """Standard normal against a normal with standard deviation ``scale`` and the same mean."""

    scale: float

    def ratio(self, value: Floats) -> Floats:
        """Return the log of the likelihood ratio, ln(s0 / s1) + z^2 / 2 (1 / s0^2 - 1 / s1^2) with s0 = 1."""
        return -math.log(self.scale) + value**2 / 2 * (1 - self.scale**-2)

    @property
    def drifts(self) -> tuple[float, float]:
        """Its mean without and with the change."""
        log = math.log(self.scale)
        return -log + (1 - self.scale**-2) / 2, -log + (self.scale**2 - 1) / 2


@dataclass(frozen=True)
class RateShift:
    """An event of probability ``usual`` against one of probability ``changed``; values are 0 or 1."""

    usual: float
    changed: float

    def ratio(self, value: Floats) -> Floats:
        """Return the log of the likelihood ratio, x ln(p1 / p0) + (1 - x) ln((1 - p1) / (1 - p0))."""
        with_event, without = self._weights
        return np.where(value > 0.5, with_event, without)

    @property
    def drifts(self) -> tuple[float, float]:
        """Its mean without and with the change."""
        with_event, without = self._weights
        means = [p * with_event + (1 - p) * without for p in (self.usual, self.changed)]
        return means[0], means[1]

    @property
    def _weights(self) -> tuple[float, float]:
        return math.log(self.changed / self.usual), math.log((1 - self.changed) / (1 - self.usual))


Hypothesis = MeanShift | ScaleShift | RateShift


def wald_bounds(false_alarm: float, miss: float) -> tuple[float, float]:
    """Return A = ln((1 - b) / a) and B = ln(b / (1 - a)), the bounds of the sequential test (Wald 1945).

    With them the true error rates are at most a / (1 - b) and b / (1 - a).
    """
    return math.log((1 - miss) / false_alarm), math.log(miss / (1 - false_alarm))


def expected_sizes(hypothesis: Hypothesis, false_alarm: float, miss: float) -> tuple[float, float]:
    """Return the mean number of values that a test needs without and with the change (Wald 1945).

    Wald's approximation leaves out by how much the last value passes a bound, so the truth is larger.
    """
    upper, lower = wald_bounds(false_alarm, miss)
    without, changed = hypothesis.drifts
    return (
        (false_alarm * upper + (1 - false_alarm) * lower) / without,
        ((1 - miss) * upper + miss * lower) / changed,
    )


def false_alarm_rate(hypothesis: Hypothesis, miss: float, run_length: float) -> float:
    """Return a of tests repeated without end that come to a false alarm once in ``run_length`` values.

    Every test ends in a false alarm with probability a, so E0[N] / a values lie between two.
    """
    rate = 1 / run_length
    for _ in range(50):
        rate = min(0.5, expected_sizes(hypothesis, rate, miss)[0] / run_length)
    return rate
