"""Cross-sectional features: a series against the others at the same time."""

import numpy as np

from data.features.feature import Feature
from data.features.returns import log_return
from data.panel import Floats, Panel


def ranks(values: Floats) -> Floats:
    """Return the rank of each series in its row, (T, S), from 0 (lowest) to 1 (highest); ties share their mean rank.

    A missing value has no rank; a row with one value ranks it 0.5.
    """
    known = ~np.isnan(values)
    below = (values[:, None, :] < values[:, :, None]).sum(axis=2)
    equal = (values[:, None, :] == values[:, :, None]).sum(axis=2)
    others = known.sum(axis=1, keepdims=True) - 1
    rank = (below + (equal - 1) / 2.0) / np.maximum(others, 1)
    return np.asarray(np.where(known, np.where(others > 0, rank, 0.5), np.nan))


def return_rank(panel: Panel, window: int) -> Floats:
    """Return the cross-sectional rank of the log return over ``window`` bars, (T, S), 0 to 1."""
    return ranks(log_return(panel, window))


RETURN_RANK = Feature("return_rank", return_rank, lambda window: window + 1, {"window": 20}, ("close",))
