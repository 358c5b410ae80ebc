"""Finer: an account advanced over finer bars, with decisions and outputs at the closes of the coarse ones."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from backtest.costs import AbstractCosts
from backtest.engine.advance import Advance, advance
from backtest.engine.bars import Bars
from backtest.engine.layout import Integers
from backtest.engine.orders import Order
from backtest.engine.rules import EngineSpec
from backtest.engine.state import EngineState
from backtest.errors import EngineError
from data.panel import Floats, read_only

_SUMS = ("costs", "dividends", "borrow", "funding", "interest")
_LAST = ("equity", "cash", "weights", "gross_exposure", "net_exposure")


def advance_on_finer(
    state: EngineState,
    coarse: Bars,
    finer: Bars,
    spec: EngineSpec,
    costs: AbstractCosts,
    finer_periods_per_year: float,
    decided: tuple[Floats | None, Sequence[tuple[np.datetime64, Order]]] = (None, ()),
) -> Advance:
    """Return the account after the coarse bars, filled on finer bars, which show the way through each of them.

    Targets and orders are placed at coarse closes and filled from the next *finer* bar on. Fills carry the finer
    stamps; everything else is stated at coarse closes, flows as sums.

    Args:
        state: the account before the first of these bars.
        coarse: what decisions are made on.
        finer: of the same series; those that end after one coarse bar and not after the next make up the latter.
        spec: the engine's rules.
        costs: what trading takes.
        finer_periods_per_year: finer bars in a year, for borrow fees and interest.
        decided: (T, S) weights decided at each coarse close, None for none, and orders with their coarse closes.

    Raises:
        EngineError: when finer bars do not add up to the coarse ones, or as ``advance``.
    """
    if finer.series != coarse.series:
        raise EngineError(
            f"finer bars are of {', '.join(finer.series)}; the coarse ones are of {', '.join(coarse.series)}"
        )
    ends = _ends(coarse, finer, state.time)
    check_adds_up(coarse, finer, ends)
    targets, orders = decided
    wanted = np.full(finer.close.shape, np.nan)
    if targets is not None:
        if np.shape(targets) != coarse.close.shape:
            raise EngineError(
                f"targets have shape {np.shape(targets)}; coarse bars and series ask for {coarse.close.shape}"
            )
        wanted[ends - 1] = targets
    for stamp, order in orders:
        if stamp not in coarse.times:
            raise EngineError(f"order {order.id} is placed at {stamp}, which is not the end of a coarse bar")
    done = advance(state, finer, spec, costs, finer_periods_per_year, wanted, orders)
    return _sampled(done, coarse, ends, state.cash + _held(state))


def check_adds_up(coarse: Bars, finer: Bars, ends: Integers) -> None:
    """Refuse finer bars whose prices, volumes or actions are not those of the coarse bars they make up.

    Args:
        coarse: T bars.
        finer: the bars they are made of.
        ends: (T,) number of finer bars through each coarse one.

    Raises:
        EngineError: names the first field, series and time that differ.
    """
    begins = np.concatenate([[0], ends[:-1]])
    if (ends == begins).any():
        row = int(np.argmax(ends == begins))
        raise EngineError(
            f"no finer bar ends within the coarse bar at {coarse.times[row]}; at least one is needed"
        )
    for name in ("open", "high", "low", "close", "volume", "splits", "dividends"):
        made = np.array([_joined(name, getattr(finer, name)[a:b]) for a, b in zip(begins, ends, strict=True)])
        given = getattr(coarse, name)
        close = np.isclose(made, given, rtol=1e-9, atol=0.0, equal_nan=True)
        if name in ("high", "low", "volume"):
            close |= np.isnan(given)
        if not (close | ~coarse.tradable).all():
            t, s = np.argwhere(~(close | ~coarse.tradable))[0]
            raise EngineError(
                f"{name} of {coarse.series[s]} at {coarse.times[t]} is {given[t, s]}, but finer bars make {made[t, s]}"
            )


def _ends(coarse: Bars, finer: Bars, begun: np.datetime64) -> Integers:
    """Return how many finer bars end by each coarse end; refuse those outside every coarse bar."""
    ends = np.searchsorted(finer.times, coarse.times, side="right")
    if len(finer) != (ends[-1] if len(ends) else 0):
        raise EngineError(f"finer bar at {finer.times[-1]} is after the last coarse bar; allowed: to its end")
    if len(finer) and not np.isnat(begun) and finer.times[0] <= begun:
        raise EngineError(f"first finer bar ends at {finer.times[0]}; the account already stands at {begun}")
    return ends


def _joined(name: str, rows: Floats) -> Floats:
    """Return one coarse value a series from the values of its finer bars; NaN where none is known."""
    if name == "splits":
        return np.asarray(np.prod(rows, axis=0))
    if name == "dividends":
        return np.asarray(np.sum(rows, axis=0))
    known = ~np.isnan(rows)
    if name in ("open", "close"):
        order = np.argmax(known, axis=0) if name == "open" else len(rows) - 1 - np.argmax(known[::-1], axis=0)
        return np.asarray(np.where(known.any(axis=0), rows[order, np.arange(rows.shape[1])], np.nan))
    if name == "volume":
        return np.asarray(np.where(known.all(axis=0), np.sum(rows, axis=0), np.nan))
    kept = np.fmax if name == "high" else np.fmin
    return np.asarray(kept.reduce(rows, axis=0))


def _held(state: EngineState) -> float:
    held = state.units != 0
    return float((state.units[held] * state.marks[held]).sum())


def _sampled(done: Advance, coarse: Bars, ends: Integers, begun: float) -> Advance:
    """Return the outputs at coarse closes; turnover is over the equity at the coarse close before."""
    if not len(ends):
        return done
    begins = np.concatenate([[0], ends[:-1]])
    columns: dict[str, Any] = {name: read_only(getattr(done, name)[ends - 1]) for name in _LAST}
    columns |= {name: read_only(np.add.reduceat(getattr(done, name), begins)) for name in _SUMS}
    base = np.concatenate([[begun], done.equity[:-1]])
    value = np.add.reduceat(np.where(base > 0, done.turnover * base, 0.0), begins)
    before = np.concatenate([[begun], columns["equity"][:-1]])
    turnover = np.divide(value, before, out=np.zeros(len(ends)), where=before > 0)
    return replace(done, times=coarse.times, turnover=read_only(turnover), **columns)
