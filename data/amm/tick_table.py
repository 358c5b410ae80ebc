"""Tick table: the initialized ticks of a pool in exact integers, and the next one on the way of a swap."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from data.amm.pool import MAX_TICK
from data.amm.tick_math import MIN_TICK, max_liquidity_per_tick
from data.errors import PoolError, TickError

MASK_256 = (1 << 256) - 1
"""Fee growth is counted modulo 2**256."""


class TickState(NamedTuple):
    """What the pool knows about one initialized tick.

    Attributes:
        gross: liquidity of all ranges that begin or end here; the tick is initialized while it is above 0.
        net: liquidity that begins here less what ends here: added to the active liquidity when the price crosses upward.
        outside0: growth of token0 fees on the other side of the tick, modulo 2**256.
        outside1: the same of token1 fees.
    """

    gross: int
    net: int
    outside0: int = 0
    outside1: int = 0


class Crossing(NamedTuple):
    """A tick the price crossed, and the fee growth of the whole pool at that moment.

    Attributes:
        tick: the tick.
        growth0: growth of token0 fees.
        growth1: growth of token1 fees.
    """

    tick: int
    growth0: int
    growth1: int


@dataclass(frozen=True)
class TickTable:
    """The initialized ticks of a pool.

    Attributes:
        spacing: distance of two usable ticks.
        ticks: state of each initialized tick.
        words: bits of the initialized ticks by word of 256 usable ticks; words without any are left out.
    """

    spacing: int
    ticks: Mapping[int, TickState] = field(default_factory=dict)
    words: Mapping[int, int] = field(default_factory=dict)

    @classmethod
    def of_nets(cls, spacing: int, nets: Mapping[int, int]) -> "TickTable":
        """Return the table of known net liquidities; gross liquidity is taken to be as small as that allows.

        Raises:
            TickError: when a tick is off the spacing or outside the pool.
        """
        table = cls(spacing)
        for tick, net in nets.items():
            table = table.changed(tick, max(abs(net), 1), net)
        return table

    @classmethod
    def of_ranges(cls, spacing: int, ranges: Iterable[tuple[int, int, int]]) -> "TickTable":
        """Return the table of ranges: lower tick, upper tick and liquidity of each; liquidity below 0 is taken away."""
        table = cls(spacing)
        for lower, upper, liquidity in ranges:
            table = table.changed(lower, liquidity, liquidity).changed(upper, liquidity, -liquidity)
        return table

    def next_tick(self, tick: int, *, is_down: bool) -> tuple[int, bool]:
        """Return where a step from a tick ends at the latest, and whether that is an initialized tick.

        A step ends at the next initialized tick or at the edge of the word of 256 usable ticks it is in, and never beyond
        the pool's limits.
        """
        place = tick // self.spacing
        if is_down:
            word, bit = place >> 8, place & 255
            found = self.words.get(word, 0) & ((2 << bit) - 1)
            ahead = (word << 8) + (found.bit_length() - 1 if found else 0)
        else:
            word, bit = (place + 1) >> 8, (place + 1) & 255
            found = self.words.get(word, 0) >> bit
            ahead = place + 1 + ((found & -found).bit_length() - 1 if found else 255 - bit)
        return min(max(ahead * self.spacing, MIN_TICK), MAX_TICK), bool(found)

    def changed(self, tick: int, gross: int, net: int, outside: tuple[int, int] = (0, 0)) -> "TickTable":
        """Return the table after liquidity began or ended at a tick.

        Args:
            tick: the tick.
            gross: change of the liquidity that touches it.
            net: change of the liquidity that begins here less what ends here.
            outside: fee growth on its other side, should the tick be initialized by this.

        Raises:
            TickError: when the tick is off the spacing or outside the pool.
            PoolError: when the tick would hold less than nothing, or more than a tick may.
        """
        self._check(tick)
        before = self.ticks.get(tick, TickState(0, 0, *outside))
        after = before._replace(gross=before.gross + gross, net=before.net + net)
        most = max_liquidity_per_tick(self.spacing)
        if not 0 <= after.gross <= most:
            raise PoolError(
                f"liquidity of the ranges at tick {tick} would be {after.gross}; allowed: 0 to {most}"
            )
        ticks, words = dict(self.ticks), dict(self.words)
        if after.gross:
            ticks[tick] = after
        else:
            ticks.pop(tick, None)
        if (tick in ticks) != (tick in self.ticks):
            word, bit = divmod(tick // self.spacing, 256)
            words[word] = words.get(word, 0) ^ (1 << bit)
            if not words[word]:
                del words[word]
        return replace(self, ticks=ticks, words=words)

    def crossed(self, crossings: Iterable[Crossing]) -> "TickTable":
        """Return the table after the price crossed ticks: what was fee growth outside is now inside, and the reverse."""
        ticks = dict(self.ticks)
        for tick, growth0, growth1 in crossings:
            gross, net, outside0, outside1 = ticks[tick]
            ticks[tick] = TickState(gross, net, growth0 - outside0 & MASK_256, growth1 - outside1 & MASK_256)
        return TickTable(self.spacing, ticks, self.words)

    def _check(self, tick: int) -> None:
        if tick % self.spacing:
            raise TickError(f"tick {tick} is off the spacing of {self.spacing}")
        if abs(tick) > MAX_TICK:
            raise TickError(f"tick {tick} is outside the pool; allowed: {MIN_TICK} to {MAX_TICK}")
