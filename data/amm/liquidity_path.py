"""Liquidity path: the sum of the ranges that hold a price, at many instants in one pass."""

import numpy as np

from data.amm.pool import ticks_of
from data.amm.pool_log import RangeChanges
from data.panel import Floats, Times

_CHUNK = 1024


def liquidity_path(changes: RangeChanges, times: Times, sqrt_prices: Floats) -> Floats:
    """Return the liquidity of the ranges that hold each price, (N,) raw units.

    Timing: the ranges are those known at each instant, changes at that very instant included. Sums are in time order, so a
    later change, or another instant asked for, changes no bit.

    Args:
        changes: every change since the pool was made.
        times: (N,) instants, never falling.
        sqrt_prices: (N,) root prices, raw units.
    """
    if not len(times):
        return np.empty(0)
    known = changes.until(times[-1])
    edges, places = np.unique(np.concatenate([known.tick_lower, known.tick_upper]), return_inverse=True)
    rows = np.tile(np.searchsorted(times, known.times), 2)
    steps = np.concatenate([known.liquidity, -known.liquidity])
    ticks = np.floor(ticks_of(sqrt_prices))
    below = np.searchsorted(edges, ticks, side="right")
    carried = np.zeros(len(edges))
    found = np.empty(len(times))
    for start in range(0, len(times), _CHUNK):
        stop = min(start + _CHUNK, len(times))
        within = (rows >= start) & (rows < stop)
        net = np.zeros((stop - start + 1, len(edges)))
        np.add.at(net, (rows[within] - start + 1, places[within]), steps[within])
        net[0] = carried
        net = np.cumsum(net, axis=0)
        carried = net[-1]
        total = np.concatenate([np.zeros((len(net), 1)), np.cumsum(net, axis=1)], axis=1)
        found[start:stop] = total[np.arange(1, len(net)), below[start:stop]]
    return found
