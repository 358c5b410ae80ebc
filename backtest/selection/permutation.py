"""Permutation tests of a ranking: would an order that knows nothing have done as well, at one k or at the best of many?"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from backtest.errors import MetricError
from backtest.selection.conventions import CODE, Convention
from backtest.selection.ranking import Rows
from backtest.selection.sharpe_at_k import Outcome, check_k, curves
from data.panel import Floats

EXACT_SUBSETS = 200_000
"""Up to so many subsets of size k are all computed; beyond, subsets are sampled."""

SAMPLES = 20_000
"""Random orders or subsets drawn where not all are computed."""

EXACT_ORDERS = 5_040
"""Up to so many orders (7 candidates) are all computed."""

SLACK = 1e-9
"""Relative difference below which two ratios are equal: their sums were made in another order."""


@dataclass(frozen=True)
class PermutationTest:
    """One k against orders that know nothing.

    Attributes:
        k: how many are deployed.
        observed: SharpeRatio@k of the ranking.
        p_value: share of random choices of k that do as well or better; NaN where the ratio is not defined.
        null_median: median SharpeRatio@k of random choices, NaN where none is defined.
        null_low: their 2.5 % quantile.
        null_high: their 97.5 % quantile.
        draws: random choices compared.
        is_exact: all choices were computed; else the p-value is (1 + b)/(B + 1).
    """

    k: int
    observed: float
    p_value: float
    null_median: float
    null_low: float
    null_high: float
    draws: int
    is_exact: bool


@dataclass(frozen=True, eq=False)
class SearchTest:
    """The best of several k against the best of the same k under orders that know nothing.

    Attributes:
        ks: (K,) the k searched.
        p_values: (K,) p-value of each k alone.
        corrected: (K,) p-value of each k corrected for having searched all of them.
        null_median: (K,) median of the statistic under random orders.
        draws: random orders compared.
        is_exact: all orders were computed.
    """

    ks: tuple[int, ...]
    p_values: Floats
    corrected: Floats
    null_median: Floats
    draws: int
    is_exact: bool


def permutation_test(
    order: Sequence[int] | Rows,
    outcome: Outcome,
    k: int,
    rng: np.random.Generator,
    convention: Convention = CODE,
) -> PermutationTest:
    """Return how the first k of a ranking compare with k candidates chosen at random.

    All C(R, k) subsets are computed while they are at most 200,000; else 20,000 random ones, and the ranking counts as one
    more. A random choice whose ratio is not defined counts against the ranking.

    Args:
        order: (R,) ranked positions, see ``ranked`` and ``distinct``; choices are made among these.
        outcome: what the candidates were worth.
        k: fixed before the outcome was seen; for a search over k use ``search_test``.
        rng: source of the random subsets.
        convention: how the ratio is made.

    Raises:
        MetricError: when k is out of range.
    """
    chosen = np.asarray(order, np.int64)
    check_k(k, len(chosen))
    is_exact = math.comb(len(chosen), k) <= EXACT_SUBSETS
    picks = _subsets(len(chosen), k) if is_exact else random_orders(len(chosen), SAMPLES, rng)[:, :k]
    null = curves(chosen[picks], outcome, convention).sharpe_ratio[:, k - 1]
    observed = float(curves(chosen, outcome, convention).sharpe_ratio[k - 1])
    low, middle, high = _quantiles(null)
    p_value = float(_p_values(null[:, None], np.array([observed]), is_exact=is_exact)[0])
    return PermutationTest(k, observed, p_value, middle, low, high, len(null), is_exact)


def search_test(observed: Floats, null: Floats, ks: Sequence[int], *, is_exact: bool) -> SearchTest:
    """Return the p-values of several k, alone and corrected for the maximum over them.

    A ratio grows with k even without skill, so the ks are compared by their p-values: the corrected p-value of a k is the
    share of random orders whose own best p-value over the same ks is as small (Westfall and Young 1993, section 2.3).

    Args:
        observed: (K,) statistic of the ranking at each k, NaN where not defined.
        null: (B, K) the same of B random orders, each row one order at every k.
        ks: the K values of k.
        is_exact: the B orders are all there are.

    Raises:
        MetricError: when shapes differ.
    """
    if null.ndim != 2 or null.shape[1] != len(ks) or observed.shape != (len(ks),):
        raise MetricError(
            f"observed has shape {observed.shape} and null {null.shape}; (K,) and (B, K) with K = {len(ks)} are needed"
        )
    alone = _p_values(null, observed, is_exact=is_exact)
    best = _own_p_values(null, is_exact=is_exact).min(axis=1)
    counted = (best[:, None] <= alone * (1 + SLACK)).sum(axis=0)
    corrected = counted / len(null) if is_exact else (1 + counted) / (len(null) + 1)
    middle = np.array([_quantiles(column)[1] for column in null.T])
    return SearchTest(
        tuple(ks), alone, np.where(np.isnan(alone), np.nan, corrected), middle, len(null), is_exact
    )


def search_over_k(
    order: Sequence[int] | Rows,
    outcome: Outcome,
    ks: Sequence[int],
    rng: np.random.Generator,
    convention: Convention = CODE,
) -> SearchTest:
    """Return the p-values of a ranking at several k, alone and corrected for the search over them.

    Args:
        order: (R,) ranked positions; random orders are of these.
        outcome: what the candidates were worth.
        ks: every k that was looked at.
        rng: source of the random orders, where not all are computed.
        convention: how the ratio is made.

    Raises:
        MetricError: when a k is out of range.
    """
    chosen = np.asarray(order, np.int64)
    for k in ks:
        check_k(k, len(chosen))
    columns = np.array(ks, np.int64) - 1
    orders, is_exact = orders_of(len(chosen), rng)
    null = curves(chosen[orders], outcome, convention).sharpe_ratio[:, columns]
    observed = curves(chosen, outcome, convention).sharpe_ratio[columns]
    return search_test(observed, null, ks, is_exact=is_exact)


def orders_of(count: int, rng: np.random.Generator, samples: int = SAMPLES) -> tuple[Rows, bool]:
    """Return all orders of ``count`` candidates when they are at most 5,040, else random ones, and whether it is all."""
    if count <= 20 and math.factorial(count) <= EXACT_ORDERS:
        return np.array(list(itertools.permutations(range(count))), np.int64), True
    return random_orders(count, samples, rng), False


def random_orders(count: int, samples: int, rng: np.random.Generator) -> Rows:
    """Return random orders of ``count`` candidates, (samples, count)."""
    return np.asarray(rng.permuted(np.tile(np.arange(count), (samples, 1)), axis=1), np.int64)


def _subsets(count: int, k: int) -> Rows:
    return np.array(list(itertools.combinations(range(count), k)), np.int64)


def _threshold(observed: Floats) -> Floats:
    return observed - SLACK * np.abs(observed)


def _p_values(null: Floats, observed: Floats, *, is_exact: bool) -> Floats:
    """Return the share of null rows (B, K) at or above the observed (K,); an undefined null row counts as above."""
    above = ((null >= _threshold(observed)) | np.isnan(null)).sum(axis=0)
    share = above / len(null) if is_exact else (1 + above) / (len(null) + 1)
    return np.where(np.isnan(observed), np.nan, share)


def _own_p_values(null: Floats, *, is_exact: bool) -> Floats:
    """Return each null row's p-value among the null, (B, K); an undefined one is above all others, as in ``_p_values``."""
    filled = np.where(np.isnan(null), np.inf, null)
    own = np.empty_like(filled)
    for column in range(filled.shape[1]):
        ordered = np.sort(filled[:, column])
        below = np.searchsorted(ordered, _finite_threshold(filled[:, column]), side="left")
        own[:, column] = len(ordered) - below
    return own / len(null) if is_exact else (1 + own) / (len(null) + 1)


def _finite_threshold(values: Floats) -> Floats:
    return np.where(np.isfinite(values), _threshold(np.where(np.isfinite(values), values, 0.0)), values)


def _quantiles(values: Floats) -> tuple[float, float, float]:
    defined = values[~np.isnan(values)]
    if not len(defined):
        return math.nan, math.nan, math.nan
    low, middle, high = np.quantile(defined, [0.025, 0.5, 0.975])
    return float(low), float(middle), float(high)
