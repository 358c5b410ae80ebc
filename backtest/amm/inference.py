"""Inference on windows: each window is one observation of net versus hold, in basis points of the capital."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from data.panel import Floats
from forecast.comparison import holm
from forecast.resampling import circular_rows

RESAMPLES = 10_000
BLOCK = 4
"""Windows of a block of the circular bootstrap."""

BLOCKS: tuple[int, ...] = (2, BLOCK, 6, 8)
"""Windows of a block for which intervals are shown beside one another."""

FEWEST = 8
"""Windows below which nothing is concluded."""

LEVEL = 0.95
POWER = 0.8


@dataclass(frozen=True)
class WindowMean:
    """The mean over windows and what is known of it.

    Attributes:
        windows: how many.
        mean: their mean.
        standard_error: standard deviation over the root of the number of windows; NaN below two windows.
        low: lower end of the bootstrap's 95 % interval.
        high: upper end.
        p_value: one-sided, that the true mean is not above 0: how often the recentred bootstrap mean is as large.
        minimum_detectable: mean that a two-sided 5 % test would find with power 0.8, (1.960 + 0.842) standard errors.
    """

    windows: int
    mean: float
    standard_error: float
    low: float
    high: float
    p_value: float
    minimum_detectable: float


def window_mean(
    values: Floats, rng: np.random.Generator, *, block: int = BLOCK, resamples: int = RESAMPLES
) -> WindowMean:
    """Return the mean of (W,) windows with a circular block bootstrap (Politis and Romano 1992).

    Percentile interval; p-value (1 + number of recentred means at or above the mean) / (1 + resamples).
    """
    count = len(values)
    mean = float(np.mean(values)) if count else float("nan")
    if count < 2:
        nan = float("nan")
        return WindowMean(count, mean, nan, nan, nan, nan, nan)
    rows = circular_rows(count, count, used_block(count, block), resamples, rng)
    drawn = values[rows].mean(axis=1)
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    error = float(np.std(values, ddof=1)) / count**0.5
    return WindowMean(
        windows=count,
        mean=mean,
        standard_error=error,
        low=float(low),
        high=float(high),
        p_value=float(1 + np.sum(drawn - mean >= mean)) / (1 + resamples),
        minimum_detectable=float(norm.ppf((1 + LEVEL) / 2) + norm.ppf(POWER)) * error,
    )


def used_block(count: int, block: int) -> int:
    """Return the block that is used for so many windows: at most a third of them.

    One as long as the sample would only turn it round: every resample would have the same mean.
    """
    return max(1, min(block, count // 3))


def holm_p_values(means: Mapping[str, WindowMean], tested: frozenset[str]) -> dict[str, float]:
    """Return each lane's p-value corrected for the lanes tested beside it (Holm 1979); NaN where it is not tested."""
    names = list(means)
    given = [means[name].p_value if name in tested else float("nan") for name in names]
    return dict(zip(names, holm(given).tolist(), strict=True))


def verdict(found: WindowMean, holm_p: float) -> str:
    """Return what a mean net of holding shows, in words."""
    if found.windows < FEWEST or np.isnan(found.mean):
        return "too few windows"
    if not np.isnan(holm_p) and holm_p <= 1 - LEVEL and found.low > 0:
        return "beats holding"
    if found.high < 0:
        return "loses to holding"
    return "no edge shown"
