"""Simulator: a pool between noise traders and arbitrageurs who follow a reference price.

Model (Milionis et al. 2022, Automated Market Making and Loss-Versus-Rebalancing; Milionis et al. 2023, Automated Market
Making and Arbitrage Profits in the Presence of Fees, sec. 2). Blocks come every 12 seconds. At every look arbitrageurs
compare the pool with the reference price P: a trade pays only outside the band P (1 - fee) to P / (1 - fee), and they trade to
its edge. Noise traders come as a Poisson stream, of lognormal size and no direction, and take what the liquidity gives.
Passive providers keep layers of ranges, some of which they open anew around the pool's price from time to time.

What it leaves out: arbitrageurs pay no gas and are never short of capital; noise traders neither look at the price nor split
their orders, and trade no more when prices move; nobody adds liquidity for one block; the crowd's ranges follow a timetable.
So fee income against loss is a choice of settings here and no finding about markets. Where closes of the reference lie a day
or more apart, the variance of the way to a close knows the size (never the sign) of the move to it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from data.amm.hourly_streams import Orders, capitals, noise_orders
from data.amm.pool import LOG_TICK, Pool, sqrt_of, sqrts_of, tick_of
from data.amm.pool_log import Counts, PoolLog, RangeChanges, SwapPath
from data.amm.reference import hour_numbers, hourly_variances, reference_path
from data.amm.simulation_kernel import Looks, Ranges, Rules, Trace, room_for, run_span
from data.amm.world import BLOCK_SECONDS, BLOCKS_PER_HOUR, LiquidityLayer, PoolWorld
from data.errors import PoolError
from data.panel import Floats, Times

_BLOCK = np.timedelta64(BLOCK_SECONDS * 1_000_000_000, "ns")


class Opened(NamedTuple):
    """An open range: its ticks and its liquidity, raw units."""

    lower: int
    upper: int
    liquidity: float


class Change(NamedTuple):
    """A change of liquidity: its block, its place there, the ticks of the range and what is added, raw units."""

    block: int
    place: int
    lower: int
    upper: int
    liquidity: float


@dataclass(frozen=True, eq=False)
class Simulation:
    """What happened in a made pool, and what only its maker knows.

    Attributes:
        log: swaps and liquidity changes.
        is_noise: (N,) whether a noise trader swapped; the others are arbitrageurs.
        look_times: (M,) the arbitrageurs' looks.
        look_roots: (M,) root of the reference price there, raw units.
    """

    log: PoolLog
    is_noise: npt.NDArray[np.bool_]
    look_times: Times
    look_roots: Floats


@dataclass(frozen=True, eq=False)
class Reference:
    """The reference price of a world.

    Attributes:
        hours: (T,) hours since 1970 of the closes.
        closes: (T,) whole quote tokens per whole base token.
        volatility: standard deviation of the log price a year on the way between closes; None for that of the closes so far.
    """

    hours: Counts
    closes: Floats
    volatility: float | None = None

    def variances(self) -> Floats:
        """Return the variance an hour on the way to each close but the first, (T - 1,)."""
        if self.volatility is not None:
            return np.full(len(self.hours) - 1, self.volatility**2 / (24 * 365.25))
        return hourly_variances(np.diff(np.log(self.closes)), np.diff(self.hours))


def reference_of(times: Times, closes: Floats, volatility: float | None = None) -> Reference:
    """Return the reference price of bar ends (T,) and closes (T,).

    Raises:
        PoolError: when there are fewer than two bars, one does not end at a whole hour, or a close is missing or not above 0.
    """
    if len(times) < 2:
        raise PoolError(f"the reference price has {len(times)} bars; at least 2 are needed")
    wrong = ~(np.isfinite(closes) & (closes > 0))
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise PoolError(f"the reference price was {closes[row]} at {times[row]}; it must be above 0")
    return Reference(hour_numbers(times), closes, volatility)


def simulate(world: PoolWorld, reference: Reference) -> Simulation:
    """Return what happens in the world from the reference's first close to its last; the same arguments give the same bits.

    A longer reference changes no earlier event: every stream is named by its hour.

    Raises:
        PoolError: when a layer is narrower than the pool's tick spacing.
    """
    pool, first = world.pool, int(reference.hours[0])
    hours = int(reference.hours[-1]) - first
    roots = _roots(world, reference)
    looks = _looks(world, roots, first, hours)
    orders = noise_orders(world, first, hours)
    trace = room_for(len(looks.blocks) + len(orders.blocks))
    rules = Rules(pool.fee, 10.0 ** _quote_decimals(pool), pool.quote == "token1")
    root, done = pool.sqrt_price(float(reference.closes[0])), 0
    plan = capitals(world, first, hours)
    layers: dict[int, Opened] = {}
    changes: list[Change] = []
    for hour, until in pairwise([*plan, first + hours]):
        changes += _reopening(world, layers, plan[hour], root, hour * BLOCKS_PER_HOUR + (hour > first))
        root, done = run_span(
            root, _ranges(layers), Looks(*_between(looks, hour, until)), Orders(*_between(orders, hour, until)), rules,
            trace, done,
        )  # fmt: skip
    trace = trace.first(done)
    table = _change_table(changes)
    log = PoolLog(pool, _swaps(trace, table.blocks), table)
    return Simulation(log, trace.is_noise, _times(looks.blocks), roots)


def _between(events: Looks | Orders, hour: int, until: int) -> list[Any]:
    """Return the columns of the events in the blocks after an hour's start up to another's."""
    start, stop = np.searchsorted(
        events.blocks, [hour * BLOCKS_PER_HOUR, until * BLOCKS_PER_HOUR], side="right"
    )
    return [column[start:stop] for column in events]


def _roots(world: PoolWorld, reference: Reference) -> Floats:
    """Return the root of the reference price at every look, raw units."""
    log_prices = reference_path(
        reference.hours.astype(np.float64),
        np.log(reference.closes),
        reference.variances(),
        world.looks_per_hour,
        world.seed,
    )
    unit = world.pool.sqrt_price(1.0)
    half = 0.5 if world.pool.quote == "token1" else -0.5
    return np.asarray(unit * np.exp(half * log_prices))


def _looks(world: PoolWorld, roots: Floats, first: int, hours: int) -> Looks:
    offsets = world.arbitrage_blocks * (np.arange(world.looks_per_hour * hours) + 1)
    band = np.sqrt(1.0 - world.pool.fee)
    return Looks(first * BLOCKS_PER_HOUR + offsets, roots * band, roots / band)


def _quote_decimals(pool: Pool) -> int:
    return pool.decimals1 if pool.quote == "token1" else pool.decimals0


def _times(blocks: Counts) -> Times:
    return np.asarray(np.datetime64(0, "ns") + blocks * _BLOCK)


def _swaps(trace: Trace, changed: Counts) -> SwapPath:
    """Return the swaps with their places in the block, after the liquidity changes of that block."""
    firsts = np.searchsorted(trace.blocks, trace.blocks, side="left")
    before, until = (np.searchsorted(changed, trace.blocks, side=side) for side in ("left", "right"))
    places = np.arange(len(trace.blocks)) - firsts + (until - before)
    return SwapPath(
        _times(trace.blocks), trace.blocks, places, trace.before, trace.after, trace.amount0, trace.amount1, trace.liquidity
    )  # fmt: skip


def _reopening(
    world: PoolWorld, layers: dict[int, Opened], wanted: Mapping[int, float], root: float, block: int
) -> list[Change]:
    """Open layers around the root price with these capitals, in place of what they held; return the changes."""
    moves: list[Opened] = []
    for j, capital in wanted.items():
        if j in layers:
            held = layers[j]
            moves.append(held._replace(liquidity=-held.liquidity))
        layers[j] = opened(world.pool, world.layers[j], capital, root)
        moves.append(layers[j])
    return [Change(block, place, *move) for place, move in enumerate(moves)]


def _ranges(layers: Mapping[int, Opened]) -> Ranges:
    lower, upper, liquidity = (np.array(column, np.float64) for column in zip(*layers.values(), strict=True))
    return Ranges(sqrts_of(lower), sqrts_of(upper), liquidity)


def _change_table(changes: list[Change]) -> RangeChanges:
    blocks, *columns = (np.array(column) for column in zip(*changes, strict=True))
    return RangeChanges(_times(blocks), blocks, *columns)


def opened(pool: Pool, layer: LiquidityLayer, capital: float, root: float) -> Opened:
    """Return the range and liquidity of a layer opened with a capital in quote tokens at a root price.

    Raises:
        PoolError: when the layer is narrower than the pool's tick spacing.
    """
    lower, upper = pool.full_range
    if layer.width is not None:
        half = 0.5 * np.log1p(layer.width) / LOG_TICK
        if 2 * half < pool.spacing:
            least = np.expm1(LOG_TICK * pool.spacing)
            raise PoolError(
                f"a layer's width was {layer.width:g}; the tick spacing of {pool.name} needs {least:.4g} or more"
            )
        lower, upper = pool.range_around(tick_of(root) - half, tick_of(root) + half)
    low, high = sqrt_of(lower), sqrt_of(upper)
    inside = min(max(root, low), high)
    worth = pool.value(1.0 / inside - 1.0 / high, inside - low, root)
    return Opened(lower, upper, capital / worth)
