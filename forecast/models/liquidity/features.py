"""Features: what trees and networks see of a pool's recent bars, without units."""

import numpy as np

from data.panel import Floats
from forecast.models.liquidity.rows import PoolRows
from forecast.models.liquidity.spans import LEAST_SHARE, raised, trailing_sums

KINDS = 7
"""Features of a span."""

FLOORED: tuple[str, ...] = ("path", "variance", "liquidity")
"""Quantities whose logarithms are taken."""


def floors_of(rows: PoolRows) -> Floats:
    """Return the least path, variance and liquidity of a bar, (3,): below them a bar counts as that."""
    parts = rows.path, rows.field("variance"), rows.field("liquidity")
    return np.array([max(LEAST_SHARE * float(part.mean()), np.finfo(float).tiny) for part in parts])


def usual_levels(rows: PoolRows, floors: Floats, usual: int) -> Floats:
    """Return the mean path and variance of a bar over the last ``usual`` bars, (T, 2), NaN where there are not as many.

    The coming span is measured in them, so that models learn departures and not the level.
    """
    parts = (rows.path, rows.field("variance"))
    return np.column_stack(
        [
            raised(trailing_sums(values, usual) / usual, least)
            for values, least in zip(parts, floors[:2], strict=True)
        ]
    )


def span_features(rows: PoolRows, floors: Floats, usual: Floats, span: int) -> Floats:
    """Return features of the last ``span`` bars, (T, 7), NaN where there are not as many and one before.

    The logs of the mean path and variance of a bar over the usual ones; the part of the path that led up less the part
    that led down; the price's move over its deviation; what bought the base less what sold it, as a part of the volume;
    the log of the swaps of a bar; and the log of the liquidity over its mean.

    Args:
        rows: bars.
        floors: ``floors_of`` the training bars.
        usual: ``usual_levels`` of these bars.
        span: bars.
    """
    path = trailing_sums(rows.path, span)
    variance = raised(trailing_sums(rows.field("variance"), span), floors[1])
    liquidity = raised(rows.field("liquidity"), floors[2])
    tilt = trailing_sums(rows.field("path_up") - rows.field("path_down"), span)
    flow = trailing_sums(rows.field("flow"), span)
    volume = trailing_sums(rows.field("volume"), span)
    move = np.full(len(rows), np.nan)
    move[span:] = rows.log_price[span:] - rows.log_price[:-span]
    return np.column_stack(
        [
            np.log(raised(path / span, floors[0]) / usual[:, 0]),
            np.log(variance / span / usual[:, 1]),
            tilt / raised(path, floors[0]),
            move / np.sqrt(variance),
            flow / raised(volume, np.finfo(float).tiny),
            np.log1p(trailing_sums(rows.field("swaps"), span) / span),
            np.log(liquidity * span / trailing_sums(liquidity, span)),
        ]
    )
