"""Advance: an account brought forward over bars, in one call or bar by bar, to the same bits."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from backtest.costs import AbstractCosts
from backtest.engine import kernel
from backtest.engine.bars import Bars
from backtest.engine.fills import Fills
from backtest.engine.fit import require_bars_fit, require_decision_fits
from backtest.engine.layout import (
    END_ORDER,
    STORED_CODES,
    STORED_NUMBERS,
    Account,
    Flags,
    Integers,
    Log,
    Trace,
)
from backtest.engine.orders import Order, packed
from backtest.engine.rejections import Rejections
from backtest.engine.rules import EngineSpec
from backtest.engine.state import EngineState
from backtest.engine.workspace import account_of, feed_of, log_for, lot_of, rates_of, trace_for
from backtest.errors import EngineError
from backtest.policies.base import Decision
from data.panel import Floats, Times, as_time, read_only

TIMES_AT_ONCE = 65_536
"""Lines of a log that are dated together."""


@dataclass(frozen=True, eq=False)
class Advance:
    """What happened over T bars.

    Attributes:
        state: the account after the last bar.
        times: (T,) ends of the bars.
        fills: every change of units.
        equity: (T,) cash plus positions at their marks, at each close.
        cash: (T,) at each close.
        weights: (T, S) position value over equity at each close, 0 where nothing is held.
        gross_exposure: (T,) sum of absolute weights.
        net_exposure: (T,) sum of weights.
        turnover: (T,) traded value over the equity of the close before, buys and sells added.
        costs: (T,) commission, half-spread, slippage and borrow fees paid in the bar, account currency.
        dividends: (T,) cash received in the bar, negative when shorts paid, account currency.
        rejections: every order, or part of one, that the account did not carry out.
        borrow: (T,) the part of the costs that is borrow fees.
        funding: (T,) cash received from funding at the bar's end, negative when paid, account currency.
        interest: (T,) interest received on cash, negative when paid, account currency.

    At every bar the change of cash is dividends, funding and interest, less borrow fees, less the commissions and the
    units times price of its fills; and equity is cash plus units times marks.
    """

    state: Any
    times: Times
    fills: Fills
    equity: Floats
    cash: Floats
    weights: Floats
    gross_exposure: Floats
    net_exposure: Floats
    turnover: Floats
    costs: Floats
    dividends: Floats
    rejections: Rejections
    borrow: Floats = field(default_factory=lambda: np.empty(0))
    funding: Floats = field(default_factory=lambda: np.empty(0))
    interest: Floats = field(default_factory=lambda: np.empty(0))

    def __post_init__(self) -> None:
        for name in ("borrow", "funding", "interest"):
            if len(getattr(self, name)) != len(self.times):
                object.__setattr__(self, name, read_only(np.zeros(len(self.times))))


def place(
    state: EngineState,
    decision: Decision,
    spec: EngineSpec,
    tradable: Flags | None = None,
    ends: Flags | None = None,
) -> EngineState:
    """Return the account with the decision turned into resting orders, sized at the decision's close.

    A goal is weight * equity / mark at that close, truncated toward zero for integer units. A weight of NaN leaves
    the position and any resting target as they are; any other weight replaces the resting target. A bankrupt account
    takes no order and is returned as it is. Targets fill from the next bar on. Orders (``place_orders``) are left alone.

    Args:
        state: advanced to the decision's cutoff.
        decision: weights for exactly the state's series.
        spec: the engine's rules.
        tradable: (S,) bool; a weight other than 0 on an untradable series is refused. None checks nothing.
        ends: (S,) bool; where the weight is NaN, a resting target ends and the position stays. None ends nothing.

    Raises:
        EngineError: when series, times or weights do not fit the account.
    """
    require_decision_fits(state, decision)
    weights = _finite_targets(decision.weights[None, :], np.array([decision.cutoff]), state.series)[0]
    _check_margin(weights[None, :], np.array([decision.cutoff]), spec)
    if state.bankrupt:
        return state
    if ends is not None:
        weights = np.where(np.asarray(ends, bool) & np.isnan(weights), END_ORDER, weights)
    account = account_of(state, *packed(state, (), spec))
    allowed = np.ones(len(state.series), bool) if tradable is None else np.ascontiguousarray(tradable, bool)
    missing = kernel.size(account, read_only(allowed), read_only(weights), lot_of(spec))
    if missing >= 0:
        raise _no_price(account, state.series, missing, decision.cutoff, weights[missing])
    return replace(
        state,
        goals=account.goals,
        fees=account.fees,
        called=account.called,
    )


def advance(
    state: EngineState,
    bars: Bars,
    spec: EngineSpec,
    costs: AbstractCosts,
    periods_per_year: float,
    targets: Floats | None = None,
    orders: Sequence[tuple[np.datetime64, Order]] = (),
) -> Advance:
    """Return the account after the bars, with everything that happened on the way.

    One call over T bars, T calls over one bar, calls alternating with ``place`` and ``place_orders``, and a store and
    load in between all give the same bits. An account whose equity is not above zero at a close is closed at its marks there, takes
    no further order, and keeps its (non-positive) equity: see ``EngineState.bankrupt``.

    Without margin cash never goes below zero by a purchase: sells are filled first, then all buys are cut by one factor
    when cash is short. The proceeds of short sales are cash; how large shorts may be is the policy's limit, and
    ``bars.shortable``'s. With margin, trades that bring positions nearer to zero are filled first, then those that open
    are cut by one factor to equity / initial margin; cash below zero is a loan. Targets go before orders, sells before
    buys, earlier orders before later ones. Borrow fees and interest accrue once a bar.

    Args:
        state: the account before the first of these bars.
        bars: of the state's series, all after the state's time.
        spec: the engine's rules.
        costs: what trading takes.
        periods_per_year: bars in a year, for borrow fees.
        targets: (T, S) weights decided at each close, NaN = leave, ``END_ORDER`` = end what rests and leave the
            position; None for none. The last row becomes resting targets.
        orders: each with the close at which it is placed, in the order of time and id.

    Raises:
        EngineError: when bars, targets, orders or settings do not fit the account.
    """
    _check_fit(state, bars, periods_per_year)
    wanted = _no_targets(bars) if targets is None else _checked_targets(targets, bars, spec)
    account = account_of(state, *packed(state, _with_rows(orders, bars), spec))
    feed, rates = feed_of(bars, spec, costs), rates_of(spec, costs, periods_per_year, bars.series)
    _check_rate_series(spec, bars)
    trace, lines, row = trace_for(len(bars), len(bars.series)), _Lines(), 0
    while row < len(bars):
        log = log_for(len(bars) - row, kernel.room_needed(account))
        fault, row, column = kernel.run(feed, account, rates, wanted, trace, log, row)
        lines.take(log)
        if fault not in (kernel.DONE, kernel.FULL):
            weight = wanted[row, column] if len(wanted) and column >= 0 else math.nan
            raise _fault(fault, account, bars, (row, column), weight)
    last_order = max([state.last_order, *(order.id for _, order in orders)])
    return _result(state, bars, account, trace, lines, last_order)


def _check_fit(state: EngineState, bars: Bars, periods_per_year: float) -> None:
    require_bars_fit(state, bars)
    if not (math.isfinite(periods_per_year) and periods_per_year > 0):
        raise EngineError(f"periods_per_year was {periods_per_year}; allowed: finite and above 0")


def _check_rate_series(spec: EngineSpec, bars: Bars) -> None:
    if spec.cash_rate is not None and bars.tradable[bars.series.index(spec.cash_rate)]:
        raise EngineError(
            f"cash_rate names {spec.cash_rate}, which is tradable; a rate is no price, mark it untradable"
        )


def _with_rows(orders: Sequence[tuple[np.datetime64, Order]], bars: Bars) -> list[tuple[int, Order]]:
    """Return the orders with the rows of the closes at which they are placed."""
    row_at = {stamp: row for row, stamp in enumerate(bars.times.tolist())} if orders else {}
    placed: list[tuple[int, Order]] = []
    for stamp, order in orders:
        row = row_at.get(as_time(stamp).astype(np.int64).item())
        if row is None or (placed and row < placed[-1][0]):
            raise EngineError(
                f"order {order.id} is placed at {stamp}; allowed: the ends of the bars, in order of time"
            )
        placed.append((row, order))
    return placed


def _checked_targets(targets: Floats, bars: Bars, spec: EngineSpec) -> Floats:
    targets = np.ascontiguousarray(targets, np.float64)
    ends = targets == END_ORDER if targets.shape == bars.close.shape else np.zeros(1, bool)
    plain = np.where(ends, np.nan, targets) if ends.any() else targets
    _check_margin(_finite_targets(plain, bars.times, bars.series), bars.times, spec)
    return read_only(targets)


def _finite_targets(targets: Floats, times: Times, series: tuple[str, ...]) -> Floats:
    targets = np.ascontiguousarray(targets, np.float64)
    if targets.shape != (len(times), len(series)):
        raise EngineError(
            f"targets have shape {targets.shape}; bars and series ask for {(len(times), len(series))}"
        )
    if np.isinf(targets).any():
        t, s = np.argwhere(np.isinf(targets))[0]
        raise EngineError(
            f"target weight of {series[s]} at {times[t]} was {targets[t, s]}; allowed: finite or NaN"
        )
    return read_only(targets)


def _check_margin(targets: Floats, times: Times, spec: EngineSpec) -> None:
    """Refuse weights that the initial margin could not cover even at the decision's prices."""
    if spec.margin is None or not targets.size:
        return
    gross = np.nansum(np.abs(targets), axis=1)
    most = 1.0 / spec.margin.initial
    if (gross > most * (1.0 + 1e-9)).any():
        t = int(np.argmax(gross > most * (1.0 + 1e-9)))
        raise EngineError(
            f"target weights at {times[t]} sum to {gross[t]:g} without their signs; an initial margin of "
            f"{spec.margin.initial:g} allows {most:g}"
        )


