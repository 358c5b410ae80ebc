"""Superiority: which of many strategies beat the benchmark once the search is paid for, and which equal the best.

Reality check (White 2000), test of superior predictive ability (Hansen 2005), stepwise multiple testing (Romano and Wolf
2005) and model confidence set (Hansen, Lunde and Nason 2011). The loss of a period is minus its return.
"""

import math
from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from backtest.errors import MetricError
from backtest.metrics.bootstrap import rows_drawn
from backtest.metrics.returns import NOISE
from backtest.metrics.strategy_returns import StrategyReturns, require_variation
from data.panel import Floats
from forecast.resampling import optimal_block

LEVEL = 0.05
"""Chance allowed that any strategy without superiority is called superior."""

SET_LEVEL = 0.10
"""Chance allowed that the best strategy is not in the confidence set."""

LARGEST_SET = 100
"""Most strategies in a confidence set: it compares all pairs in every resample."""


@dataclass(frozen=True, eq=False)
class Superiority:
    """Which strategies beat the benchmark, all of them tested on the same resamples.

    Attributes:
        names: the N strategies.
        statistics: (N,) sqrt(T) x mean / sd of the return above the benchmark.
        p_value: that none beats the benchmark, Hansen's consistent one, on differentials of unit sd.
        p_value_lower: its liberal bound.
        p_value_upper: its conservative bound.
        reality_check_p_value: White's, on differentials as they are: a volatile strategy hides the others.
        stepwise_p_values: (N,) that this strategy does not beat the benchmark, adjusted for all N.
        level: chance allowed of any false superior one.
        block: mean block length in periods.
        resamples: number of resamples.
        periods: T.
        convention: how it was made, in words.
    """

    names: tuple[str, ...]
    statistics: Floats
    p_value: float
    p_value_lower: float
    p_value_upper: float
    reality_check_p_value: float
    stepwise_p_values: Floats
    level: float
    block: float
    resamples: int
    periods: int
    convention: str

    @property
    def superior(self) -> tuple[str, ...]:
        """Names of the strategies whose stepwise p-value is at most the level."""
        return tuple(
            name for name, p in zip(self.names, self.stepwise_p_values, strict=True) if p <= self.level
        )


@dataclass(frozen=True, eq=False)
class ConfidenceSet:
    """The strategies that cannot be told from the best one.

    Attributes:
        names: the N strategies.
        p_values: (N,) smallest level at which the strategy leaves the set; 1 for the last one in it.
        level: chance allowed that the best one is left out.
        convention: how it was made, in words.
    """

    names: tuple[str, ...]
    p_values: Floats
    level: float
    convention: str

    @property
    def included(self) -> tuple[str, ...]:
        """Names of the strategies in the set."""
        return tuple(name for name, p in zip(self.names, self.p_values, strict=True) if p > self.level)


def superiority(
    strategies: StrategyReturns,
    rng: np.random.Generator,
    *,
    level: float = LEVEL,
    block: float | None = None,
    resamples: int = 1000,
) -> Superiority:
    """Return the tests that strategies beat the benchmark, corrected for having tried them all.

    Every differential is divided by its own sd before the resampling: a bootstrap sd in each resample rejects too often,
    and none at all lets one volatile strategy decide (Hansen 2005, section 2.2). p = (1 + b) / (1 + resamples), b the
    resamples whose largest recentred mean is above the observed one; stepwise p-values as Romano and Wolf (2016).

    Args:
        strategies: the strategies and their benchmark.
        rng: source of the resamples; equal generators give equal bits.
        level: chance allowed of any false superior one, inside (0, 1).
        block: mean block length in periods; None means the longest ``optimal_block`` of the differentials.
        resamples: number of resamples, at least 100.

    Raises:
        MetricError: when a setting is out of range or a strategy equals the benchmark up to a constant.
    """
    require_variation(strategies)
    _check(level, block, resamples)
    differentials = strategies.differentials
    block = longest_block(differentials) if block is None else block
    tested = resampled_tests(differentials, block, resamples, rng)
    convention = (
        f"returns above the benchmark, each divided by its sd; stationary bootstrap, mean block {block:.4g}, "
        f"{resamples} resamples, consistent recentring; {level:g} for all {len(strategies.names)} together"
    )
    return Superiority(
        strategies.names, tested.statistics, tested.consistent, tested.lower, tested.upper, tested.reality_check,
        tested.stepwise, level, block, resamples, len(differentials), convention,
    )  # fmt: skip


