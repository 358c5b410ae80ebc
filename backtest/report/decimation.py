"""Decimation: the few rows of long curves that keep every peak and trough a chart can show."""

import numpy as np
import numpy.typing as npt

from data.panel import Floats

MAX_POINTS = 1500

Rows = npt.NDArray[np.intp]


def kept_rows(values: Floats, limit: int = MAX_POINTS) -> Rows:
    """Return the rows to draw, sorted, at most ``limit``: the first, the last, and the extremes of equal buckets.

    Args:
        values: (T, C) curves that share their rows; NaN is not observed and never an extreme.
        limit: most rows to keep; all rows are kept when they are no more than that.
    """
    total = len(values)
    if total <= limit:
        return np.arange(total)
    low, high, best = 1, limit, np.array([0, total - 1])
    while low <= high:
        buckets = (low + high) // 2
        rows = _extremes(values, buckets)
        if len(rows) <= limit:
            best, low = rows, buckets + 1
        else:
            high = buckets - 1
    return best


def _extremes(values: Floats, buckets: int) -> Rows:
    """Return the first row, the last row and each bucket's lowest and highest row of each curve."""
    edges = np.linspace(0, len(values), buckets + 1).astype(np.intp)[:-1]
    found = [np.array([0, len(values) - 1], dtype=np.intp)]
    for curve in values.T:
        for signed in (curve, -curve):
            filled = np.where(np.isnan(signed), np.inf, signed)
            lowest = np.minimum.reduceat(filled, edges)
            sizes = np.diff(np.append(edges, len(values)))
            hits = np.flatnonzero(filled == np.repeat(lowest, sizes))
            _, first = np.unique(np.searchsorted(edges, hits, side="right"), return_index=True)
            chosen = hits[first]
            found.append(chosen[np.isfinite(filled[chosen])])
    return np.unique(np.concatenate(found))
