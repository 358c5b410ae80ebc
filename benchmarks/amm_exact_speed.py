"""The exact pool beside its slow twin in ``tests/oracles``: equal to the last unit, and swaps a second.

    python benchmarks/amm_exact_speed.py --data FOLDER

Made pools, one with a single range and one with some 400 initialized ticks; the real day is replayed where FOLDER has it, each
order recovered from its event first, mints and burns among the swaps. CPU seconds, median of three.
"""

import argparse
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.tools.measuring import oracle, seconds
from data.amm.event_file import event_log
from data.amm.exact_pool import ExactPool, PositionKey, new_pool
from data.amm.exact_positions import mint
from data.amm.exact_replay import replay
from data.amm.exact_swap import SwapOrder, swap
from data.amm.exact_tick_map import inferred_ticks
from data.amm.pool import Pool
from data.amm.tables import read_table
from data.amm.tick_math import MAX_SQRT_X96, MIN_SQRT_X96, sqrt_at_tick

SWAPS, COMPARED = 20_000, 200
TARGET = 25_000.0
DAY = "amm/eth_usdc_weth_005_2024-01-05_events.csv.gz"
POOL = Pool(token0="USDC", token1="WETH", decimals0=6, decimals1=18, fee_pips=500, quote="token0")
Range = tuple[int, int, int]


@dataclass(frozen=True)
class World:
    """Ranges of a pool around tick 0, and the orders it gets, one after the other."""

    name: str
    ranges: list[Range]
    orders: list[SwapOrder]

    def pool(self) -> ExactPool:
        """The pool with its ranges minted."""
        pool = new_pool(POOL, sqrt_at_tick(0) + 1)
        for number, (lower, upper, liquidity) in enumerate(self.ranges):
            pool = mint(pool, PositionKey(str(number), lower, upper), liquidity).pool
        return pool

    def swapped(self, start: ExactPool) -> tuple[ExactPool, int]:
        """The pool after every order, and how many ticks were crossed."""
        pool, crossed = start, 0
        for order in self.orders:
            pool, done = swap(pool, order)
            crossed += len(done.crossings)
        return pool, crossed

    def of_twin(self, count: int) -> tuple[Any, float]:
        """The twin after the first orders, and the CPU seconds they took."""
        twin = oracle("exact_pool_oracle").SlowPool(POOL.fee_pips, POOL.spacing, sqrt_at_tick(0) + 1)
        for lower, upper, liquidity in self.ranges:
            twin.mint(lower, upper, liquidity)
        begun = time.process_time()
        for order in self.orders[:count]:
            twin.swap(order.amount, order.is_down, MIN_SQRT_X96 + 1 if order.is_down else MAX_SQRT_X96 - 1)
        return twin, time.process_time() - begun


def worlds() -> list[World]:
    """Return a pool of one range, and one of 301 ranges whose orders cross a tick one in four times."""
    rng = np.random.default_rng(3)
    wide = [(-600_000, 600_000, 10**19)]
    lower = rng.integers(-250, 240, 300)
    upper = lower + 1 + rng.integers(0, 200, 300)
    many = [(int(a) * 10, int(b) * 10, 10**17) for a, b in zip(lower, upper, strict=True)]
    return [
        World("one range", wide, orders(rng, 3e15)),
        World("many ticks", wide + many, orders(rng, 3e15)),
    ]


def orders(rng: np.random.Generator, size: float) -> list[SwapOrder]:
    """Return orders of either way, one in ten for an output."""
    amounts = rng.exponential(size, SWAPS) + 1
    signs = np.where(rng.random(SWAPS) < 0.1, -1, 1)
    return [
        SwapOrder(int(amount) * int(sign), bool(is_down))
        for amount, sign, is_down in zip(amounts, signs, rng.random(SWAPS) < 0.5, strict=True)
    ]


def check_equal(world: World) -> float:
    """Return the twin's swaps a second; stop when the pool and its twin do not end alike."""
    twin, taken = world.of_twin(COMPARED)
    pool, _ = World(world.name, world.ranges, world.orders[:COMPARED]).swapped(world.pool())
    if (pool.sqrt_x96, pool.tick) != (twin.sqrt, twin.tick):
        raise SystemExit(f"{world.name}: the pool and its twin end at {pool.sqrt_x96} and {twin.sqrt}")
    for lower, upper, _, growth0, growth1 in twin.ranges:
        if pool.growth_inside(lower, upper) != (growth0, growth1):
            raise SystemExit(f"{world.name}: fees of the range {lower} to {upper} differ")
    return COMPARED / taken


def day_row(folder: Path) -> float | None:
    """Return swaps a second of the real day, orders recovered; None where it is not there."""
    if not (folder / DAY).exists():
        return None
    log = event_log(read_table(folder / DAY))
    ticks = inferred_ticks(log, POOL).table
    return replay(log, POOL, ticks).swaps / seconds(lambda: replay(log, POOL, ticks))


def main() -> None:
    """Print one line a pool, and whether the target is met."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--data", type=Path, default=Path("../shared/data"), help="folder of real market data"
    )
    folder = parser.parse_args().data
    rates = []
    print(f"{'pool':<14}{'ticks':>6}{'crossed':>9}{'swaps/s':>10}{'twin':>8}{'ratio':>8}")
    for world in worlds():
        theirs, start = check_equal(world), world.pool()
        ours = SWAPS / seconds(lambda world=world, start=start: world.swapped(start))
        share = world.swapped(start)[1] / SWAPS
        ticks = len(start.table.ticks)
        print(
            f"{world.name:<14}{ticks:>6}{share:>9.0%}{ours:>10.0f}{theirs:>8.0f}{ours / theirs:>8.0f}",
            flush=True,
        )
        rates.append(ours)
    day = day_row(folder)
    if day is not None:
        print(f"{'real day':<14}{'':>6}{'':>9}{day:>10.0f}")
        rates.append(day)
    print(
        f"{'met' if min(rates) >= TARGET else 'MISSED'}: least swaps a second {min(rates):.0f}, target {TARGET:.0f}"
    )


if __name__ == "__main__":
    main()
