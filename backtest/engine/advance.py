"""Advance: an account brought forward over bars, in one call or bar by bar, to the same bits."""

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from backtest.costs import BPS, AbstractCosts
from backtest.engine import kernel
from backtest.engine.bars import Bars
from backtest.engine.fills import Fills
from backtest.engine.rules import EngineSpec
from backtest.engine.state import EngineState
from backtest.errors import EngineError
from backtest.policies.base import Decision
from data.panel import Floats, Times, as_time, read_only


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
    """

    state: EngineState
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


def place(
    state: EngineState, decision: Decision, spec: EngineSpec, tradable: npt.NDArray[np.bool_] | None = None
) -> EngineState:
    """Return the account with the decision turned into resting orders, sized at the decision's close.

    A goal is weight * equity / mark at that close, truncated toward zero for integer units. A weight of NaN leaves
    the position and any resting order as they are; any other weight replaces the resting order. A bankrupt account
    takes no order and is returned as it is. Orders fill from the next bar on.

    Args:
        state: advanced to the decision's cutoff.
        decision: weights for exactly the state's series.
        spec: the engine's rules.
        tradable: (S,) bool; a weight other than 0 on an untradable series is refused. None checks nothing.

    Raises:
        EngineError: when series, times or weights do not fit the account.
    """
    if decision.series != state.series:
        raise EngineError(
            f"decision is for {', '.join(decision.series)}; the account trades {', '.join(state.series)}"
        )
    if as_time(decision.cutoff) != state.time:
        raise EngineError(
            f"decision was made at {decision.cutoff}; the account stands at {state.time}, advance it first"
        )
    weights = _checked_targets(decision.weights[None, :], np.array([decision.cutoff]), state.series)[0]
    if state.bankrupt:
        return state
    account = _account(state)
    allowed = np.ones(len(state.series), bool) if tradable is None else np.ascontiguousarray(tradable, bool)
    missing = kernel.size(account, read_only(allowed), weights, spec.units == "integer")
    if missing >= 0:
        raise _no_price(state.series[missing], decision.cutoff, weights[missing])
    return replace(state, goals=account.goals)


def advance(
    state: EngineState,
    bars: Bars,
    spec: EngineSpec,
    costs: AbstractCosts,
    periods_per_year: float,
    targets: Floats | None = None,
) -> Advance:
    """Return the account after the bars, with everything that happened on the way.

    One call over T bars, T calls over one bar, calls alternating with ``place``, and a store and load in between
    all give the same bits. An account whose equity is not above zero at a close is closed at its marks there, takes
    no further order, and keeps its (non-positive) equity: see ``EngineState.bankrupt``.

    Cash never goes below zero by a purchase: sells are filled first, then all buys are cut by one factor when cash
    is short. The proceeds of short sales are cash; how large shorts may be is the policy's limit. Borrow fees accrue
    once a bar. Cash earns nothing.

    Args:
        state: the account before the first of these bars.
        bars: of the state's series, all after the state's time.
        spec: the engine's rules.
        costs: what trading takes.
        periods_per_year: bars in a year, for borrow fees.
        targets: (T, S) weights decided at each close, NaN = leave; None for none. The last row becomes resting orders.

    Raises:
        EngineError: when bars, targets or settings do not fit the account.
    """
    _check_fit(state, bars, periods_per_year)
    wanted = _no_targets(bars) if targets is None else _checked_targets(targets, bars.times, bars.series)
    account, trace, log = _account(state), _trace(bars), _log(bars)
    fault, row, column = kernel.run(
        _feed(bars, spec), account, _rates(spec, costs, periods_per_year), wanted, trace, log
    )
    if fault == kernel.NO_PRICE:
        raise _no_price(bars.series[column], bars.times[row], wanted[row, column])
    if fault == kernel.NOT_FINITE:
        raise EngineError(f"equity at {bars.times[row]} was not finite; prices or capital are too large")
    return _result(state, bars, account, trace, _fills(bars, log))


def _check_fit(state: EngineState, bars: Bars, periods_per_year: float) -> None:
    if bars.series != state.series:
        raise EngineError(
            f"bars are of {', '.join(bars.series)}; the account trades {', '.join(state.series)}"
        )
    if len(bars) and not np.isnat(state.time) and bars.times[0] <= state.time:
        raise EngineError(
            f"first bar ends at {bars.times[0]}; the account already stands at {state.time}, later bars are needed"
        )
    if not (math.isfinite(periods_per_year) and periods_per_year > 0):
        raise EngineError(f"periods_per_year was {periods_per_year}; allowed: finite and above 0")


def _checked_targets(targets: Floats, times: Times, series: tuple[str, ...]) -> Floats:
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


def _no_targets(bars: Bars) -> Floats:
    return read_only(np.empty((0, len(bars.series))))


def _no_price(series: str, time: np.datetime64, weight: float) -> EngineError:
    return EngineError(
        f"target weight of {series} at {time} was {weight}, but it is untradable or has no price yet; allowed: 0 or NaN"
    )


def _feed(bars: Bars, spec: EngineSpec) -> kernel.Feed:
    prices = bars.open if spec.fill == "open" else bars.close
    return kernel.Feed(prices, bars.close, bars.volume, bars.splits, bars.dividends, bars.tradable)


def _account(state: EngineState) -> kernel.Account:
    cash, bankrupt = np.array([state.cash]), np.array([state.bankrupt])
    units, marks, goals = np.array(state.units), np.array(state.marks), np.array(state.goals)
    return kernel.Account(cash, units, marks, goals, np.empty(len(units)), bankrupt)


def _rates(spec: EngineSpec, costs: AbstractCosts, periods_per_year: float) -> kernel.Rates:
    return kernel.Rates(
        commission=costs.commission_bps * BPS,
        half_spread=costs.half_spread_bps * BPS,
        slippage=costs.slippage_bps * BPS,
        borrow=costs.borrow_bps_per_year * BPS / periods_per_year,
        participation=math.inf if spec.participation is None else spec.participation,
        integer=spec.units == "integer",
    )


def _trace(bars: Bars) -> kernel.Trace:
    length = len(bars)
    return kernel.Trace(
        equity=np.empty(length),
        cash=np.empty(length),
        gross=np.empty(length),
        net=np.empty(length),
        turnover=np.empty(length),
        costs=np.empty(length),
        dividends=np.empty(length),
        weights=np.empty((length, len(bars.series))),
    )


def _log(bars: Bars) -> kernel.Log:
    """Return room for the most that can happen: one fill a cell, two rows a split, one liquidation a series."""
    room = len(bars) * len(bars.series) + 2 * int(np.count_nonzero(bars.splits != 1)) + len(bars.series)
    return kernel.Log(
        filled=np.zeros(1, np.int64),
        rows=np.empty(room, np.int64),
        columns=np.empty(room, np.int64),
        reasons=np.empty(room, np.int64),
        values=np.empty((room, 5)),
    )


def _fills(bars: Bars, log: kernel.Log) -> Fills:
    count = int(log.filled[0])
    units, prices, commissions, spreads, slippages = np.array(log.values[:count].T, order="C")
    return Fills(
        bars.times[log.rows[:count]],
        log.columns[:count].copy(),
        bars.series,
        units,
        prices,
        commissions,
        spreads,
        slippages,
        log.reasons[:count].copy(),
    )


def _result(
    state: EngineState, bars: Bars, account: kernel.Account, trace: kernel.Trace, fills: Fills
) -> Advance:
    after = EngineState(
        state.series,
        bars.times[-1] if len(bars) else state.time,
        float(account.cash[0]),
        account.units,
        account.marks,
        account.goals,
        bool(account.bankrupt[0]),
    )
    return Advance(
        state=after,
        times=bars.times,
        fills=fills,
        equity=read_only(trace.equity),
        cash=read_only(trace.cash),
        weights=read_only(trace.weights),
        gross_exposure=read_only(trace.gross),
        net_exposure=read_only(trace.net),
        turnover=read_only(trace.turnover),
        costs=read_only(trace.costs),
        dividends=read_only(trace.dividends),
    )
