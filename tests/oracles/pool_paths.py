"""Histories of a pool whose price goes where a test wants it to, hour after hour."""

import numpy as np

from data.amm.bars import pool_bars
from data.amm.pool import Pool
from data.amm.pool_log import PoolLog, SwapPath
from data.history import History
from data.sessions import BarClock

BEGIN = np.datetime64("2024-01-01", "ns")
HOUR = np.timedelta64(3_600_000_000_000, "ns")
CLOCK = BarClock("24/7", "1h")


def history_of(log_prices, bars, fee_pips=3000, liquidity=1e24):
    """Return the bars and swaps of a pool that goes along (N + 1,) log prices, its N swaps evenly spread over the bars."""
    pool = Pool(token0="A", token1="B", fee_pips=fee_pips)
    roots = np.exp(0.5 * np.asarray(log_prices))
    count = len(roots) - 1
    seconds = np.linspace(1, bars * 3600 - 1, count).astype(np.int64)
    nothing = np.zeros(count)
    swaps = SwapPath(
        BEGIN + seconds * np.timedelta64(1_000_000_000, "ns"),
        seconds,
        np.arange(count),
        roots[:-1],
        roots[1:],
        nothing,
        nothing,
        np.full(count, liquidity),
    )
    log = PoolLog(pool, swaps)
    return History(pool_bars(log, CLOCK, BEGIN + HOUR, BEGIN + bars * HOUR), CLOCK, pool=log)


def swinging(bars, half=0.001, seed=0):
    """A price that swings about one level by 0.1 % every hour: the narrowest range about it earns most."""
    rng = np.random.default_rng(seed)
    return history_of(
        half * np.where(np.arange(bars + 1) % 2, 1.0, -1.0) * rng.uniform(0.8, 1.0, bars + 1), bars
    )


def walk(steps, deviation=0.006, seed=0):
    """Log prices without memory, (steps + 1,)."""
    return np.concatenate([[0.0], np.cumsum(np.random.default_rng(seed).normal(0.0, deviation, steps))])


def wandering(bars, each=2, deviation=0.006, seed=0):
    """A price without memory and fees that pay for nothing: every range loses to holding."""
    return history_of(walk(bars * each, deviation, seed), bars, fee_pips=100)
