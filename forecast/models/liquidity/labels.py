"""Labels: what the spans after training bars came to, in units of what was usual at each."""

from dataclasses import dataclass

import numpy as np

from data.panel import Floats
from forecast.errors import FitError
from forecast.models.liquidity.rows import PoolRows
from forecast.models.liquidity.spans import Origins, coming_sums, raised

LEAST_SPANS = 20
"""Fewest spans that are learnt from, and fewest that are held out."""


@dataclass(frozen=True, eq=False)
class SpanLabels:
    """What came after each of N training bars.

    Attributes:
        origins: (N,) rows of these bars, rising.
        path: (N,) log of the span's path over that of as many usual bars.
        variance: (N,) log of its variance over the usual one.
        change: (N,) change of the log price over the deviation of as many usual bars.
    """

    origins: Origins
    path: Floats
    variance: Floats
    change: Floats


def span_labels(rows: PoolRows, origins: Origins, floors: Floats, usual: Floats, horizon: int) -> SpanLabels:
    """Return the labels of the spans of ``horizon`` bars after these rows; every one ends inside ``rows``.

    Args:
        rows: bars.
        origins: (N,) rows.
        floors: least path and variance of a bar, the first two of ``floors_of``.
        usual: (T, 2) mean path and variance of a bar that was usual at each row.
        horizon: bars of a span.
    """
    parts = (rows.path, rows.field("variance"))
    path, variance = (
        np.log(raised(coming_sums(values, horizon), least * horizon)[origins] / (horizon * level[origins]))
        for values, least, level in zip(parts, floors[:2], usual.T, strict=True)
    )
    log_price = rows.log_price
    change = log_price[origins + horizon] - log_price[origins]
    return SpanLabels(origins, path, variance, change / np.sqrt(horizon * usual[origins, 1]))


def held_out(origins: Origins, horizon: int, share: float) -> tuple[Origins, Origins]:
    """Return positions of the spans that are learnt from and of the last ``share``, which validate.

    No span that is learnt from ends after the first that is held out begins.

    Raises:
        FitError: when fewer than ``LEAST_SPANS`` are left of either.
    """
    first = int(np.floor(len(origins) * (1.0 - share)))
    start = origins[first] if first < len(origins) else np.inf
    kept, checked = np.flatnonzero(origins + horizon <= start), np.arange(first, len(origins))
    if min(len(kept), len(checked)) < LEAST_SPANS:
        raise FitError(
            f"{len(kept)} spans to learn from and {len(checked)} to validate were left; {LEAST_SPANS} of each are needed"
        )
    return kept, checked
