"""Sweep kernel: many accounts run one after the other through the engine's own loop, each reduced to one row of numbers.

Nothing is allocated and no lock is held, so threads run side by side; what comes out depends on neither their number nor
their order. Bars, engine and settlement are those of a single run, so a point's account is that run's to the last bit.
"""

import hashlib
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, cast

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
    inlined,
)
from backtest.metrics.returns import NOISE
from backtest.policies import settlement
from backtest.policies.settlement import Bounds, Holding, Scratch, limit, settle
from backtest.policies.wishes import Wishes, wishes_of
from data.panel import Floats

Compiled = TypeVar("Compiled")

FINAL, TOTAL_RETURN, SHARPE, DRAWDOWN, TURNOVER, COSTS, FILLS = range(7)
COLUMNS = ("final_equity", "total_return", "sharpe", "max_drawdown", "turnover", "costs", "fills")
"""Numbers of a point, in the order of ``Outcome.rows``."""


def sources_digest() -> str:
    """Return the sha256 of the source of this file, of the engine and of the settlement.

    numba's cache on disk watches only the file of the function itself; what is compiled in from other files would stay
    as it was.
    """
    engine_files = sorted(Path(engine.__file__).parent.glob("*.py"))
    digest = hashlib.sha256()
    for path in (Path(__file__), *engine_files, Path(settlement.__file__)):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def watched(dispatcher: Compiled) -> Compiled:
    """Return the compiled function, cached on disk only for as long as none of the sources changes."""
    cast(Any, dispatcher)._cache._cache_file._source_stamp = _SOURCES
    return dispatcher


_SOURCES = sources_digest()


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


@watched
@inlined
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


@watched
@inlined
def is_plain(feed: Feed, rates: Rates) -> bool:
    """Return whether an account that trades nothing and is short of nothing changes by its marks only."""
    flows = feed.has_actions or feed.funding.shape[0] > 0 or feed.delistings.shape[0] > 0
    return not flows and rates.cash_rate < 0 and rates.initial == 0.0 and rates.tiers.shape[0] == 0


@watched
@inlined
def rests(account: Account) -> bool:
    """Return whether the account has no order that rests, no short position and its equity."""
    if account.bankrupt[0]:
        return False
    for s in range(len(account.units)):
        if not np.isnan(account.goals[s]) or account.units[s] < 0.0:
            return False
    return True


@watched
@inlined
def pass_bar(feed: Feed, rates: Rates, room: Room, t: int, plain: bool) -> int:
    """Advance the account over bar t and add what it traded to the tally; return the engine's fault.

    Most bars of a sweep change nothing but the marks; for them the engine's step comes down to what stands here.
    """
    account = room.account
    if plain and rests(account):
        # The sum and its order are those of the engine's ``equity_of``.
        equity = account.cash[0]
        for s in range(len(account.units)):
            if not np.isnan(feed.closes[t, s]):
                account.marks[s] = feed.closes[t, s]
            if account.units[s] != 0.0:
                equity += account.units[s] * account.marks[s]
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


@watched
@inlined
def moments(returns: Floats, known: int) -> tuple[float, float]:
    """Return mean and sum of squared deviations of the first ``known`` returns; (NaN, NaN) when they do not vary.

    Four sums run side by side, as a processor adds four numbers in the time of one; their order is fixed.
    """
    if known < 2:
        return np.nan, np.nan
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    low, high, even = returns[0], returns[0], known - known % 4
    for t in range(known):
        low, high = min(low, returns[t]), max(high, returns[t])
    if high - low <= NOISE:
        return np.nan, np.nan
    for t in range(0, even, 4):
        a, b, c, d = a + returns[t], b + returns[t + 1], c + returns[t + 2], d + returns[t + 3]
    for t in range(even, known):
        a += returns[t]
    mean = ((a + b) + (c + d)) / known
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    for t in range(0, even, 4):
        a += (returns[t] - mean) * (returns[t] - mean)
        b += (returns[t + 1] - mean) * (returns[t + 1] - mean)
        c += (returns[t + 2] - mean) * (returns[t + 2] - mean)
        d += (returns[t + 3] - mean) * (returns[t + 3] - mean)
    for t in range(even, known):
        a += (returns[t] - mean) * (returns[t] - mean)
    return mean, (a + b) + (c + d)


