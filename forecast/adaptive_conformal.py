"""Adaptive conformal calibration: the level asked for moves with each miss."""

from dataclasses import dataclass
from typing import Annotated, Any

import annotated_types as at
import numpy as np
import numpy.typing as npt

from data.panel import Floats, read_only
from data.registry import spec
from forecast.calibration import AbstractCalibration, Arrays, CalibrationState
from forecast.conformal import (
    ConformalScores,
    Scale,
    conformal_scores,
    no_scores,
    positions,
    remember,
    scores_for,
    shifted,
    stored_scores,
    threshold,
    with_series,
)
from forecast.distribution import QuantileForecast


@dataclass(frozen=True, eq=False)
class AdaptiveLevels(CalibrationState):
    """Past scores and the present miss rates.

    Attributes:
        memory: the latest scores.
        alphas: (S, H, P) miss rate asked of each pair now; may lie below 0 or above 1.
    """

    memory: ConformalScores
    alphas: Floats

    def __post_init__(self) -> None:
        object.__setattr__(self, "alphas", read_only(np.asarray(self.alphas, np.float64)))

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return the scores and the miss rates."""
        return {**self.memory.to_arrays(), "alphas": self.alphas}


@spec
class AdaptiveConformal(AbstractCalibration):
    """Adaptive conformal inference, a_{t+1} = a_t + gamma (alpha - err_t), unclipped (Gibbs and Candès 2021, eq. 2).

    Each pair of each series and step has its own a_t, which starts at alpha = 2 * level. Its set at time t holds the values
    whose score is at most the ceil((n + 1)(1 - a_t))-th smallest of the last n. At a_t <= 0 the set is everything: the
    forecast keeps the model's values and is marked unbounded. At a_t >= 1 it is empty: it always counts as a miss, and
    the pair is issued closed on the median. So for any sequence of scores, after T pieces of feedback,
    |mean err - alpha| <= (max(a_1, 1 - a_1) + gamma) / (gamma T); clipping a_t to [0, 1] would break this.

    err_t is that of the set which the state of the moment of feedback gives, in the order of feedback. Without overlap of
    forecasts this is the set that was issued; with overlap the issued one is older by the overlap. Issued pairs hold those
    inside them, so they miss at most as often as their own set.

    It loses when forecasts are few: with gamma .005 a level needs hundreds of misses to move far.

    Attributes:
        gamma: step size; larger follows faster and marks unbounded more often.
        window: forecasts whose scores are remembered.
        pooled: use the scores of all series together; every series keeps its own a_t.
        scale: unit of the scores.
    """

    gamma: Annotated[float, at.Gt(0), at.Lt(1)] = 0.005
    window: Annotated[int, at.Ge(1)] = 250
    pooled: bool = False
    scale: Scale = "relative"

    def start(self) -> AdaptiveLevels:
        """Return the state before any feedback."""
        return AdaptiveLevels(no_scores(), np.zeros((0, 0, 0)))

    def calibrate(self, state: AdaptiveLevels, forecast: QuantileForecast) -> QuantileForecast:
        """Return the forecast with every pair moved by the threshold of its present miss rate."""
        return shifted(forecast, self._thresholds(state, forecast), self.scale)

    def learn(
        self, state: AdaptiveLevels, raw: QuantileForecast, issued: QuantileForecast, truth: Floats
    ) -> AdaptiveLevels:
        """Return the state after each known score moved its miss rate and was remembered."""
        scores = conformal_scores(raw, truth, self.scale)
        missed = scores > self._thresholds(state, raw)
        memory = with_series(state.memory, raw)
        alphas = _alphas(state, memory)
        at_series = positions(memory, raw)
        target = 2.0 * memory.levels
        moved = alphas[at_series] + self.gamma * (target - missed)
        alphas[at_series] = np.where(np.isnan(scores), alphas[at_series], moved)
        return AdaptiveLevels(remember(memory, raw, scores, self.window), alphas)

    def from_arrays(self, arrays: Arrays) -> AdaptiveLevels:
        """Return the stored state."""
        return AdaptiveLevels(stored_scores(arrays), arrays["alphas"])

    def _thresholds(self, state: AdaptiveLevels, forecast: QuantileForecast) -> Floats:
        memory = with_series(state.memory, forecast)
        alphas = _alphas(state, memory)[positions(memory, forecast)]
        return threshold(scores_for(memory, forecast, pooled=self.pooled), alphas)


def _alphas(state: AdaptiveLevels, memory: ConformalScores) -> Floats:
    """Return a fresh copy of the miss rates with a row for every series in the memory, new ones at their target."""
    fresh = np.tile(2.0 * memory.levels, (*memory.scores.shape[:2], 1))
    if not state.memory.is_empty:
        fresh[: len(state.alphas)] = state.alphas
    return fresh
