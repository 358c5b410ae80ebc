"""Sweep: one rule under many parameter sets, streamed through the engine's kernel by a few threads."""

import itertools
import math
import queue
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import pandas as pd
from numpy.lib.stride_tricks import as_strided

from backtest.costs import AbstractCosts
from backtest.engine import workspace
from backtest.engine.bars import Bars
from backtest.engine.kernel import room_needed
from backtest.engine.layout import CODES, DONE, NOT_FINITE, NUMBERS, Feed, Rates, Trace
from backtest.engine.rules import EngineSpec
from backtest.engine.state import start_state
from backtest.errors import EngineError
from backtest.metrics.trial_correlation import TrialCorrelation
from backtest.policies.settlement import room_for
from backtest.sweep.kernel import COLUMNS, Outcome, Room, given_targets, outcome_of, run_points
from backtest.sweep.rules import AbstractRule, Point
from data.panel import Floats, read_only

CHUNK_CELLS = 2**18
"""Target weights that one thread holds at a time: 2 MiB. Chunks do not depend on the threads, so neither do results."""

AHEAD = 2
"""Chunks given out to each thread before the oldest is taken back."""

Given = TypeVar("Given")
Made = TypeVar("Made")


@dataclass(frozen=True, eq=False)
class Ground:
    """What every point of a sweep shares: bars, the realistic engine's rules, costs and bars in a year."""

    bars: Bars
    spec: EngineSpec
    costs: AbstractCosts
    periods_per_year: float


@dataclass(frozen=True, eq=False)
class Swept:
    """What came of P points.

    Attributes:
        points: P parameter sets, in the order given.
        rows: (P, 7) the numbers named by ``COLUMNS``: final equity, total return, Sharpe ratio per period (ddof 1, NaN for
            returns that do not vary), maximum drawdown, turnover (traded value over equity before, buys and sells
            added, summed over bars), costs (account currency), and fills of orders.
        equity: (P, T) at each close, None unless it was asked for.
        correlation: of the points' returns; None with fewer than two returns.
    """

    points: tuple[Point, ...]
    rows: Floats
    equity: Floats | None
    correlation: TrialCorrelation | None

    def frame(self) -> pd.DataFrame:
        """Return one row a point: its parameters as ``point``, then its numbers."""
        return pd.DataFrame({"point": list(self.points), **dict(zip(COLUMNS, self.rows.T, strict=True))})


def sweep_rule(
    bars: Bars,
    spec: EngineSpec,
    costs: AbstractCosts,
    periods_per_year: float,
    rule: AbstractRule,
    points: Iterable[Point],
    threads: int = 1,
) -> Swept:
    """Return what a rule earns under each parameter set, as single runs of the engine would, to the last bit.

    Targets are decided at a close and filled from the next bar on. Every point is a trial; counting them is the caller's
    part (``backtest.trials``).

    Args:
        bars: the whole period.
        spec: the realistic engine's rules.
        costs: what trading takes.
        periods_per_year: bars in a year, for borrow fees.
        rule: the family of strategies.
        points: parameter sets, read only as they are needed.
        threads: side by side; the results do not depend on their number.

    Raises:
        EngineError: when bars, a point or the threads are not allowed.

    Example:
        >>> from backtest.costs import UsEquities
        >>> from backtest.sweep.rules import MovingAverageCross
        >>> days = np.arange("2020-01-01", "2021-01-01", dtype="datetime64[D]")
        >>> price = np.exp(np.random.default_rng(0).normal(0, 0.01, (len(days), 1)).cumsum(axis=0))
        >>> flat = np.ones_like(price)
        >>> bars = Bars(days, ("A",), price, price, price, price, flat * 1e9, flat, flat * 0, np.array([True]))
        >>> rule, points = MovingAverageCross(), [(5, 20), (10, 40)]
        >>> swept = sweep_rule(bars, EngineSpec(), UsEquities(), 365.0, rule, points, threads=2)
        >>> swept.rows.shape
        (2, 7)
    """
    return sweep_points(Ground(bars, spec, costs, periods_per_year), rule, points, threads=threads)


def sweep_points(
    ground: Ground,
    rule: AbstractRule,
    points: Iterable[Point],
    *,
    threads: int = 1,
    keep_equity: bool = False,
) -> Swept:
    """Return what ``sweep_rule`` does, with each point's equity if asked for."""
    taken: list[Point] = []
    rows, curves, correlation = [], [], None
    for chunk, outcome in stream(ground, rule, points, threads=threads, keep_equity=keep_equity):
        taken += chunk
        rows.append(outcome.rows)
        curves.append(outcome.curves)
        correlation = merged(correlation, outcome)
    found = np.concatenate(rows) if rows else np.empty((0, len(COLUMNS)))
    equity = np.concatenate(curves) if curves else np.empty((0, len(ground.bars)))
    return Swept(tuple(taken), read_only(found), read_only(equity) if keep_equity else None, correlation)


