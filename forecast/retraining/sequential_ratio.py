"""Sequential ratio: Wald's test of grown losses, begun again whenever it finds that nothing has changed."""

from typing import Annotated, Literal, NamedTuple

import annotated_types as at
import numpy as np

from data.panel import Floats
from data.registry import spec
from forecast.retraining.drift import AbstractDrift
from forecast.retraining.likelihood_ratio import (
    Hypothesis,
    MeanShift,
    RateShift,
    ScaleShift,
    false_alarm_rate,
    wald_bounds,
)

USUAL = 0.2
"""Share of the reference losses that count as large."""


class Evidence(NamedTuple):
    """The test under way in each stream.

    Attributes:
        large: (...) the loss above which a share ``USUAL`` of the reference lies.
        total: (...) log of the likelihood ratio since the test began.
    """

    large: Floats
    total: Floats


@spec
class SequentialRatio(AbstractDrift):
    """Refit when the likelihood ratio of grown losses passes its upper bound (Wald 1945), a test repeated from 0.

    The lower bound, at which the test begins again, is Wald's for ``miss`` and the wanted run length. The upper one is
    calibrated; Wald's holds for independent normal losses only. Begun again at 0, this is Page's cumulative sum with another
    floor. It loses when losses change in another way than ``grown`` says.

    Attributes:
        grown: what is tested: the mean of the losses moves up, their standard deviation grows, or large ones, a fifth of
            the reference, become more frequent.
        shift: the change to be found: standard deviations of the mean; relative growth of the other two.
        miss: share of tests that miss such a change.
    """

    grown: Literal["mean", "scale", "frequency"] = "mean"
    shift: Annotated[float, at.Gt(0), at.Le(3)] = 0.5
    miss: Annotated[float, at.Gt(0), at.Lt(0.5)] = 0.05

    @property
    def hypothesis(self) -> Hypothesis:
        """The two distributions that are told apart."""
        if self.grown == "mean":
            return MeanShift(self.shift)
        return (
            ScaleShift(1 + self.shift)
            if self.grown == "scale"
            else RateShift(USUAL, USUAL * (1 + self.shift))
        )

    @property
    def lower(self) -> float:
        """The bound at which a test begins again."""
        return wald_bounds(false_alarm_rate(self.hypothesis, self.miss, self.target_run_length), self.miss)[1]

    def begin(self, reference: Floats) -> Evidence:
        """Return a test at 0, and what counts as a large loss."""
        count = reference.shape[-1]
        large = np.quantile(reference, 1 - USUAL, axis=-1) if count else np.zeros(reference.shape[:-1])
        return Evidence(large, np.zeros(reference.shape[:-1]))

    def step(self, state: Evidence, value: Floats) -> tuple[Evidence, Floats]:
        """Return the test after one more loss, and its total where that is above 0."""
        counted = np.where(value > state.large, 1.0, 0.0) if self.grown == "frequency" else value
        total = state.total + self.hypothesis.ratio(counted)
        total = np.where(total <= self.lower, 0.0, total)
        return Evidence(state.large, total), np.maximum(total, 0.0)
