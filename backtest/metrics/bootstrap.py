"""Stationary block-bootstrap intervals of headline metrics (Politis and Romano 1994)."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt

from backtest.errors import MetricError
from backtest.metrics.drawdown import deepest
from backtest.metrics.growth import compounded, compounded_annually
from backtest.metrics.metric import if_constant, if_few
from backtest.metrics.ratios import sharpe_per_period
from backtest.metrics.returns import Returns, least_periods
from data.panel import Floats

Statistic = Callable[[Floats, Floats, float], Floats]
"""From values (R, T), excess values (R, T) and periods a year to (R,), the same formula as the metric's."""

RESAMPLED: Mapping[str, Statistic] = {
    "total_return": lambda values, excess, q: compounded(values),
    "cagr": lambda values, excess, q: compounded_annually(values, q),
    "sharpe": lambda values, excess, q: sharpe_per_period(excess) * math.sqrt(q),
    "max_drawdown": lambda values, excess, q: deepest(values),
}
"""The metrics that carry an interval."""

ANNUALISED = frozenset({"cagr", "sharpe"})
"""Those that are not stated for samples too short to annualise."""

CHUNK = 2_000_000
"""Resampled values held at once, so that long intraday samples fit in memory."""


@dataclass(frozen=True)
class Interval:
    """A percentile interval.

    Attributes:
        low: lower end, NaN when there is none.
        high: upper end, NaN when there is none.
        flag: why there is none, else empty.
        convention: how it was made, in words.
    """

    low: float
    high: float
    flag: str
    convention: str


def optimal_block(values: Floats) -> float:
    """Return the mean block length for the stationary bootstrap, at least 1.

    Politis and White (2004), corrected by Patton, Politis and White (2009). ``values`` (T,) vary, T >= 20.
    """
    from arch.bootstrap import optimal_block_length

    return max(1.0, float(optimal_block_length(values)["stationary"].iloc[0]))


def stationary_intervals(
    returns: Returns,
    rng: np.random.Generator,
    *,
    resamples: int = 1000,
    level: float = 0.95,
    block: float | None = None,
) -> dict[str, Interval]:
    """Return the percentile intervals of total return, CAGR, Sharpe and max drawdown, all on the same resamples.

    Blocks of geometric length keep the serial dependence; returns and risk-free returns are drawn together.

    Args:
        returns: the returns.
        rng: source of the resamples; equal generators give equal bits.
        resamples: number of resamples, at least 100.
        level: coverage, inside (0, 1).
        block: mean block length in periods, at least 1; None means ``optimal_block`` of the returns.

    Raises:
        MetricError: when a setting is out of range.
    """
    _check(resamples, level, block)
    refused = if_few(returns) or if_constant(returns.values)
    if refused:
        return dict.fromkeys(RESAMPLED, Interval(math.nan, math.nan, f"no interval: {refused}", ""))
    block = optimal_block(returns.values) if block is None else block
    convention = f"{level:.0%} stationary bootstrap, mean block {block:.4g}, {resamples} resamples"
    drawn = _statistics(returns, rows_drawn(len(returns), block, resamples, rng))
    return {name: _interval(name, returns, drawn[name], level, convention) for name in RESAMPLED}


def rows_drawn(
    length: int, block: float, resamples: int, rng: np.random.Generator
) -> Iterator[npt.NDArray[np.int64]]:
    """Yield resampled rows (R, length) in chunks that hold at most ``CHUNK`` values."""
    from arch.bootstrap import StationaryBootstrap

    # arch annotates whole block lengths, but reads only their inverse, the chance that a block ends.
    bootstrap = StationaryBootstrap(cast("int", block), np.arange(length), seed=rng)
    draws = (arrays[0] for arrays, _ in bootstrap.bootstrap(resamples))
    size = max(1, CHUNK // length)
    for start in range(0, resamples, size):
        yield np.stack([next(draws) for _ in range(min(size, resamples - start))])


def _statistics(returns: Returns, chunks: Iterator[npt.NDArray[np.int64]]) -> dict[str, Floats]:
    excess, q = returns.excess, returns.periods_per_year
    parts: dict[str, list[Floats]] = {name: [] for name in RESAMPLED}
    for rows in chunks:
        values, above = returns.values[rows], excess[rows]
        # A resample may be constant: its Sharpe ratio is 0/0 and the interval is then refused, not warned about.
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            for name, statistic in RESAMPLED.items():
                parts[name].append(statistic(values, above, q))
    return {name: np.concatenate(found) for name, found in parts.items()}


def _interval(name: str, returns: Returns, drawn: Floats, level: float, convention: str) -> Interval:
    if name in ANNUALISED and len(returns) < least_periods(returns.periods_per_year):
        return Interval(math.nan, math.nan, "", convention)
    undefined = int((~np.isfinite(drawn)).sum())
    if undefined:
        return Interval(
            math.nan, math.nan, f"no interval: {undefined} of {len(drawn)} resamples undefined", convention
        )
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high), "", convention)


def _check(resamples: int, level: float, block: float | None) -> None:
    if resamples < 100:
        raise MetricError(f"resamples was {resamples}; at least 100 are needed for a percentile interval")
    if not 0 < level < 1:
        raise MetricError(f"level was {level}; a coverage between 0 and 1 is needed, for example 0.95")
    if block is not None and not (math.isfinite(block) and block >= 1):
        raise MetricError(f"block was {block}; a mean length of at least 1 period is needed")