def _no_targets(bars: Bars) -> Floats:
    return read_only(np.empty((0, len(bars.series))))


def _fault(fault: int, account: Account, bars: Bars, place: tuple[int, int], weight: float) -> EngineError:
    time, series = bars.times[place[0]], bars.series[place[1]]
    if fault == kernel.NOT_FINITE:
        return EngineError(f"equity at {time} was not finite; prices or capital are too large")
    if fault == kernel.GONE:
        return EngineError(f"an order for {series} was placed at {time}, but it was delisted")
    return _no_price(account, bars.series, place[1], time, weight)


def _no_price(
    account: Account, series: tuple[str, ...], column: int, time: np.datetime64, weight: float
) -> EngineError:
    why = "was delisted" if account.delisted[column] else "is untradable or has no price yet"
    return EngineError(
        f"target weight of {series[column]} at {time} was {weight}, but it {why}; allowed: 0 or NaN"
    )


class _Lines:
    """What each log held when it was full."""

    def __init__(self) -> None:
        self.places: list[Integers] = []
        self.values: list[Floats] = []
        self.refusals: list[Integers] = []
        self.remainders: list[Floats] = []

    def take(self, log: Log) -> None:
        """Keep the written lines of a log."""
        filled, refused = int(log.filled[0]), int(log.refused[0])
        self.places.append(log.places[:, :filled])
        self.values.append(log.values[:, :filled])
        self.refusals.append(log.refusals[:, :refused])
        self.remainders.append(log.remainders[:refused])

    def fills(self, bars: Bars) -> Fills:
        """Return every fill; the lines are gone afterwards, so that they are held once."""
        rows, columns, reasons, orders = _joined(self.places, 4, np.int64)
        units, prices, commissions, spreads, slippages = _joined(self.values, 5, np.float64)
        return Fills(
            _times_of(rows, bars),
            columns,
            bars.series,
            units,
            prices,
            commissions,
            spreads,
            slippages,
            reasons,
            orders,
        )

    def rejections(self, bars: Bars) -> Rejections:
        """Return every rejection."""
        rows, columns, reasons, orders = _joined(self.refusals, 4, np.int64)
        (units,) = _joined([part[None, :] for part in self.remainders], 1, np.float64)
        return Rejections(_times_of(rows, bars), columns, bars.series, units, reasons, orders)


