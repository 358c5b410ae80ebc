"""Exact: an account brought forward as backtrader 1.9.78.123 would, in one call or bar by bar, to the same bits."""

from dataclasses import replace
from typing import Any

import numpy as np

from backtest.costs import BPS, AbstractCosts
from backtest.engine import exact_kernel as kernel
from backtest.engine.advance import Advance
from backtest.engine.bars import Bars, bars_from
from backtest.engine.exact_rules import AbstractExact
from backtest.engine.exact_state import ExactState, PendingOrders
from backtest.engine.fills import Fills
from backtest.engine.fit import require_bars_fit, require_decision_fits
from backtest.engine.layout import Flags, Integers
from backtest.engine.rejections import Rejections
from backtest.errors import EngineError
from backtest.policies.base import Decision
from data.events import CorporateActions
from data.history import History
from data.panel import Floats, Times, as_time, read_only
from data.prices import ADJUSTED_FIELDS, adjusted

_KINDS = {"percent": kernel.PERCENT, "value": kernel.VALUE, "size": kernel.SIZE}


def advance_exact(
    state: ExactState,
    bars: Bars,
    rules: AbstractExact,
    costs: AbstractCosts,
    targets: Floats | None = None,
) -> Advance:
    """Return the account after the bars, as backtrader would keep it.

    One call over T bars, T calls over one bar, calls alternating with ``place_exact``, and a store and load in between
    all give the same bits. Orders are created at close t in the order of the series, checked against the cash and
    filled from bar t + 1 on; those of the last row stay pending. Targets of a series before its first bar, and on
    rows on which none has one, are not called (with ``waits_for_all``: before every series has had a bar). A series
    whose bar is absent keeps its last close as its mark, takes orders at that mark, and fills them at its next bar's
    open.

    There is no bankruptcy: an account may go below zero and on. Weights of what is held are NaN where equity is 0.

    Args:
        state: the account before the first of these bars.
        bars: of the state's series, all after the state's time, without splits and dividends.
        rules: kind of target, slippage flags, cheat-on-close.
        costs: commission, and half-spread plus slippage as the package's percentage slippage. Borrowing is refused.
        targets: (T, S), row t decided at close t, NaN = no call; None for none.

    Raises:
        EngineError: when bars, targets or costs do not fit, a price needed for a fill is unknown, or equity overflows.
    """
    rates = _rates(rules, costs)
    _check_bars(state, bars)
    wanted, calls = _no_targets(state), 0
    if targets is not None:
        wanted, calls = _checked(targets, bars.times, state, bars.tradable)
    books = _books(state, bars, rates, calls)
    fault, row, column = kernel.run(_feed(bars), books, rates, wanted, bars.tradable)
    if fault != kernel.DONE:
        raise _fault(fault, bars, row, column)
    return _result(state, bars, books, costs)


def place_exact(state: ExactState, decision: Decision, rules: AbstractExact) -> ExactState:
    """Return the account with the orders that a row of targets at its close would have created.

    Args:
        state: advanced to the decision's cutoff.
        decision: targets for exactly the state's series, NaN = no call.
        rules: the kind of target.

    Raises:
        EngineError: when series, times or targets do not fit the account.
    """
    require_decision_fits(state, decision)
    times = np.array([state.time])
    wanted, _ = _checked(decision.weights[None, :], times, state, state.traded)
    account, orders = _account(state), _orders(state, len(state.series))
    if (state.stamps == state.time).any():
        waited_for = state.traded & rules.waits_for_all
        crowded = kernel.place(account, orders, _KINDS[rules.target], wanted[0], waited_for)
        if crowded >= 0:
            raise _too_many(state.series[crowded], state.time)
    return replace(state, touched=_touched(account), orders=_pending(orders))


