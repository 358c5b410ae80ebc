"""Folds: train, gap and test as intervals of decision times, walked forward."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Literal

import annotated_types as at
import numpy as np

from backtest.errors import FoldError
from data.errors import SpecError
from data.history import History
from data.panel import Times, read_only
from data.registry import Registry, spec
from data.sources.selection import instant

Labels = Literal["inside", "close_to_close", "open_to_open"]
"""Where training labels come from.

``inside``: models cut them from the history they are given, which ends at the fit's cutoff, so none can reach further.
``close_to_close`` and ``open_to_open``: ready-made labels, known h-1 or h bars after the bar that follows the decision.
"""


def required_gap(labels: Labels, horizon: int) -> int:
    """Return by how many bars the last training decision must come before the first test decision.

    Its label, known ``horizon`` bars later (one more for opens), is then known at the test decision: 1 bar less lies strictly
    between the two.
    """
    return {"inside": 0, "close_to_close": horizon, "open_to_open": horizon + 1}[labels]


@dataclass(frozen=True, eq=False)
class Fold:
    """One train interval, a gap, and the test interval that follows.

    Attributes:
        number: position in the walk, from 0.
        train_start: end of the first bar that a fit may read.
        train_end: end of the last bar that the fold's first fit may read.
        gap: bars between ``train_end`` and the first test decision.
        test_start: first decision time of the test.
        test_end: end of the last bar whose profit belongs to the test.
        cutoffs: (N,) decision times in the test, at least one.

    Raises:
        FoldError: when the test has no decision or train and test overlap.
    """

    number: int
    train_start: np.datetime64
    train_end: np.datetime64
    gap: int
    test_start: np.datetime64
    test_end: np.datetime64
    cutoffs: Times

    def __post_init__(self) -> None:
        if not len(self.cutoffs):
            raise FoldError(
                f"fold {self.number} has no test rows between {self.test_start} and {self.test_end}"
            )
        if self.train_start > self.train_end:
            raise FoldError(f"fold {self.number} trains from {self.train_start} to {self.train_end}: nothing")
        if self.gap < 0 or self.train_end > self.test_start:
            raise FoldError(
                f"fold {self.number} trains until {self.train_end} with a gap of {self.gap} bars, but its test "
                f"starts at {self.test_start}; the train interval must end at or before it"
            )
        object.__setattr__(self, "cutoffs", read_only(self.cutoffs))


@spec
class AbstractFolds(ABC):
    """How history is cut.

    Attributes:
        gap: bars between what a fit may read and the decision, for publication and execution delay.
        labels: where training labels come from; ready-made labels need a gap (see ``required_gap``).
        decide_every: bars between decisions; None means the forecast horizon.
        first: first decision time allowed (ISO), or None for the first one with enough history.
        last: last decision time allowed (ISO; a bare date means its last moment), or None for the end of the data.
    """

    gap: Annotated[int, at.Ge(0)] = 0
    labels: Labels = "inside"
    decide_every: Annotated[int, at.Ge(1)] | None = None
    first: str | None = None
    last: str | None = None

    @property
    @abstractmethod
    def train_rows(self) -> int | None:
        """Rows a fit reads, or None for all rows so far."""

    @property
    @abstractmethod
    def least_rows(self) -> int:
        """Rows that must have passed before the first decision."""

    @abstractmethod
    def test_starts(self, times: Times, first_row: int) -> Sequence[int]:
        """Return the row at which each test begins, from ``first_row`` on, increasing."""

    def training(self, history: History) -> History:
        """Return what a fit at the end of ``history`` may read: ``gap`` bars short of it, ``train_rows`` long."""
        rows = len(history.panel) - self.gap
        known = history.until(history.times[rows - 1])
        return known if self.train_rows is None else known.last(self.train_rows)


@spec
class AbstractSteppedFolds(AbstractFolds):
    """Test on ``test`` bars at a time, after at least ``train`` bars of history."""

    train: Annotated[int, at.Ge(2)] = 756
    test: Annotated[int, at.Ge(1)] = 63

    @property
    def least_rows(self) -> int:
        """Rows that must have passed before the first decision."""
        return self.train + self.gap

    def test_starts(self, times: Times, first_row: int) -> Sequence[int]:
        """Return every ``test``-th row."""
        return range(first_row, len(times), self.test)


@spec
class RollingFolds(AbstractSteppedFolds):
    """Train on the last ``train`` bars, test on the next ``test`` bars, move on by ``test``."""

    @property
    def train_rows(self) -> int | None:
        """Rows a fit reads."""
        return self.train


@spec
class ExpandingFolds(AbstractSteppedFolds):
    """Train on everything so far (at least ``train`` bars), test on the next ``test`` bars, move on by ``test``."""

    @property
    def train_rows(self) -> int | None:
        """None: a fit reads every row so far."""
        return None


@spec
class CalendarFolds(AbstractFolds):
    """Test one calendar month, quarter or year at a time; train on the last ``train`` bars, or on all when None."""

    every: Literal["month", "quarter", "year"] = "year"
    train: Annotated[int, at.Ge(2)] | None = None
    least: Annotated[int, at.Ge(2)] = 756

    @property
    def train_rows(self) -> int | None:
        """Rows a fit reads, or None for all rows so far."""
        return self.train

    @property
    def least_rows(self) -> int:
        """Rows that must have passed before the first decision."""
        return (self.train or self.least) + self.gap

    def test_starts(self, times: Times, first_row: int) -> Sequence[int]:
        """Return the first row, and then each row that begins a new period."""
        months = times[first_row:].astype("datetime64[M]").astype(int)
        period = months // {"month": 1, "quarter": 3, "year": 12}[self.every]
        return [first_row, *(first_row + 1 + np.flatnonzero(np.diff(period))).tolist()]


FOLDS: Registry[AbstractFolds] = Registry(
    "folds",
    {
        "rolling": "backtest.folds:RollingFolds",
        "expanding": "backtest.folds:ExpandingFolds",
        "calendar": "backtest.folds:CalendarFolds",
    },
    "wayfold.folds",
)


def walk_forward(times: Times, folds: AbstractFolds, horizon: int) -> Iterator[Fold]:
    """Yield the folds of a walk, oldest first; train always ends at or before the test's first decision.

    Decisions stand on one grid through the whole walk (every ``decide_every`` bars, default the horizon), so the
    boundary of a fold neither adds nor drops a decision. The last bar is no decision time: nothing follows it.

    Raises:
        SpecError: when the gap is shorter than the labels need, or a test would start after the data ends.
    """
    needed = required_gap(folds.labels, horizon)
    if folds.gap < needed:
        raise SpecError(
            f"folds.gap was {folds.gap}; {folds.labels} labels of horizon {horizon} need a gap of at least {needed} bars"
        )
    first_row, stop_row = _span(times, folds)
    decisions = np.arange(first_row, stop_row, folds.decide_every or horizon)
    starts = [row for row in folds.test_starts(times, first_row) if row < stop_row]
    tests = [decisions[(decisions >= a) & (decisions < b)] for a, b in pairwise([*starts, stop_row])]
    held = [rows for rows in tests if len(rows)]
    # A test ends where the next one decides first, so the bars between two grids are in exactly one fold.
    ends = [*(int(rows[0]) for rows in held[1:]), stop_row]
    for number, (rows, end) in enumerate(zip(held, ends, strict=True)):
        yield _fold(times, folds, number, rows, end)


def _fold(times: Times, folds: AbstractFolds, number: int, rows: np.ndarray, end: int) -> Fold:
    last = int(rows[0]) - folds.gap
    first = 0 if folds.train_rows is None else last - folds.train_rows + 1
    return Fold(
        number=number,
        train_start=times[first],
        train_end=times[last],
        gap=folds.gap,
        test_start=times[rows[0]],
        test_end=times[min(end, len(times) - 1)],
        cutoffs=times[rows],
    )


def _span(times: Times, folds: AbstractFolds) -> tuple[int, int]:
    """Return the first decision row and one past the last row that may be a decision."""
    earliest = folds.least_rows - 1
    if earliest >= len(times) - 1:
        raise SpecError(
            f"folds need {folds.least_rows} bars of history before the first test, and one after it; the data has {len(times)}"
        )
    first = earliest
    if folds.first is not None:
        wanted = int(np.searchsorted(times, _instant("folds.first", folds.first)))
        if wanted >= len(times) - 1:
            raise SpecError(
                f"folds.first was {folds.first}, after the data ends ({times[-1]}); choose an earlier start"
            )
        if wanted < earliest:
            raise SpecError(
                f"folds.first was {folds.first}, but {folds.least_rows} bars of history are only there from {times[earliest]} on"
            )
        first = wanted
    stop = len(times) - 1
    if folds.last is not None:
        stop = min(
            stop, int(np.searchsorted(times, _instant("folds.last", folds.last, is_end=True), side="right"))
        )
    if stop <= first:
        raise SpecError(
            f"folds.last was {folds.last}, before the first test at {times[first]}; no test rows are left"
        )
    return first, stop


def _instant(key: str, text: str, *, is_end: bool = False) -> np.datetime64:
    try:
        return instant(text, is_end=is_end)
    except SpecError as error:
        raise SpecError(f"{key} was '{text}'; an ISO date such as 2010-01-31 is needed") from error
