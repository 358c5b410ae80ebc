"""Empirical-Bayes shrinkage: each mean drawn towards the mean of all, the more the noisier it is."""

import numpy as np

from backtest.selection.estimators.base import AbstractEstimator, Estimate, Known, mean_value
from backtest.selection.utility import value_variance
from data.panel import Floats
from data.registry import spec


@spec
class EmpiricalBayes(AbstractEstimator):
    """m + tau2/(tau2 + se2) (Jhat - m): m the mean of all candidates, tau2 their spread beyond noise (Efron and Morris 1973)."""

    def estimate(self, known: Known) -> list[Estimate]:
        """Return the shrunk mean of each candidate; those without a mean take no part."""
        means = [mean_value(record.utilities, known.periods_per_year) for record in known.records]
        told = np.array([not each.flag for each in means])
        values = np.array([each.value for each in means])[told]
        errors = np.array(
            [value_variance(record.utilities, known.periods_per_year) for record in known.records]
        )[told]
        drawn = iter(shrunk(values, errors))
        return [Estimate(float(next(drawn))) if not each.flag else each for each in means]


def shrunk(values: Floats, variances: Floats) -> Floats:
    """Return values (N,) drawn towards their mean by their squared standard errors (N,).

    tau2 = max(0, var(values; ddof 1) - mean(se2)), the method of moments; where it is 0 all candidates are worth their mean.
    A value known without error is kept.
    """
    if len(values) < 2:
        return values
    mean = float(values.mean())
    spread = max(0.0, float(values.var(ddof=1) - variances.mean()))
    weight = np.divide(spread, spread + variances, out=np.ones(len(values)), where=spread + variances > 0)
    return np.asarray(mean + weight * (values - mean))
