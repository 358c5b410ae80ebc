"""Lower confidence bound: the walk-forward mean less a multiple of its error, so that a short record must earn more."""

import math
from typing import Annotated

import annotated_types as at

from backtest.selection.estimators.base import AbstractEstimator, Estimate, Known, mean_value
from backtest.selection.utility import value_variance
from data.registry import spec


@spec
class LowerBound(AbstractEstimator):
    """Mean minus z HAC standard errors (Thomas, Theocharous and Ghavamzadeh 2015, with a HAC error).

    Attributes:
        z: standard errors taken off; 1.645 makes a one-sided 95 % bound.
    """

    z: Annotated[float, at.Ge(0)] = 1.645

    def estimate(self, known: Known) -> list[Estimate]:
        """Return the lower bound of each candidate."""
        found = []
        for record in known.records:
            mean = mean_value(record.utilities, known.periods_per_year)
            error = (
                math.sqrt(value_variance(record.utilities, known.periods_per_year)) if not mean.flag else 0.0
            )
            found.append(Estimate(mean.value - self.z * error, mean.flag))
        return found