def _times_of(rows: Integers, bars: Bars) -> Times:
    """Return the ends of the bars, written over the row numbers: a long log has no room for a second column."""
    ends = bars.times.view(np.int64)
    for start in range(0, len(rows), TIMES_AT_ONCE):
        part = slice(start, start + TIMES_AT_ONCE)
        rows[part] = ends[rows[part]]
    return rows.view("datetime64[ns]")


def _joined(parts: list[npt.NDArray[Any]], rows: int, kind: type) -> npt.NDArray[Any]:
    if len(parts) == 1:
        return parts.pop()
    joined = np.concatenate([np.empty((rows, 0), kind), *parts], axis=1)
    parts.clear()
    return joined


def _result(
    state: EngineState, bars: Bars, account: Account, trace: Trace, lines: _Lines, last_order: int
) -> Advance:
    alive = account.orders.alive[: account.orders.counts[0]]
    after = EngineState(
        series=state.series,
        time=bars.times[-1] if len(bars) else state.time,
        cash=float(account.cash[0]),
        units=account.units,
        marks=account.marks,
        goals=account.goals,
        bankrupt=bool(account.bankrupt[0]),
        fees=account.fees,
        called=account.called,
        delisted=account.delisted,
        month=account.month,
        order_codes=account.orders.codes[alive, :STORED_CODES],
        order_numbers=account.orders.numbers[alive, :STORED_NUMBERS],
        last_order=last_order,
    )
    columns = {
        name: read_only(array) for name, array in trace._asdict().items() if name not in ("gross", "net")
    }
    return Advance(
        state=after,
        times=bars.times,
        fills=lines.fills(bars),
        rejections=lines.rejections(bars),
        gross_exposure=read_only(trace.gross),
        net_exposure=read_only(trace.net),
        **columns,
    )
