"""Pool log: the swaps and liquidity changes of a pool in floats, ordered by block and log index, under one cut."""

import hashlib
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from data.amm.pool import MAX_TICK, Pool, sqrt_of
from data.errors import EventGapError, EventOrderError, PoolError, TickError
from data.panel import Floats, Times, as_time, read_only

Counts = npt.NDArray[np.int64]

_KINDS: dict[str, Any] = {"times": "datetime64[ns]", "blocks": np.int64, "log_indices": np.int64}
_GAP = 1e-9
"""How far, relative, a swap may begin from where the one before it ended."""

_LOWEST, _HIGHEST = sqrt_of(-MAX_TICK) * (1.0 - 1e-12), sqrt_of(MAX_TICK) * (1.0 + 1e-12)
"""Root prices that a pool can have, with room for the rounding of floats."""


@dataclass(frozen=True, eq=False)
class EventTable:
    """Columns of equal length, ordered by block and log index; a cut is a view.

    Attributes:
        times: (N,) UTC instants, never falling. On a pool whose clock is the block number they are that number on an even
            scale (``notes`` of the history say so).
        blocks: (N,) block numbers.
        log_indices: (N,) places within the block; rows are strictly ordered by block and place.
    """

    what: ClassVar[str] = "event"

    times: Times
    blocks: Counts
    log_indices: Counts

    def __post_init__(self) -> None:
        for column in fields(self):
            array = np.asarray(getattr(self, column.name), _KINDS.get(column.name, np.float64))
            if array.shape != np.shape(self.times):
                raise PoolError(
                    f"column '{column.name}' of the {self.what}s has shape {array.shape}; {np.shape(self.times)} is needed"
                )
            object.__setattr__(self, column.name, read_only(array))
        self._check_order()

    def __len__(self) -> int:
        return len(self.times)

    def rows(self, start: int, stop: int) -> Self:
        """Return rows ``start`` to ``stop - 1`` (views; no copy, no second validation)."""
        cut = object.__new__(type(self))
        for column in fields(self):
            object.__setattr__(cut, column.name, getattr(self, column.name)[start:stop])
        return cut

    def until(self, cutoff: Any) -> Self:
        """Return the events at or before the cutoff."""
        return self.rows(0, int(np.searchsorted(self.times, as_time(cutoff), side="right")))

    def between(self, start: Any, end: Any) -> Self:
        """Return the events after ``start`` and at or before ``end``: consecutive spans share no event."""
        first, stop = np.searchsorted(self.times, [as_time(start), as_time(end)], side="right")
        return self.rows(int(first), max(int(first), int(stop)))

    def where(self, row: int) -> str:
        """Return the block and log index of a row in words."""
        return f"block {self.blocks[row]}, log {self.log_indices[row]}"

    def _check_order(self) -> None:
        step = np.diff(self.blocks)
        wrong = (step < 0) | ((step == 0) & (np.diff(self.log_indices) <= 0))
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0]) + 1
            raise EventOrderError(
                f"{self.what} at {self.where(row)} stands after {self.where(row - 1)}; events are ordered by block and "
                "log index, each once"
            )
        late = np.diff(self.times) < np.timedelta64(0, "ns")
        if late.any():
            row = int(np.flatnonzero(late)[0]) + 1
            raise EventOrderError(f"{self.what} at {self.where(row)} is earlier than the one before it")


@dataclass(frozen=True, eq=False)
class SwapPath(EventTable):
    """Swaps as moves of the root price.

    Fees need only the path: a swap from s to s' pays every unit of liquidity on its way, whatever the volume.

    Attributes:
        sqrt_before: (N,) root price before each swap, raw units.
        sqrt_after: (N,) root price after it; the next swap begins there.
        amount0: (N,) raw token0 into the pool, negative out of it.
        amount1: (N,) raw token1 into the pool, negative out of it.
        liquidity: (N,) active liquidity after the swap, raw units; NaN where nobody needs it.
    """

    what: ClassVar[str] = "swap"

    sqrt_before: Floats
    sqrt_after: Floats
    amount0: Floats
    amount1: Floats
    liquidity: Floats

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("sqrt_before", "sqrt_after"):
            column = getattr(self, name)
            if (wrong := ~((column >= _LOWEST) & (column <= _HIGHEST))).any():
                row = int(np.flatnonzero(wrong)[0])
                raise PoolError(
                    f"{name} of the swap at {self.where(row)} was {column[row]:.9g}; a pool's root price lies between "
                    f"{_LOWEST:.4g} and {_HIGHEST:.4g}"
                )
        jump = np.abs(self.sqrt_before[1:] / self.sqrt_after[:-1] - 1.0)
        if (jump > _GAP).any():
            row = int(np.flatnonzero(jump > _GAP)[0]) + 1
            raise EventGapError(
                f"the swap at {self.where(row)} begins at root price {self.sqrt_before[row]:.12g}, the one before it ended "
                f"at {self.sqrt_after[row - 1]:.12g}; events are missing between them"
            )


@dataclass(frozen=True, eq=False)
class RangeChanges(EventTable):
    """Liquidity added to ranges (above 0) and taken from them (below 0).

    Attributes:
        tick_lower: (N,) lower tick of the range, a whole number.
        tick_upper: (N,) upper tick of the range.
        liquidity: (N,) change of the range's liquidity, raw units.
    """

    what: ClassVar[str] = "liquidity change"

    tick_lower: Floats
    tick_upper: Floats
    liquidity: Floats

    def __post_init__(self) -> None:
        super().__post_init__()
        low, high = self.tick_lower, self.tick_upper
        is_whole = (low % 1.0 == 0.0) & (high % 1.0 == 0.0)
        if (wrong := ~(is_whole & (low >= -MAX_TICK) & (low < high) & (high <= MAX_TICK))).any():
            row = int(np.flatnonzero(wrong)[0])
            raise TickError(
                f"the range of the liquidity change at {self.where(row)} was {low[row]:.10g} to {high[row]:.10g}; the lower tick "
                f"must be below the upper one, both whole and within {-MAX_TICK} to {MAX_TICK}"
            )
        if (wrong := ~np.isfinite(self.liquidity)).any():
            row = int(np.flatnonzero(wrong)[0])
            raise PoolError(
                f"the liquidity change at {self.where(row)} was {self.liquidity[row]}; a number is needed"
            )


@dataclass(frozen=True, eq=False)
class PoolLog:
    """What happened in one pool.

    Attributes:
        pool: its tokens, fee and numeraire.
        swaps: every swap of the span.
        changes: every liquidity change since the pool was made; None where that history is missing.
    """

    pool: Pool
    swaps: SwapPath
    changes: RangeChanges | None = None

    def until(self, cutoff: Any) -> "PoolLog":
        """Return what had happened at the cutoff."""
        changes = None if self.changes is None else self.changes.until(cutoff)
        return replace(self, swaps=self.swaps.until(cutoff), changes=changes)

    def between(self, start: Any, end: Any) -> "PoolLog":
        """Return the swaps after ``start`` up to ``end``, and every liquidity change up to ``end``: ranges are a sum."""
        changes = None if self.changes is None else self.changes.until(end)
        return replace(self, swaps=self.swaps.between(start, end), changes=changes)

    def fingerprint(self) -> str:
        """Return the sha256 of everything in it."""
        digest = hashlib.sha256(repr(self.pool).encode())
        for table in (self.swaps, self.changes):
            for column in fields(table) if table is not None else ():
                digest.update(np.ascontiguousarray(getattr(table, column.name)).tobytes())
        return digest.hexdigest()
