"""Intervals of a reproduction's numbers: circular block resampling of decisions, because wild weeks come together."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.int64]

RESAMPLES = 2000


def block_interval(
    statistic: Callable[[Rows], float], count: int, rng: np.random.Generator, block: int = 4
) -> tuple[float, float]:
    """Return the 95 % percentile interval of a statistic over resampled rows.

    Rows are drawn in circular blocks (Politis and Romano 1992).

    Args:
        statistic: of row numbers (count,), with repeats.
        count: rows there are, in order of time.
        rng: source of chance.
        block: rows of a block.
    """
    starts = rng.integers(0, count, (RESAMPLES, -(-count // block)))
    rows: Rows = (starts[:, :, None] + np.arange(block)).reshape(RESAMPLES, -1)[:, :count] % count
    low, high = np.quantile([statistic(pick) for pick in rows], [0.025, 0.975])
    return float(low), float(high)
