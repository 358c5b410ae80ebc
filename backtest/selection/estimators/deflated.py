"""Deflated Sharpe rank: the probability that a candidate's Sharpe ratio is more than the best of as many by luck."""

import math

import numpy as np

from backtest.metrics.metric import if_constant, if_few
from backtest.metrics.ratios import sharpe_per_period
from backtest.metrics.returns import Returns
from backtest.metrics.significance import deflated_sharpe
from backtest.selection.estimators.base import AbstractEstimator, Estimate, Known
from data.registry import spec


@spec
class DeflatedSharpeRank(AbstractEstimator):
    """Deflated Sharpe ratio of the walk's returns, N = the candidates, dispersion = theirs (Bailey and Lopez de Prado 2014).

    It is a probability, not an annual value: it ranks candidates and says nothing about what they earn.
    """

    def estimate(self, known: Known) -> list[Estimate]:
        """Return the deflated Sharpe ratio of each candidate."""
        returns = [Returns(record.returns, known.periods_per_year) for record in known.records]
        ratios = [
            float(sharpe_per_period(each.excess))
            for each in returns
            if not (if_few(each) or if_constant(each.excess))
        ]
        spread = float(np.std(ratios, ddof=1)) if len(ratios) > 1 else 0.0
        found = []
        for each in returns:
            metric = deflated_sharpe(each, len(returns), spread)
            found.append(Estimate(metric.value, metric.flag if math.isnan(metric.value) else ""))
        return found
