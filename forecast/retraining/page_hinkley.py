"""Page-Hinkley: how far a sum of deviations has climbed above its lowest point."""

from typing import Annotated, Any, Literal, NamedTuple

import annotated_types as at
import numpy as np

from data.panel import Floats
from data.registry import spec
from forecast.retraining.drift import AbstractDrift


class Sums(NamedTuple):
    """Sums of deviations from the mean of each stream, and their extremes.

    Attributes:
        losses: () number so far, the reference included.
        mean: (...) their mean.
        rise: (...) sum of deviations less the slack.
        lowest: (...) its lowest value.
        fall: (...) sum of deviations plus the slack.
        highest: (...) its highest value.
    """

    losses: Floats
    mean: Floats
    rise: Floats
    lowest: Floats
    fall: Floats
    highest: Floats


@spec
class PageHinkley(AbstractDrift):
    """Refit when the sum of losses above their running mean plus a slack has climbed too far (Page 1954; Hinkley 1971).

    The running mean begins at the reference and takes in every loss since, so a slow drift is followed and not reported.
    It loses to the sequential ratio where the size of the change is known.

    Attributes:
        slack: standard deviations of the reference by which losses may lie above the mean; half the shift to be found.
        forgetting: weight of the past in the sums; 1 keeps all.
        side: whether only growing losses are looked for, or falling ones as well.
    """

    slack: Annotated[float, at.Ge(0)] = 0.25
    forgetting: Annotated[float, at.Gt(0), at.Le(1)] = 1.0
    side: Literal["up", "both"] = "up"

    def begin(self, reference: Floats) -> Sums:
        """Return sums of 0 round the mean of the reference; an empty one starts the mean with the first loss."""
        count = reference.shape[-1]
        zero = np.zeros(reference.shape[:-1])
        mean = reference.mean(axis=-1) if count else zero
        return Sums(np.array(float(count)), mean, zero, zero + np.inf, zero, zero - np.inf)

    def step(self, state: Sums, value: Floats) -> tuple[Sums, Floats]:
        """Return the sums after one more loss, and the larger climb of those looked for."""
        losses = state.losses + 1
        mean = state.mean + (value - state.mean) / losses
        deviation = value - mean
        rise = self.forgetting * state.rise + deviation - self.slack
        fall = self.forgetting * state.fall + deviation + self.slack
        lowest, highest = np.minimum(state.lowest, rise), np.maximum(state.highest, fall)
        climbed: Any = rise - lowest
        score = climbed if self.side == "up" else np.maximum(climbed, highest - fall)
        return Sums(losses, mean, rise, lowest, fall, highest), score
