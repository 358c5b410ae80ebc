"""Sweep kernel: many accounts run one after the other through the engine's own loop, each reduced to one row of numbers.

Nothing is allocated and no lock is held, so threads run side by side; what comes out depends on neither their number nor
their order. Bars, engine and settlement are those of a single run, so a point's account is that run's to the last bit.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numba
import numpy as np

from backtest.engine import kernel as engine
from backtest.engine.layout import (
    DONE,
    NO_PRICE,
    TARGET,
    Account,
    Feed,
    Flags,
    Integers,
    Log,
    Rates,
    Trace,
    compiled,
)
from backtest.metrics.returns import NOISE
from backtest.policies import settlement
from backtest.policies.settlement import Bounds, Holding, Scratch, limit, settle
from backtest.policies.wishes import Wishes, wishes_of
from data.panel import Floats

FINAL, TOTAL_RETURN, SHARPE, DRAWDOWN, TURNOVER, COSTS, FILLS = range(7)
COLUMNS = ("final_equity", "total_return", "sharpe", "max_drawdown", "turnover", "costs", "fills")
"""Numbers of a point, in the order of ``Outcome.rows``."""


class Room(NamedTuple):
    """What one thread works in, whatever the number of points.

    Attributes:
        account: emptied before each point.
        trace: ``equity`` is (T,); every other output is one bar's room under T names, so that it stays small.
        log: room for the fills of one bar.
        returns: (T - 1,) of the point that has just run.
        tally: (3,) turnover, costs and fills so far.
        scratch: of the settlement.
    """

    account: Account
    trace: Trace
    log: Log
    returns: Floats
    tally: Floats
    scratch: Scratch


class Outcome(NamedTuple):
    """What is kept of P points.

    Attributes:
        rows: (P, 7) the numbers named by ``COLUMNS``.
        curves: (P, T) equity, or (0, T) when it is not wanted.
        total: (T - 1,) sum of the centred returns of the counted points that vary, each of length 1.
        counts: (2,) counted points that vary, and that do not.
        fault: (3,) code, row and column of the first fault.
    """

    rows: Floats
    curves: Floats
    total: Floats
    counts: Integers
    fault: Integers


class Given(NamedTuple):
    """What P points are given: target weights, or for one point the wishes of its policy.

    Attributes:
        targets: (P, T, S) decided at each close, NaN where nothing is; (0, 0, 0) where there are wishes.
        wishes: what the policy wants at K decisions, whatever the account holds; of no decision where there are targets.
        bounds: the point's limits and costs.
        decisions: (T,) which decision is made at a close, -1 for none.
        tradable: (K, S) what may be traded there.
    """

    targets: Floats
    wishes: Wishes
    bounds: Bounds
    decisions: Integers
    tradable: Flags


@compiled
def restore(room: Room, capital: float) -> None:
    """Empty the account: its capital in cash, nothing else; nothing traded so far."""
    account = room.account
    room.tally[:] = 0.0
    room.log.filled[0] = 0
    room.log.refused[0] = 0
    account.cash[0] = capital
    account.bankrupt[0] = False
    account.month[0], account.month[1] = 0.0, -1.0
    account.orders.counts[:] = 0
    for s in range(len(account.units)):
        account.units[s] = 0.0
        account.marks[s] = np.nan
        account.goals[s] = np.nan
        account.fees[s] = -1.0
        account.called[s] = False
        account.delisted[s] = False
        account.used[s] = 0.0


@compiled
def is_plain(feed: Feed, rates: Rates) -> bool:
    """Return whether an account that trades nothing and is short of nothing changes by its marks only."""
    flows = feed.has_actions or feed.funding.shape[0] > 0 or feed.delistings.shape[0] > 0
    return not flows and rates.cash_rate < 0 and rates.initial == 0.0 and rates.tiers.shape[0] == 0


@compiled
def rests(account: Account) -> bool:
    """Return whether the account has no order that rests, no short position and its equity."""
    if account.bankrupt[0]:
        return False
    for s in range(len(account.units)):
        if not np.isnan(account.goals[s]) or account.units[s] < 0.0:
            return False
    return True


@compiled
def pass_bar(feed: Feed, rates: Rates, room: Room, t: int, plain: bool) -> int:
    """Advance the account over bar t and add what it traded to the tally; return the engine's fault.

    Most bars of a sweep change nothing but the marks; for them the engine's step comes down to what stands here.
    """
    account = room.account
    if plain and rests(account):
        engine.mark(feed, account, t)
        equity = engine.equity_of(account)
        if np.isfinite(equity) and equity > 0.0:
            room.trace.equity[t] = equity
            return DONE
    fault = engine.bar_step(feed, account, rates, room.trace, room.log, t)
    room.tally[0] += room.trace.turnover[t]
    room.tally[1] += room.trace.costs[t]
    for n in range(room.log.filled[0]):
        room.tally[2] += 1.0 if room.log.places[2, n] == TARGET else 0.0
    room.log.filled[0] = 0
    room.log.refused[0] = 0
    return fault


@compiled
def moments(returns: Floats, known: int) -> tuple[float, float]:
    """Return mean and sum of squared deviations of the first ``known`` returns; (NaN, NaN) when they do not vary."""
    total, squares, low, high = 0.0, 0.0, np.inf, -np.inf
    for t in range(known):
        total += returns[t]
        low, high = min(low, returns[t]), max(high, returns[t])
    if known < 2 or high - low <= NOISE:
        return np.nan, np.nan
    mean = total / known
    for t in range(known):
        squares += (returns[t] - mean) * (returns[t] - mean)
    return mean, squares


@compiled
def reduce(room: Room, capital: float, row: Floats) -> tuple[float, float]:
    """Write a point's numbers and its returns; return mean and sum of squared deviations of all its returns.

    A ruined account is worth 0 from the close of its ruin on: what is owed beyond the capital is no return.
    """
    equity, length, known = room.trace.equity, len(room.trace.equity), 0
    before = peak = max(equity[0], 0.0)
    deepest = 0.0
    for t in range(1, length):
        room.returns[t - 1] = 0.0
        if before > 0.0:
            now = max(equity[t], 0.0)
            room.returns[t - 1] = now / before - 1.0
            peak = max(peak, now)
            deepest = min(deepest, now / peak - 1.0)
            before, known = now, t
    mean, squares = moments(room.returns, known)
    row[FINAL], row[TOTAL_RETURN] = equity[length - 1], equity[length - 1] / capital - 1.0
    row[SHARPE], row[DRAWDOWN] = mean / np.sqrt(squares / (known - 1)), deepest
    row[TURNOVER], row[COSTS], row[FILLS] = room.tally[0], room.tally[1], room.tally[2]
    return (mean, squares) if known == length - 1 else moments(room.returns, length - 1)


@compiled
def correlate(returns: Floats, mean: float, squares: float, outcome: Outcome) -> None:
    """Add a counted point's centred returns, scaled to length 1, to the sum that the mean correlation needs."""
    if np.isnan(mean):
        outcome.counts[1] += 1
        return
    scale = 1.0 / np.sqrt(squares)
    for t in range(len(returns)):
        outcome.total[t] += (returns[t] - mean) * scale
    outcome.counts[0] += 1


