"""Bars of a pool: what its swaps did in each bar of a clock, as the panel that every model of the pool reads."""

from typing import Any

import numpy as np
import numpy.typing as npt

from data.amm.liquidity_path import liquidity_path
from data.amm.pool import ticks_of
from data.amm.pool_log import PoolLog, SwapPath
from data.errors import PoolError
from data.panel import Floats, Panel, Times, as_time
from data.sessions import BarClock

FIELDS: tuple[str, ...] = (
    "close",
    "sqrt_price",
    "tick",
    "path_up",
    "path_down",
    "fee_growth",
    "variance",
    "volume",
    "flow",
    "swaps",
    "liquidity",
)
"""Fields of a bar, in the order of the panel."""

MARK = np.timedelta64(5 * 60 * 1_000_000_000, "ns")
"""Time between two prices of the realised variance (Andersen et al. 2003: about five minutes)."""

Rows = npt.NDArray[np.intp]


def pool_bars(log: PoolLog, clock: BarClock, start: Any = None, end: Any = None) -> Panel:
    """Return the bars of a pool, (T, 1, 11): one series, the pool's name, and the fields of ``FIELDS``.

    Timing: a swap at the very end of a bar belongs to it, and a bar exists only when it is complete, so it never changes when
    later events become known. Before the first swap every field is NaN; later a bar without a swap carries prices and
    liquidity and has 0 of the rest.

    - ``close``: whole quote tokens per whole base token after the last swap; ``sqrt_price``: root price there, raw units;
      ``tick``: its real-valued tick.
    - ``path_up``, ``path_down``: sums of log(s' / s) over swaps that raised the root price from s to s', and of log(s / s') over
      those that lowered it.
    - ``fee_growth``: f / (1 - f) times the sum of |s' - s| with f the pool's fee: fees of full-range liquidity in raw token1 per
      raw unit, before the protocol's cut.
    - ``variance``: sum of squared changes of the log price between marks five minutes apart (and the bar's end).
    - ``volume``: what traders paid in, fee included, in whole quote tokens at the swap's average price s * s'; ``flow``: the
      same, above 0 where the base token was bought and below 0 where it was sold; ``swaps``: how many.
    - ``liquidity``: active at the bar's end, raw units: from the ranges where their history is known, else the one the last
      swap left.

    Args:
        log: swaps, and liquidity changes where they are known.
        clock: calendar and length of the bars.
        start: first bar end wanted; None begins with the first swap.
        end: instant until which the log is complete; None takes that of its last event.

    Raises:
        PoolError: when the log holds no swap.
    """
    swaps = log.swaps
    if not len(swaps):
        raise PoolError(f"the log of {log.pool.name} holds no swap; bars need at least one")
    known = _last_event(log) if end is None else as_time(end)
    first = swaps.times[0] if start is None else min(as_time(start), swaps.times[0])
    ends = clock.ends(first, known)
    inside = swaps.until(ends[-1]) if len(ends) else swaps.rows(0, 0)
    values = _fields(log, inside, ends)
    keep = 0 if start is None else int(np.searchsorted(ends, as_time(start)))
    return Panel(ends, (log.pool.name,), FIELDS, values[:, None, :]).rows(keep, len(ends))


def _last_event(log: PoolLog) -> np.datetime64:
    ends = [table.times[-1] for table in (log.swaps, log.changes) if table is not None and len(table)]
    return np.datetime64(max(ends))


def _fields(log: PoolLog, swaps: SwapPath, ends: Times) -> Floats:
    """Return the (T, 11) fields of bars that hold these swaps."""
    bars: Rows = np.searchsorted(ends, swaps.times)
    stop = np.searchsorted(swaps.times, ends, side="right")
    if not len(swaps):
        return np.full((len(ends), len(FIELDS)), np.nan)
    last = np.maximum(stop - 1, 0)
    root = swaps.sqrt_after[last]
    moves = np.log(swaps.sqrt_after / swaps.sqrt_before)
    travelled = _sums(np.abs(swaps.sqrt_after - swaps.sqrt_before), bars, len(ends))
    bought, sold = (_sums(part, bars, len(ends)) for part in _paid(log, swaps))
    table = {
        "close": log.pool.prices(root),
        "sqrt_price": root,
        "tick": ticks_of(root),
        "path_up": _sums(np.maximum(moves, 0.0), bars, len(ends)),
        "path_down": _sums(np.maximum(-moves, 0.0), bars, len(ends)),
        "fee_growth": log.pool.fee / (1.0 - log.pool.fee) * travelled,
        "variance": _variance(swaps, ends),
        "volume": bought + sold,
        "flow": bought - sold,
        "swaps": np.bincount(bars, minlength=len(ends)),
        "liquidity": swaps.liquidity[last]
        if log.changes is None
        else liquidity_path(log.changes, ends, root),
    }
    values = np.column_stack([np.asarray(table[name], np.float64) for name in FIELDS])
    values[stop == 0] = np.nan
    return values


def _sums(values: Floats, bars: Rows, count: int) -> Floats:
    """Return the sum of each bar, (count,), added in order, so that no bar depends on another."""
    return np.asarray(np.bincount(bars, weights=values, minlength=count))


def _paid(log: PoolLog, swaps: SwapPath) -> tuple[Floats, Floats]:
    """Return what each swap paid in, (N,) whole quote tokens at its average price: buying the base, and selling it."""
    price = swaps.sqrt_before * swaps.sqrt_after
    in0, in1 = np.maximum(swaps.amount0, 0.0), np.maximum(swaps.amount1, 0.0)
    pool = log.pool
    if pool.quote == "token1":
        scale = 10.0**-pool.decimals1
        return in1 * scale, in0 * price * scale
    scale = 10.0**-pool.decimals0
    return in0 * scale, in1 / price * scale


def _variance(swaps: SwapPath, ends: Times) -> Floats:
    """Return the realised variance of the log price of each bar, (T,)."""
    zero = np.datetime64(0, "ns")
    # The mark before the first swap has the price that the first swap began with.
    opening = zero + ((swaps.times[0] - zero) // MARK - 1) * MARK
    marks = np.unique(np.concatenate([np.arange(opening, ends[-1], MARK), ends]))
    marks = marks[marks >= opening]
    seen = np.searchsorted(swaps.times, marks, side="right")
    price = 2.0 * np.log(np.concatenate([swaps.sqrt_before[:1], swaps.sqrt_after]))[seen]
    bars: Rows = np.searchsorted(ends, marks[1:])
    return _sums(np.diff(price) ** 2, bars, len(ends))