def confidence_set(
    strategies: StrategyReturns,
    rng: np.random.Generator,
    *,
    level: float = SET_LEVEL,
    block: float | None = None,
    resamples: int = 1000,
) -> ConfidenceSet:
    """Return the strategies that cannot be told from the best by mean return (Hansen, Lunde and Nason 2011, T_R).

    The test divides each pair's difference by its own bootstrap sd, so returns go in as they are. Strategies with equal
    returns count as one and share its p-value; one that is below another by a constant is worse for certain, p = 0.

    Args:
        strategies: the strategies; the benchmark takes no part.
        rng: source of the resamples; equal generators give equal bits.
        level: chance allowed that the best one is left out, inside (0, 1).
        block: mean block length in periods; None means the longest ``optimal_block`` of the returns that vary.
        resamples: number of resamples, at least 100.

    Raises:
        MetricError: when a setting is out of range or there are more than 100 strategies.
    """
    _check(level, block, resamples)
    if len(strategies.names) > LARGEST_SET:
        raise MetricError(
            f"there were {len(strategies.names)} strategies; a confidence set takes {LARGEST_SET}"
        )
    block = longest_block(strategies.values) if block is None else block
    p_values = set_p_values(strategies.values, block, resamples, rng)
    convention = (
        f"losses are minus returns; range statistic, stationary bootstrap, mean block {block:.4g}, {resamples} resamples; "
        f"holds the best with {1 - level:.0%}"
    )
    return ConfidenceSet(strategies.names, p_values, level, convention)


@dataclass(frozen=True, eq=False)
class ResampledTests:
    """What one set of resamples says of differentials (T, N): statistics and stepwise p-values (N,), p-values of all."""

    statistics: Floats
    lower: float
    consistent: float
    upper: float
    reality_check: float
    stepwise: Floats


def resampled_tests(
    differentials: Floats, block: float, resamples: int, rng: np.random.Generator
) -> ResampledTests:
    """Return the p-values of ``superiority`` for differentials (T, N) that vary."""
    deviation = differentials.std(axis=0)
    scaled = differentials / deviation
    means = scaled.mean(axis=0)
    drawn = resampled_means(scaled, block, resamples, rng)
    consistent = np.where(means >= -_irrelevant_below(scaled, block), means, 0.0)
    recentred = drawn - consistent
    return ResampledTests(
        statistics=np.asarray(means * math.sqrt(len(scaled))),
        lower=_p_value((drawn - np.maximum(means, 0)).max(axis=1), float(means.max())),
        consistent=_p_value(recentred.max(axis=1), float(means.max())),
        upper=_p_value((drawn - means).max(axis=1), float(means.max())),
        reality_check=_p_value(((drawn - means) * deviation).max(axis=1), float((means * deviation).max())),
        stepwise=stepwise_p_values(means, recentred),
    )


def resampled_means(values: Floats, block: float, resamples: int, rng: np.random.Generator) -> Floats:
    """Return the column means (R, N) of stationary-bootstrap resamples of values (T, N)."""
    # How often each row was drawn, times the values, is the sum of the resample: one product instead of R copies.
    return np.concatenate(
        [times_drawn(rows) @ values / len(values) for rows in rows_drawn(len(values), block, resamples, rng)]
    )


def times_drawn(rows: npt.NDArray[np.int64]) -> Floats:
    """Return how often each of the T rows stands in each resample (R, T), (R, T)."""
    count, length = rows.shape
    flat = rows + length * np.arange(count)[:, None]
    return np.bincount(flat.ravel(), minlength=count * length).reshape(count, length).astype(np.float64)


