"""Resampling: rows of the stationary bootstrap, and the block length that keeps the dependence of values."""

import numpy as np
import numpy.typing as npt

from data.panel import Floats


def optimal_block(values: Floats) -> float:
    """Return the mean block length for the stationary bootstrap, at least 1.

    Politis and White (2004), corrected by Patton, Politis and White (2009). ``values`` (T,) vary, T >= 20.
    """
    from arch.bootstrap import optimal_block_length

    return max(1.0, float(optimal_block_length(values)["stationary"].iloc[0]))


def stationary_rows(
    count: int, length: int, block: float, paths: int, rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Return (paths, length) rows below ``count``, in blocks of geometric length with mean ``block``.

    The stationary bootstrap (Politis and Romano 1994, section 2): blocks start anywhere and wrap around the end.
    """
    begins = rng.random((paths, length)) < 1 / block
    begins[:, 0] = True
    starts = rng.integers(count, size=(paths, length))
    steps = np.arange(length)
    newest = np.maximum.accumulate(np.where(begins, steps, 0), axis=1)
    rows: npt.NDArray[np.int64] = (np.take_along_axis(starts, newest, axis=1) + steps - newest) % count
    return rows


def circular_rows(
    count: int, length: int, block: int, paths: int, rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Return (paths, length) rows below ``count``, in blocks of fixed length that start anywhere and wrap around the end.

    The circular block bootstrap (Politis and Romano 1992).
    """
    starts = rng.integers(count, size=(paths, -(-length // block)))
    rows: npt.NDArray[np.int64] = (starts[:, :, None] + np.arange(block)) % count
    return rows.reshape(paths, -1)[:, :length]
