"""Overfitting: how often the best strategy of one half of the time is below the median of the other, beside noise.

Probability of backtest overfitting by combinatorially symmetric cross-validation (Bailey, Borwein, Lopez de Prado and Zhu
2017). The same number of noise wanders from about .1 to .85, so it is never stated without its null band.
"""

import itertools
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from backtest.errors import MetricError
from backtest.metrics.bootstrap import rows_drawn
from backtest.metrics.strategy_returns import StrategyReturns, require_variation
from backtest.metrics.superiority import longest_block
from data.panel import Floats

FLAT = 1e-10
"""A half whose variance is a smaller share of its mean square never varies: what is left is rounding."""

TIE = 1e-9
"""Sharpe ratios that differ by less share their mean rank: equal returns differ by the rounding of a matrix product."""

MOST_BLOCKS = 20
"""Twenty blocks are 184,756 halves."""


@dataclass(frozen=True)
class Overfitting:
    """The probability of backtest overfitting with the band that strategies without skill give.

    Attributes:
        probability: share of halves whose best strategy is at or below the median of the other half.
        null_low: 5 % quantile of the probability among noise of the same shape and cross-correlation.
        null_mean: its mean.
        null_high: its 95 % quantile.
        p_value: chance that noise is at or below the probability, (1 + b) / (1 + draws).
        slope: change of the winner's other-half Sharpe ratio per unit of its own half's, by least squares.
        loss_probability: share of halves whose best strategy has a negative Sharpe ratio in the other half.
        blocks: S.
        halves: C(S, S/2).
        draws: noise matrices behind the band.
        convention: how it was made, in words.
    """

    probability: float
    null_low: float
    null_mean: float
    null_high: float
    p_value: float
    slope: float
    loss_probability: float
    blocks: int
    halves: int
    draws: int
    convention: str

    @property
    def is_below_noise(self) -> bool:
        """Whether the probability lies below the null band, the only reading that speaks for skill."""
        return self.probability < self.null_low


@dataclass(frozen=True, eq=False)
class Winners:
    """The best strategy of each of H halves.

    Attributes:
        inside: (H,) its per-period Sharpe ratio in the half that chose it.
        outside: (H,) its per-period Sharpe ratio in the other half.
        rank: (H,) its rank in the other half over N + 1, from the worst up, in (0, 1).
    """

    inside: Floats
    outside: Floats
    rank: Floats

    @property
    def overfit_share(self) -> float:
        """Share of halves with logit(rank) <= 0."""
        return float(np.mean(np.log(self.rank / (1 - self.rank)) <= 0))

    @property
    def slope(self) -> float:
        """Least-squares slope of the outside on the inside ratio; 0 when all inside ratios are equal."""
        away = self.inside - self.inside.mean()
        spread = float(away @ away)
        return float(away @ self.outside) / spread if spread > 0 else 0.0


