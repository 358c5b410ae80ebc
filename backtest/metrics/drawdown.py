"""Drawdowns: how far and how long an account stood below its highest value so far."""

import math
from dataclasses import dataclass

import numpy as np

from backtest.metrics.growth import compounded, compounded_annually
from backtest.metrics.metric import Metric, if_short, measured
from backtest.metrics.returns import Returns
from backtest.metrics.tails import lower_mean
from data.panel import Floats

ROUNDING = 1e-12
"""A fall below the peak by less than this share of it is rounding, not a drawdown."""


def curve_of(values: Floats) -> Floats:
    """Return the compounded curve with the start capital 1 in front, (..., T) -> (..., T+1)."""
    grown = np.empty((*values.shape[:-1], values.shape[-1] + 1))
    grown[..., 0] = 1.0
    np.cumprod(1 + values, axis=-1, out=grown[..., 1:])
    return grown


def drawdowns_of(curve: Floats) -> Floats:
    """Return value / highest value so far - 1 along the last axis, in [-1, 0], same shape."""
    return np.asarray(curve / np.maximum.accumulate(curve, axis=-1) - 1)


def deepest(values: Floats) -> Floats:
    """Return the deepest compounded drawdown over the last axis of returns, (..., T) -> (...), in [-1, 0]."""
    return np.asarray(drawdowns_of(curve_of(values)).min(axis=-1))


@dataclass(frozen=True)
class Episode:
    """One fall below a peak, in rows of the curve.

    Attributes:
        start: row of the peak.
        trough: row of the lowest value.
        recovery: first row at or above the peak again, or None when the curve ends before.
        depth: lowest value / peak - 1, in [-1, 0).
        bars: rows from the peak to the recovery, or to the end of the curve.
    """

    start: int
    trough: int
    recovery: int | None
    depth: float
    bars: int


def episodes(curve: Floats) -> list[Episode]:
    """Return every drawdown of a curve (T+1,) that begins with the start capital, oldest first."""
    depths = drawdowns_of(curve)
    under = np.concatenate([[False], depths < -ROUNDING, [False]])
    edges = np.flatnonzero(np.diff(under.astype(np.int8)))
    return [_episode(depths, int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _episode(depths: Floats, first: int, stop: int) -> Episode:
    """Return the episode whose rows under water are ``first`` to ``stop - 1``."""
    trough = first + int(np.argmin(depths[first:stop]))
    recovered = stop < len(depths)
    last = stop if recovered else len(depths) - 1
    return Episode(first - 1, trough, stop if recovered else None, float(depths[trough]), last - first + 1)


def max_drawdown(returns: Returns) -> Metric:
    """Return the deepest drawdown of the compounded curve with the start capital in front, in [-1, 0]."""
    return measured(
        "max_drawdown", returns, "compounded curve, start capital included", "",
        lambda: float(deepest(returns.values)),
    )  # fmt: skip


def average_drawdown(returns: Returns) -> Metric:
    """Return the drawdown averaged over all T periods, in [-1, 0] (Chekhlov, Uryasev and Zabarankin 2005)."""
    return measured(
        "average_drawdown", returns, "mean over all periods, compounded, start capital included", "",
        lambda: float(drawdowns_of(curve_of(returns.values))[1:].mean()),
    )  # fmt: skip


def longest_drawdown(returns: Returns) -> Metric:
    """Return the periods of the longest drawdown, from its peak to its recovery or to the end; 0 without one."""
    return measured(
        "longest_drawdown", returns, "periods from peak to recovery or end of sample", "",
        lambda: float(max((each.bars for each in episodes(curve_of(returns.values))), default=0)),
    )  # fmt: skip


def average_drawdown_length(returns: Returns) -> Metric:
    """Return the mean periods of a drawdown, from peak to recovery or to the end; 0 without one."""
    lengths = [each.bars for each in episodes(curve_of(returns.values))]
    return measured(
        "average_drawdown_length", returns, "mean periods from peak to recovery or end of sample", "",
        lambda: float(np.mean(lengths)) if lengths else 0.0,
    )  # fmt: skip


def time_under_water(returns: Returns) -> Metric:
    """Return the share of periods that end below the highest value so far, in [0, 1]."""
    return measured(
        "time_under_water", returns, "share of periods that end below the peak so far", "",
        lambda: float(np.mean(drawdowns_of(curve_of(returns.values))[1:] < -ROUNDING)),
    )  # fmt: skip


def ulcer_index(returns: Returns) -> Metric:
    """Return the root mean square drawdown over all T periods, in [0, 1] (Martin and McCann 1989)."""
    return measured(
        "ulcer_index", returns, "root mean square drawdown over all periods, start capital included", "",
        lambda: math.sqrt(float(np.mean(_under_water(returns) ** 2))),
    )  # fmt: skip


def conditional_drawdown(returns: Returns) -> Metric:
    """Return the mean of the worst 5 % of the T drawdowns, in [-1, 0] (Chekhlov, Uryasev and Zabarankin 2005)."""
    return measured(
        "conditional_drawdown", returns, "mean of the worst 0.05 of all periods' drawdowns, fractional mass", "",
        lambda: lower_mean(_under_water(returns), 0.05),
    )  # fmt: skip


def pain_ratio(returns: Returns) -> Metric:
    """Return (CAGR - rf) / |average drawdown| (Becker 2006); NaN without a drawdown."""
    pain = -float(_under_water(returns).mean())
    flag = if_short(returns) or ("" if pain > ROUNDING else "no drawdown")
    return measured(
        "pain_ratio", returns, f"(CAGR - rf) / |average drawdown|; {returns.terms}", flag,
        lambda: (
            float(compounded_annually(returns.values, returns.periods_per_year)) - returns.risk_free_annual
        ) / pain,
    )  # fmt: skip


def recovery_factor(returns: Returns) -> Metric:
    """Return total return / |max drawdown|, negative for a loss; NaN without a drawdown."""
    depth = -float(deepest(returns.values))
    return measured(
        "recovery_factor", returns, "total return / |max drawdown|, signed", "" if depth > ROUNDING else "no drawdown",
        lambda: float(compounded(returns.values)) / depth,
    )  # fmt: skip


def _under_water(returns: Returns) -> Floats:
    return drawdowns_of(curve_of(returns.values))[1:]


def calmar(returns: Returns) -> Metric:
    """Return CAGR / |max drawdown| over the whole sample (Young 1991 takes 36 months); NaN without a drawdown."""
    depth = -float(deepest(returns.values))
    flag = if_short(returns) or ("" if depth > ROUNDING else "no drawdown")
    return measured(
        "calmar", returns, f"CAGR / |max drawdown|, whole sample; {returns.periods_per_year:g} periods/year", flag,
        lambda: float(compounded_annually(returns.values, returns.periods_per_year)) / depth,
    )  # fmt: skip