@watched
@inlined
def deepest_fall(equity: Floats, returns: Floats) -> tuple[float, int]:
    """Write the returns; return the deepest drawdown and the number of returns until ruin, all of them without one.

    A ruined account is worth 0 from the close of its ruin on: what is owed beyond the capital is no return.
    """
    peak, deepest, floor, ruin = equity[0], 0.0, equity[0], len(returns)
    for t in range(len(returns)):
        now = equity[t + 1]
        if now <= 0.0:
            deepest, ruin = -1.0, t
            break
        if now > peak:
            peak, floor = now, (1.0 + deepest) * now
        elif now < floor:
            deepest, floor = now / peak - 1.0, now
    for t in range(ruin):
        returns[t] = equity[t + 1] / equity[t] - 1.0
    for t in range(ruin, len(returns)):
        returns[t] = 0.0
    if ruin < len(returns):
        returns[ruin] = -1.0
        ruin += 1
    return deepest, ruin


@watched
@inlined
def reduce(room: Room, capital: float, row: Floats) -> tuple[float, float]:
    """Write a point's numbers and its returns; return mean and sum of squared deviations of all its returns."""
    last = room.trace.equity[len(room.trace.equity) - 1]
    deepest, known = deepest_fall(room.trace.equity, room.returns)
    mean, squares = moments(room.returns, known)
    row[FINAL], row[TOTAL_RETURN], row[DRAWDOWN] = last, last / capital - 1.0, deepest
    row[SHARPE] = mean / np.sqrt(squares / (known - 1)) if known > 1 else np.nan
    row[TURNOVER], row[COSTS], row[FILLS] = room.tally[0], room.tally[1], room.tally[2]
    return (mean, squares) if known == len(room.returns) else moments(room.returns, len(room.returns))


@watched
@inlined
def correlate(returns: Floats, mean: float, squares: float, outcome: Outcome) -> None:
    """Add a counted point's centred returns, scaled to length 1, to the sum that the mean correlation needs."""
    if np.isnan(mean):
        outcome.counts[1] += 1
        return
    scale = 1.0 / np.sqrt(squares)
    for t in range(len(returns)):
        outcome.total[t] += (returns[t] - mean) * scale
    outcome.counts[0] += 1


@watched
@inlined
def keep(room: Room, capital: float, is_counted: bool, outcome: Outcome, p: int) -> None:
    """Write what is kept of a point that has run."""
    mean, squares = reduce(room, capital, outcome.rows[p])
    if is_counted:
        correlate(room.returns, mean, squares, outcome)
    if outcome.curves.shape[0] > 0:
        for t in range(len(room.trace.equity)):
            outcome.curves[p, t] = room.trace.equity[t]


@watched
@inlined
def order(feed: Feed, given: Given, room: Room, place: tuple[int, int], lot: float) -> int:
    """Turn what point p is given at close t into orders; return the series that has no price, or -1."""
    p, t = place
    if given.targets.shape[0] > 0:
        for s in range(given.targets.shape[2]):
            if not np.isnan(given.targets[p, t, s]):
                return engine.set_goals(room.account, feed.tradable, given.targets[p, t], lot)
        return -1
    k = given.decisions[t]
    if k < 0:
        return -1
    holding = Holding(room.account.cash, room.account.units, room.account.marks)
    settle(given.wishes, k, holding, given.tradable[k], given.bounds, room.scratch)
    limit(given.tradable[k], given.bounds, room.scratch)
    return engine.set_goals(room.account, given.tradable[k], room.scratch.wanted, lot)


@watched
@inlined
def blame(outcome: Outcome, fault: int, t: int, s: int) -> None:
    """Note the fault that ends a sweep."""
    outcome.fault[0], outcome.fault[1], outcome.fault[2] = fault, t, s


@watched
@compiled
def run_points(
    feed: Feed, rates: Rates, capital: float, given: Given, counted: Flags, room: Room, outcome: Outcome
) -> None:
    """Run P points one after the other and write what is kept of them; stop at the first fault."""
    plain = is_plain(feed, rates)
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
