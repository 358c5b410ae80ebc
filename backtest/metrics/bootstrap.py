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
from backtest.metrics.pair import Pair, ratio_of_active, regression
from backtest.metrics.ratios import sharpe_per_period, sortino_per_period
from backtest.metrics.returns import Returns, least_periods
from backtest.metrics.trades import Trades
from data.panel import Floats
from forecast.resampling import optimal_block

Statistic = Callable[[tuple[Floats, ...], float], Floats]
"""From resampled columns, (R, T) each, and periods a year to (R,), the same formula as the metric's."""

RESAMPLED: Mapping[str, Statistic] = {
    "total_return": lambda drawn, q: compounded(drawn[0]),
    "cagr": lambda drawn, q: compounded_annually(drawn[0], q),
    "sharpe": lambda drawn, q: sharpe_per_period(drawn[1]) * math.sqrt(q),
    "sortino": lambda drawn, q: sortino_per_period(drawn[1]) * math.sqrt(q),
    "calmar": lambda drawn, q: compounded_annually(drawn[0], q) / -deepest(drawn[0]),
    "max_drawdown": lambda drawn, q: deepest(drawn[0]),
}
"""The metrics of returns that carry an interval, from returns and excess returns."""

RESAMPLED_PAIR: Mapping[str, Statistic] = {
    "alpha": lambda drawn, q: regression(drawn[0], drawn[1])[0] * q,
    "beta": lambda drawn, q: regression(drawn[0], drawn[1])[1],
    "information_ratio": lambda drawn, q: ratio_of_active(drawn[0] - drawn[1], q),
}
"""The metrics beside a benchmark that carry one, from the excess returns of both, drawn in the same periods."""

RESAMPLED_TRADES: Mapping[str, Statistic] = {"expectancy": lambda drawn, q: drawn[0].mean(axis=-1)}
"""The metrics of trades that carry one, from their returns."""

ANNUALISED = frozenset({"cagr", "sharpe", "sortino", "calmar", "alpha", "information_ratio"})
"""Those that are not stated for samples too short to annualise."""

MOST_UNDEFINED = 0.01
"""An interval is stated when at most this share of the resamples leaves the metric undefined."""

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


def stationary_intervals(
    sample: Returns | Pair | Trades,
    rng: np.random.Generator,
    *,
    resamples: int = 1000,
    level: float = 0.95,
    block: float | None = None,
) -> dict[str, Interval]:
    """Return the percentile intervals of every metric of the sample that carries one, all on the same resamples.

    Blocks of geometric length keep the serial dependence. Returns and risk-free returns are drawn together, and so are
    the returns of an account and of its benchmark; trades are drawn in the order they were closed. A resample that
    leaves a metric undefined (without a loss there is no Sortino ratio) is left out, and the convention says how many
    were; when more than 1 % are, there is no interval.

    Args:
        sample: returns (``RESAMPLED``), a pair (``RESAMPLED_PAIR``) or trades (``RESAMPLED_TRADES``).
        rng: source of the resamples; equal generators give equal bits.
        resamples: number of resamples, at least 100.
        level: coverage, inside (0, 1).
        block: mean block length in periods, at least 1; None means ``optimal_block``, for a pair the longer one.

    Raises:
        MetricError: when a setting is out of range.
    """
    _check(resamples, level, block)
    statistics, columns = _resampled(sample)
    refused = if_few(sample).replace("periods", _unit(sample)) or if_constant(columns[0])
    if refused:
        return dict.fromkeys(statistics, Interval(math.nan, math.nan, f"no interval: {refused}", ""))
    block = _longest_block(columns) if block is None else block
    convention = f"{level:.0%} stationary bootstrap, mean block {block:.4g}, {resamples} resamples"
    chunks = rows_drawn(len(sample), block, resamples, rng)
    drawn = _statistics(statistics, columns, sample.periods_per_year, chunks)
    left_out = ANNUALISED if len(sample) < least_periods(sample.periods_per_year) else frozenset()
    return {
        name: Interval(math.nan, math.nan, "", convention)
        if name in left_out
        else _interval(drawn[name], level, convention)
        for name in statistics
    }


def _resampled(sample: Returns | Pair | Trades) -> tuple[Mapping[str, Statistic], tuple[Floats, ...]]:
    """Return the statistics of a kind of sample and the columns (T,) they read."""
    if isinstance(sample, Returns):
        return RESAMPLED, (sample.values, sample.excess)
    if isinstance(sample, Pair):
        return RESAMPLED_PAIR, (sample.returns.excess, sample.benchmark.excess)
    return RESAMPLED_TRADES, (sample.returns,)


def _unit(sample: Returns | Pair | Trades) -> str:
    return "trades" if isinstance(sample, Trades) else "periods"


def _longest_block(columns: tuple[Floats, ...]) -> float:
    return max(optimal_block(column) for column in columns if not if_constant(column))


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


def _statistics(
    statistics: Mapping[str, Statistic],
    columns: tuple[Floats, ...],
    periods_per_year: float,
    chunks: Iterator[npt.NDArray[np.int64]],
) -> dict[str, Floats]:
    parts: dict[str, list[Floats]] = {name: [] for name in statistics}
    for rows in chunks:
        drawn = tuple(column[rows] for column in columns)
        # A resample may be constant or without a loss: its ratio is then undefined, which is counted, not warned about.
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            for name, statistic in statistics.items():
                parts[name].append(statistic(drawn, periods_per_year))
    return {name: np.concatenate(found) for name, found in parts.items()}


def _interval(drawn: Floats, level: float, convention: str) -> Interval:
    defined = drawn[np.isfinite(drawn)]
    undefined = len(drawn) - len(defined)
    if undefined > MOST_UNDEFINED * len(drawn):
        flag = f"no interval: {undefined} of {len(drawn)} resamples undefined"
        return Interval(math.nan, math.nan, flag, convention)
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    told = f", {undefined} undefined ones left out" if undefined else ""
    return Interval(float(low), float(high), "", f"{convention}{told}")


def _check(resamples: int, level: float, block: float | None) -> None:
    if resamples < 100:
        raise MetricError(f"resamples was {resamples}; at least 100 are needed for a percentile interval")
    if not 0 < level < 1:
        raise MetricError(f"level was {level}; a coverage between 0 and 1 is needed, for example 0.95")
    if block is not None and not (math.isfinite(block) and block >= 1):
        raise MetricError(f"block was {block}; a mean length of at least 1 period is needed")
