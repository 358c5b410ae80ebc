"""Grid: where stamps lie on a clock, counted in bars and in sessions."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from data.panel import Times
from data.sessions import ALWAYS, DAY, WEEKDAYS, BarClock, bar_length, session_closes

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Rows = npt.NDArray[Any]
"""Which rows: a mask (N,) or positions (M,)."""

_MARGIN = np.timedelta64(10, "D")
_EPOCH = np.datetime64(0, "ns")


@dataclass(frozen=True, eq=False)
class Grid:
    """The bar ends and session closes of a clock around a span.

    Attributes:
        clock: the calendar and bar length.
        ends: (B,) bar ends, increasing; empty for 24/7 clocks, which are plain arithmetic.
        closes: (C,) session closes, increasing; empty for 24/7 clocks.
    """

    clock: BarClock
    ends: Times
    closes: Times

    @property
    def step(self) -> np.timedelta64:
        """The nominal length of a bar."""
        return bar_length(self.clock.bar)

    @property
    def is_continuous(self) -> bool:
        """Whether trading never pauses, so that a bar opens at the instant the one before it closes."""
        return self.clock.calendar == ALWAYS

    @property
    def is_exchange(self) -> bool:
        """Whether the sessions are those of an exchange."""
        return self.clock.calendar not in (ALWAYS, WEEKDAYS)

    def position(self, times: Times) -> Ints:
        """Return how many bar ends lie at or before each time, (N,), up to a constant."""
        if self.is_continuous:
            return np.asarray((times - _EPOCH) // self.step, dtype=np.int64)
        return np.searchsorted(self.ends, times, side="right").astype(np.int64) - 1

    def is_end(self, times: Times) -> Flags:
        """Return whether each time is the end of a bar, (N,)."""
        if self.is_continuous:
            return np.asarray((times - _EPOCH) % self.step == np.timedelta64(0, "ns"))
        if not len(self.ends):
            return np.zeros(len(times), dtype=bool)
        return np.asarray(self.ends[np.maximum(self.position(times), 0)] == times)

    def at(self, position: int) -> np.datetime64:
        """Return the bar end at a position."""
        if self.is_continuous:
            return np.datetime64(_EPOCH + position * self.step)
        return np.datetime64(self.ends[position])

    def session(self, times: Times) -> Ints:
        """Return the number of the session each time lies in, (N,); times between sessions count to the next one."""
        if self.is_continuous:
            return -np.asarray(-(times - _EPOCH) // DAY, dtype=np.int64)
        return np.searchsorted(self.closes, times, side="left").astype(np.int64)


def grid_of(clock: BarClock, times: Times) -> Grid:
    """Return the grid that holds every time given, with a few sessions to spare.

    Raises:
        SpecError: when the calendar is not published for the span of the times.
    """
    none = np.empty(0, "datetime64[ns]")
    known = times[~np.isnat(times)]
    if clock.calendar == ALWAYS or not len(known):
        return Grid(clock, none, none)
    first, last = known.min(), known.max()
    closes = session_closes(clock.calendar, first, last)[1]
    near = (closes >= first - _MARGIN) & (closes <= last + _MARGIN)
    return Grid(clock, clock.ends(first, last), closes[near])
