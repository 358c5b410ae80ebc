"""Exact state: everything the next bar needs to know about an account kept as backtrader keeps it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from backtest.errors import EngineError
from data.panel import Floats, Times, as_time, read_only

VERSION = 1
"""Layout of a stored state; a reader refuses any other."""

_PER_SERIES = ("units", "averages", "marks", "opens", "highs", "lows", "stamps", "traded")
_PER_ORDER = ("columns", "units", "prices", "stamps", "buys", "accepted")
_TYPES: dict[str, Any] = {
    "stamps": "datetime64[ns]",
    "traded": np.bool_,
    "touched": np.int64,
    "columns": np.int64,
    "buys": np.bool_,
    "accepted": np.bool_,
}


@dataclass(frozen=True, eq=False)
class PendingOrders:
    """P orders that are not filled yet, first in first out.

    Attributes:
        columns: (P,) positions of their series.
        units: (P,) units to buy, negative to sell.
        prices: (P,) close at which each was created.
        stamps: (P,) end of the bar of its series at which each was created.
        buys: (P,) bool, the side; what is left over of an order keeps it.
        accepted: (P,) bool; the others, behind them, were created at this close and are still to pass the cash check.
    """

    columns: npt.NDArray[np.int64]
    units: Floats
    prices: Floats
    stamps: Times
    buys: npt.NDArray[np.bool_]
    accepted: npt.NDArray[np.bool_]

    def __post_init__(self) -> None:
        for name in _PER_ORDER:
            _set(self, "orders.", name, (len(self.units),))

    def __len__(self) -> int:
        return len(self.units)


@dataclass(frozen=True, eq=False)
class ExactState:
    """An account at the close of a bar, with its pending orders.

    Attributes:
        series: S names.
        time: end of the last bar it was advanced over, NaT before the first.
        cash: account currency; a closing trade may bring it below 0.
        units: (S,) units held, negative when short.
        averages: (S,) average entry prices, 0 where nothing is held.
        marks: (S,) close of each series' last bar, NaN before the first.
        opens: (S,) open of each series' last bar; kept only for targets in units or when cheating on the close, where
            an order can be matched against a bar already gone, else NaN.
        highs: (S,) high of each series' last bar, likewise.
        lows: (S,) low of each series' last bar, likewise.
        stamps: (S,) end of each series' last bar, NaT before the first.
        traded: (S,) bool; the others are no data of the strategy: nothing waits for them and nothing trades them.
        touched: (K,) positions of series in the order in which they were first given a target; the value of the
            account is added in this order.
        orders: pending orders.
        version: layout of the stored form.

    Raises:
        EngineError: when shapes disagree or the version is another one.
    """

    series: tuple[str, ...]
    time: np.datetime64
    cash: float
    units: Floats
    averages: Floats
    marks: Floats
    opens: Floats
    highs: Floats
    lows: Floats
    stamps: Times
    traded: npt.NDArray[np.bool_]
    touched: npt.NDArray[np.int64]
    orders: PendingOrders
    version: int = VERSION

    def __post_init__(self) -> None:
        if self.version != VERSION:
            raise EngineError(f"state has version {self.version}; this engine reads version {VERSION}")
        object.__setattr__(self, "time", as_time(self.time))
        for name in _PER_SERIES:
            _set(self, "", name, (len(self.series),))
        _set(self, "", "touched", (len(self.touched),))


def _set(value: object, prefix: str, name: str, shape: tuple[int, ...]) -> None:
    """Give a frozen value's array its type, and refuse another shape."""
    array = np.asarray(getattr(value, name), _TYPES.get(name, np.float64))
    if array.shape != shape:
        raise EngineError(f"state.{prefix}{name} has shape {array.shape}; {shape} is needed")
    object.__setattr__(value, name, read_only(array))


def start_exact(series: tuple[str, ...], capital: float) -> ExactState:
    """Return an account with the capital and nothing else, before its first bar."""
    count = len(series)
    zeros, unknown = np.zeros(count), np.full(count, np.nan)
    return ExactState(
        series=series,
        time=np.datetime64("NaT", "ns"),
        cash=capital,
        units=zeros,
        averages=zeros,
        marks=unknown,
        opens=unknown,
        highs=unknown,
        lows=unknown,
        stamps=np.full(count, np.datetime64("NaT", "ns")),
        traded=np.ones(count, np.bool_),
        touched=np.empty(0, np.int64),
        orders=PendingOrders(
            columns=np.empty(0, np.int64),
            units=np.empty(0),
            prices=np.empty(0),
            stamps=np.empty(0, "datetime64[ns]"),
            buys=np.empty(0, np.bool_),
            accepted=np.empty(0, np.bool_),
        ),
    )


def exact_to_arrays(state: ExactState) -> dict[str, npt.NDArray[Any]]:
    """Return the state as plain arrays, for npz or (through ``tolist``) JSON; ``exact_from_arrays`` restores every bit.

    Times become integers, nanoseconds since 1970 in UTC.
    """
    arrays: dict[str, npt.NDArray[Any]] = {
        "version": np.asarray(state.version, np.int64),
        "series": np.asarray(state.series, np.str_),
        "time": np.asarray(state.time.astype(np.int64)),
        "cash": np.asarray(state.cash, np.float64),
    }
    for name in (*_PER_SERIES, "touched"):
        arrays[name] = _plain(getattr(state, name))
    for name in _PER_ORDER:
        arrays[f"order_{name}"] = _plain(getattr(state.orders, name))
    return arrays


def exact_from_arrays(arrays: Mapping[str, Any]) -> ExactState:
    """Return the state that ``exact_to_arrays`` wrote; arrays or plain lists.

    Raises:
        EngineError: when an array is missing or the version is another one.
    """
    own, per_order = (*_PER_SERIES, "touched"), {f"order_{name}" for name in _PER_ORDER}
    if missing := {"version", "series", "time", "cash", *own, *per_order} - set(arrays):
        raise EngineError(
            f"stored state has no '{min(missing)}'; it has {', '.join(sorted(arrays)) or 'nothing'}"
        )
    return ExactState(
        series=tuple(str(name) for name in np.asarray(arrays["series"]).tolist()),
        time=np.datetime64(int(arrays["time"]), "ns"),
        cash=float(arrays["cash"]),
        orders=PendingOrders(**{name: _typed(name, arrays[f"order_{name}"]) for name in _PER_ORDER}),
        version=int(arrays["version"]),
        **{name: _typed(name, arrays[name]) for name in own},
    )


def _plain(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return array.astype(np.int64) if array.dtype.kind == "M" else array.copy()


def _typed(name: str, values: Any) -> Any:
    kind = _TYPES.get(name, np.float64)
    return np.asarray(values, np.int64).astype(kind) if name == "stamps" else np.asarray(values, kind)
