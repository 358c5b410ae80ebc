"""Judgement: SharpeRatio@k of one estimator's rankings over all closed deployments, beside what luck would have given."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from backtest.metrics.ratios import sharpe
from backtest.metrics.returns import Returns
from backtest.selection.conventions import Convention, convention_named
from backtest.selection.deployments import Deployment, portfolio_returns
from backtest.selection.permutation import SearchTest, orders_of, search_test
from backtest.selection.pool import Accounts, Pool
from backtest.selection.ranking import Rows
from backtest.selection.rankings import Ranking, permuted
from backtest.selection.resampling import (
    LEAST_ROWS,
    interquartile_mean,
    median,
    moving_block_rows,
    percentile_interval,
    pooled,
)
from backtest.selection.settings import SelectionSettings
from backtest.selection.sharpe_at_k import UNDEFINED, Outcome, TopK, curves, top_k
from data.panel import Floats

CHUNK = 2_000
"""Random orders held at once."""


@dataclass(frozen=True, eq=False)
class Luck:
    """What is drawn once and used for every estimator, so that their differences are paired.

    Attributes:
        orders: (B, N) shuffles of the candidates.
        is_exact: they are all there are.
        resampled: (R, M) deployments drawn in moving blocks; no rows where there are too few deployments.
    """

    orders: Rows
    is_exact: bool
    resampled: Rows


@dataclass(frozen=True, eq=False)
class Judged:
    """One estimator against one baseline.

    Attributes:
        estimator: its kind.
        baseline: ``cash`` or ``benchmark``.
        family: one list a deployment with the family at each k; None where k could not be deployed.
        ratios: (M, K) SharpeRatio@k of each deployment, NaN where not defined.
        test: p-values at each k.
        low: (K,) lower end of the 95 % interval of the median, NaN without one.
        high: (K,) upper end.
        portfolio_sharpe: (K,) annual Sharpe ratio over time of the equal-risk portfolio of the chosen.
    """

    estimator: str
    baseline: str
    family: tuple[tuple[TopK | None, ...], ...]
    ratios: Floats
    test: SearchTest
    low: Floats
    high: Floats
    portfolio_sharpe: Floats

    @property
    def typical(self) -> Floats:
        """(K,) the median over deployments of SharpeRatio@k."""
        return median(self.ratios)

    def rows(self) -> list[dict[str, object]]:
        """Return one table row a k; medians over deployments unless the name says otherwise."""
        middle, robust = self.typical, interquartile_mean(self.ratios)
        return [
            {
                "estimator": self.estimator,
                "baseline": self.baseline,
                "k": k,
                "deployments": int((~np.isnan(self.ratios[:, i])).sum()),
                "sharpe_ratio_at_k": float(middle[i]),
                "low": float(self.low[i]),
                "high": float(self.high[i]),
                "null_median": float(self.test.null_median[i]),
                "p_value": float(self.test.p_values[i]),
                "p_value_over_k": float(self.test.corrected[i]),
                "interquartile_mean": float(robust[i]),
                **self._family_at(i),
                "portfolio_sharpe_at_k": float(self.portfolio_sharpe[i]),
                "flag": self._flag(i),
            }
            for i, k in enumerate(self.test.ks)
        ]

    def violation_rate(self, at: int) -> float:
        """Return the mean over deployments of the share of deployed strategies worth less than the baseline."""
        return self._family_at(at)["violation_rate"]

    def _family_at(self, at: int) -> dict[str, float]:
        known = [each for parts in self.family if (each := parts[at]) is not None]
        names = ("best", "worst", "mean", "kth", "std", "excess", "regret")
        columns = {name: np.array([getattr(each, name) for each in known], np.float64) for name in names}
        middle = {
            name: float(median(values)) if len(values) else math.nan for name, values in columns.items()
        }
        gains = np.maximum(columns["excess"], 0.0)
        return {
            "pooled": float(pooled(gains, columns["std"])),
            **middle,
            "violation_rate": float(np.mean([each.violation_rate for each in known])) if known else math.nan,
        }

    def _flag(self, at: int) -> str:
        if not np.isnan(self.ratios[:, at]).all():
            return ""
        flags = {each.flag for parts in self.family if (each := parts[at]) is not None}
        if not flags:
            return "n/a (fewer than k candidates have an estimate)"
        return "; ".join(sorted(flags)) or UNDEFINED


def draw_luck(pool: Pool, count: int, settings: SelectionSettings) -> Luck:
    """Return the shuffles and resamples of a selection with ``count`` closed deployments."""
    rng = np.random.default_rng(settings.seed)
    orders, is_exact = orders_of(len(pool.candidates), rng, settings.permutations)
    resampled = (
        moving_block_rows(count, settings.resamples, rng)
        if count >= LEAST_ROWS
        else np.empty((0, count), np.int64)
    )
    return Luck(orders, is_exact, resampled)


@dataclass(frozen=True, eq=False)
class Case:
    """What the candidates were worth after each closed deployment, against one baseline.

    Attributes:
        pool: the candidates.
        begun: their returns.
        closed: M deployments, oldest first.
        baseline: ``cash`` or ``benchmark``.
        outcomes: M outcomes.
    """

    pool: Pool
    begun: Accounts
    closed: tuple[Deployment, ...]
    baseline: str
    outcomes: tuple[Outcome, ...]


def judge(
    case: Case, estimator: str, found: Sequence[Ranking], luck: Luck, settings: SelectionSettings
) -> Judged:
    """Return one estimator's family and ratios over the closed deployments, their test and interval.

    The statistic is the median over deployments. The null shuffles whole candidates, the same shuffle at every deployment, so a
    ranking that never changes counts as one guess however often it is repeated.
    """
    convention = convention_named(settings.convention)
    pairs = list(zip(found, case.outcomes, strict=True))
    family = tuple(_family(each, outcome, settings.ks, convention) for each, outcome in pairs)
    ratios = np.array(
        [[math.nan if each is None else each.sharpe_ratio for each in parts] for parts in family]
    )
    null = np.concatenate(
        [
            median(_null(pairs, luck.orders[start : start + CHUNK], settings.ks, convention))
            for start in range(0, len(luck.orders), CHUNK)
        ]
    )
    test = search_test(median(ratios), null, settings.ks, is_exact=luck.is_exact)
    low, high = interval(ratios, luck)
    series = np.array([_portfolio_sharpe(case, found, k) for k in settings.ks])
    return Judged(estimator, case.baseline, family, ratios, test, low, high, series)


def interval(ratios: Floats, luck: Luck) -> tuple[Floats, Floats]:
    """Return the 95 % interval of the median of (M, K) ratios from resampled deployments; NaN for fewer than five."""
    if not len(luck.resampled):
        nothing = np.full(ratios.shape[1], np.nan)
        return nothing, nothing
    drawn = median(np.moveaxis(ratios[luck.resampled], 1, 0))
    return percentile_interval(drawn)


def _family(
    each: Ranking, outcome: Outcome, ks: Sequence[int], convention: Convention
) -> tuple[TopK | None, ...]:
    return tuple(
        top_k(each.chosen, outcome, k, convention=convention) if k <= each.told else None for k in ks
    )


def _null(
    pairs: Sequence[tuple[Ranking, Outcome]], orders: Rows, ks: Sequence[int], convention: Convention
) -> Floats:
    """Return SharpeRatio@k of shuffled candidates, (M, B, K); NaN where the ranking itself could not deploy k."""
    found = np.full((len(pairs), len(orders), len(ks)), np.nan)
    for m, (each, outcome) in enumerate(pairs):
        ratios = curves(permuted(each.order, each.cluster, orders), outcome, convention).sharpe_ratio
        for i, k in enumerate(ks):
            if k <= each.told:
                found[m, :, i] = ratios[:, k - 1]
    return found


def _portfolio_sharpe(case: Case, found: Sequence[Ranking], k: int) -> float:
    """Return the annual Sharpe ratio of the equal-risk portfolio of the first k through all windows; NaN if too short."""
    parts = [
        portfolio_returns(case.begun, date, each.chosen[:k])
        for date, each in zip(case.closed, found, strict=True)
        if k <= each.told
    ]
    if not parts:
        return math.nan
    return sharpe(Returns(np.concatenate(parts), case.pool.periods_per_year)).value
