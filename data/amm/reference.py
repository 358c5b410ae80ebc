"""Reference price: what a token costs elsewhere, at every look of those who compare."""

import numpy as np

from data.amm.hourly_streams import steps
from data.errors import PoolError
from data.panel import Floats, Times

HOUR = np.timedelta64(3_600_000_000_000, "ns")
MEMORY = 0.94
"""Weight of the past in the variance of the way between two closes (J.P. Morgan 1996, RiskMetrics, sec. 5.2)."""


def hour_numbers(times: Times) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return hours since 1970 of bar ends.

    Raises:
        PoolError: when a bar does not end at a whole hour.
    """
    hours, rest = np.divmod(times - np.datetime64(0, "ns"), HOUR)
    if (rest != np.timedelta64(0, "ns")).any():
        row = int(np.flatnonzero(rest != np.timedelta64(0, "ns"))[0])
        raise PoolError(f"a bar of the reference price ends at {times[row]}; allowed: whole hours")
    return np.asarray(hours, np.int64)


def hourly_variances(log_returns: Floats, hours: Floats) -> Floats:
    """Return the variance of the log price an hour on the way to each close, (T,).

    v[t] = m v[t-1] + (1 - m) r[t]**2 / hours[t], begun at the first one. It knows the close that it leads to and no later one.
    """
    found = np.empty(len(log_returns))
    last = None
    for t, square in enumerate((log_returns**2 / hours).tolist()):
        last = square if last is None else MEMORY * last + (1 - MEMORY) * square
        found[t] = last
    return found


def reference_path(hours: Floats, closes: Floats, variances: Floats, looks: int, seed: int) -> Floats:
    """Return the log price at every look after the first close, (looks * hours between first and last close,).

    Between two closes it is a Brownian bridge (Karatzas and Shreve 1991, sec. 5.6.B) with steps of the variance given, so
    that it passes through every close.

    Args:
        hours: (T,) hours since 1970 of the closes, increasing.
        closes: (T,) log prices.
        variances: (T - 1,) variance an hour on the way to each close but the first.
        looks: looks an hour, at even distances, the last at its end.
        seed: seed of the streams.
    """
    lengths = np.diff(hours).astype(np.int64) * looks
    normal = steps(seed, int(hours[0]), int(hours[-1] - hours[0]), looks)
    walk = np.concatenate([[0.0], np.cumsum(normal * np.sqrt(np.repeat(variances / looks, lengths)))])
    stops = np.cumsum(lengths)
    starts = stops - lengths
    bar = np.repeat(np.arange(len(lengths)), lengths)
    share = (np.arange(stops[-1]) + 1 - starts[bar]) / lengths[bar]
    drift = np.diff(closes) - (walk[stops] - walk[starts])
    path = closes[:-1][bar] + (walk[1:] - walk[starts][bar]) + share * drift[bar]
    path[stops - 1] = closes[1:]
    return np.asarray(path)
