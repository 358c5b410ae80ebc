"""HAR: the path and the variance of the coming span from their own daily, weekly and monthly means."""

from typing import Self

import numpy as np
from pydantic import model_validator

from data.panel import Floats
from data.registry import spec
from forecast.base import Count
from forecast.models.liquidity.base import AbstractPoolModel, Learnt, Outlook
from forecast.models.liquidity.rows import PoolRows
from forecast.models.liquidity.shapes import mean_shape, spread_shape, standardised_shares
from forecast.models.liquidity.spans import (
    LEAST_SHARE,
    LogRule,
    coming_sums,
    fitted_rule,
    origin_step,
    raised,
    trailing_sums,
    training_origins,
)
from forecast.randomness import RandomStreams

LEAST_ORIGINS = 40
"""Fewest spans that are regressed on what was before them."""


@spec
class HarProfile(AbstractPoolModel):
    """Heterogeneous autoregression of the log path (fee growth) and of the log variance (Corsi 2009, equation 8).

    The log of the coming span's sum is regressed on an intercept and the logs of the mean over each of ``lags`` bars, by least
    squares over spans that overlap; the expected sum is the mean of exp(fit + residual) (Duan 1983), kept
    inside the range of training. The shape is the mean training profile in units of the deviation expected then, laid out
    by the deviation expected now. Quantiles of the price's change are those of training in the same units.

    It loses when activity breaks out in hours, which the monthly mean answers late, and says nothing about direction.

    Attributes:
        lags: lengths of the means, in bars; the longest fits into ``context``.
    """

    lags: tuple[Count, ...] = (24, 168, 720)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.lags or list(self.lags) != sorted(set(self.lags)):
            raise ValueError(f"lags were {self.lags}; they must increase, as in (24, 168, 720)")
        if self.lags[-1] > self.context:
            raise ValueError(f"lag {self.lags[-1]} needs a context as long; context was {self.context}")
        return self

    @property
    def least_rows(self) -> int:
        """Bars since the first swap that a fit needs."""
        return self.context + self.horizon + LEAST_ORIGINS * origin_step(self.horizon)

    def learn(self, rows: PoolRows, rng: RandomStreams) -> Learnt:
        """Return both regressions, the standardised shape, and the standardised changes' quantiles."""
        origins = training_origins(len(rows), self.lags[-1] - 1, self.horizon)
        floors = np.array([LEAST_SHARE * part.mean() for part in (rows.path, rows.field("variance"))])
        rules, means = [], []
        for values, least in zip((rows.path, rows.field("variance")), floors, strict=True):
            design = self._design(values, least)[origins]
            coming = coming_sums(values, self.horizon)[origins]
            rules.append(fitted_rule(design, raised(coming, least * self.horizon)))
            means.append(rules[-1].mean(design))
        deviations = np.sqrt(means[1])
        log_price = rows.log_price
        unit = (log_price[origins + self.horizon] - log_price[origins]) / deviations
        shares = standardised_shares(rows, origins, deviations, self.horizon)
        return {
            "floors": floors,
            "weights": np.stack([rule.weights for rule in rules]),
            "bounds": np.stack([rule.bounds for rule in rules]),
            "shape": mean_shape(shares),
            "changes": np.quantile(unit, self.levels),
        }

    def foresee(self, learnt: Learnt, rows: PoolRows) -> Outlook:
        """Return the expected path, laid out by the expected deviation."""
        path, variance = (
            float(
                LogRule(learnt["weights"][i], learnt["bounds"][i]).mean(
                    self._design(values, learnt["floors"][i])[-1:]
                )[0]
            )
            for i, values in enumerate((rows.path, rows.field("variance")))
        )
        deviation = float(np.sqrt(variance))
        profile = path * spread_shape(learnt["shape"], deviation, self.log_edges)
        return Outlook(profile, learnt["changes"] * deviation, variance)

    def _design(self, values: Floats, least: float) -> Floats:
        """Return the regressors of every bar, (T, 1 + L), NaN where a mean is not complete."""
        logs = [np.log(raised(trailing_sums(values, lag) / lag, least)) for lag in self.lags]
        return np.column_stack([np.ones(len(values)), *logs])
