"""Cases: the three data sets and decisions that every engine is timed on; numpy alone, so that any environment makes them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

GOLDEN = {"a": 1862489.6010056527, "b": 129406223.80698258, "c": 1292737.321948592}
"""Final equity of backtrader 1.9.78.123; for c the mean over the first 20 pairs."""

CHECKED_PAIRS = 20
"""The golden mean of c is over this many of its pairs."""


@dataclass(frozen=True)
class Prices:
    """(T, N) prices of bars that end at ``times``."""

    times: Any
    open: Floats
    high: Floats
    low: Floats
    close: Floats


@dataclass(frozen=True)
class Account:
    """What every engine starts with: cash, commission as a fraction, the weight that is held, bars in a year."""

    cash: float
    commission: float
    weight: float
    periods_per_year: float


ACCOUNTS = {
    "a": Account(1e6, 1e-5, 0.95, 525_600.0),
    "b": Account(1e8, 1e-3, 0.95, 252.0),
    "c": Account(1e6, 1e-3, 0.95, 8_760.0),
}


def prices(case: str, assets: int = 500, bars: int = 2520) -> Prices:
    """Return the bars of a case; a smaller b is the top left corner of the whole one."""
    if case == "a":
        times = np.datetime64("2015-01-01", "ns") + np.arange(1_000_000) * np.timedelta64(1, "m")
        return Prices(times, *walk(1, (1_000_000, 1), 0.0006))
    if case == "b":
        times = np.busday_offset("2010-01-01", np.arange(2520), roll="forward").astype("datetime64[ns]")
        corner = [array[:bars, :assets] for array in walk(2, (2520, 500), 0.015)]
        return Prices(times[:bars], *(np.ascontiguousarray(array) for array in corner))
    times = np.datetime64("2015-01-01", "ns") + np.arange(10_000) * np.timedelta64(1, "h")
    return Prices(times, *walk(4, (10_000, 1), 0.003))


def walk(seed: int, shape: tuple[int, int], volatility: float) -> tuple[Floats, Floats, Floats, Floats]:
    """Return open, high, low and close of a random walk; the order of the draws is part of the recipe."""
    rng = np.random.default_rng(seed)
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0, volatility, shape), axis=0))
    opened = np.empty(shape)
    opened[0] = 100.0
    opened[1:] = close[:-1]
    opened *= np.exp(rng.normal(0.0, 0.3 * volatility, shape))
    high = np.maximum(opened, close) * np.exp(np.abs(rng.normal(0.0, 0.3 * volatility, shape)))
    low = np.minimum(opened, close) * np.exp(-np.abs(rng.normal(0.0, 0.3 * volatility, shape)))
    return opened, high, low, close


def weights(assets: int = 500, bars: int = 2520) -> Floats:
    """Return the weights of b, (bars, assets): 0.95 of a softmax over all 500 assets that wanders from day to day."""
    scores = np.cumsum(np.random.default_rng(3).normal(0.0, 0.05, (2520, 500)), axis=0)
    scores = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.ascontiguousarray((0.95 * (scores / scores.sum(axis=1, keepdims=True)))[:bars, :assets])


def average(close: Floats, window: int) -> Floats:
    """Return the simple moving average of (T,) prices by cumulative sums, NaN before bar ``window - 1``."""
    sums = np.cumsum(close)
    made = np.full(len(close), np.nan)
    made[window - 1] = sums[window - 1] / window
    made[window:] = (sums[window:] - sums[:-window]) / window
    return made


def is_long(close: Floats, fast: int, slow: int) -> npt.NDArray[np.bool_]:
    """Return where the fast average of (T,) prices is above the slow one; False until the slow one exists."""
    return average(close, fast) > average(close, slow)


def on_change(held: npt.NDArray[np.bool_], weight: float, first: int) -> Floats:
    """Return (T,) target weights where the wish changes and at bar ``first``, NaN = no order."""
    made = np.full(len(held), np.nan)
    changed = np.flatnonzero(held[1:] != held[:-1]) + 1
    made[changed] = np.where(held[changed], weight, 0.0)
    made[first] = weight if held[first] else 0.0
    return made


def pairs(count: int = 1000) -> list[tuple[int, int]]:
    """Return the (fast, slow) windows of c."""
    every = [(fast, slow) for fast in range(2, 200) for slow in range(fast + 5, 400, 9)]
    np.random.default_rng(0).shuffle(every)
    return every[:count]
