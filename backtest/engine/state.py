"""Engine state: everything the next bar needs to know about an account."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from backtest.engine.layout import STORED_CODES, STORED_NUMBERS, Flags, Integers
from backtest.engine.rules import EngineSpec
from backtest.errors import EngineError
from data.panel import Floats, as_time, read_only

VERSION = 2
"""Layout of a stored state; a reader refuses any other."""


_ARRAYS = (
    "units",
    "marks",
    "goals",
    "fees",
    "called",
    "delisted",
    "month",
    "order_codes",
    "order_numbers",
)


@dataclass(frozen=True, eq=False)
class EngineState:
    """An account at the close of a bar, with its resting orders.

    Attributes:
        series: S names.
        time: end of the last bar it was advanced over, NaT before the first.
        cash: account currency; below zero only by borrow fees, dividends owed on shorts, funding, a margin loan, or
            bankruptcy.
        units: (S,) units held, negative when short.
        marks: (S,) last observed close (brought through splits), NaN before the first.
        goals: (S,) units that a resting target works toward, NaN = none.
        bankrupt: equity was not above zero at some close: positions were closed at their marks, no order is taken.
        fees: (S,) commission of a resting target's earlier parts, the minimum left out, -1 = no part yet.
        called: (S,) bool; the goal is a margin call's.
        delisted: (S,) bool; the series was delisted and is traded no more.
        month: (2,) value traded in the calendar month, and its number.
        order_codes: (N, STORED_CODES) resting orders, best priority first: whole numbers.
        order_numbers: (N, STORED_NUMBERS) their units and prices.
        last_order: highest id of an order ever placed, 0 for none.
        version: layout of the stored form.
    """

    series: tuple[str, ...]
    time: np.datetime64
    cash: float
    units: Floats
    marks: Floats
    goals: Floats
    bankrupt: bool = False
    fees: Floats = field(default_factory=lambda: np.empty(0))
    called: Flags = field(default_factory=lambda: np.empty(0, bool))
    delisted: Flags = field(default_factory=lambda: np.empty(0, bool))
    month: Floats = field(default_factory=lambda: np.array([0.0, -1.0]))
    order_codes: Integers = field(default_factory=lambda: np.empty((0, STORED_CODES), np.int64))
    order_numbers: Floats = field(default_factory=lambda: np.empty((0, STORED_NUMBERS)))
    last_order: int = 0
    version: int = VERSION

    def __post_init__(self) -> None:
        if self.version != VERSION:
            raise EngineError(f"state has version {self.version}; this engine reads version {VERSION}")
        object.__setattr__(self, "time", as_time(self.time))
        count = len(self.series)
        for name, nothing in (("fees", -1.0), ("called", False), ("delisted", False)):
            if not len(getattr(self, name)):
                object.__setattr__(self, name, np.full(count, nothing))
        for name in ("units", "marks", "goals", "fees", "called", "delisted"):
            kind = bool if name in ("called", "delisted") else np.float64
            self._keep(name, np.asarray(getattr(self, name), kind), (count,))
        self._keep("month", np.asarray(self.month, np.float64), (2,))
        orders = len(self.order_codes)
        self._keep("order_codes", np.asarray(self.order_codes, np.int64), (orders, STORED_CODES))
        self._keep("order_numbers", np.asarray(self.order_numbers, np.float64), (orders, STORED_NUMBERS))

    def _keep(self, name: str, array: npt.NDArray[Any], shape: tuple[int, ...]) -> None:
        if array.size == 0 == np.prod(shape):
            array = array.reshape(shape)
        if array.shape != shape:
            raise EngineError(
                f"state.{name} has shape {array.shape}; {shape} is needed, {len(self.series)} series are held"
            )
        object.__setattr__(self, name, read_only(array))


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
        "bankrupt": np.asarray(state.bankrupt),
        "last_order": np.asarray(state.last_order, np.int64),
        **{name: np.array(getattr(state, name)) for name in _ARRAYS},
    }


def from_arrays(arrays: Mapping[str, Any]) -> EngineState:
    """Return the state that ``to_arrays`` wrote; arrays or plain lists.

    Raises:
        EngineError: when an array is missing or the version is another one.
    """
    version = int(arrays["version"]) if "version" in arrays else VERSION
    if version != VERSION:
        raise EngineError(f"stored state has version {version}; this engine reads version {VERSION}")
    needed = {"version", "series", "time", "cash", "bankrupt", "last_order", *_ARRAYS}
    if missing := needed - set(arrays):
        raise EngineError(
            f"stored state has no '{min(missing)}'; it has {', '.join(sorted(arrays)) or 'nothing'}"
        )
    return EngineState(
        series=tuple(str(name) for name in np.asarray(arrays["series"]).tolist()),
        time=np.datetime64(int(arrays["time"]), "ns"),
        cash=float(arrays["cash"]),
        bankrupt=bool(arrays["bankrupt"]),
        last_order=int(arrays["last_order"]),
        **_stored(arrays),
    )


def _stored(arrays: Mapping[str, Any]) -> dict[str, Any]:
    return {name: np.asarray(arrays[name]) for name in _ARRAYS}
