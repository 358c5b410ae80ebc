"""Book: what an account holds at the close of a bar."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from data.panel import Floats, read_only


@dataclass(frozen=True, eq=False)
class Book:
    """Cash, units and marks at one close.

    Attributes:
        series: S names.
        cash: account currency.
        units: (S,) units held, negative when short.
        marks: (S,) last traded price of each series, NaN before its first bar.
    """

    series: tuple[str, ...]
    cash: float
    units: Floats
    marks: Floats

    def __post_init__(self) -> None:
        object.__setattr__(self, "units", read_only(np.asarray(self.units, np.float64)))
        object.__setattr__(self, "marks", read_only(np.asarray(self.marks, np.float64)))

    @property
    def equity(self) -> float:
        """Cash plus the value of all positions at their marks, added one by one as the engine does, to the last bit."""
        held = self.units != 0
        return float(np.add.accumulate([self.cash, *(self.units[held] * self.marks[held])])[-1])

    @property
    def weights(self) -> Floats:
        """(S,) position values as shares of equity."""
        value = np.where(self.units != 0, self.units * np.where(np.isnan(self.marks), 0.0, self.marks), 0.0)
        return np.asarray(value / self.equity)


class Holding(Protocol):
    """What every engine's state has beside its own: the series, cash, units and marks."""

    @property
    def series(self) -> tuple[str, ...]:
        """S names."""

    @property
    def cash(self) -> float:
        """Account currency."""

    @property
    def units(self) -> Floats:
        """(S,) units held."""

    @property
    def marks(self) -> Floats:
        """(S,) last traded prices."""


def book(state: Holding) -> Book:
    """Return what the account holds at its last close; resting orders are not part of it."""
    return Book(state.series, state.cash, state.units, state.marks)