def stream(
    ground: Ground, rule: AbstractRule, points: Iterable[Point], *, threads: int, keep_equity: bool
) -> Iterator[tuple[list[Point], Outcome]]:
    """Yield chunks of points with their outcome, in order; no more than a few chunks exist at a time."""
    if not len(ground.bars):
        raise EngineError("there are no bars; a sweep needs at least one")
    cells = len(ground.bars) * len(ground.bars.series)
    size = max(1, CHUNK_CELLS // max(1, cells))
    chunks = _checked_chunks(rule, points, size, len(ground.bars))
    write, feed, rates = rule.writer(ground.bars), feed_of(ground), rates_of(ground)
    rooms = _rooms(ground, threads, size)

    def work(chunk: list[Point]) -> tuple[list[Point], Outcome]:
        room, buffer = rooms.get()
        targets, counted = buffer[: len(chunk)], np.ones(len(chunk), bool)
        write(chunk, targets)
        outcome = outcome_of(len(chunk), len(ground.bars), keep_equity=keep_equity)
        run_points(feed, rates, ground.spec.capital, given_targets(targets), counted, room, outcome)
        rooms.put((room, buffer))
        require_done(outcome, ground.bars)
        return chunk, outcome

    yield from in_threads(work, chunks, threads)


def in_threads(work: Callable[[Given], Made], given: Iterable[Given], threads: int) -> Iterator[Made]:
    """Yield the work on each thing given, in order, done by threads; things are taken only as they are needed.

    Raises:
        EngineError: when there is no thread.
    """
    if threads < 1:
        raise EngineError(f"threads was {threads}; at least 1 is needed")
    if threads == 1:
        yield from map(work, given)
        return
    waiting: deque[Future[Made]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for each in given:
            waiting.append(pool.submit(work, each))
            if len(waiting) >= AHEAD * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def merged(so_far: TrialCorrelation | None, outcome: Outcome) -> TrialCorrelation | None:
    """Return the correlation sums with those of one more outcome; None while there are fewer than two returns."""
    if len(outcome.total) < 2:
        return None
    found = TrialCorrelation(int(outcome.counts[0]), int(outcome.counts[1]), read_only(outcome.total))
    return found if so_far is None else so_far.merge(found)


def require_done(outcome: Outcome, bars: Bars) -> None:
    """Refuse an outcome that ended in a fault.

    Raises:
        EngineError: when equity was not finite, or a series was wanted that has no price.
    """
    code, row, column = outcome.fault.tolist()
    if code == NOT_FINITE:
        raise EngineError(f"equity at {bars.times[row]} was not finite; prices or capital are too large")
    if code != DONE:
        raise EngineError(
            f"a position in {bars.series[column]} was wanted at {bars.times[row]}, but it is untradable or has no price yet"
        )


def feed_of(ground: Ground) -> Feed:
    """Return the bars as the kernel reads them."""
    return workspace.feed_of(ground.bars, ground.spec, ground.costs)


def rates_of(ground: Ground) -> Rates:
    """Return costs and rules as the kernel reads them.

    Raises:
        EngineError: when bars in a year are not a positive number.
    """
    periods = ground.periods_per_year
    if not (math.isfinite(periods) and periods > 0):
        raise EngineError(f"periods_per_year was {periods}; allowed: finite and above 0")
    return workspace.rates_of(ground.spec, ground.costs, periods, ground.bars.series)


def make_room(ground: Ground) -> Room:
    """Return what one thread works in; of the engine's outputs only equity has room for every bar."""
    length, series = len(ground.bars), len(ground.bars.series)
    small = {
        name: as_strided(np.empty(1), (length,), (0,))
        for name in Trace._fields
        if name not in ("equity", "weights")
    }
    weights = as_strided(np.empty(series), (length, series), (0, 8))
    trace = Trace(equity=np.empty(length), weights=weights, **small)
    start, no_codes = start_state(ground.bars.series, ground.spec), np.empty((0, CODES), np.int64)
    account = workspace.account_of(start, no_codes, np.empty((0, NUMBERS)))
    log = workspace.log_for(1, room_needed(account))
    return Room(account, trace, log, np.empty(max(length - 1, 0)), np.zeros(3), room_for(series))


def _rooms(ground: Ground, threads: int, points: int) -> "queue.SimpleQueue[tuple[Room, Floats]]":
    """Return room for each thread, with a buffer for the targets of a chunk."""
    rooms: queue.SimpleQueue[tuple[Room, Floats]] = queue.SimpleQueue()
    for _ in range(threads):
        rooms.put((make_room(ground), np.empty((points, len(ground.bars), len(ground.bars.series)))))
    return rooms


def _checked_chunks(
    rule: AbstractRule, points: Iterable[Point], size: int, bars: int
) -> Iterator[list[Point]]:
    """Yield the points in lists, each point checked as it is taken."""
    remaining = iter(points)
    while chunk := list(itertools.islice(remaining, size)):
        for point in chunk:
            rule.check(point, bars)
        yield chunk
