"""Tick map: how much liquidity begins and ends at each tick, from every mint and burn up to an instant."""

from dataclasses import dataclass, fields

import numpy as np

from data.amm.compiled import compiled
from data.amm.pool import sqrts_of
from data.amm.pool_log import Counts, RangeChanges
from data.errors import EventGapError, PoolError
from data.panel import Floats, read_only

_ROUNDING = 1e-12
"""Share of what ever moved in a range below which what is left of it is the rounding of its sum: raw units pass 2**53."""

_KEY = 1 << 21
"""More than the number of ticks, so that two ticks make one whole number."""


@dataclass(frozen=True, eq=False)
class TickMap:
    """The liquidity of a pool at an instant.

    Attributes:
        ticks: (T,) rising ticks at which some range begins or ends.
        net: (T,) raw liquidity that becomes active when the price passes the tick upward (Adams et al. 2021, Uniswap v3
            Core, section 6.3).
        gross: (T,) raw liquidity of all ranges that begin or end there.
    """

    ticks: Counts
    net: Floats
    gross: Floats

    def __post_init__(self) -> None:
        for column in fields(self):
            kind = np.int64 if column.name == "ticks" else np.float64
            array = np.ascontiguousarray(getattr(self, column.name), kind)
            if array.ndim != 1 or array.shape != np.shape(self.ticks):
                raise PoolError(
                    f"column '{column.name}' of the tick map has shape {array.shape}; "
                    f"{np.shape(self.ticks)} is needed"
                )
            object.__setattr__(self, column.name, read_only(array))
        if not (np.diff(self.ticks) > 0).all():
            raise PoolError("ticks of a tick map rise, each once")

    @classmethod
    def of_ranges(cls, lower: Counts, upper: Counts, liquidity: Floats) -> "TickMap":
        """Return the map of R ranges: (R,) lower ticks, upper ticks and raw liquidity."""
        ticks, which = np.unique(np.concatenate([lower, upper]), return_inverse=True)
        net, gross = (
            np.asarray(
                np.bincount(which, np.concatenate([liquidity, at_upper * liquidity]), len(ticks)), np.float64
            )
            for at_upper in (-1.0, 1.0)
        )
        return cls(ticks, net, gross)

    @property
    def liquidity(self) -> Floats:
        """(T,) active raw liquidity from each tick to the next; none is left above the last."""
        found = np.cumsum(self.net)
        found[-1:] = 0.0
        return found

    @property
    def sqrt_prices(self) -> Floats:
        """(T,) root prices at the ticks, in float64."""
        return sqrts_of(self.ticks.astype(np.float64))


def tick_map(changes: RangeChanges | None) -> TickMap:
    """Return the map after the given changes; cut them at an instant (``until``) for the map at that instant.

    Args:
        changes: every mint and burn since the pool was made.

    Raises:
        EventGapError: when there are none, or a burn takes more than was minted: that history is missing.
    """
    if changes is None or not len(changes):
        raise EventGapError(
            "the pool's log has no liquidity changes; a tick map needs every mint and burn since the pool was made"
        )
    keys = changes.tick_lower.astype(np.int64) * _KEY + changes.tick_upper.astype(np.int64) + _KEY // 2
    ranges, which = np.unique(keys, return_inverse=True)
    held, moved = np.zeros(len(ranges)), np.zeros(len(ranges))
    short = _sum_up(which.astype(np.int64), changes.liquidity, held, moved)
    if short >= 0:
        raise EventGapError(
            f"the burn at {changes.where(short)} takes {-changes.liquidity[short]:.6g} from the range "
            f"{changes.tick_lower[short]:.0f} to {changes.tick_upper[short]:.0f}, which then held less; "
            "its mints are missing"
        )
    is_open = held > _ROUNDING * moved
    lower = np.floor_divide(ranges[is_open], _KEY)
    upper = ranges[is_open] - lower * _KEY - _KEY // 2
    return TickMap.of_ranges(lower, upper, held[is_open])


def liquidity_profile(ticks: TickMap, edges: Floats) -> Floats:
    """Return the mean raw liquidity over the ticks of each of B bins, (B,).

    Two edges about the price give the liquidity around it; many give a row of a heat map.

    Args:
        ticks: the map.
        edges: (B + 1,) rising real-valued ticks.

    Raises:
        PoolError: when there is no bin or the edges do not rise.
    """
    edges = np.asarray(edges, np.float64)
    if edges.ndim != 1 or len(edges) < 2 or not (np.diff(edges) > 0).all():
        raise PoolError(f"edges of shape {edges.shape} do not rise; bins need two or more rising ticks")
    if not len(ticks.ticks):
        return np.zeros(len(edges) - 1)
    summed = np.concatenate([[0.0], np.cumsum(ticks.liquidity[:-1] * np.diff(ticks.ticks))])
    return np.asarray(np.diff(np.interp(edges, ticks.ticks, summed)) / np.diff(edges))


@compiled
def _sum_up(which: Counts, liquidity: Floats, held: Floats, moved: Floats) -> int:
    """Add every change to its range; return the first row that takes more than there is, or -1."""
    for i in range(len(which)):
        k = which[i]
        held[k] += liquidity[i]
        moved[k] += abs(liquidity[i])
        if held[k] < -_ROUNDING * moved[k]:
            return i
    return -1
