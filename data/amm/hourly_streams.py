"""Hourly streams: random numbers named by seed, purpose and hour, so that a longer span changes no earlier event."""

import hashlib
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from data.amm.pool_log import Counts
from data.amm.world import BLOCKS_PER_HOUR, PoolWorld
from data.panel import Floats


class Orders(NamedTuple):
    """What noise traders want, in the order of their blocks.

    Attributes:
        blocks: (N,) block numbers.
        is_up: (N,) whether token1 is paid in, so that the root price rises.
        values: (N,) worth of what is paid in, fee included, in whole quote tokens.
    """

    blocks: Counts
    is_up: npt.NDArray[np.bool_]
    values: Floats


def stream(seed: int, purpose: str, hour: int) -> np.random.Generator:
    """Return the generator of an hour: equal names give equal streams.

    Args:
        seed: the world's seed.
        purpose: what the numbers are for.
        hour: hours since 1970 at the hour's start.
    """
    words = np.frombuffer(hashlib.sha256(repr((seed, purpose, hour)).encode()).digest(), dtype=np.uint32)
    return np.random.default_rng(words.tolist())


def steps(seed: int, first: int, hours: int, looks: int) -> Floats:
    """Return standard normal steps of the reference price, (hours * looks,)."""
    drawn = [stream(seed, "reference", hour).standard_normal(looks) for hour in range(first, first + hours)]
    return np.concatenate(drawn) if drawn else np.empty(0)


def noise_orders(world: PoolWorld, first: int, hours: int) -> Orders:
    """Return the orders of the noise traders in the hours from ``first`` on.

    Their number in an hour is Poisson, their block uniform, their side a fair coin, their worth lognormal; none depends on a
    price. A block belongs to the hour in which it ends: that of ``first`` are the 300 after its first instant.
    """
    drawn = [*_hourly_orders(world, first, hours)]
    if not drawn:
        return Orders(np.empty(0, np.int64), np.empty(0, np.bool_), np.empty(0))
    return Orders(*(np.concatenate(column) for column in zip(*drawn, strict=True)))


def _hourly_orders(world: PoolWorld, first: int, hours: int) -> Iterator[Orders]:
    for hour in range(first, first + hours):
        rng = stream(world.seed, "noise", hour)
        count = int(rng.poisson(world.noise_per_day / 24.0))
        offsets = np.sort(rng.integers(1, BLOCKS_PER_HOUR + 1, count))
        is_up = rng.random(count) < 0.5
        values = world.noise_size * np.exp(world.noise_spread * rng.standard_normal(count))
        yield Orders(hour * BLOCKS_PER_HOUR + offsets, is_up, values)


def capitals(world: PoolWorld, first: int, hours: int) -> dict[int, dict[int, float]]:
    """Return hour -> layer -> capital with which the layer is opened at the hour's start, in quote tokens.

    Every layer is opened in the first hour; those with a width again every so many days, each at its own hour of the day.
    """
    plan: dict[int, dict[int, float]] = {first: {}}
    for j, layer in enumerate(world.layers):
        again = range(first + 1, first + hours) if layer.width is not None else range(0)
        for hour in (first, *(h for h in again if (h - 7 * j) % (24 * layer.days) == 0)):
            shock = float(stream(world.seed, f"layer {j}", hour).standard_normal())
            plan.setdefault(hour, {})[j] = layer.capital * float(np.exp(layer.spread * shock))
    return dict(sorted(plan.items()))
