"""GARCH-normal: the path of a Brownian motion whose variance a GARCH(1,1) expects."""

import numpy as np

from data.panel import Floats
from data.registry import spec
from forecast.models.conditional_variance import (
    VarianceRecursion,
    filter_variance,
    next_variance,
)
from forecast.models.garch import Garch
from forecast.models.liquidity.base import AbstractPoolModel, Learnt, Outlook
from forecast.models.liquidity.har import LEAST_ORIGINS
from forecast.models.liquidity.rows import PoolRows
from forecast.models.liquidity.shapes import brownian_shape
from forecast.models.liquidity.spans import (
    LEAST_SHARE,
    LogRule,
    coming_sums,
    fitted_rule,
    origin_step,
    raised,
    training_origins,
)
from forecast.models.normal_quantiles import normal_quantiles
from forecast.models.univariate import SeriesRows
from forecast.randomness import RandomStreams


@spec
class GarchNormal(AbstractPoolModel):
    """GARCH(1,1) of one-bar log returns (Bollerslev 1986), normal and without drift, by maximum likelihood.

    The variance of the span is the sum of the expected variances of its bars; the profile is the expected local time of a
    Brownian motion with that variance (``brownian_shape``), scaled to a path whose logarithm is regressed on that of the
    variance over the training spans (bias corrected, Duan 1983). Changes of the price are normal. Where the optimiser fails the
    variance is the training one.

    It loses to HAR where realised variance inside the bars says more than their returns, and in the tails.
    """

    @property
    def least_rows(self) -> int:
        """Bars since the first swap that a fit needs."""
        return max(100, self.context + self.horizon + LEAST_ORIGINS * origin_step(self.horizon))

    def learn(self, rows: PoolRows, rng: RandomStreams) -> Learnt:
        """Return the recursion, its scale, and the regression of the path on the variance."""
        found = Garch(context=self.context, distribution="normal", mean="zero").fit_series(
            SeriesRows(
                rows.series, rows.field("sqrt_price") ** 2, np.ones(len(rows), bool), np.empty((len(rows), 0))
            ),
            rng.of(rows.series),
        )
        scale, values = float(found.parameters["scale"]), found.parameters["values"]
        coming = self._variances(values, np.diff(rows.log_price) / scale)
        least = LEAST_SHARE * float(rows.path.mean()) * self.horizon
        origins = training_origins(len(rows), self.context - 1, self.horizon)
        path = raised(coming_sums(rows.path, self.horizon)[origins], least)
        rule = fitted_rule(_design(coming[origins] * scale**2), path)
        return {"scale": np.asarray(scale), "values": values, "weights": rule.weights, "bounds": rule.bounds}

    def foresee(self, learnt: Learnt, rows: PoolRows) -> Outlook:
        """Return the Brownian path of the expected variance."""
        scale = float(learnt["scale"])
        unit = self._variances(learnt["values"], np.diff(rows.log_price) / scale)[-1:]
        variance = float(unit[0]) * scale**2
        path = LogRule(learnt["weights"], learnt["bounds"]).mean(_design(np.array([variance])))
        deviation = np.sqrt(np.asarray(variance))
        profile = path[0] * brownian_shape(float(deviation), self.log_edges)
        return Outlook(profile, normal_quantiles(np.zeros(()), deviation, self.levels), variance)

    def _variances(self, values: Floats, returns: Floats) -> Floats:
        """Return the variance expected of the span after each bar, (T,), from the T - 1 returns between the bars."""
        constant, shock, persistence = (float(value) for value in values)
        recursion = VarianceRecursion("garch", constant, (shock,), (), (persistence,))
        now, trail = filter_variance(recursion, returns)
        following = np.concatenate([now, [next_variance(recursion, trail)]])
        kept = (shock + persistence) ** np.arange(self.horizon)
        # v(k + 1) = constant + (shock + persistence) v(k), summed over the span.
        return np.asarray(kept.sum() * following + constant * np.cumsum(kept)[:-1].sum())


def _design(variances: Floats) -> Floats:
    return np.column_stack([np.ones(len(variances)), np.log(variances)])
