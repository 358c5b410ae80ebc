"""Rankings: how each estimator ordered the candidates at each deployment."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from backtest.experiment import Report
from backtest.selection.deployments import Deployment
from backtest.selection.estimators.base import ESTIMATORS, Estimate
from backtest.selection.pool import Accounts, Pool, known_at
from backtest.selection.ranking import Rows, clusters, distinct, ranked
from data.panel import Floats


@dataclass(frozen=True, eq=False)
class Ranking:
    """One estimator's order at one deployment.

    Attributes:
        estimates: one a candidate.
        order: (N,) all candidates from best to worst estimate.
        cluster: (N,) which candidates are one bet.
        chosen: (D,) the order with one candidate a cluster.
        told: how many of ``chosen`` have an estimate; no more than these can be deployed.
    """

    estimates: tuple[Estimate, ...]
    order: Rows
    cluster: Rows
    chosen: Rows
    told: int


def rankings(
    pool: Pool,
    begun: Accounts,
    rows: Sequence[int],
    names: Sequence[str],
    report: Report,
) -> dict[str, tuple[Ranking, ...]]:
    """Return each estimator's ranking at each row, from what was known at its close.

    Args:
        pool: the candidates.
        begun: their returns.
        rows: deployment rows, increasing.
        names: kinds of estimators.
        report: told after each row.
    """
    built = {name: ESTIMATORS.build(name) for name in names}
    needs = frozenset[str]().union(*(estimator.needs for estimator in built.values()))
    found: dict[str, list[Ranking]] = {name: [] for name in names}
    for done, row in enumerate(rows, start=1):
        known = known_at(pool, begun, row, needs)
        cluster = clusters(begun.returns[begun.start : row + 1])
        for name, estimator in built.items():
            found[name].append(_ranking(pool, estimator.estimate(known), cluster))
        report(done, len(rows), f"ranking at {known.at.astype('datetime64[D]')}")
    return {name: tuple(parts) for name, parts in found.items()}


def permuted(order: Rows, cluster: Rows, orders: Rows) -> Rows:
    """Return the distinct rankings that shuffled candidates would have given, (B, N) shuffles -> (B, D).

    Whole candidates change places, so each keeps its own record, its clones and its outcomes; a ranking that knows nothing is
    as likely as any of these.
    """
    shuffled = orders[:, order]
    labels = cluster[shuffled]
    count = labels.shape[1]
    if len(np.unique(cluster)) == count:
        return shuffled
    is_copy = np.zeros(labels.shape, bool)
    for place in range(1, count):
        is_copy[:, place] = (labels[:, :place] == labels[:, place : place + 1]).any(axis=1)
    return np.asarray(shuffled[~is_copy].reshape(len(shuffled), -1))


def rankings_frame(
    pool: Pool, dates: Sequence[Deployment], found: dict[str, tuple[Ranking, ...]], values: Sequence[Floats]
) -> pd.DataFrame:
    """Return one row an estimator, deployment and candidate: its estimate, rank, and what it was worth if that is known.

    Args:
        pool: the candidates.
        dates: the deployments.
        found: the rankings at these dates.
        values: (N,) annual values of the closed ones, oldest first.
    """
    rows = []
    for name, parts in found.items():
        for m, (date, each) in enumerate(zip(dates, parts, strict=True)):
            rank = np.argsort(each.order)
            for i, candidate in enumerate(pool.ids):
                told = each.estimates[i]
                worth = float(values[m][i]) if m < len(values) else np.nan
                rows.append((name, date.at, candidate, told.value, told.flag, int(rank[i]) + 1, bool(i in each.chosen), worth))  # fmt: skip
    columns = ["estimator", "deployed_at", "candidate", "estimate", "flag", "rank", "is_distinct", "value"]
    return pd.DataFrame(rows, columns=columns)


def _ranking(pool: Pool, estimates: Sequence[Estimate], cluster: Rows) -> Ranking:
    values = np.array([each.value for each in estimates])
    order = ranked(values, pool.costs, pool.ids)
    chosen = distinct(order, cluster)
    return Ranking(tuple(estimates), order, cluster, chosen, int(np.isfinite(values[chosen]).sum()))
