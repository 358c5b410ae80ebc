"""Engine state: everything the next bar needs to know about an account."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from backtest.engine.rules import EngineSpec
from backtest.errors import EngineError
from data.panel import Floats, as_time, read_only

VERSION = 1
"""Layout of a stored state; a reader refuses any other."""


@dataclass(frozen=True, eq=False)
class EngineState:
    """An account at the close of a bar, with its resting orders.

    Attributes:
        series: S names.
        time: end of the last bar it was advanced over, NaT before the first.
        cash: account currency; below zero only by borrow fees, dividends owed on shorts, or bankruptcy.
        units: (S,) units held, negative when short.
        marks: (S,) last observed close (brought through splits), NaN before the first.
        goals: (S,) units that a resting order works toward, NaN = no resting order.
        bankrupt: equity was not above zero at some close: positions were closed at their marks, no order is taken.
        version: layout of the stored form.
    """

    series: tuple[str, ...]
    time: np.datetime64
    cash: float
    units: Floats
    marks: Floats
    goals: Floats
    bankrupt: bool = False
    version: int = VERSION

    def __post_init__(self) -> None:
        object.__setattr__(self, "time", as_time(self.time))
        for name in ("units", "marks", "goals"):
            array = np.asarray(getattr(self, name), np.float64)
            if array.shape != (len(self.series),):
                raise EngineError(f"state.{name} has shape {array.shape}; {len(self.series)} series are held")
            object.__setattr__(self, name, read_only(array))
        if self.version != VERSION:
            raise EngineError(f"state has version {self.version}; this engine reads version {VERSION}")


def start_state(series: tuple[str, ...], spec: EngineSpec) -> EngineState:
    """Return an account with the spec's capital and nothing else, before its first bar."""
    nothing = np.full(len(series), np.nan)
    return EngineState(
        series, np.datetime64("NaT", "ns"), spec.capital, np.zeros(len(series)), nothing, nothing
    )


def to_arrays(state: EngineState) -> dict[str, npt.NDArray[Any]]:
    """Return the state as plain arrays, for npz or (through ``tolist``) JSON; ``from_arrays`` restores every bit."""
    return {
        "version": np.asarray(state.version, np.int64),
        "series": np.asarray(state.series, np.str_),
        "time": np.asarray(state.time.astype(np.int64)),
        "cash": np.asarray(state.cash, np.float64),
        "units": np.array(state.units),
        "marks": np.array(state.marks),
        "goals": np.array(state.goals),
        "bankrupt": np.asarray(state.bankrupt),
    }


def from_arrays(arrays: Mapping[str, Any]) -> EngineState:
    """Return the state that ``to_arrays`` wrote; arrays or plain lists.

    Raises:
        EngineError: when an array is missing or the version is another one.
    """
    needed = {"version", "series", "time", "cash", "units", "marks", "goals", "bankrupt"}
    if missing := needed - set(arrays):
        raise EngineError(
            f"stored state has no '{min(missing)}'; it has {', '.join(sorted(arrays)) or 'nothing'}"
        )
    return EngineState(
        series=tuple(str(name) for name in np.asarray(arrays["series"]).tolist()),
        time=np.datetime64(int(arrays["time"]), "ns"),
        cash=float(arrays["cash"]),
        units=np.asarray(arrays["units"], np.float64),
        marks=np.asarray(arrays["marks"], np.float64),
        goals=np.asarray(arrays["goals"], np.float64),
        bankrupt=bool(arrays["bankrupt"]),
        version=int(arrays["version"]),
    )
