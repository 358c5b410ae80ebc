"""Cross-validated values: the mean and a lower quantile over combinatorial purged paths.

Most splits train on the future of their test, inside what was known at the deployment date (Lopez de Prado 2018, chapter 12).
"""

import math
from typing import Annotated, ClassVar

import annotated_types as at
import numpy as np

from backtest.selection.estimators.base import (
    CROSS_VALIDATED,
    AbstractEstimator,
    Estimate,
    Known,
    Record,
    replay_of,
)
from data.panel import Floats
from data.registry import spec


@spec
class CrossValidatedMean(AbstractEstimator):
    """Mean of the paths' mean utilities."""

    needs: ClassVar[frozenset[str]] = frozenset({CROSS_VALIDATED})

    def estimate(self, known: Known) -> list[Estimate]:
        """Return the mean over the paths of each candidate."""
        return [_estimate(record, known.periods_per_year, None) for record in known.records]


@spec
class CrossValidatedQuantile(AbstractEstimator):
    """A lower quantile of the paths' mean utilities.

    Attributes:
        level: of the quantile, linear between order statistics.
    """

    level: Annotated[float, at.Gt(0), at.Lt(1)] = 0.25

    needs: ClassVar[frozenset[str]] = frozenset({CROSS_VALIDATED})

    def estimate(self, known: Known) -> list[Estimate]:
        """Return the quantile over the paths of each candidate."""
        return [_estimate(record, known.periods_per_year, self.level) for record in known.records]


def _estimate(record: Record, periods_per_year: float, level: float | None) -> Estimate:
    found = replay_of(record, CROSS_VALIDATED)
    if found.flag:
        return Estimate(math.nan, found.flag)
    values: Floats = periods_per_year * found.utilities.mean(axis=1)
    return Estimate(float(values.mean() if level is None else np.quantile(values, level)))
