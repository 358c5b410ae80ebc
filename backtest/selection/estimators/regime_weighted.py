"""Regime-weighted mean: past periods weighted by how much their market resembled the market now.

Self-normalised importance sampling with a density ratio learnt by telling now from then (Bickel, Brueckner and Scheffer 2007;
Owen 2013, section 9.2). Replaying prices gives every candidate's result in every period, so only the regime is reweighted.
"""

import math
from typing import Annotated

import annotated_types as at
import numpy as np

from backtest.selection.estimators.base import AbstractEstimator, Estimate, Known
from data.panel import Floats
from data.registry import spec

STEPS = 50
"""Newton steps of the logistic regression at most; with its penalty it takes about six."""


@spec
class RegimeWeighted(AbstractEstimator):
    """q sum(w u)/sum(w), with w the ratio of the density of the regime now to that of the record, cut at ``largest_weight``.

    It refuses when the weights are worth fewer than ``least_periods`` equal ones: the market now has no like in the record.

    Attributes:
        largest_weight: weights are cut there.
        least_periods: fewest effective periods, (sum w)^2 / sum w^2.
    """

    largest_weight: Annotated[float, at.Gt(1)] = 10.0
    least_periods: Annotated[int, at.Ge(2)] = 30

    def estimate(self, known: Known) -> list[Estimate]:
        """Return the weighted mean of each candidate, or the refusal."""
        there = np.isfinite(known.regime).all(axis=1)
        now = known.regime_now[np.isfinite(known.regime_now).all(axis=1)]
        if there.sum() < self.least_periods or len(now) < 2:
            flag = f"n/a (the regime of {int(there.sum())} past and {len(now)} present periods is known)"
            return [Estimate(math.nan, flag) for _ in known.records]
        weights = np.minimum(density_ratio(known.regime[there], now), self.largest_weight)
        effective = effective_sample(weights)
        if effective < self.least_periods:
            flag = f"refused: effective sample {effective:.1f} < {self.least_periods} periods"
            return [Estimate(math.nan, flag) for _ in known.records]
        share = weights / weights.sum()
        return [
            Estimate(float(known.periods_per_year * (share @ record.utilities[there])))
            for record in known.records
        ]


def effective_sample(weights: Floats) -> float:
    """Return (sum w)^2 / sum w^2 of (T,) weights (Kish 1965); 0 when all are 0."""
    squares = float(weights @ weights)
    return float(weights.sum()) ** 2 / squares if squares > 0 else 0.0


def density_ratio(past: Floats, now: Floats) -> Floats:
    """Return the density of ``now`` over that of ``past`` at each past row, (T, F) and (R, F) -> (T,).

    Odds of a logistic regression of "now" on the standardised features, times T/R. Its slopes have a standard normal prior, so
    samples that do not overlap give large odds and not infinite ones.
    """
    both = np.concatenate([past, now])
    spread = both.std(axis=0)
    scaled = (both - both.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    design = np.column_stack([np.ones(len(both)), scaled])
    label = np.concatenate([np.zeros(len(past)), np.ones(len(now))])
    slopes = logistic(design, label)
    return np.asarray(np.exp(np.minimum(design[: len(past)] @ slopes, 500.0)) * len(past) / len(now))


def logistic(design: Floats, label: Floats) -> Floats:
    """Return the coefficients (F,) of a logistic regression, the first column unpenalised, the others with a N(0, 1) prior."""
    penalty = np.ones(design.shape[1])
    penalty[0] = 0.0
    slopes = np.zeros(design.shape[1])
    for _ in range(STEPS):
        probability = 1 / (1 + np.exp(-np.clip(design @ slopes, -500, 500)))
        gradient = design.T @ (label - probability) - penalty * slopes
        curvature = (design * (probability * (1 - probability))[:, None]).T @ design + np.diag(penalty)
        change = np.linalg.solve(curvature + 1e-12 * np.eye(len(slopes)), gradient)
        slopes = slopes + change
        if float(np.abs(change).max()) < 1e-10:
            break
    return slopes
