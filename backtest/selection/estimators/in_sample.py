"""In-sample mean: what the fit at the deployment date earns on the rows it was fitted to; the straw man."""

import math
from typing import ClassVar

from backtest.selection.estimators.base import (
    IN_SAMPLE,
    AbstractEstimator,
    Estimate,
    Known,
    mean_value,
    replay_of,
)
from data.registry import spec


@spec
class InSampleMean(AbstractEstimator):
    """Mean utility on the training rows of the fit that would be deployed; biased upwards by every free parameter."""

    needs: ClassVar[frozenset[str]] = frozenset({IN_SAMPLE})

    def estimate(self, known: Known) -> list[Estimate]:
        """Return the in-sample mean of each candidate."""
        found = [replay_of(record, IN_SAMPLE) for record in known.records]
        return [
            Estimate(math.nan, each.flag)
            if each.flag
            else mean_value(each.utilities[0], known.periods_per_year)
            for each in found
        ]
