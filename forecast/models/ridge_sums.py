"""Sums of a ridge fit over its training rows, made from scratch or moved from one training history to the next."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from data.history import History
from data.panel import Floats, Times
from forecast.models.empirical import Form, training_rows
from forecast.models.gram import Gram, SeriesWindows, Span, WindowShape, summed, without

ALL = "all series"
"""Name of the one group of a shared fit."""


@dataclass(frozen=True)
class WindowPlan:
    """Which windows are fitted, which validate, and which series share a map.

    Attributes:
        shape: how windows are cut.
        shared: one map for all series, or one for each.
        validation_share: part of the rows, at their end, whose values are validation targets.
    """

    shape: WindowShape
    shared: bool
    validation_share: float

    @property
    def first(self) -> int:
        """The first row a window may begin at; the first row of all has no return, so no squared return."""
        return int(self.shape.form == "variance")

    def group_of(self, name: str) -> str:
        """Return the group whose map a series uses."""
        return ALL if self.shared else name

    def groups(self, series: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
        """Return the series of each map, sorted: sums then do not depend on the panel's order."""
        names = tuple(sorted(series))
        return {ALL: names} if self.shared else {name: (name,) for name in names}

    def spans(self, rows: int) -> tuple[Span, Span]:
        """Return the windows that are fitted and those that validate, by first row.

        Timing: the first validation decision is made at the row before the first validation target; every fitted target
        is known by then.
        """
        length, first = self.shape.length, self.first
        valid = rows - round(self.validation_share * rows)
        stop = max(first, rows - length + 1)
        begin = min(max(first, valid - self.shape.inputs), stop)
        return (first, min(max(first, valid - length + 1), stop)), (begin, stop)


@dataclass(frozen=True, eq=False)
class SeenRows:
    """The training rows a fit stands on, kept so that rows that leave can be subtracted.

    Attributes:
        times: (T,) ends of the bars.
        series: S names.
        rows: (T, S) logarithms, levels or squared returns, gaps carried.
        observed: (T, S) bool.
    """

    times: Times
    series: tuple[str, ...]
    rows: Floats
    observed: npt.NDArray[np.bool_]

    def windows(self, name: str, shape: WindowShape) -> SeriesWindows:
        """Return the windows of one series."""
        s = self.series.index(name)
        return SeriesWindows(np.ascontiguousarray(self.rows[:, s]), self.observed[:, s], shape)


@dataclass(frozen=True, eq=False)
class Sums:
    """Gram matrices of one group's fitted and validation windows."""

    train: Gram
    valid: Gram


SumsByGroup = Mapping[str, Sums]


def seen_rows(history: History, field: str, form: Form) -> SeenRows:
    """Return the rows that windows are cut from.

    Raises:
        SpecError: when a value has no logarithm though the form needs one.
    """
    rows, observed = training_rows(history, field, form)
    return SeenRows(history.times, history.panel.series, np.log(rows) if form == "log" else rows, observed)


def fresh_sums(seen: SeenRows, plan: WindowPlan) -> SumsByGroup:
    """Return the sums over all windows of the rows."""
    spans = plan.spans(len(seen.times))
    return {
        group: Sums(*(span_gram(seen, names, plan.shape, span) for span in spans))
        for group, names in plan.groups(seen.series).items()
    }


def moved_sums(sums: SumsByGroup, old: SeenRows, new: SeenRows, plan: WindowPlan) -> SumsByGroup:
    """Return the sums over all windows of the new rows, given those of the old ones.

    Windows that entered are added and windows that left are subtracted. When the new rows do not continue the old
    ones, or most windows changed, the sums are made from scratch.
    """
    offset = first_shared_row(old, new, plan.first)
    if offset is None:
        return fresh_sums(new, plan)
    before, after = plan.spans(len(old.times)), plan.spans(len(new.times))
    moved = {}
    for group, names in plan.groups(new.series).items():
        move = _Move(old, new, offset, names, plan.shape)
        grams = (sums[group].train, sums[group].valid)
        moved[group] = Sums(*(move.gram(*each) for each in zip(grams, before, after, strict=True)))
    return moved


def first_shared_row(old: SeenRows, new: SeenRows, first: int) -> int | None:
    """Return which old row is the first new one, or None when the new rows do not continue the old ones.

    Args:
        old: rows summed before.
        new: rows to be summed; they may begin and end later.
        first: rows at the start of the new ones that no window uses.
    """
    if old.series != new.series or not len(new.times):
        return None
    start = int(np.searchsorted(old.times, new.times[0]))
    count = min(len(old.times) - start, len(new.times))
    same = (
        count > first
        and np.array_equal(old.times[start : start + count], new.times[:count])
        and np.array_equal(old.observed[start + first : start + count], new.observed[first:count])
        and np.array_equal(old.rows[start + first : start + count], new.rows[first:count], equal_nan=True)
    )
    return start if same else None


def span_gram(seen: SeenRows, names: tuple[str, ...], shape: WindowShape, span: Span) -> Gram:
    """Return the sums over a span's windows of some series."""
    return summed((seen.windows(name, shape).gram(span) for name in names), shape)


@dataclass(frozen=True, eq=False)
class _Move:
    old: SeenRows
    new: SeenRows
    offset: int
    names: tuple[str, ...]
    shape: WindowShape

    def gram(self, gram: Gram, before: Span, after: Span) -> Gram:
        """Return the sums over the new span, from the sums over the old one."""
        here = (after[0] + self.offset, after[1] + self.offset)
        left, entered = without(before, here), without(here, before)
        if sum(stop - start for start, stop in (*left, *entered)) >= after[1] - after[0]:
            return span_gram(self.new, self.names, self.shape, after)
        for start, stop in entered:
            span = (start - self.offset, stop - self.offset)
            gram = gram + span_gram(self.new, self.names, self.shape, span)
        for span in left:
            gram = gram - span_gram(self.old, self.names, self.shape, span)
        return gram
