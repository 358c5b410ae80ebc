"""Float replay: swaps asked of a pool, carried out in float64 over a tick map, tick after tick.

Within an interval of liquidity L the root price moves with the net input: s' = s + net1 / L up, 1 / s' = 1 / s + net0 / L down
(Adams et al. 2021, Uniswap v3 Core, eq. 6.13 to 6.16). Root prices agree with the exact engine (``data.amm.exact_swap``) to
1e-11; amounts carry no rounding to whole units.
"""

import math
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from data.amm.compiled import compiled, inlined
from data.amm.pool import Pool, tick_of
from data.amm.tick_map import TickMap
from data.errors import EventGapError, PoolError
from data.panel import Floats, read_only

Flags = npt.NDArray[np.bool_]

_DONE, _RAN_OUT, _LIMIT_BEHIND = 0, 1, 2

_DUST = 1e-14
"""Share of an amount below which what is left of it is rounding."""


@dataclass(frozen=True, eq=False)
class SwapInputs:
    """What traders ask for, in order.

    Attributes:
        amounts: (N,) raw input to be spent, fee included, above 0; raw output to be had as a number below 0.
        is_down: (N,) whether token0 is paid in, so that the price falls.
        limits: (N,) root price at which a swap ends early, NaN for none; none at all when left out.
    """

    amounts: Floats
    is_down: Flags
    limits: Floats | None = None

    def __post_init__(self) -> None:
        for name in ("amounts", "is_down", "limits"):
            if name == "limits" and self.limits is None:
                continue
            kind: Any = np.bool_ if name == "is_down" else np.float64
            array = np.ascontiguousarray(getattr(self, name), kind)
            if array.shape != (np.size(self.amounts),):
                raise PoolError(f"{name} of the swaps has shape {array.shape}; one row a swap is needed")
            object.__setattr__(self, name, read_only(array))
        if (wrong := ~np.isfinite(self.amounts) | (self.amounts == 0.0)).any():
            row = int(np.flatnonzero(wrong)[0])
            raise PoolError(
                f"the amount of swap {row} was {self.amounts[row]}; allowed: above 0 for an input, below 0 for an output"
            )

    @property
    def bounds(self) -> Floats:
        """(N,) root price at which each swap ends at the latest: its limit, else 0 downward and infinity upward."""
        nowhere = np.where(self.is_down, 0.0, np.inf)
        if self.limits is None:
            return np.asarray(nowhere)
        return np.where(np.isnan(self.limits), nowhere, self.limits)


@dataclass(frozen=True, eq=False)
class Replayed:
    """What the swaps did.

    Attributes:
        sqrt_after: (N,) root price after each swap.
        amount0: (N,) raw token0 into the pool, below 0 out of it.
        amount1: (N,) raw token1 into the pool.
        fees: (N,) raw fee of each swap in the token paid in, the protocol's cut included.
        liquidity: (N,) active liquidity after each swap.
        crossings: (N,) ticks of the map that each swap crossed.
        growth: (T - 1, 2) fees in token0 and token1 per unit of liquidity between neighbouring ticks of the map, net of the
            protocol's cut.
        tick: the tick at the end; one below that of the price right after a tick was crossed downward.
    """

    sqrt_after: Floats
    amount0: Floats
    amount1: Floats
    fees: Floats
    liquidity: Floats
    crossings: npt.NDArray[np.int64]
    growth: Floats
    tick: int

    def __post_init__(self) -> None:
        for column in fields(self):
            if column.name != "tick":
                object.__setattr__(self, column.name, read_only(getattr(self, column.name)))


def replay(
    pool: Pool, ticks: TickMap, sqrt_price: float, swaps: SwapInputs, *, tick: int | None = None
) -> Replayed:
    """Return what the swaps do to a pool; liquidity stays as the map has it, so a mint or burn ends a call.

    Args:
        pool: its fee and protocol cut.
        ticks: its liquidity.
        sqrt_price: root price before the first swap.
        swaps: what is asked for.
        tick: the pool's tick where it is not that of the price, as right after a downward crossing (``Replayed.tick``).

    Raises:
        EventGapError: when liquidity runs out: there is no tick ahead of a swap that has neither been filled nor met its limit.
        PoolError: when a price is not above 0, or a limit is not ahead of the price.
    """
    if not (np.isfinite(sqrt_price) and sqrt_price > 0):
        raise PoolError(f"the root price was {sqrt_price}; it must be above 0")
    grid = _Grid(ticks.sqrt_prices, np.concatenate([[0.0], ticks.liquidity]))
    known, here = (grid.roots, sqrt_price) if tick is None else (ticks.ticks, tick)
    state = (float(sqrt_price), int(np.searchsorted(known, here, side="right")))
    trace, growth = _room(len(swaps.amounts)), np.zeros((2, len(grid.roots) + 1))
    kept0, kept1 = (1.0 - (1.0 / n if n else 0.0) for n in (pool.protocol0, pool.protocol1))
    asked = (swaps.amounts, swaps.is_down, swaps.bounds)
    code, row, last, place = _replay(asked, grid, state, (pool.fee, kept0, kept1), trace, growth)
    if code != _DONE:
        raise _explained(code, swaps, row, ticks, last)
    between = np.ascontiguousarray(growth[:, 1:-1].T)
    return Replayed(*trace, growth=between, tick=_tick_at(ticks, last, place))


def _explained(code: int, swaps: SwapInputs, row: int, ticks: TickMap, sqrt_price: float) -> PoolError:
    if code == _RAN_OUT:
        ends = f"{ticks.ticks[0]} and {ticks.ticks[-1]}" if len(ticks.ticks) else "none"
        return EventGapError(
            f"liquidity ran out at root price {sqrt_price:.9g} in swap {row} of {swaps.amounts[row]:.6g} raw units; "
            f"the outermost ticks of the map are {ends}"
        )
    side = "below" if swaps.is_down[row] else "above"
    return PoolError(
        f"the limit of swap {row} was root price {swaps.bounds[row]:.9g}; it must be {side} the price {sqrt_price:.9g}"
    )


