"""Adaptive window: whether two parts of the losses since the fit have different means, wherever they are cut."""

from typing import Annotated, Literal, NamedTuple

import annotated_types as at
import numpy as np
import numpy.typing as npt

from data.panel import Floats
from data.registry import spec
from forecast.retraining.drift import AbstractDrift

ROW = 5
"""Buckets of one size that are kept; the oldest two of one more are joined."""

LEAST_PART = 5
"""Losses in the smaller part of a cut, at least."""

LEAST_WINDOW = 10
"""Losses in the window beyond which it is cut."""


class Buckets(NamedTuple):
    """The losses of each stream in buckets of 1, 2, 4 ... losses.

    Attributes:
        sizes: (K,) losses in each bucket, the oldest first.
        totals: (..., K) their sums.
        squares: (...) sum of squared deviations from the mean of the window.
        steps: () losses since the reference.
    """

    sizes: npt.NDArray[np.int64]
    totals: Floats
    squares: Floats
    steps: npt.NDArray[np.int64]


@spec
class AdaptiveWindow(AbstractDrift):
    """Refit when the losses before and after some time have means that differ too much (ADWIN, Bifet and Gavaldà 2007).

    The window holds the reference and all losses since, in an exponential histogram, and is cut at
    every edge of its buckets. The score is ln(2 / delta) for the smallest delta at which their test, in the form with a
    variance, would tell the parts apart. As the policy restarts at a refit, the window never shrinks. It
    finds changes at any time scale, and loses to the others for small ones: its bound holds for any bounded distribution.

    Attributes:
        every: losses between cuts.
        side: whether only growing losses are looked for, or falling ones as well.
    """

    every: Annotated[int, at.Ge(1)] = 8
    side: Literal["up", "both"] = "up"

    def begin(self, reference: Floats) -> Buckets:
        """Return a window that holds the reference."""
        streams = reference.shape[:-1]
        state = Buckets(
            np.zeros(0, np.int64), np.zeros((*streams, 0)), np.zeros(streams), np.array(0, np.int64)
        )
        for value in np.moveaxis(reference, -1, 0):
            state = self._inserted(state, value)
        return state

    def step(self, state: Buckets, value: Floats) -> tuple[Buckets, Floats]:
        """Return the window with one more loss; the score, 0 when the window was not cut."""
        state = self._inserted(state, value)._replace(steps=state.steps + 1)
        if state.steps % self.every or state.sizes.sum() <= LEAST_WINDOW:
            return state, np.zeros_like(state.squares)
        return state, self._score(state)

    @staticmethod
    def _inserted(state: Buckets, value: Floats) -> Buckets:
        """Return the window with a bucket of one loss more, buckets joined from the smallest to the largest."""
        count = int(state.sizes.sum())
        mean = state.totals.sum(axis=-1) / max(count, 1)
        squares = state.squares + count / (count + 1) * (value - mean) ** 2
        sizes = np.append(state.sizes, 1)
        totals = np.concatenate([state.totals, np.asarray(value)[..., None]], axis=-1)
        size = 1
        while (row := np.flatnonzero(sizes == size)).size > ROW:
            oldest = row[0]
            totals = np.add.reduceat(totals, np.delete(np.arange(len(sizes)), oldest + 1), axis=-1)
            sizes = np.delete(sizes, oldest)
            sizes[oldest] = size = 2 * size
        return Buckets(sizes, totals, squares, state.steps)

    def _score(self, state: Buckets) -> Floats:
        """Return the largest ln(2 / delta) at which a cut is significant.

        A cut is significant when the means differ by more than sqrt(2 m v L) + 2 m L / 3 with L = ln(2 ln(n) / delta),
        1 / m the harmonic sum of the parts' sizes, less 4 each, and v the variance of the window.
        """
        count = state.sizes.sum()
        older = np.cumsum(state.sizes)[:-1]
        kept = (older >= LEAST_PART) & (count - older >= LEAST_PART)
        older, total = older[kept], state.totals.sum(axis=-1, keepdims=True)
        older_total = np.cumsum(state.totals, axis=-1)[..., :-1][..., kept]
        rise = (total - older_total) / (count - older) - older_total / older
        difference = np.maximum(rise, 0.0) if self.side == "up" else np.abs(rise)
        inverse = 1 / (older - LEAST_PART + 1) + 1 / (count - older - LEAST_PART + 1)
        linear = 2 / 3 * inverse
        root = np.sqrt(2 * inverse * (state.squares / count)[..., None])
        largest = (np.sqrt(root**2 + 4 * linear * difference) - root) / (2 * linear)
        score: Floats = np.max(largest**2, axis=-1, initial=0.0) - np.log(np.log(count))
        return score.clip(min=0.0)
