"""Select: candidates ranked at each deployment date on what was known, the top k deployed, and the ranking judged afterwards."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from backtest.errors import MetricError
from backtest.experiment import Report
from backtest.selection.deployments import BASELINES, Deployment, deployments, outcomes
from backtest.selection.judgement import Case, Judged, Luck, draw_luck, interval, judge
from backtest.selection.pool import Accounts, Pool, accounts
from backtest.selection.promotion import Promotion, promote
from backtest.selection.rankings import Ranking, rankings, rankings_frame
from backtest.selection.resampling import median
from backtest.selection.settings import SelectionSettings
from data.errors import SpecError


@dataclass(frozen=True, eq=False)
class Selection:
    """A finished selection.

    Attributes:
        table: one row an estimator, baseline and k: SharpeRatio@k with interval, p-values, null median, and its family.
        differences: one row an estimator and k: its SharpeRatio@k less that of the promoting one, on the same resamples.
        rankings: one row an estimator, deployment and candidate.
        deployments: one row a deployment: when, its outcome window, whether that has closed, and how many distinct bets there were.
        ranking_now: the promoting estimator's distinct candidates at the end of what is known, best first.
        promotion: the verdict.
        candidates: how many candidates there were; each counts as a trial.
        draws: random orders compared.
        is_exact: these were all orders.
    """

    table: pd.DataFrame
    differences: pd.DataFrame
    rankings: pd.DataFrame
    deployments: pd.DataFrame
    ranking_now: tuple[str, ...]
    promotion: Promotion
    candidates: int
    draws: int
    is_exact: bool


def select(
    pool: Pool, settings: SelectionSettings, report: Report, *, since: np.datetime64 | None = None
) -> Selection:
    """Return how well each estimator chose, over every deployment whose outcome window has closed.

    Timing: a ranking at tau reads returns up to tau; the outcome is earned from the second bar after tau on.

    Args:
        pool: the candidates.
        settings: chosen before any outcome was seen.
        report: told after each ranking.
        since: judge only deployments from this instant on (a sealed period that was opened).

    Raises:
        MetricError: when k is larger than the candidates.
        SpecError: when the folds leave no closed deployment.
    """
    _check_ks(pool, settings)
    begun = accounts(pool)
    dates = deployments(pool, begun, settings, since)
    closed = tuple(each for each in dates if each.is_closed)
    if not closed:
        raise SpecError(
            f"none of {len(dates)} deployments has an outcome window that has closed; use more data"
        )
    found = rankings(pool, begun, [each.row for each in dates], settings.estimators, report)
    worth = outcomes(pool, begun, closed)
    luck = draw_luck(pool, len(closed), settings)
    judged = {
        (name, baseline): judge(
            Case(pool, begun, closed, baseline, worth[baseline]), name, parts[: len(closed)], luck, settings
        )
        for baseline in BASELINES
        for name, parts in found.items()
    }
    now = _ranking_now(pool, begun, settings, report)
    verdict = promote(judged[settings.promote_by, settings.baseline], now, settings)
    return Selection(
        table=pd.DataFrame([row for each in judged.values() for row in each.rows()]),
        differences=_differences(judged, luck, settings),
        rankings=rankings_frame(pool, dates, found, [each.values for each in worth["cash"]]),
        deployments=_deployments_frame(pool, begun, dates, found[settings.promote_by]),
        ranking_now=now,
        promotion=verdict,
        candidates=len(pool.candidates),
        draws=len(luck.orders),
        is_exact=luck.is_exact,
    )


def _check_ks(pool: Pool, settings: SelectionSettings) -> None:
    count = len(pool.candidates)
    if settings.ks[-1] > count:
        raise MetricError(
            f"k was {settings.ks[-1]}; {count} candidates ({', '.join(pool.ids)}) allow 1 to {count}"
        )


def _ranking_now(pool: Pool, begun: Accounts, settings: SelectionSettings, report: Report) -> tuple[str, ...]:
    """Return the promoting estimator's distinct candidates at the last bar, those with an estimate, best first."""
    [ranking] = rankings(pool, begun, [len(pool.times) - 1], [settings.promote_by], report)[
        settings.promote_by
    ]
    return tuple(pool.ids[i] for i in ranking.chosen[: ranking.told])


def _differences(
    judged: dict[tuple[str, str], Judged], luck: Luck, settings: SelectionSettings
) -> pd.DataFrame:
    """Return the median over deployments of each estimator's ratio less the promoting one's, with paired intervals."""
    base = judged[settings.promote_by, settings.baseline]
    rows = []
    for (name, baseline), each in judged.items():
        if baseline == settings.baseline and name != settings.promote_by:
            apart = each.ratios - base.ratios
            low, high = interval(apart, luck)
            middle = median(apart)
            rows += [
                (name, settings.promote_by, k, float(middle[i]), float(low[i]), float(high[i]))
                for i, k in enumerate(settings.ks)
            ]
    return pd.DataFrame(rows, columns=["estimator", "minus", "k", "difference", "low", "high"])


def _deployments_frame(
    pool: Pool, begun: Accounts, dates: Sequence[Deployment], found: Sequence[Ranking]
) -> pd.DataFrame:
    rows = [
        (
            date.at,
            pool.times[date.first] if date.first < len(pool.times) else None,
            pool.times[date.stop - 1] if date.is_closed else None,
            date.is_closed,
            date.row - begun.start + 1,
            len(each.chosen),
        )
        for date, each in zip(dates, found, strict=True)
    ]
    columns = [
        "deployed_at",
        "outcome_from",
        "outcome_until",
        "is_closed",
        "known_bars",
        "distinct_candidates",
    ]
    return pd.DataFrame(rows, columns=columns)
