"""Resampling over time: moving blocks whose rows are drawn once for every strategy and estimator."""

import math

import numpy as np

from backtest.errors import MetricError
from backtest.selection.ranking import Rows
from data.panel import Floats

LEAST_ROWS = 5
"""Fewest deployments for which an interval is stated or a promotion made."""


def moving_block_rows(
    length: int, resamples: int, rng: np.random.Generator, block: int | None = None
) -> Rows:
    """Return rows resampled in moving blocks, (resamples, length) (Kunsch 1989).

    Args:
        length: number of rows.
        resamples: number of resamples.
        rng: source of the block starts.
        block: rows a block, 1 to length; None means the cube root of the length, rounded up.

    Raises:
        MetricError: when the block does not fit.
    """
    size = math.ceil(round(length ** (1 / 3), 9)) if block is None else block
    if not 1 <= size <= length:
        raise MetricError(f"block was {size}; 1 to {length} rows are possible")
    starts = rng.integers(0, length - size + 1, (resamples, -(-length // size)))
    return np.asarray(
        (starts[:, :, None] + np.arange(size)).reshape(resamples, -1)[:, :length], dtype=np.int64
    )


def median(values: Floats) -> Floats:
    """Return the median over the first axis, NaN entries left out; NaN where all are."""
    return _over_rows(values, 0.5)


def interquartile_mean(values: Floats) -> Floats:
    """Return the mean of the middle half over the first axis, (M, ...) -> (...), NaN entries left out.

    A quarter of the values, rounded down, is left out at each end (Agarwal et al. 2021, section 4.3).
    """
    ordered = np.sort(values, axis=0)
    count = (~np.isnan(ordered)).sum(axis=0)
    cut = count // 4
    row = np.arange(len(ordered)).reshape(-1, *(1,) * (ordered.ndim - 1))
    kept = (row >= cut) & (row < count - cut)
    total = np.where(kept, np.nan_to_num(ordered), 0.0).sum(axis=0)
    number = kept.sum(axis=0)
    return np.asarray(np.divide(total, number, out=np.full(np.shape(total), np.nan), where=number > 0))


def pooled(numerators: Floats, denominators: Floats) -> Floats:
    """Return the sum of numerators over the sum of denominators along the first axis, NaN where the latter is 0.

    A deployment counts where both are known, so this stays finite where single ratios explode.
    """
    known = ~(np.isnan(numerators) | np.isnan(denominators))
    top = np.where(known, numerators, 0.0).sum(axis=0)
    bottom = np.where(known, denominators, 0.0).sum(axis=0)
    return np.asarray(np.divide(top, bottom, out=np.full(np.shape(bottom), np.nan), where=bottom > 0))


def percentile_interval(drawn: Floats, level: float = 0.95) -> tuple[Floats, Floats]:
    """Return the ends of the percentile interval over the first axis; NaN where more than 5 % of the draws are."""
    low, high = _over_rows(drawn, (1 - level) / 2), _over_rows(drawn, (1 + level) / 2)
    missing = np.isnan(drawn).mean(axis=0) > 0.05
    return np.where(missing, np.nan, low), np.where(missing, np.nan, high)


def _over_rows(values: Floats, level: float) -> Floats:
    """Return a quantile over the first axis without NaN entries, linear between order statistics."""
    ordered = np.sort(values, axis=0)
    count = (~np.isnan(ordered)).sum(axis=0)
    place = np.maximum(count - 1, 0) * level
    below = np.floor(place).astype(np.int64)
    above = np.minimum(below + 1, np.maximum(count - 1, 0))
    low = np.take_along_axis(ordered, below[None], axis=0)[0]
    high = np.take_along_axis(ordered, above[None], axis=0)[0]
    return np.asarray(low + (place - below) * (high - low))