def exact_fractions(rules: AbstractExact, costs: AbstractCosts) -> tuple[float, float]:
    """Return the commission and the percentage slippage that the costs are, as fractions.

    Raises:
        EngineError: when something else costs anything; backtrader's default broker charges these two alone.
    """
    for name in ("borrow_bps_per_year", "commission_per_unit", "commission_minimum", "impact_bps"):
        if value := getattr(costs, name):
            raise EngineError(
                f"{name} was {value:g}; backtrader's broker charges a commission and slippage in percent and lends "
                f"shares for free, so an engine with its rules needs {name}: 0 (with kind 'custom')"
            )
    if costs.commission_tiers:
        raise EngineError(
            f"commission_tiers had {len(costs.commission_tiers)} tiers; an engine with backtrader's rules needs none"
        )
    return costs.commission_bps * BPS, (costs.half_spread_bps + costs.slippage_bps) * BPS


def adjusted_bars(history: History, after: np.datetime64 | None = None) -> Bars:
    """Return the bars with prices adjusted forward by the panel's ``factor``, and without actions.

    How many shares can be borrowed is left out as well: backtrader lends any number.

    Args:
        history: its last row may be any time; a longer history gives the same bars in the rows both have.
        after: leave out the bars up to this instant.

    Raises:
        EngineError: when a series is delisted, there are splits or dividends but no factor, or no open or close.
    """
    panel = history.panel
    if len(history.actions) and "factor" not in panel.fields:
        raise EngineError(
            f"the panel has {len(history.actions)} splits and dividends but no field 'factor' to adjust its prices "
            "with; an engine with backtrader's rules books no corporate actions"
        )
    for name in history.actions.series[~np.isnan(history.actions.delistings)]:
        raise EngineError(f"{name} is delisted; an engine with backtrader's rules would hold it for ever")
    start = 0 if after is None else int(np.searchsorted(panel.times, as_time(after), side="right"))
    kept = panel.rows(start, len(panel))
    for name in ADJUSTED_FIELDS:
        if name in kept.fields:
            kept = kept.with_field(name, adjusted(kept, name))
    bars = bars_from(replace(history, panel=kept, actions=CorporateActions()))
    return replace(bars, shortable=None)


def _rates(rules: AbstractExact, costs: AbstractCosts) -> kernel.Rates:
    commission, slippage = exact_fractions(rules, costs)
    return kernel.Rates(
        commission=commission,
        slippage=slippage if rules.slip_open else 0.0,
        slip_match=rules.slip_match,
        slip_out=rules.slip_out,
        cheat=rules.cheat_on_close,
        recalls=rules.cheat_on_close or rules.target == "size",
        waits=rules.waits_for_all,
        kind=_KINDS[rules.target],
    )


def _check_bars(state: ExactState, bars: Bars) -> None:
    require_bars_fit(state, bars)
    _refuse(bars, "splits", bars.splits != 1, "books no corporate actions: use adjusted_bars")
    _refuse(bars, "dividends", bars.dividends != 0, "books no corporate actions: use adjusted_bars")
    if bars.funding is not None:
        _refuse(bars, "funding", np.nan_to_num(bars.funding) != 0, "knows no funding")
    if bars.delistings is not None:
        _refuse(bars, "delistings", ~np.isnan(bars.delistings), "would hold a delisted series for ever")
    if bars.shortable is not None:
        _refuse(bars, "shortable", ~np.isnan(bars.shortable), "lends any number of shares")


def _refuse(bars: Bars, name: str, wrong: Flags, why: str) -> None:
    if wrong.any():
        t, s = np.argwhere(wrong)[0]
        value = getattr(bars, name)[t, s]
        raise EngineError(
            f"{name} of {bars.series[s]} at {bars.times[t]} was {value}; an engine with backtrader's rules {why}"
        )


