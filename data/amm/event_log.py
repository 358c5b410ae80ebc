"""Event log: what a pool's contract said, in exact integers, ordered by block and log index."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Self

import numpy as np

from data.amm.log_checks import check_swaps
from data.amm.pool import MAX_TICK, Pool
from data.amm.pool_log import PoolLog, RangeChanges, SwapPath
from data.amm.tick_math import MAX_SQRT_X96, MIN_SQRT_X96, Q96, check_sqrt, sqrt_at_tick
from data.errors import EventOrderError, PoolError, TickError
from data.panel import Times, read_only


@dataclass(frozen=True, slots=True)
class PoolEvent:
    """One log of a pool.

    Attributes:
        block: block number.
        log_index: place of the log within the block.
    """

    block: int
    log_index: int

    @property
    def where(self) -> str:
        """Block and log index in words."""
        return f"block {self.block}, log {self.log_index}"

    def check(self) -> None:
        """Raise unless a pool could have said this."""


@dataclass(frozen=True, slots=True)
class SwapEvent(PoolEvent):
    """A swap; what the trader asked for is not in the log.

    Attributes:
        amount0: raw token0 into the pool, below 0 out of it.
        amount1: raw token1 into the pool, below 0 out of it.
        sqrt_x96: root price after the swap, fixed point with 96 fractional bits.
        liquidity: active liquidity after it.
        tick: tick after it; one below that of the price where the swap ended on a tick it crossed downward.
    """

    amount0: int
    amount1: int
    sqrt_x96: int
    liquidity: int
    tick: int

    def check(self) -> None:
        """Raise PoolError on a price, tick, liquidity or pair of amounts that no pool has."""
        if not MIN_SQRT_X96 <= self.sqrt_x96 < MAX_SQRT_X96:
            raise PoolError(
                f"the swap at {self.where} has root price {self.sqrt_x96}; allowed: {MIN_SQRT_X96} to {MAX_SQRT_X96 - 1}"
            )
        if not -MAX_TICK - 1 <= self.tick < MAX_TICK:
            raise PoolError(
                f"the swap at {self.where} has tick {self.tick}; allowed: {-MAX_TICK} to {MAX_TICK - 1}"
            )
        lowest = sqrt_at_tick(max(self.tick, -MAX_TICK))
        if not lowest <= self.sqrt_x96 <= sqrt_at_tick(self.tick + 1):
            raise PoolError(
                f"the swap at {self.where} has tick {self.tick}, which does not hold its root price {self.sqrt_x96}; the "
                "token order may be swapped"
            )
        if self.amount0 * self.amount1 > 0:
            raise PoolError(
                f"the swap at {self.where} has amounts {self.amount0} and {self.amount1}; one flows in, the other out"
            )
        if self.liquidity < 0:
            raise PoolError(f"the swap at {self.where} has liquidity {self.liquidity}; allowed: 0 or more")


@dataclass(frozen=True, slots=True)
class RangeEvent(PoolEvent):
    """Something that happened to one owner's range.

    Attributes:
        tick_lower: lower tick of the range.
        tick_upper: upper tick of the range.
        amount0: raw token0, never below 0: paid in by a mint, owed by a burn, paid out by a collect.
        amount1: the same of token1.
        owner: who holds the range (an address); "" where the data does not say.
    """

    tick_lower: int
    tick_upper: int
    amount0: int
    amount1: int
    owner: str

    def check(self) -> None:
        """Raise TickError on a range that no pool has, PoolError on an amount below 0."""
        if not -MAX_TICK <= self.tick_lower < self.tick_upper <= MAX_TICK:
            raise TickError(
                f"the event at {self.where} has the range {self.tick_lower} to {self.tick_upper}; the lower tick must be "
                f"below the upper one, both within {-MAX_TICK} to {MAX_TICK}"
            )
        if self.amount0 < 0 or self.amount1 < 0:
            raise PoolError(
                f"the event at {self.where} has amounts {self.amount0} and {self.amount1}; allowed: 0 or more"
            )


@dataclass(frozen=True, slots=True)
class LiquidityEvent(RangeEvent):
    """Liquidity of a range that changed: a mint adds it, a burn takes it.

    Attributes:
        liquidity: change of the range's liquidity: above 0 for a mint, 0 or below for a burn (a burn of 0 books the fees).
    """

    liquidity: int

    @property
    def is_mint(self) -> bool:
        """Whether liquidity was added."""
        return self.liquidity > 0


@dataclass(frozen=True, slots=True)
class CollectEvent(RangeEvent):
    """Tokens paid out to a range's owner: burned amounts and fees."""