def overfitting(
    strategies: StrategyReturns,
    rng: np.random.Generator,
    *,
    blocks: int = 10,
    draws: int = 200,
    block: float | None = None,
) -> Overfitting:
    """Return the probability of backtest overfitting of picking the best of N by Sharpe ratio, with its null band.

    T periods are cut into S blocks whose lengths differ by at most one; every half of the blocks picks its best strategy
    by the per-period Sharpe ratio of the return above the benchmark, which is ranked in the other half; ties get their
    mean rank. A strategy that never varies in a half scores 0 there. The band comes from stationary-bootstrap resamples of
    the demeaned returns, whole rows at a time: no strategy has skill, their cross-correlation stays.

    Args:
        strategies: at least two strategies and their benchmark.
        rng: source of the band; equal generators give equal bits.
        blocks: S, even, from 4 to 20, at most T / 2.
        draws: noise matrices, at least 20.
        block: mean block length of the noise in periods; None means the longest ``optimal_block`` of the differentials.

    Raises:
        MetricError: when a setting is out of range, there is one strategy, or one equals the benchmark up to a constant.
    """
    require_variation(strategies)
    differentials = strategies.differentials
    block = longest_block(differentials) if block is None else block
    _check(differentials, blocks, draws, block)
    found = winners(differentials, blocks)
    null = null_shares(differentials, blocks, block, draws, rng)
    low, high = np.quantile(null, [0.05, 0.95])
    convention = (
        f"best of {len(strategies.names)} by Sharpe ratio above the benchmark, {blocks} blocks, {math.comb(blocks, blocks // 2)} "
        f"halves; band: 5-95 % of {draws} matrices of noise with the same cross-correlation, mean block {block:.4g}"
    )
    return Overfitting(
        found.overfit_share, float(low), float(null.mean()), float(high),
        float(1 + np.count_nonzero(null <= found.overfit_share)) / (1 + draws), found.slope,
        float(np.mean(found.outside < 0)), blocks, math.comb(blocks, blocks // 2), draws, convention,
    )  # fmt: skip


def winners(values: Floats, blocks: int) -> Winners:
    """Return the best strategy of every half of the blocks of values (T, N), in the order of ``itertools.combinations``."""
    mean = values.mean(axis=0)
    return _winners(_block_counts(len(values), blocks), _powers(values - mean), mean)


def null_shares(values: Floats, blocks: int, block: float, draws: int, rng: np.random.Generator) -> Floats:
    """Return the overfit shares (draws,) of resamples of values (T, N) from which every mean has been taken away."""
    powers = _powers(values - values.mean(axis=0))
    counts = _block_counts(len(values), blocks)
    zero = np.zeros(values.shape[1])
    # Row j of a resample is drawn row rows[j]; summing a block is a product with how often it holds each row.
    return np.array(
        [
            _winners(_drawn_counts(counts, rows), powers, zero).overfit_share
            for chunk in rows_drawn(len(values), block, draws, rng)
            for rows in chunk
        ]
    )


def _powers(centred: Floats) -> Floats:
    """Return centred returns (T, N) beside their squares, (T, 2N)."""
    return np.concatenate([centred, centred**2], axis=1)


def _winners(counts: Floats, powers: Floats, mean: Floats) -> Winners:
    """Return the winners of blocks that hold row t of powers (T, 2N) counts[s, t] times, (S, T)."""
    ratios, opposite = _half_ratios(counts, powers, mean)
    every = np.arange(len(ratios))
    best = ratios.argmax(axis=1)
    outside = opposite[every, best]
    above = opposite - outside[:, None]
    below, equal = (above < -TIE).sum(axis=1), (np.abs(above) <= TIE).sum(axis=1)
    return Winners(ratios[every, best], outside, (below + (equal + 1) / 2) / (ratios.shape[1] + 1))


def _half_ratios(counts: Floats, powers: Floats, mean: Floats) -> tuple[Floats, Floats]:
    """Return the per-period Sharpe ratios (H, N) of every half and of its other half."""
    halves = _halves(len(counts))
    sums, squares = np.split(halves @ (counts @ powers), 2, axis=1)
    inside = _ratios(halves @ counts.sum(axis=1), sums, squares, mean)
    # The k-th half from the end is the other half of the k-th, so one table serves both.
    return inside, inside[::-1]


def _ratios(periods: Floats, sums: Floats, squares: Floats, mean: Floats) -> Floats:
    """Return mean / sd (ddof 1) from sums about ``mean``; 0 where nothing varies."""
    count = periods[:, None]
    variance = (squares - sums**2 / count) / (count - 1)
    varies = variance > FLAT * squares / count
    deviation = np.sqrt(variance, where=varies, out=np.ones_like(variance))
    return np.where(varies, (sums / count + mean) / deviation, 0.0)


def _halves(blocks: int) -> Floats:
    """Return (C(S, S/2), S) ones where a half holds a block; row k and row -1-k have no block in common."""
    chosen = np.array(list(itertools.combinations(range(blocks), blocks // 2)))
    halves = np.zeros((len(chosen), blocks))
    np.put_along_axis(halves, chosen, 1.0, axis=1)
    return halves


def _block_counts(periods: int, blocks: int) -> Floats:
    """Return (S, T) ones where a period belongs to a block."""
    counts = np.zeros((blocks, periods))
    for number, rows in enumerate(np.array_split(np.arange(periods), blocks)):
        counts[number, rows] = 1.0
    return counts


def _drawn_counts(counts: Floats, rows: npt.NDArray[np.int64]) -> Floats:
    """Return how often each block of a resample holds each row, (S, T)."""
    blocks, periods = counts.shape
    flat = counts.argmax(axis=0) * periods + rows
    return np.bincount(flat, minlength=blocks * periods).reshape(blocks, periods).astype(np.float64)


def _check(values: Floats, blocks: int, draws: int, block: float) -> None:
    periods, count = values.shape
    if count < 2:
        raise MetricError("there was 1 strategy; at least 2 are needed to pick a best one")
    if blocks % 2 or not 4 <= blocks <= min(MOST_BLOCKS, periods // 2):
        raise MetricError(
            f"blocks was {blocks}; an even number from 4 to {min(MOST_BLOCKS, periods // 2)} is needed"
        )
    if draws < 20:
        raise MetricError(f"draws was {draws}; at least 20 are needed for a band")
    if not (math.isfinite(block) and block >= 1):
        raise MetricError(f"block was {block}; a mean length of at least 1 period is needed")
