"""Layout: the arrays that the compiled loop reads and writes, and the codes in them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, ParamSpec, TypeVar, cast

import numpy as np
import numpy.typing as npt
from numba.core.registry import CPUDispatcher

from data.compiled import compiled_with
from data.panel import Floats

Integers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

END_ORDER = -np.inf
"""The target code that ends a resting target order and leaves the position as it is; NaN leaves both."""

DONE, NO_PRICE, NOT_FINITE, FULL, GONE = 0, 1, 2, 3, 4
"""What ``run`` returns: the end, a target without a price, equity beyond all numbers, a full log, a delisted series."""

TARGET, SPLIT, CASH_IN_LIEU, LIQUIDATION, MARGIN_CALL, DELISTING, FIRST_KIND = 0, 1, 2, 3, 4, 5, 6
"""Codes of ``fills.REASONS``; an order's own fills have ``FIRST_KIND`` plus the code of its kind."""

MARKET, LIMIT, STOP, STOP_LIMIT, TRAILING_STOP, MARKET_ON_CLOSE = 0, 1, 2, 3, 4, 5
"""Codes of ``orders.KINDS``."""

CASH, MARGIN, SHORTABLE, EXPIRED, CALLED, DELISTED = 2, 3, 4, 5, 6, 7
"""Codes of ``rejections.REASONS`` that this engine gives."""

ID, SERIES, KIND, EXPIRES, GROUP, PARENT, IS_FRACTION, TRIGGERED, ROW, ALIVE, INSIDE, TRIED, CODES = range(13)
"""Columns of ``OrderBook.codes``; ``CODES`` is their number, the first ``STORED_CODES`` outlast a call."""

STORED_CODES = ROW

UNITS, FILLED, RELEASED, LIMIT_PRICE, STOP_PRICE, TRAIL, EXTREME, FEES, BEGUN, NUMBERS = range(10)
"""Columns of ``OrderBook.numbers``; ``NUMBERS`` is their number, the first ``STORED_NUMBERS`` outlast a call."""

STORED_NUMBERS = BEGUN

NEVER, DAY = np.iinfo(np.int64).max, -1
"""Codes of ``EXPIRES``: good till cancelled, and the end of the day of the first bar that an order sees."""

AT_OPEN, ON_THE_WAY, AT_CLOSE = 0, 1, 2
"""The three moments of a bar at which an order can be filled."""


class Feed(NamedTuple):
    """Bars: (T, S) arrays, ``prices`` fill at the open, (S,) ``tradable``, (T,) ``times`` in ns and ``months``.

    ``shortable``, ``funding`` and ``delistings`` have no rows where nothing asks for them, ``months`` none without
    commission tiers.
    """

    prices: Floats
    highs: Floats
    lows: Floats
    closes: Floats
    volumes: Floats
    splits: Floats
    dividends: Floats
    shortable: Floats
    funding: Floats
    delistings: Floats
    tradable: Flags
    times: Integers
    months: Integers
    has_actions: bool


class OrderBook(NamedTuple):
    """Orders by priority: (N, CODES) ``codes``, (N, NUMBERS) ``numbers``.

    The first ``counts[0]`` of (N,) ``alive`` are the rows of resting orders, ``counts[1]`` the next row to be placed.
    """

    codes: Integers
    numbers: Floats
    alive: Integers
    counts: Integers


class Account(NamedTuple):
    """Changed in place: (1,) ``cash`` and ``bankrupt``, (S,) the others, ``month`` (value traded, number of the month).

    Scratch, empty between bars: ``buys`` (S,) holds the bar's target orders still to be filled, ``used`` (S,) the units
    traded in the bar, ``terms`` (commission rate of the bar, value traded by orders, their costs).
    """

    cash: Floats
    units: Floats
    marks: Floats
    goals: Floats
    fees: Floats
    called: Flags
    delisted: Flags
    bankrupt: Flags
    month: Floats
    orders: OrderBook
    buys: Floats
    used: Floats
    terms: Floats


class Rates(NamedTuple):
    """Fractions of value, one way; ``borrow`` per bar; ``participation`` infinite for no cap; ``lot`` 0 for none.

    ``per_unit`` and ``minimum`` are account currency; ``tiers`` (K, 2) value traded from which, rate; ``initial`` 0 for a
    cash account; ``cash_rate`` the column of the rate series, -1 for none; ``periods`` bars a year.
    """

    commission: float
    half_spread: float
    slippage: float
    borrow: float
    participation: float
    integer: bool
    lot: float
    per_unit: float
    minimum: float
    impact: float
    tiers: Floats
    initial: float
    maintenance: float
    cash_rate: int
    periods: float


class Trace(NamedTuple):
    """Outputs: (T,) each, ``weights`` (T, S).

    The loop leaves ``dividends``, ``borrow``, ``funding`` and ``interest`` alone where bars and rates have none.
    """

    equity: Floats
    cash: Floats
    gross: Floats
    net: Floats
    turnover: Floats
    costs: Floats
    dividends: Floats
    borrow: Floats
    funding: Floats
    interest: Floats
    weights: Floats


class Log(NamedTuple):
    """Fills: (1,) ``filled``, (4, N) ``places``: row, column, reason, order; (5, N) ``values``: units, price, three costs.

    A new log is all zeros; orders and costs are written where they are not 0, so that memory goes to what happened. One that
    is used again keeps what it held of them.

    Rejections: (1,) ``refused``, (4, M) ``refusals``: row, column, reason, order; (M,) ``remainders``: units.
    """

    filled: Integers
    places: Integers
    values: Floats
    refused: Integers
    refusals: Integers
    remainders: Floats


def compiled(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Return the function compiled on first call and cached on disk; plain IEEE arithmetic, no reordering.

    Python calls these; what only they call is a ``helper`` or ``inlined``, which compiles in half the time.
    The caller owns every array, so reference counts (``_nrt``), an atomic write for each array that a helper takes,
    are left out: without this a bar of one series costs twenty times as much. Threads may call it side by side.
    """
    return _compiled(function)


class _Indoors(CPUDispatcher):
    """A function without a door from Python; a call from there would end the process."""

    def __call__(self, *_: object, **__: object) -> None:
        """Refuse.

        Raises:
            TypeError: always.
        """
        raise TypeError(f"{self.py_func.__name__} is called by compiled functions alone")


def helper(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Return the function compiled for other compiled functions alone."""
    return _compiled(function, no_cpython_wrapper=True)


def inlined(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Return a ``helper`` that is written out wherever it is called: for what every bar runs."""
    return _compiled(function, no_cpython_wrapper=True, forceinline=True)


def _compiled(function: Callable[Arguments, Result], **options: bool) -> Callable[Arguments, Result]:
    dispatcher: Any = compiled_with(function, _LOOP, no_cfunc_wrapper=True, **options)
    if "no_cpython_wrapper" in options:
        dispatcher.__class__ = _Indoors
    return cast(Callable[Arguments, Result], dispatcher)


_LOOP = tuple(
    Path(__file__).with_name(name)
    for name in (
        "layout.py",
        "dealing.py",
        "flows.py",
        "margins.py",
        "resting.py",
        "matching.py",
        "kernel.py",
    )
)
"""Files whose functions the compiled loop is made of."""