@dataclass(frozen=True, eq=False)
class EventLog:
    """Every swap, mint, burn and collect of a pool over a span.

    Attributes:
        times: (N,) UTC instants of the blocks, never falling.
        events: N events, strictly ordered by block and log index.
        start_sqrt_x96: root price before the first event; None where the log does not know it.
        is_whole: whether the log begins where the pool does. Only then do its mints and burns add up to the ranges.

    Raises:
        EventOrderError: when events are unsorted or repeated, or time falls.
        PoolError: when an event is one that no pool could have had.
    """

    times: Times
    events: tuple[PoolEvent, ...]
    start_sqrt_x96: int | None = None
    is_whole: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "times", read_only(np.asarray(self.times, "datetime64[ns]")))
        object.__setattr__(self, "events", tuple(self.events))
        if self.times.shape != (len(self.events),):
            raise PoolError(f"times have shape {self.times.shape}; {len(self.events)} events need one each")
        if self.start_sqrt_x96 is not None:
            check_sqrt(self.start_sqrt_x96, "root price before the first event")
        self._check_order()
        for event in self.events:
            event.check()

    def __len__(self) -> int:
        return len(self.events)

    def rows(self, start: int, stop: int) -> Self:
        """Return events ``start`` to ``stop - 1`` (no second validation); the price before them is known where a swap precedes."""
        cut = object.__new__(type(self))
        object.__setattr__(cut, "times", self.times[start:stop])
        object.__setattr__(cut, "events", self.events[start:stop])
        object.__setattr__(cut, "start_sqrt_x96", self._price_before(start))
        object.__setattr__(cut, "is_whole", self.is_whole and start == 0)
        return cut

    @property
    def swaps(self) -> tuple[SwapEvent, ...]:
        """The swaps, in order."""
        return tuple(event for event in self.events if isinstance(event, SwapEvent))

    def check_ranges(self, pool: Pool) -> None:
        """Raise TickError unless every range lies on the tick spacing of a pool."""
        for event in self.events:
            if isinstance(event, RangeEvent):
                try:
                    pool.check_range(event.tick_lower, event.tick_upper)
                except TickError as error:
                    raise TickError(
                        f"the event at {event.where} does not fit {pool.name}: {error}"
                    ) from error

    def to_pool_log(self, pool: Pool) -> PoolLog:
        """Return the log in floats.

        Without a start price the first swap only tells the price that the second one begins at. Liquidity changes are
        there only when the log is whole.

        Raises:
            TickError: when a range is off the pool's tick spacing.
            PoolError: when amounts, prices and liquidity of a swap do not fit one another: the tokens, their decimals or the
                fee are not those of the pool, or events are missing.
        """
        self.check_ranges(pool)
        swaps = self._swap_path()
        check_swaps(swaps, pool, 0.0)
        return PoolLog(pool, swaps, self._range_changes() if self.is_whole else None)

    def _swap_path(self) -> SwapPath:
        rows = [row for row, event in enumerate(self.events) if isinstance(event, SwapEvent)]
        swaps, before = self.swaps, self.start_sqrt_x96
        if before is None and swaps:
            before, rows, swaps = swaps[0].sqrt_x96, rows[1:], swaps[1:]
        root = np.array([swap.sqrt_x96 / Q96 for swap in swaps])
        return SwapPath(
            self.times[rows],
            np.array([swap.block for swap in swaps], np.int64),
            np.array([swap.log_index for swap in swaps], np.int64),
            np.append((before or 0) / Q96, root)[: len(root)],
            root,
            np.array([float(swap.amount0) for swap in swaps]),
            np.array([float(swap.amount1) for swap in swaps]),
            np.array([float(swap.liquidity) for swap in swaps]),
        )

    def _range_changes(self) -> RangeChanges:
        rows = [row for row, event in enumerate(self.events) if isinstance(event, LiquidityEvent)]
        changes = [event for event in self.events if isinstance(event, LiquidityEvent)]
        return RangeChanges(
            self.times[rows],
            np.array([change.block for change in changes], np.int64),
            np.array([change.log_index for change in changes], np.int64),
            np.array([float(change.tick_lower) for change in changes]),
            np.array([float(change.tick_upper) for change in changes]),
            np.array([float(change.liquidity) for change in changes]),
        )

    def _price_before(self, start: int) -> int | None:
        for event in reversed(self.events[:start]):
            if isinstance(event, SwapEvent):
                return event.sqrt_x96
        return self.start_sqrt_x96

    def _check_order(self) -> None:
        for before, after in pairwise(self.events):
            if (after.block, after.log_index) <= (before.block, before.log_index):
                raise EventOrderError(
                    f"the event at {after.where} stands after {before.where}; events are ordered by block and log index, "
                    "each once"
                )
        late = np.diff(self.times) < np.timedelta64(0, "ns")
        if late.any():
            row = int(np.flatnonzero(late)[0]) + 1
            raise EventOrderError(f"the event at {self.events[row].where} is earlier than the one before it")
