"""Truth: where a pool really traded over a span, in the units of a liquidity forecast."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from data.amm.pool import LOG_TICK
from data.amm.pool_log import PoolLog, SwapPath
from data.history import History
from data.panel import Floats, as_time
from forecast.errors import ForecastError
from forecast.truth import rows_ending


@dataclass(frozen=True, eq=False)
class RealisedSpan:
    """What happened from a cutoff to the end of a span.

    Attributes:
        profile: (B, 2) path in each bin, up and down, as in ``LiquidityForecast.profile``.
        change: log of the price (token1 per token0) at the end over that at the cutoff.
        variance: sum of the bars' realised variances.
        fee_growth: sum of the bars' ``fee_growth``: raw token1 per unit of full-range liquidity.
    """

    profile: Floats
    change: float
    variance: float
    fee_growth: float


def realised_profile(pool: PoolLog, cutoff: Any, end: Any, edges: Floats) -> Floats:
    """Return the path of the swaps after the cutoff up to the end, (B, 2), in the units of ``LiquidityForecast``.

    Args:
        pool: swaps, at least one of them at or before the cutoff.
        cutoff: its root price s is that after the last swap until then.
        end: end of the span.
        edges: (B + 1,) rising offsets in ticks from the tick of the cutoff; the outermost bins take what lies beyond.

    Raises:
        ForecastError: when no swap is known at the cutoff.
    """
    known = pool.swaps.until(cutoff)
    if not len(known):
        raise ForecastError(
            f"no swap of {pool.pool.name} is known at {as_time(cutoff)}; a profile is counted from a price"
        )
    return span_profile(pool.swaps.between(cutoff, end), float(known.sqrt_after[-1]), edges * LOG_TICK)


def span_profile(swaps: SwapPath, sqrt_price: float, edges: Floats) -> Floats:
    """Return the path of swaps that begin at a root price s, (B, 2): sums of s' - s over s, and of 1/s' - 1/s times s.

    Args:
        swaps: of the span.
        sqrt_price: root price at its beginning.
        edges: (B + 1,) rising changes of the log price s**2.
    """
    from data.amm.path import traversal

    raw = traversal(swaps, sqrt_price * np.exp(0.5 * edges))
    return np.column_stack([raw[:, 0] / sqrt_price, raw[:, 1] * sqrt_price])


def realised_span(history: History, cutoff: Any, end: Any, edges: Floats) -> RealisedSpan | None:
    """Return what happened after the cutoff up to the end; None where the history does not hold both bars.

    Raises:
        ForecastError: when the history has no pool, or no swap is known at the cutoff.
    """
    if history.pool is None:
        raise ForecastError("the history has no pool; what happened in one cannot be told")
    first, last = rows_ending(history, np.array([as_time(cutoff), as_time(end)]))
    if first < 0 or last < 0:
        return None
    spans = history.panel.rows(first + 1, last + 1)
    root = history.panel.field("sqrt_price")[:, 0]
    return RealisedSpan(
        realised_profile(history.pool, cutoff, end, edges),
        2.0 * float(np.log(root[last] / root[first])),
        float(spans.field("variance")[:, 0].sum()),
        float(spans.field("fee_growth")[:, 0].sum()),
    )
