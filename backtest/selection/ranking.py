"""Ranking: candidates in the order of an estimate, ties broken by what was declared beforehand, copies left out."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from backtest.errors import MetricError
from backtest.metrics.returns import LEAST_INFERENCE
from data.panel import Floats

Rows = npt.NDArray[np.int64]

CLONE_CORRELATION = 0.95
"""Candidates whose out-of-sample returns correlate more are one bet."""


def ranked(estimates: Floats, costs: Floats | None = None, ids: Sequence[str] | None = None) -> Rows:
    """Return the candidates from best to worst estimate, (N,) positions.

    Ties go to the lower declared cost, then to the id that sorts first; NaN and infinite estimates come last. Nothing
    that is known only afterwards has a say.

    Args:
        estimates: (N,) estimated values, bigger is better.
        costs: (N,) declared costs; None means equal ones.
        ids: N distinct names; None means their positions.

    Raises:
        MetricError: when shapes differ, an id is repeated or a cost is not finite.
    """
    estimates = np.asarray(estimates, np.float64)
    count = len(estimates)
    costs = np.zeros(count) if costs is None else np.asarray(costs, np.float64)
    _check(estimates, costs, ids)
    names = np.empty(count, np.int64)
    names[np.argsort(np.array(ids, np.str_)) if ids is not None else np.arange(count)] = np.arange(count)
    return np.asarray(np.lexsort((names, costs, -_orderable(estimates))), np.int64)


def clusters(returns: Floats, correlation: float = CLONE_CORRELATION) -> Rows:
    """Return the cluster of each candidate, (N,): the position of the first candidate of its cluster.

    Candidates are in one cluster when a chain of pairs correlates above ``correlation`` over the periods both have, at
    least 20 of them. Equal returns are copies too, constant ones included, whose correlation is not defined.

    Args:
        returns: (T, N) out-of-sample returns known at the ranking, NaN where a candidate has none.
        correlation: above which two candidates are one bet, inside (0, 1).

    Raises:
        MetricError: when the returns are not (T, N), or the correlation is out of range.
    """
    values = np.asarray(returns, np.float64)
    if values.ndim != 2:
        raise MetricError(f"returns have shape {values.shape}; (T, N) is needed, one column a candidate")
    if not 0 < correlation < 1:
        raise MetricError(f"correlation was {correlation}; a number between 0 and 1 is needed")
    label = np.arange(values.shape[1])
    for i in range(values.shape[1]):
        for j in range(i):
            if label[i] != label[j] and _is_clone(values[:, i], values[:, j], correlation):
                merged = label == label[i], label == label[j]
                label[merged[0] | merged[1]] = min(label[i], label[j])
    return label


def distinct(order: Rows, cluster: Rows) -> Rows:
    """Return the ranking with only the best-ranked candidate of each cluster, so that k counts distinct bets."""
    _, first = np.unique(cluster[order], return_index=True)
    return order[np.sort(first)]


def _is_clone(one: Floats, other: Floats, correlation: float) -> bool:
    both = np.isfinite(one) & np.isfinite(other)
    if both.sum() < LEAST_INFERENCE:
        return False
    a, b = one[both], other[both]
    if np.array_equal(a, b):
        return True
    a, b = a - a.mean(), b - b.mean()
    scale = float(np.sqrt((a @ a) * (b @ b)))
    return scale > 0 and float(a @ b) > correlation * scale


def _orderable(estimates: Floats) -> Floats:
    return np.where(np.isfinite(estimates), estimates, -np.inf)


def _check(estimates: Floats, costs: Floats, ids: Sequence[str] | None) -> None:
    if estimates.ndim != 1 or not len(estimates):
        raise MetricError(f"estimates have shape {estimates.shape}; (N,) with N >= 1 is needed")
    if costs.shape != estimates.shape or not np.isfinite(costs).all():
        raise MetricError(
            f"costs have shape {costs.shape} and must be finite; {estimates.shape} finite ones are needed"
        )
    if ids is not None and (len(ids) != len(estimates) or len(set(ids)) != len(ids)):
        raise MetricError(
            f"ids were {len(ids)}, {len(set(ids))} of them distinct; {len(estimates)} distinct ones are needed"
        )
