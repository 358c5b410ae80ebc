"""Split conformal calibration: quantiles moved by the misses of the latest forecasts."""

from typing import Annotated

import annotated_types as at
import numpy as np

from data.panel import Floats
from data.registry import spec
from forecast.calibration import AbstractCalibration, Arrays
from forecast.conformal import (
    ConformalScores,
    Scale,
    conformal_scores,
    no_scores,
    remember,
    scores_for,
    shifted,
    stored_scores,
    threshold,
)
from forecast.distribution import QuantileForecast


@spec
class SplitConformal(AbstractCalibration):
    """Conformalised quantiles (Romano, Patterson and Candès 2019) with the finite-sample (n + 1) correction.

    Each pair of quantiles of each series and step is moved by the ceil((n + 1)(1 - alpha))-th smallest of its last n
    scores, so that it misses with probability at most alpha if scores are exchangeable. Where n is too small for that rank
    the pair is refused: it keeps the model's values and the forecast is marked unbounded. The default levels need 19
    scores for the .025 pair.

    It loses when volatility changes: scores of calm times are then no guide, and only the window forgets them.

    Attributes:
        window: forecasts remembered; the scores of earlier fits of a model stay until they fall out of it.
        pooled: use the scores of all series together; assumes that relative errors of series are alike.
        scale: unit of the scores.
    """

    window: Annotated[int, at.Ge(1)] = 250
    pooled: bool = False
    scale: Scale = "relative"

    def start(self) -> ConformalScores:
        """Return the state before any feedback."""
        return no_scores()

    def calibrate(self, state: ConformalScores, forecast: QuantileForecast) -> QuantileForecast:
        """Return the forecast with every pair moved by its threshold."""
        scores = scores_for(state, forecast, pooled=self.pooled)
        known = np.broadcast_to(2.0 * forecast.levels[: scores.shape[2]], scores.shape[:3])
        return shifted(forecast, threshold(scores, known), self.scale)

    def learn(
        self, state: ConformalScores, raw: QuantileForecast, issued: QuantileForecast, truth: Floats
    ) -> ConformalScores:
        """Return the state with the scores of the model's own quantiles."""
        return remember(state, raw, conformal_scores(raw, truth, self.scale), self.window)

    def from_arrays(self, arrays: Arrays) -> ConformalScores:
        """Return the stored state."""
        return stored_scores(arrays)
