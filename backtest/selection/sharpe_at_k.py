"""SharpeRatio@k: what the best of k deployed strategies gains over a baseline, per unit of spread among the k.

Kiyohara, Kishimoto, Kawakami, Kobayashi, Nakata and Saito (2024), "Towards Assessing and Benchmarking Risk-Return Tradeoff
of Off-Policy Evaluation", arXiv 2311.18207. It is a cross-sectional spread over strategies, never a Sharpe ratio over time:
that one is ``portfolio_sharpe_at_k``.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from backtest.errors import MetricError
from backtest.selection.conventions import CODE, Convention
from backtest.selection.ranking import Rows, ranked
from data.panel import Floats, read_only

UNDEFINED = "undefined for k = 1"
DEGENERATE = "degenerate: the chosen values do not differ"


@dataclass(frozen=True)
class TopK:
    """The k best-ranked strategies, judged by what they were worth.

    Attributes:
        k: how many were deployed.
        best: best@k, the highest value among them.
        worst: worst@k, the lowest.
        mean: mean@k, their mean.
        kth: value of the one ranked k-th.
        std: std@k in the convention's ddof, the baseline counted where the convention includes it; NaN where undefined.
        excess: best@k minus the baseline, not clipped; at k = 1 this is excess@1.
        regret: J* - best@k, with J* the highest value among all candidates.
        violation_rate: share of the k whose value is below the threshold.
        sharpe_ratio: SharpeRatio@k, NaN with a flag where it is not defined; never infinite.
        flag: why there is no ratio, else empty.
        convention: name of the convention.
    """

    k: int
    best: float
    worst: float
    mean: float
    kth: float
    std: float
    excess: float
    regret: float
    violation_rate: float
    sharpe_ratio: float
    flag: str
    convention: str


@dataclass(frozen=True, eq=False)
class Curves:
    """The same over k = 1 .. N for many orders at once; the last axis is k.

    Attributes:
        best: (..., N) best@k.
        worst: (..., N) worst@k.
        mean: (..., N) mean@k.
        kth: (..., N) value at rank k.
        std: (..., N) std@k, NaN where undefined.
        sharpe_ratio: (..., N), NaN where undefined or degenerate.
    """

    best: Floats
    worst: Floats
    mean: Floats
    kth: Floats
    std: Floats
    sharpe_ratio: Floats


@dataclass(frozen=True, eq=False)
class Outcome:
    """What N strategies were worth, and what they are measured against.

    Attributes:
        values: (N,) true values J, finite, in the candidates' order.
        baseline: value of the baseline policy, J(pi_b).
        variances: (N,) HAC variances of the values, for the noise floor; None where nobody asks for it.

    Raises:
        MetricError: when a value, the baseline or a variance is not finite, or shapes differ.
    """

    values: Floats
    baseline: float
    variances: Floats | None = None

    def __post_init__(self) -> None:
        values = np.asarray(self.values, np.float64)
        if values.ndim != 1 or not len(values) or not np.isfinite(values).all():
            raise MetricError(f"values were {values.tolist()}; (N,) finite ones are needed")
        if not math.isfinite(self.baseline):
            raise MetricError(f"baseline was {self.baseline}; a finite value is needed")
        object.__setattr__(self, "values", read_only(values))
        if self.variances is None:
            return
        variances = np.asarray(self.variances, np.float64)
        if variances.shape != values.shape or not (np.isfinite(variances) & (variances >= 0)).all():
            raise MetricError(f"variances were {variances.tolist()}; {len(values)} of at least 0 are needed")
        object.__setattr__(self, "variances", read_only(variances))

    def __len__(self) -> int:
        return len(self.values)


def curves(order: Sequence[int] | Rows, outcome: Outcome, convention: Convention = CODE) -> Curves:
    """Return the whole family over k = 1 .. N for orders (..., N) of candidate positions.

    SharpeRatio@k = max(best@k - J(pi_b), 0) / sqrt(std@k^2 + floor^2). With the baseline included, best@k and std@k are taken
    over the k and the baseline (Kiyohara et al. 2024, eq. 5); best, worst, mean and k-th are always those of the k alone.

    Raises:
        MetricError: when the convention has a noise floor and the outcome no variances.
    """
    positions = np.asarray(order, np.int64)
    kth = outcome.values[positions]
    best, worst = np.maximum.accumulate(kth, axis=-1), np.minimum.accumulate(kth, axis=-1)
    count = np.arange(1.0, kth.shape[-1] + 1)
    mean = np.cumsum(kth, axis=-1) / count
    std = _spread(kth, outcome.baseline, convention)
    top = np.maximum(best, outcome.baseline)
    floor = _noise_floor(positions, outcome, count) if convention.has_noise_floor else 0.0
    scale = np.sqrt(std**2 + floor)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(scale > 0, (top - outcome.baseline) / scale, np.nan)
    return Curves(best, worst, mean, kth, std, ratio)


def sharpe_ratio_at_k(
    estimates: Floats,
    values: Floats,
    baseline: float,
    k: int,
    *,
    convention: Convention = CODE,
    threshold: float | None = None,
    ids: Sequence[str] | None = None,
) -> TopK:
    """Return SharpeRatio@k and its family for the k candidates with the highest estimates.

    For ranking by declared costs, clones or a noise floor, order with ``ranked`` and ``distinct`` and use ``top_k``.

    Args:
        estimates: (N,) estimated values; NaN and infinite ones rank last.
        values: (N,) true values, finite.
        baseline: true value of the baseline policy.
        k: how many are deployed, 1 to N.
        convention: how the ratio is made; ``code`` by default. One with a noise floor needs ``top_k``.
        threshold: value below which a strategy is unsafe; None means the baseline.
        ids: names that break ties; None means the order given.

    Example:
        >>> sharpe_ratio_at_k([3.0, 2.0, 1.0], [4.0, 2.0, 3.0], 1.0, 2).sharpe_ratio
        2.1213203435596424

    Raises:
        MetricError: when k is larger than the candidates or below 1, or an array has another shape or is not finite.
    """
    outcome = Outcome(values, baseline)
    if np.shape(estimates) != np.shape(outcome.values):
        raise MetricError(
            f"estimates have shape {np.shape(estimates)} and values {np.shape(outcome.values)}; one of each a candidate"
        )
    order = ranked(np.asarray(estimates, np.float64), None, ids)
    return top_k(order, outcome, k, convention=convention, threshold=threshold)


def sharpe_ratio_curve(
    order: Sequence[int] | Rows,
    outcome: Outcome,
    *,
    convention: Convention = CODE,
    threshold: float | None = None,
) -> list[TopK]:
    """Return the family at every k from 1 to the number ranked; arguments as in ``top_k``."""
    return [
        top_k(order, outcome, k, convention=convention, threshold=threshold)
        for k in range(1, np.shape(order)[-1] + 1)
    ]


def top_k(
    order: Sequence[int] | Rows,
    outcome: Outcome,
    k: int,
    *,
    convention: Convention = CODE,
    threshold: float | None = None,
) -> TopK:
    """Return the family at one k of candidates that are ranked already.

    Args:
        order: (R,) positions from best to worst estimate, R <= N distinct ones (see ``distinct``).
        outcome: what all N candidates were worth; regret counts those left out of the order too.
        k: how many are deployed, 1 to R.
        convention: how the ratio is made.
        threshold: value below which a strategy is unsafe; None means the baseline.

    Raises:
        MetricError: when k is out of range, or variances are needed and missing.
    """
    chosen = np.asarray(order, np.int64)
    check_k(k, len(chosen))
    line = curves(chosen, outcome, convention)
    at = k - 1
    least = outcome.baseline if threshold is None else threshold
    return TopK(
        k=k,
        best=float(line.best[at]),
        worst=float(line.worst[at]),
        mean=float(line.mean[at]),
        kth=float(line.kth[at]),
        std=float(line.std[at]),
        excess=float(line.best[at] - outcome.baseline),
        regret=float(outcome.values.max() - line.best[at]),
        violation_rate=float(np.mean(outcome.values[chosen[:k]] < least)),
        sharpe_ratio=float(line.sharpe_ratio[at]),
        flag=_flag(float(line.std[at]), float(line.sharpe_ratio[at])),
        convention=convention.name,
    )


def check_k(k: int, candidates: int) -> None:
    """Refuse a k that cannot be deployed.

    Raises:
        MetricError: when k is not a whole number from 1 to the number of candidates.
    """
    if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or not 1 <= k <= candidates:
        raise MetricError(f"k was {k}; {candidates} distinct candidates allow 1 to {candidates}")


def _spread(kth: Floats, baseline: float, convention: Convention) -> Floats:
    """Return std@k, (..., N): around the running mean, exactly 0 where all values are equal, NaN for a single one."""
    members = _with(baseline, kth) if convention.includes_baseline else kth
    count = np.arange(1.0, members.shape[-1] + 1)
    # Shifted by the first value, so that large equal values leave no rounding behind.
    away = members - members[..., :1]
    squares = np.cumsum(away**2, axis=-1) - np.cumsum(away, axis=-1) ** 2 / count
    same = np.maximum.accumulate(members, axis=-1) == np.minimum.accumulate(members, axis=-1)
    free = count - convention.ddof
    with np.errstate(divide="ignore", invalid="ignore"):
        std = np.sqrt(np.where(same, 0.0, np.maximum(squares, 0.0)) / free)
    std = np.where(count > 1, std, np.nan)
    return np.asarray(std[..., 1:] if convention.includes_baseline else std)


def _with(baseline: float, kth: Floats) -> Floats:
    return np.concatenate([np.full((*kth.shape[:-1], 1), baseline), kth], axis=-1)


def _noise_floor(positions: Rows, outcome: Outcome, count: Floats) -> Floats:
    """Return sbar^2, the mean HAC variance of the k values, (..., N)."""
    if outcome.variances is None:
        raise MetricError("this convention has a noise floor; the outcome needs variances")
    return np.asarray(np.cumsum(outcome.variances[positions], axis=-1) / count)


def _flag(std: float, ratio: float) -> str:
    if math.isnan(std):
        return UNDEFINED
    return DEGENERATE if math.isnan(ratio) else ""
