"""Two samples: whether the latest losses are distributed like those of the reference."""

from typing import Annotated, Literal, NamedTuple

import annotated_types as at
import numpy as np
import numpy.typing as npt

from data.panel import Floats
from data.registry import spec
from forecast.retraining.drift import AbstractDrift


class Ranks(NamedTuple):
    """The reference and where the latest losses of each stream lie in it.

    Attributes:
        reference: (..., n) ascending.
        below: (..., W) share of the reference below each of the latest losses, a ring.
        upto: (..., W) share that is not above it.
        steps: () losses since the reference.
    """

    reference: Floats
    below: Floats
    upto: Floats
    steps: npt.NDArray[np.int64]


@spec
class TwoSample(AbstractDrift):
    """Refit when the distribution of the last ``window`` losses lies too far from that of the reference.

    The distance is the Kolmogorov-Smirnov one: the largest difference of the two distribution functions (Smirnov 1939). It
    finds changes of shape that leave the mean alone. It loses for small changes that last: it forgets all but a window.

    Attributes:
        window: losses compared with the reference.
        every: losses between comparisons.
        side: whether only growing losses are looked for, or falling ones as well.
    """

    window: Annotated[int, at.Ge(10)] = 50
    every: Annotated[int, at.Ge(1)] = 8
    side: Literal["up", "both"] = "up"

    def begin(self, reference: Floats) -> Ranks:
        """Return the sorted reference and an empty window."""
        empty = np.zeros((*reference.shape[:-1], self.window))
        return Ranks(np.sort(reference, axis=-1), empty, empty, np.array(0, np.int64))

    def step(self, state: Ranks, value: Floats) -> tuple[Ranks, Floats]:
        """Return the window with one more loss; the score, 0 when no full window was compared."""
        place = np.arange(self.window) == state.steps % self.window
        each = np.asarray(value)[..., None]
        below = np.where(place, np.mean(state.reference < each, axis=-1)[..., None], state.below)
        upto = np.where(place, np.mean(state.reference <= each, axis=-1)[..., None], state.upto)
        state = Ranks(state.reference, below, upto, state.steps + 1)
        if state.steps < self.window or state.steps % self.every:
            return state, np.zeros(state.reference.shape[:-1])
        return state, self._distance(state)

    def _distance(self, state: Ranks) -> Floats:
        """Return the largest difference of the distribution functions, by which losses have grown or either way.

        Between two losses of the window its distribution function is flat, so that of the reference is highest above it
        just before the next loss, and lowest at the loss.
        """
        order = np.arange(self.window) / self.window
        grown: Floats = np.max(np.sort(state.below, axis=-1) - order, axis=-1)
        if self.side == "up":
            return grown
        fallen = np.max(order + 1 / self.window - np.sort(state.upto, axis=-1), axis=-1)
        either: Floats = np.maximum(grown, fallen)
        return either