def _tick_at(ticks: TickMap, sqrt_price: float, place: int) -> int:
    """Return the whole tick of a price, kept inside the interval that the replay ended in."""
    found = math.floor(tick_of(sqrt_price))
    if place > 0:
        found = max(found, int(ticks.ticks[place - 1]))
    if place < len(ticks.ticks):
        found = min(found, int(ticks.ticks[place]) - 1)
    return found


class _Grid(NamedTuple):
    """(T,) root prices of the ticks and (T + 1,) liquidity of interval k, which lies between ticks k - 1 and k."""

    roots: Floats
    active: Floats


class _Trace(NamedTuple):
    """What is written of each swap, as ``Replayed`` names it."""

    sqrt_after: Floats
    amount0: Floats
    amount1: Floats
    fees: Floats
    liquidity: Floats
    crossings: npt.NDArray[np.int64]


def _room(count: int) -> _Trace:
    sqrt_after, amount0, amount1, fees, liquidity = np.empty((5, count))
    return _Trace(sqrt_after, amount0, amount1, fees, liquidity, np.empty(count, np.int64))


@inlined
def _of_input(
    s: float, target: float, liquidity: float, spent: float, fee: float, down: bool
) -> tuple[float, float, float, float]:
    """Return root price after, net input, output and fee of a step that spends an input."""
    net = spent * (1.0 - fee)
    # (s - t) / (s t) keeps the digits that 1/t - 1/s loses where the move is small.
    needed = liquidity * (s - target) / (s * target) if down else liquidity * (target - s)
    if net >= needed:
        out = liquidity * (s - target) if down else liquidity * (target - s) / (s * target)
        return target, needed, out, needed * fee / (1.0 - fee)
    if down:
        after = s * (liquidity / (liquidity + net * s))
        return after, net, net * (s * after), spent - net
    after = s + net / liquidity
    return after, net, net / (s * after), spent - net


@inlined
def _of_output(
    s: float, target: float, liquidity: float, wanted: float, fee: float, down: bool
) -> tuple[float, float, float, float]:
    """Return root price after, net input, output and fee of a step that asks for an output."""
    out = liquidity * (s - target) if down else liquidity * (target - s) / (s * target)
    if wanted >= out:
        net = liquidity * (s - target) / (s * target) if down else liquidity * (target - s)
        return target, net, out, net * fee / (1.0 - fee)
    if down:
        after = s - wanted / liquidity
        net = wanted / (s * after)
    else:
        after = s * (liquidity / (liquidity - wanted * s))
        net = wanted * (s * after)
    return after, net, wanted, net * fee / (1.0 - fee)


@inlined
def _ahead(roots: Floats, k: int, limit: float, down: bool) -> tuple[float, bool]:
    """Return where a step out of interval k ends at the latest, and whether a tick is crossed there."""
    if down:
        is_tick = k > 0 and roots[k - 1] >= limit
        return (roots[k - 1] if is_tick else limit), is_tick
    is_tick = k < len(roots) and roots[k] <= limit
    return (roots[k] if is_tick else limit), is_tick


@inlined
def _swap(
    left: float,
    way: tuple[bool, float],
    grid: _Grid,
    state: tuple[float, int],
    charges: tuple[float, float],
    growth: Floats,
) -> tuple[int, float, int, float, float, float]:
    """Return code, root price, interval, gross input, output and fee; ``growth`` is that of the token paid in."""
    down, limit = way
    s, k = state
    fee, kept = charges
    dust, paid, received, charged = _DUST * abs(left), 0.0, 0.0, 0.0
    while abs(left) > dust and s != limit:
        target, is_tick = _ahead(grid.roots, k, limit, down)
        if target in (0.0, np.inf):
            return _RAN_OUT, s, k, paid, received, charged
        liquidity = grid.active[k]
        if left > 0.0:
            s, net, out, cut = _of_input(s, target, liquidity, left, fee, down)
            left -= net + cut
        else:
            s, net, out, cut = _of_output(s, target, liquidity, -left, fee, down)
            left += out
        paid += net + cut
        received += out
        charged += cut
        if liquidity > 0.0:
            growth[k] += cut * kept / liquidity
        if s != target:
            break
        if is_tick:
            k += -1 if down else 1
    return _DONE, s, k, paid, received, charged


@compiled
def _replay(
    asked: tuple[Floats, Flags, Floats],
    grid: _Grid,
    state: tuple[float, int],
    charges: tuple[float, float, float],
    trace: _Trace,
    growth: Floats,
) -> tuple[int, int, float, int]:
    """Carry out every swap; return a code, the row it is about, the root price and the interval at the end."""
    amounts, downs, bounds = asked
    s, k = state
    fee, kept0, kept1 = charges
    for i in range(len(amounts)):
        down, begun = downs[i], k
        if not (bounds[i] < s if down else bounds[i] > s):
            return _LIMIT_BEHIND, i, s, k
        own, way = (fee, kept0 if down else kept1), (down, bounds[i])
        code, s, k, paid, received, cut = _swap(amounts[i], way, grid, (s, k), own, growth[0 if down else 1])
        if code != _DONE:
            return code, i, s, k
        trace.sqrt_after[i] = s
        trace.amount0[i] = paid if down else -received
        trace.amount1[i] = -received if down else paid
        trace.fees[i] = cut
        trace.liquidity[i] = grid.active[k]
        trace.crossings[i] = abs(k - begun)
    return _DONE, -1, s, k
