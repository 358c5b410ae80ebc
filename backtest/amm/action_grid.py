"""Action grid: the ranges a learned policy chooses between, as distances from the price, and their names."""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from backtest.amm.ranges import width_ticks
from data.panel import Floats, read_only

HOLD = 0
"""Number of the action that leaves everything as it is."""

_PLACES = {-0.5: "below the price", 0.0: "around the price", 0.5: "above the price"}


@dataclass(frozen=True)
class ActionGrid:
    """Leaving everything as it is, then each width at each shift; a range of the whole pool has no shift.

    Attributes:
        widths: upper over lower price, less one; infinite for the whole pool.
        shifts: distances of a range's centre from the price, in widths on the log scale.
    """

    widths: tuple[float, ...]
    shifts: tuple[float, ...]

    @cached_property
    def choices(self) -> tuple[tuple[float, float], ...]:
        """Width and shift of each action after the first."""
        return tuple(
            (width, shift)
            for width in self.widths
            for shift in (self.shifts if math.isfinite(width) else (0.0,))
        )

    @cached_property
    def offsets(self) -> Floats:
        """(A, 2) edges in ticks from the price; 0 for the first action, infinite for the whole pool."""
        rows = [(0.0, 0.0)]
        for width, shift in self.choices:
            span = width_ticks(width) if math.isfinite(width) else math.inf
            centre = shift * span if math.isfinite(width) else 0.0
            rows.append((centre - 0.5 * span, centre + 0.5 * span))
        return read_only(np.array(rows))

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """What each action does, in words."""
        names = ["leave as it is"]
        for width, shift in self.choices:
            where = _PLACES.get(shift, f"{shift:+g} widths from the price")
            names.append(f"{100 * width:g} % {where}" if math.isfinite(width) else "full range")
        return tuple(names)

    def __len__(self) -> int:
        return 1 + len(self.choices)
