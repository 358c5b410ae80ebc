"""Promotion: which strategies go on to paper trading, by a rule fixed before an outcome was seen."""

from dataclasses import dataclass

import numpy as np

from backtest.selection.judgement import Judged
from backtest.selection.resampling import LEAST_ROWS
from backtest.selection.settings import SelectionSettings


@dataclass(frozen=True)
class Promotion:
    """The verdict of the rule.

    Attributes:
        k: how many are promoted, 0 for none.
        candidates: their ids, in the order of the present ranking.
        p_value: the one that decided, at that k or the smallest of those tried; NaN when there was none.
        reason: why, in one sentence.
    """

    k: int
    candidates: tuple[str, ...]
    p_value: float
    reason: str

    @property
    def is_promoted(self) -> bool:
        """Whether anything goes on."""
        return self.k > 0


def promote(judged: Judged, ranking_now: tuple[str, ...], settings: SelectionSettings) -> Promotion:
    """Return the largest k that passes: p-value at most alpha, and not too many deployed strategies below the baseline.

    A k needs five closed deployments with a SharpeRatio@k, and as many distinct candidates with an estimate now.

    One k was fixed beforehand, so its own p-value counts. Several were searched, so each p-value is that of the best k of random
    orders: the chance that any k of a ranking without skill passes is at most alpha.

    Args:
        judged: the promoting estimator against the rule's baseline, closed deployments only.
        ranking_now: distinct candidates with an estimate, best first, at the end of what is known.
        settings: alpha and the limit of violations.
    """
    is_fixed = len(settings.ks) == 1
    values = judged.test.p_values if is_fixed else judged.test.corrected
    rates = np.array([judged.violation_rate(i) for i in range(len(settings.ks))])
    counts = (~np.isnan(judged.ratios)).sum(axis=0)
    can = (counts >= LEAST_ROWS) & (np.array(settings.ks) <= len(ranking_now))
    passed = np.flatnonzero(can & (values <= settings.alpha) & (rates <= settings.violation_limit))
    how = (
        "k was fixed beforehand"
        if is_fixed
        else f"corrected for the search over {int((~np.isnan(values)).sum())} k"
    )
    if len(passed):
        at = int(passed[-1])
        k = settings.ks[at]
        return Promotion(
            k,
            ranking_now[:k],
            float(values[at]),
            f"{judged.estimator} promotes {k}: p = {values[at]:.3f} <= {settings.alpha:g} ({how}), and {rates[at]:.0%} of the deployed "
            f"strategies were worth less than {judged.baseline}",
        )
    if not can.any() or np.isnan(values[can]).all():
        why = f"no k has a SharpeRatio@k on {LEAST_ROWS} deployments with a closed outcome window and candidates enough now"
        return Promotion(0, (), float("nan"), f"nothing is promoted: {why}")
    values = np.where(can, values, np.nan)
    least = float(np.nanmin(values))
    if least > settings.alpha:
        why = f"the ranking of {judged.estimator} is not told from a random one, p = {least:.3f} > {settings.alpha:g} ({how})"
    else:
        at = int(np.nanargmin(values))
        why = f"{rates[at]:.0%} of the strategies that {judged.estimator} deployed were worth less than {judged.baseline}"
    return Promotion(0, (), least, f"nothing is promoted: {why}")
