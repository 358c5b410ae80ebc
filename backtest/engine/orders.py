"""Orders: what may rest in an account beside its targets, from market orders to brackets."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from backtest.engine.layout import (
    CODES,
    DAY,
    EXPIRES,
    EXTREME,
    FEES,
    FILLED,
    GROUP,
    ID,
    IS_FRACTION,
    KIND,
    LIMIT_PRICE,
    NEVER,
    NUMBERS,
    PARENT,
    RELEASED,
    ROW,
    SERIES,
    STOP_PRICE,
    STORED_CODES,
    STORED_NUMBERS,
    TRAIL,
    UNITS,
    Integers,
)
from backtest.engine.rules import EngineSpec
from backtest.engine.state import EngineState
from backtest.errors import EngineError
from data.errors import nearest
from data.panel import Floats, as_time

Kind = Literal["market", "limit", "stop", "stop_limit", "trailing_stop", "market_on_close"]

KINDS: tuple[Kind, ...] = ("market", "limit", "stop", "stop_limit", "trailing_stop", "market_on_close")
"""The position of a word is its code in the kernel."""

_PRICES: dict[Kind, frozenset[str]] = {
    "market": frozenset(),
    "limit": frozenset({"limit"}),
    "stop": frozenset({"stop"}),
    "stop_limit": frozenset({"stop", "limit"}),
    "trailing_stop": frozenset({"trail_fraction", "trail_amount"}),
    "market_on_close": frozenset(),
}


@dataclass(frozen=True, kw_only=True)
class Order:
    """One order, placed at a close; it can be filled from the next bar on, and rests until it is filled or ended.

    Attributes:
        id: above the id of every order placed before it.
        series: name.
        units: to buy, negative to sell; whole where the account's units are.
        kind:
            - ``market``: at the next open.
            - ``limit``: at the limit once a bar trades through it, or at an open that is at the limit or better.
            - ``stop``: once a bar touches the stop, at the stop or at an open beyond it, costs against the trader.
            - ``stop_limit``: a limit order once a bar touches the stop.
            - ``trailing_stop``: a stop at a distance from the best price since it was placed, through the last bar.
            - ``market_on_close``: at the next close.
        limit: worst price before commission.
        stop: price that sets the order off.
        trail_fraction: distance of a trailing stop as a share of the best price.
        trail_amount: distance of a trailing stop in price units.
        expires: None (good till cancelled), ``day`` (the end of the UTC day of the first bar after it was placed), or an
            instant: no bar that ends later fills it.
        group: orders of one group cancel each other: the first to be filled, even in part, ends the others.
        parent: id of an order placed at the same close before this one; this one sleeps until that one is filled, is
            active from then on, in the same bar too, and never for more units than were filled. When it is filled, the
            rest of its parent ends; when its parent ends unfilled, it ends.

    Raises:
        EngineError: when id, units or prices cannot be.
    """

    id: int
    series: str
    units: float
    kind: Kind = "market"
    limit: float | None = None
    stop: float | None = None
    trail_fraction: float | None = None
    trail_amount: float | None = None
    expires: Literal["day"] | np.datetime64 | None = None
    group: int | None = None
    parent: int | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise EngineError(f"order {self.id} has kind '{self.kind}'{nearest(self.kind, KINDS)}")
        for name in ("id", "group", "parent"):
            number = getattr(self, name)
            if number is not None and not (isinstance(number, int) and number > 0):
                raise EngineError(
                    f"{name} of order {self.id} was {number!r}; allowed: a whole number above 0"
                )
        if not np.isfinite(self.units) or self.units == 0:
            raise EngineError(f"units of order {self.id} were {self.units}; allowed: finite and not 0")
        self._check_prices()

    def _check_prices(self) -> None:
        needed, given = _PRICES[self.kind], self._given()
        for name, price in given.items():
            most = 1.0 if name == "trail_fraction" else np.inf
            if name not in needed:
                allowed = ", ".join(sorted(needed)) or "no price"
                raise EngineError(f"order {self.id} is a {self.kind} with {name}; it takes {allowed}")
            if not (np.isfinite(price) and 0 < price < most):
                raise EngineError(
                    f"{name} of order {self.id} was {price}; allowed: above 0 and below {most:g}"
                )
        if self.kind == "trailing_stop":
            if len(given) != 1:
                raise EngineError(
                    f"order {self.id} is a trailing_stop with {len(given)} trails; exactly one of trail_fraction and "
                    "trail_amount is needed"
                )
        elif missing := needed - set(given):
            raise EngineError(f"order {self.id} is a {self.kind} without {min(missing)}")

    def _given(self) -> dict[str, float]:
        names = ("limit", "stop", "trail_fraction", "trail_amount")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}


def bracket(entry: Order, *exits: Order) -> tuple[Order, ...]:
    """Return an entry with its exits: they wake when it is filled, and the first to be filled ends the others.

    On the bar of the entry a stop that the bar touched counts as hit; a limit only where it is sure that it was reached
    after the entry: the entry was filled at the open, or the close is beyond the limit.

    Raises:
        EngineError: when an exit trades another series or on the side of the entry, or there is none.
    """
    if not exits:
        raise EngineError(f"bracket of order {entry.id} has no exit; at least one is needed")
    for order in exits:
        if order.series != entry.series or order.units * entry.units > 0:
            raise EngineError(
                f"exit {order.id} trades {order.units:g} of {order.series} after an entry of {entry.units:g} of "
                f"{entry.series}; allowed: the same series on the other side"
            )
    return (entry, *(replace(order, parent=entry.id, group=entry.id) for order in exits))


def oco(*orders: Order) -> tuple[Order, ...]:
    """Return orders of which the first to be filled ends the others (one cancels the other)."""
    return tuple(replace(order, group=orders[0].id) for order in orders)


def place_orders(state: EngineState, orders: Sequence[Order], spec: EngineSpec) -> EngineState:
    """Return the account with the orders resting; they can be filled from the next bar on.

    Earlier orders go first where two compete for cash or volume. A bankrupt account takes no order.

    Args:
        state: at the close at which they are placed.
        orders: by rising id.
        spec: the engine's rules: integer units refuse fractions; where fills are at closes there is no way through the
            bar, so only market orders are allowed.

    Raises:
        EngineError: when a series, id, parent or number of units cannot be, or a series was delisted.
    """
    codes, numbers = packed(state, [(0, order) for order in orders], spec)
    for order in orders:
        if state.delisted[state.series.index(order.series)]:
            raise EngineError(f"order {order.id} is for {order.series}, which was delisted")
    last = max([state.last_order, *(order.id for order in orders)])
    if state.bankrupt:
        return replace(state, last_order=last)
    if len(codes):
        numbers[:, FILLED] = 0.0
        numbers[:, RELEASED] = np.where(codes[:, PARENT] == 0, np.abs(numbers[:, UNITS]), 0.0)
        numbers[:, EXTREME] = state.marks[codes[:, SERIES]]
        numbers[:, FEES] = -1.0
    return replace(
        state,
        order_codes=np.vstack([state.order_codes, codes[:, :STORED_CODES]]),
        order_numbers=np.vstack([state.order_numbers, numbers[:, :STORED_NUMBERS]]),
        last_order=last,
    )


def cancel_orders(state: EngineState, ids: Sequence[int]) -> EngineState:
    """Return the account without these orders and the orders that would wake when they are filled.

    An order that has ended already is passed over; the part of a parent that was filled keeps its exits.

    Raises:
        EngineError: when an id was never placed.
    """
    for number in ids:
        if not 0 < number <= state.last_order:
            raise EngineError(f"order {number} was never placed; the highest id is {state.last_order}")
    codes, numbers = np.array(state.order_codes), state.order_numbers
    gone = np.isin(codes[:, ID], list(ids))
    for row in range(len(codes)):
        if codes[row, PARENT] != 0 and codes[row, PARENT] in codes[gone, ID]:
            codes[row, PARENT] = 0
            gone[row] = gone[row] or numbers[row, RELEASED] <= abs(numbers[row, FILLED])
    return replace(state, order_codes=codes[~gone], order_numbers=numbers[~gone])


def resting_orders(state: EngineState) -> dict[int, float]:
    """Return the units that each resting order still has to fill, by id, best priority first."""
    left = state.order_numbers[:, UNITS] - state.order_numbers[:, FILLED]
    return dict(zip(state.order_codes[:, ID].tolist(), left.tolist(), strict=True))


def packed(
    state: EngineState, placed: Sequence[tuple[int, Order]], spec: EngineSpec
) -> tuple[Integers, Floats]:
    """Return orders as the arrays of the kernel, each with the row of the close at which it is placed.

    Raises:
        EngineError: as ``place_orders``.
    """
    codes = np.zeros((len(placed), CODES), np.int64)
    numbers = np.full((len(placed), NUMBERS), np.nan)
    column = {name: index for index, name in enumerate(state.series)}
    last, batch, begun = state.last_order, set[int](), -1
    for n, (row, order) in enumerate(placed):
        if row != begun:
            batch, begun = set(), row
        _check_order(order, column, last, batch)
        _check_rules(order, spec)
        last = order.id
        batch.add(order.id)
        _write_codes(codes[n], row, order, column[order.series])
        _write_numbers(numbers[n], order)
    return codes, numbers


def _check_order(order: Order, column: dict[str, int], last: int, batch: set[int]) -> None:
    if order.series not in column:
        raise EngineError(f"order {order.id} is for '{order.series}'{nearest(order.series, tuple(column))}")
    if order.id <= last:
        raise EngineError(
            f"order id {order.id} was placed already or is too low; ids rise, the last was {last}"
        )
    if order.parent is not None and order.parent not in batch:
        raise EngineError(
            f"parent {order.parent} of order {order.id} is unknown; allowed: an order placed before it at the same close"
        )


def _check_rules(order: Order, spec: EngineSpec) -> None:
    if spec.units == "integer" and order.units != int(order.units):
        raise EngineError(f"units of order {order.id} were {order.units:g}; allowed: whole units")
    if spec.fill == "close" and order.kind not in ("market", "market_on_close"):
        raise EngineError(
            f"order {order.id} is a {order.kind}; with 'fill: close' only market orders can be filled"
        )


def _write_codes(codes: Integers, row: int, order: Order, series: int) -> None:
    codes[ID], codes[SERIES], codes[ROW] = order.id, series, row
    codes[KIND] = KINDS.index(order.kind)
    codes[GROUP], codes[PARENT] = order.group or 0, order.parent or 0
    codes[IS_FRACTION] = order.trail_fraction is not None
    codes[EXPIRES] = NEVER
    if isinstance(order.expires, str):
        codes[EXPIRES] = DAY
    elif order.expires is not None:
        codes[EXPIRES] = as_time(order.expires).astype(np.int64)


def _write_numbers(numbers: Floats, order: Order) -> None:
    trail = order.trail_fraction if order.trail_fraction is not None else order.trail_amount
    for place, price in ((LIMIT_PRICE, order.limit), (STOP_PRICE, order.stop), (TRAIL, trail)):
        numbers[place] = np.nan if price is None else price
    numbers[UNITS] = order.units