@compiled
def keep(room: Room, capital: float, is_counted: bool, outcome: Outcome, p: int) -> None:
    """Write what is kept of a point that has run."""
    mean, squares = reduce(room, capital, outcome.rows[p])
    if is_counted:
        correlate(room.returns, mean, squares, outcome)
    if outcome.curves.shape[0] > 0:
        for t in range(len(room.trace.equity)):
            outcome.curves[p, t] = room.trace.equity[t]


@compiled
def order(feed: Feed, given: Given, room: Room, place: tuple[int, int], lot: float) -> int:
    """Turn what point p is given at close t into orders; return the series that has no price, or -1."""
    p, t = place
    if given.targets.shape[0] > 0:
        for s in range(given.targets.shape[2]):
            if not np.isnan(given.targets[p, t, s]):
                return engine.size(room.account, feed.tradable, given.targets[p, t], lot)
        return -1
    k = given.decisions[t]
    if k < 0:
        return -1
    holding = Holding(room.account.cash, room.account.units, room.account.marks)
    settle(given.wishes, k, holding, given.tradable[k], given.bounds, room.scratch)
    limit(given.tradable[k], given.bounds, room.scratch)
    return engine.size(room.account, given.tradable[k], room.scratch.wanted, lot)


@compiled
def blame(outcome: Outcome, fault: int, t: int, s: int) -> None:
    """Note the fault that ends a sweep."""
    outcome.fault[0], outcome.fault[1], outcome.fault[2] = fault, t, s


def sources_digest() -> int:
    """Return a number that changes with the source of the engine and of the settlement.

    numba's cache on disk watches only the file of the function itself; what is compiled in from other files would stay
    as it was.
    """
    engine_files = sorted(Path(engine.__file__).parent.glob("*.py"))
    digest = hashlib.sha256()
    for path in (*engine_files, Path(settlement.__file__)):
        digest.update(path.read_bytes())
    return int.from_bytes(digest.digest()[:6], "big")


def _driver(sources: int) -> Callable[..., None]:
    """Return the outermost compiled function; ``sources``, a closure, is part of its place in numba's cache."""

    def run_points(
        feed: Feed, rates: Rates, capital: float, given: Given, counted: Flags, room: Room, outcome: Outcome
    ) -> None:
        plain = is_plain(feed, rates) and sources >= 0
        for p in range(len(counted)):
            restore(room, capital)
            for t in range(feed.closes.shape[0]):
                fault, missing = pass_bar(feed, rates, room, t, plain), -1
                if fault == DONE and not room.account.bankrupt[0]:
                    missing = order(feed, given, room, (p, t), rates.lot)
                if fault != DONE or missing >= 0:
                    blame(outcome, NO_PRICE if missing >= 0 else fault, t, missing)
                    return
            keep(room, capital, counted[p], outcome, p)

    # The options of the engine's own functions, whose arrays these are.
    make: Any = numba.njit
    driver: Callable[..., None] = make(cache=True, error_model="numpy", nogil=True, _nrt=False)(run_points)
    return driver


run_points = _driver(sources_digest())


def given_targets(targets: Floats) -> Given:
    """Return targets, (P, T, S), as the sweep takes them."""
    nobody = Bounds(np.empty(0), 0.0, 0.0, 0.0, False)
    nothing = wishes_of(np.empty((0, targets.shape[2])))
    return Given(targets, nothing, nobody, np.empty(0, np.int64), np.empty((0, targets.shape[2]), bool))


def given_wishes(wishes: Wishes, bounds: Bounds, decisions: Integers, tradable: Flags) -> Given:
    """Return the wishes of one point as the sweep takes them."""
    return Given(np.empty((0, 0, 0)), wishes, bounds, decisions, tradable)


def outcome_of(points: int, bars: int, *, keep_equity: bool) -> Outcome:
    """Return room for the outcome of a number of points over a number of bars."""
    return Outcome(
        np.full((points, len(COLUMNS)), np.nan),
        np.empty((points if keep_equity else 0, bars)),
        np.zeros(max(bars - 1, 0)),
        np.zeros(2, np.int64),
        np.array([DONE, -1, -1], np.int64),
    )