def _checked(targets: Floats, times: Times, state: ExactState, traded: Flags) -> tuple[Floats, int]:
    """Return the targets as the loop reads them, and how many are finite."""
    targets = read_only(np.ascontiguousarray(targets, np.float64))
    if targets.shape != (len(times), len(state.series)):
        raise EngineError(
            f"targets have shape {targets.shape}; bars and series ask for {(len(times), len(state.series))}"
        )
    calls, infinite = kernel.count_calls(targets.ravel())
    if infinite:
        t, s = np.argwhere(np.isinf(targets))[0]
        raise EngineError(
            f"target of {state.series[s]} at {times[t]} was {targets[t, s]}; allowed: finite or NaN"
        )
    if not traded.all() and (wrong := ~traded & ~np.isnan(targets) & (targets != 0)).any():
        t, s = np.argwhere(wrong)[0]
        raise EngineError(
            f"target of {state.series[s]} at {times[t]} was {targets[t, s]}, but it is untradable; allowed: 0 or NaN"
        )
    return targets, calls


def _no_targets(state: ExactState) -> Floats:
    return read_only(np.empty((0, len(state.series))))


def _fault(fault: int, bars: Bars, row: int, column: int) -> EngineError:
    if fault == kernel.NOT_FINITE:
        return EngineError(f"equity at {bars.times[row]} was not finite; prices or capital are too large")
    if fault == kernel.TOO_MANY:
        return _too_many(bars.series[column], bars.times[row])
    if fault == kernel.FULL:
        return EngineError(f"fractions of units were left over by flips too often until {bars.times[row]}")
    missing = "open" if fault == kernel.NO_OPEN else "high or low"
    return EngineError(
        f"{missing} of {bars.series[column]} at {bars.times[row]} was nan, and an order is filled in that bar; "
        "backtrader would fill it at nan and never have a number again. Leave the bar out (close nan) or give its prices"
    )


def _too_many(series: str, time: np.datetime64) -> EngineError:
    return EngineError(
        f"the target of {series} at {time} asks for more than {kernel.MOST_UNITS:.0f} units, which are no longer counted "
        "exactly; capital is too large for its price"
    )


def _feed(bars: Bars) -> kernel.Feed:
    closes = bars.close if bars.tradable.all() else np.where(bars.tradable, bars.close, np.nan)
    return kernel.Feed(bars.times.view(np.int64), bars.open, bars.high, bars.low, read_only(closes))


def _account(state: ExactState) -> kernel.Account:
    touched, seen = np.empty(len(state.series), np.int64), np.zeros(len(state.series), np.bool_)
    touched[: len(state.touched)] = state.touched
    seen[state.touched] = True
    return kernel.Account(
        cash=np.array([state.cash]),
        units=np.array(state.units),
        averages=np.array(state.averages),
        marks=np.array(state.marks),
        opens=np.array(state.opens),
        highs=np.array(state.highs),
        lows=np.array(state.lows),
        stamps=state.stamps.astype(np.int64),
        touched=touched,
        touches=np.array([len(state.touched)]),
        seen=seen,
        clones=np.array(state.units),
    )


def _orders(state: ExactState, room: int) -> kernel.Orders:
    """Return the pending orders with room for more; memory that is never written to is never taken."""
    old = state.orders
    count = len(old)
    orders = kernel.Orders(
        pending=np.array([np.count_nonzero(old.accepted), count]),
        columns=np.empty(count + room, np.int64),
        units=np.empty(count + room),
        prices=np.empty(count + room),
        stamps=np.empty(count + room, np.int64),
        buys=np.empty(count + room, np.bool_),
    )
    orders.columns[:count], orders.units[:count], orders.prices[:count] = old.columns, old.units, old.prices
    orders.stamps[:count], orders.buys[:count] = old.stamps.view(np.int64), old.buys
    return orders


