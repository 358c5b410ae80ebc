"""Cuts: the bars after which the future is changed, placed where leaks are found."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from backtest.audit.span import Span, rows_until
from data.errors import SpecError
from data.history import History
from data.panel import Times, as_time

LEAST_CUTS = 8
"""Fewer cuts miss leaks that show at a few bars only (a pivot, a week's last bar)."""


@dataclass(frozen=True)
class Cut:
    """The last bar that keeps its values, and what is special about it."""

    time: np.datetime64
    kind: str


def choose_cuts(span: Span, count: int, rng: np.random.Generator) -> tuple[Cut, ...]:
    """Return ``count`` cuts between the first decision and the bar before the last, in time order.

    In turn: first decisions of folds, the bars before them, bars before and at corporate actions, last bars of sessions
    (of weeks, where a bar is a session), other decisions, the bar before the last, then bars drawn at random.

    Raises:
        SpecError: when ``count`` is below 8, or there are not so many bars.
    """
    first, stop = rows_until(span.raw, span.folds[0].cutoffs[0]) - 1, len(span.raw.panel) - 1
    if count < LEAST_CUTS:
        raise SpecError(f"cuts was {count}; at least {LEAST_CUTS} are needed")
    if count > stop - first:
        raise SpecError(f"cuts was {count}; the audited tests have {stop - first} bars with a bar after them")
    times = span.raw.times
    kinds = {kind: iter(rows) for kind, rows in _special(span, rng).items()}
    kinds["drawn at random"] = iter((first + rng.permutation(stop - first)).tolist())
    chosen: dict[int, str] = {}
    while len(chosen) < count:
        for kind, rows in kinds.items():
            row = next((row for row in rows if first <= row < stop and row not in chosen), None)
            if row is not None and len(chosen) < count:
                chosen[row] = kind
    return tuple(Cut(np.datetime64(times[row]), chosen[row]) for row in sorted(chosen))


def _special(span: Span, rng: np.random.Generator) -> dict[str, list[int]]:
    """Return the rows of each kind, the most telling first."""
    history = span.raw
    starts = [_row(history, fold.cutoffs[0]) for fold in span.folds]
    actions = sorted({_row_from(history.times, time) for time in history.actions.times}, reverse=True)
    decisions = [_row(history, time) for fold in span.folds for time in fold.cutoffs[1:]]
    sessions = list(_last_of_sessions(history))
    return {
        "first decision of a fold": starts,
        "before a fold": [row - 1 for row in starts[1:]],
        "before a corporate action": [row - 1 for row in actions],
        "at a corporate action": actions,
        "last bar of a session": [sessions[i] for i in rng.permutation(len(sessions))],
        "at a decision": [decisions[i] for i in rng.permutation(len(decisions))],
        "before the last bar": [len(history.panel) - 2],
    }


def _row(history: History, time: np.datetime64) -> int:
    return rows_until(history, time) - 1


def _row_from(times: Times, time: np.datetime64) -> int:
    return int(np.searchsorted(times, as_time(time), side="left"))


def _last_of_sessions(history: History) -> Iterator[int]:
    """Yield the rows before a new day begins; before a new week where most days have one bar."""
    days = history.times.astype("datetime64[D]").astype(np.int64)
    is_daily = len(np.unique(days)) > len(days) / 2
    # Day 0 of the epoch is a Thursday; weeks begin on Monday.
    groups = (days + 3) // 7 if is_daily else days
    yield from _ends(groups.tolist())


def _ends(groups: Sequence[int]) -> Iterator[int]:
    return (row for row in range(len(groups) - 1) if groups[row] != groups[row + 1])
