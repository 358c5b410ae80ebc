"""Small pools whose swaps, decisions and costs are drawn from a seed, for ``backtest.amm`` and its slow twin alike."""

from dataclasses import dataclass

import numpy as np

from backtest.amm.policies.base import RangeDecision, WantedRange
from backtest.amm.terms import PoolCosts, PoolTerms
from data.amm.pool import Pool, tick_of
from data.amm.pool_log import SwapPath

BEGIN = np.datetime64("2022-01-01", "ns")
HOUR = np.timedelta64(1, "h")
CAPITAL = 100.0


def path_of(roots, seconds=None, liquidity=1e18):
    """Return swaps that go from root price to root price, a minute apart unless told."""
    roots = np.asarray(roots, float)
    count = len(roots) - 1
    seconds = 60 * np.arange(1, count + 1) if seconds is None else np.asarray(seconds)
    times = BEGIN + seconds.astype("timedelta64[s]").astype("timedelta64[ns]")
    depth = np.broadcast_to(np.asarray(liquidity, float), (count,)).copy()
    nothing = np.zeros(count)
    return SwapPath(times, np.arange(count), nothing, roots[:-1], roots[1:], nothing, nothing, depth)


def terms_of(pool, gas=0.0, **others):
    """Return terms whose gas is the same for each part of a move."""
    dilution = others.pop("own_dilution", False)
    costs = PoolCosts(mint_gas=gas, burn_gas=gas, swap_gas=gas, **{"latency_seconds": 0.0, **others})
    return PoolTerms(pool=pool, costs=costs, own_dilution=dilution)


@dataclass(frozen=True)
class World:
    terms: PoolTerms
    swaps: SwapPath
    marks: np.ndarray
    start: float
    decisions: dict


def drawn_world(seed, bars=36, swaps=80):
    """Return a world whose decisions are keyed by their bar end, the first at the opening."""
    rng = np.random.default_rng(seed)
    pool = Pool(
        token0="A",
        token1="B",
        decimals0=int(rng.choice([6, 8, 18])),
        decimals1=int(rng.choice([6, 18])),
        fee_pips=int(rng.choice([500, 3000, 10_000])),
        quote=str(rng.choice(["token0", "token1"])),
        protocol0=int(rng.choice([0, 4, 10])),
        protocol1=int(rng.choice([0, 5])),
    )
    gas = float(rng.choice([0.0, 0.01, 0.3, 30.0], p=[0.3, 0.4, 0.25, 0.05]))
    terms = terms_of(
        pool,
        gas,
        conversion_fee=None if rng.random() < 0.5 else float(rng.uniform(0, 0.01)),
        impact=bool(rng.random() < 0.7),
        latency_seconds=float(rng.choice([0.0, 12.0, 7000.0])),
        own_dilution=bool(rng.random() < 0.5),
    )
    start = pool.sqrt_price(float(np.exp(rng.normal(2, 1))))
    roots = start * np.exp(np.r_[0, np.cumsum(rng.normal(0, 0.01, swaps))])
    depth = CAPITAL / pool.value(1 / start, start, start) * np.exp(rng.normal(1, 2, swaps))
    depth[rng.random(swaps) < 0.02] = 0.0
    seconds = np.sort(rng.integers(1, bars * 3600, swaps))
    marks = BEGIN + HOUR * np.arange(1, bars + 1)
    return World(
        terms, path_of(roots, seconds, depth), marks, start, _decisions(rng, pool, tick_of(start), marks)
    )


def _decisions(rng, pool, tick, marks):
    times = [BEGIN, *(mark for mark in marks[:-1] if rng.random() < 0.15)]
    return {
        np.datetime64(time): RangeDecision(
            np.datetime64(time), _ranges(rng, pool, tick), converts=bool(rng.random() < 0.7)
        )
        for time in times
    }


def _ranges(rng, pool, tick):
    count = int(rng.choice([0, 1, 2, 3], p=[0.1, 0.5, 0.25, 0.15]))
    shares = rng.dirichlet(np.ones(count)) * rng.choice([1.0, 0.6]) if count else []
    made = []
    for share in shares:
        if rng.random() < 0.1:
            made.append(WantedRange(*pool.full_range, float(share)))
            continue
        low = tick + rng.normal(-500, 500)
        made.append(WantedRange(*pool.range_around(low, low + rng.uniform(50, 3000)), float(share)))
    return tuple(made)