def _books(state: ExactState, bars: Bars, rates: kernel.Rates, calls: int) -> kernel.Books:
    """Return the account and room for all that can happen: a target makes one order, filled or refused once at most.

    A flip of fractions of units may leave something over that is filled again.
    """
    length, width = len(bars), len(bars.series)
    orders = _orders(state, calls)
    refusals = len(orders.units)
    room = refusals * (2 if rates.kind == kernel.SIZE else 1)
    curves = np.empty((6, length))
    trace = kernel.Trace(
        equity=curves[0],
        cash=curves[1],
        gross=curves[2],
        net=curves[3],
        turnover=curves[4],
        costs=curves[5],
        weights=np.empty((length, width)),
    )
    log = kernel.Log(
        filled=np.zeros(1, np.int64),
        stamps=np.empty(room, np.int64),
        columns=np.empty(room, np.int64),
        units=np.empty(room),
        prices=np.empty(room),
        commissions=np.empty(room),
        slips=np.empty(room if rates.slippage else 0),
    )
    refused = kernel.Refused(
        refused=np.zeros(1, np.int64),
        rows=np.empty(refusals, np.int64),
        columns=np.empty(refusals, np.int64),
        units=np.empty(refusals),
        reasons=np.empty(refusals, np.int64),
    )
    return kernel.Books(_account(state), orders, trace, log, refused)


def _touched(account: kernel.Account) -> Integers:
    return account.touched[: account.touches[0]].copy()


def _pending(orders: kernel.Orders) -> PendingOrders:
    accepted, count = orders.pending
    return PendingOrders(
        columns=orders.columns[:count].copy(),
        units=orders.units[:count].copy(),
        prices=orders.prices[:count].copy(),
        stamps=orders.stamps[:count].astype("datetime64[ns]"),
        buys=orders.buys[:count].copy(),
        accepted=np.arange(count) < accepted,
    )


def _fills(bars: Bars, log: kernel.Log, costs: AbstractCosts) -> Fills:
    count = int(log.filled[0])
    none = np.zeros(count)
    slips = log.slips[:count] if len(log.slips) else none
    spread = costs.half_spread_bps / (costs.half_spread_bps + costs.slippage_bps) if len(log.slips) else 0.0
    spreads = slips * spread if spread else none
    return Fills(
        times=log.stamps[:count].view("datetime64[ns]"),
        columns=log.columns[:count],
        series=bars.series,
        units=log.units[:count],
        prices=log.prices[:count],
        commissions=log.commissions[:count],
        spread_costs=spreads,
        slippage_costs=slips - spreads if spread else slips,
        reasons=np.zeros(count, np.int64),
    )


def _rejections(bars: Bars, refused: kernel.Refused) -> Rejections:
    count = int(refused.refused[0])
    return Rejections(
        times=bars.times[refused.rows[:count]],
        columns=refused.columns[:count].copy(),
        series=bars.series,
        units=refused.units[:count].copy(),
        reasons=refused.reasons[:count].copy(),
    )


def _result(state: ExactState, bars: Bars, books: kernel.Books, costs: AbstractCosts) -> Advance:
    account, trace = books.account, books.trace
    nothing = read_only(np.zeros(len(bars)))
    after: Any = ExactState(
        series=state.series,
        time=bars.times[-1] if len(bars) else state.time,
        cash=float(account.cash[0]),
        units=account.units,
        averages=account.averages,
        marks=account.marks,
        opens=account.opens,
        highs=account.highs,
        lows=account.lows,
        stamps=account.stamps.astype("datetime64[ns]"),
        traded=bars.tradable,
        touched=_touched(account),
        orders=_pending(books.orders),
    )
    return Advance(
        state=after,
        times=bars.times,
        fills=_fills(bars, books.log, costs),
        equity=read_only(trace.equity),
        cash=read_only(trace.cash),
        weights=read_only(trace.weights),
        gross_exposure=read_only(trace.gross),
        net_exposure=read_only(trace.net),
        turnover=read_only(trace.turnover),
        costs=read_only(trace.costs),
        dividends=nothing,
        rejections=_rejections(bars, books.refused),
        borrow=nothing,
        funding=nothing,
        interest=nothing,
    )