def stepwise_p_values(means: Floats, recentred: Floats) -> Floats:
    """Return the step-down p-values (N,) of means (N,) against their recentred resamples (R, N).

    The best is compared with the maximum over all, the next with the maximum over all but the best, and so on; p-values
    never fall on the way down (Romano and Wolf 2016, algorithm 4.2). A strategy is in the set of Romano and Wolf (2005)
    at a level when its p-value is at most the level.
    """
    order = np.argsort(means, kind="stable")
    largest = np.maximum.accumulate(recentred[:, order], axis=1)
    above = (largest > means[order]).sum(axis=0)
    p_values = np.empty(len(means))
    p_values[order[::-1]] = np.maximum.accumulate((1 + above[::-1]) / (1 + len(recentred)))
    return p_values


def longest_block(values: Floats) -> float:
    """Return the longest optimal mean block of the columns of values (T, N) that vary; 1 when none does."""
    varying = values[:, np.ptp(values, axis=0) > NOISE]
    return max((optimal_block(column) for column in varying.T), default=1.0)


def set_p_values(values: Floats, block: float, resamples: int, rng: np.random.Generator) -> Floats:
    """Return the p-values (N,) of ``confidence_set`` for returns (T, N)."""
    from arch.bootstrap import MCS

    best = _best_of_parallels(values)
    distinct, place = np.unique(best, return_inverse=True)
    p_values = np.ones(len(distinct))
    if len(distinct) > 1:
        # arch annotates whole block lengths, but reads only their inverse, the chance that a block ends.
        tested = MCS(pd.DataFrame(-values[:, distinct]), SET_LEVEL, resamples, cast("int", block), seed=rng)
        tested.compute()
        p_values = tested.pvalues["Pvalue"].sort_index().to_numpy(np.float64)
    means = values.mean(axis=0)
    return np.where(means < means[best] - NOISE, 0.0, p_values[place])


def _irrelevant_below(scaled: Floats, block: float) -> Floats:
    """Return how far below zero a mean (N,) may lie before its strategy cannot matter (Hansen 2005, section 3.1)."""
    count = len(scaled)
    return np.asarray(np.sqrt(stationary_variance(scaled, block) / count * 2 * math.log(math.log(count))))


def stationary_variance(values: Floats, block: float) -> Floats:
    """Return the variance (N,) of sqrt(T) x mean under the stationary bootstrap of values (T, N).

    g_0 + 2 sum_i kappa_i g_i, kappa_i = (1 - i/T)(1 - 1/b)^i + (i/T)(1 - 1/b)^(T - i) (Politis and Romano 1994, lemma 1).
    """
    count = len(values)
    centred = values - values.mean(axis=0)
    # Every autocovariance at once, as the inverse transform of the power of a series padded to twice its length.
    power = np.abs(np.fft.rfft(centred, 2 * count, axis=0)) ** 2
    covariances = np.fft.irfft(power, 2 * count, axis=0)[:count] / count
    lags, stay = np.arange(1, count), 1 - 1 / block
    kappa = (1 - lags / count) * stay**lags + lags / count * stay ** (count - lags)
    return np.asarray(covariances[0] + 2 * kappa @ covariances[1:])


def _p_value(largest: Floats, observed: float) -> float:
    return float(1 + np.count_nonzero(largest > observed)) / (1 + len(largest))


def _best_of_parallels(values: Floats) -> npt.NDArray[np.int64]:
    """Return for each column of values (T, N) the first of the best among those that differ from it by a constant, (N,).

    Their difference has no variance to be divided by, so only one of them can take part in a test of differences.
    """
    means, best = values.mean(axis=0), np.arange(values.shape[1])
    for column in best.copy():
        parallel = np.ptp(values - values[:, [column]], axis=0) <= NOISE
        best[column] = np.flatnonzero(parallel & (means >= means[parallel].max() - NOISE))[0]
    return best


def _check(level: float, block: float | None, resamples: int) -> None:
    if not 0 < level < 1:
        raise MetricError(f"level was {level}; a probability between 0 and 1 is needed, for example 0.05")
    if block is not None and not (math.isfinite(block) and block >= 1):
        raise MetricError(f"block was {block}; a mean length of at least 1 period is needed")
    if resamples < 100:
        raise MetricError(f"resamples was {resamples}; at least 100 are needed for a p-value")
