"""What networks are trained on: every window of every training history, cut once and shared by all folds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt

from data.history import History
from data.panel import Floats, Times
from forecast.windows import MIN_OBSERVED, carried, require_positive, target_values

Target = Literal["level", "log_return", "last_value"]
"""What a network sees and says.

- ``level``: values as they are.
- ``log_return``: log changes from bar to bar in, the cumulative log change from the last value out; values above 0 only.
- ``last_value``: values less the last one of their own window, for data of any sign.
"""

Rows = npt.NDArray[np.int64]
Singles = npt.NDArray[np.float32]
Marks = Callable[[Times], Floats]


@dataclass(frozen=True)
class WindowCut:
    """How windows are cut.

    Attributes:
        context: rows a window looks at.
        horizon: rows it is asked about.
        target: what is made of them.
        is_joint: all series are the channels of one window, or each has windows of its own.
        marks: facts of a time that are known in advance, (N,) times -> (N, E); E = 0 for none.
    """

    context: int
    horizon: int
    target: Target
    is_joint: bool
    marks: Marks

    @property
    def length(self) -> int:
        """Rows a network sees of the past: log changes are one fewer than values."""
        return self.context - (self.target == "log_return")

    @property
    def mark_count(self) -> int:
        """E, the number of marks."""
        return int(self.marks(np.array([], "datetime64[ns]")).shape[1])


@dataclass(frozen=True, eq=False)
class FieldRows:
    """The fields a network reads.

    Attributes:
        times: (T,).
        series: S names, sorted, so that the panel's order never matters.
        values: (T, S, F) NaN where not observed; the field that is forecast comes first.
    """

    times: Times
    series: tuple[str, ...]
    values: Floats

    @cached_property
    def observed(self) -> npt.NDArray[np.bool_]:
        """(T, S, F) where there is a value."""
        return ~np.isnan(self.values)

    def select(self, series: Sequence[str]) -> "FieldRows":
        """Return the rows of these series, in this order."""
        order = [self.series.index(name) for name in series]
        return FieldRows(self.times, tuple(series), np.ascontiguousarray(self.values[:, order]))


def field_rows(history: History, fields: Sequence[str], target: Target) -> FieldRows:
    """Return the fields of a history, prices adjusted forward.

    Raises:
        SpecError: when a log return is asked of a value at or below 0.
        PanelError: when a field does not exist.
    """
    names = history.panel.series
    order = np.argsort(np.array(names))
    columns = [target_values(history, field) for field in fields]
    if target == "log_return":
        for field, values in zip(fields, columns, strict=True):
            require_positive(values, names, field)
    values = np.stack(columns, axis=2)[:, order]
    return FieldRows(history.times, tuple(names[i] for i in order), values)


def joined(parts: Sequence[FieldRows]) -> tuple[list[FieldRows], list[tuple[int, int]]]:
    """Return tables that hold all parts, and of each part its table and its first row there.

    Histories cut from one panel overlap in equal rows and become one table; what disagrees or does not touch stays apart.
    """
    tables: list[FieldRows] = []
    places = [(0, 0)] * len(parts)
    for i in sorted(range(len(parts)), key=lambda i: (parts[i].times[:1].tolist(), -len(parts[i].times))):
        for t, table in enumerate(tables):
            offset = _overlap(table, parts[i])
            if offset is not None:
                tables[t], places[i] = _extended(table, parts[i], offset), (t, offset)
                break
        else:
            places[i] = (len(tables), 0)
            tables.append(parts[i])
    return tables, places


def _overlap(table: FieldRows, part: FieldRows) -> int | None:
    """Return the row of the table at which the part begins, when both agree on every row they share."""
    if table.series != part.series or not len(part.times):
        return None
    offset = int(np.searchsorted(table.times, part.times[0]))
    shared = min(len(table.times) - offset, len(part.times))
    same = (
        shared > 0
        and np.array_equal(table.times[offset : offset + shared], part.times[:shared])
        and np.array_equal(table.values[offset : offset + shared], part.values[:shared], equal_nan=True)
    )
    return offset if same else None


def _extended(table: FieldRows, part: FieldRows, offset: int) -> FieldRows:
    known = len(table.times) - offset
    if known >= len(part.times):
        return table
    return FieldRows(
        np.concatenate([table.times, part.times[known:]]),
        table.series,
        np.concatenate([table.values, part.values[known:]]),
    )


@dataclass(frozen=True, eq=False)
class View:
    """One sequence that windows are cut from: a series, or all of them side by side.

    Attributes:
        name: of the series; empty for all.
        values: (T, C) gaps carried, NaN before the first value; the channels that are forecast come first.
        observed: (T, C).
        targets: how many channels are forecast.
    """

    name: str
    values: Floats
    observed: npt.NDArray[np.bool_]
    targets: int

    def first_known(self, row: int) -> int:
        """Return the first row at or after ``row`` by which every channel was observed, T when there is none."""
        later = self.observed[row:]
        known = later.any(axis=0)
        return row + int(later.argmax(axis=0).max()) if known.size and known.all() else len(self.values)

    def decisions(self, context: int, horizon: int) -> Rows:
        """Return the last rows of the windows that are usable: 80 % observed, as is what they are asked about."""
        decided = np.arange(self.first_known(0) + context - 1, len(self.values) - horizon)
        counts = np.concatenate(
            [np.zeros((1, self.observed.shape[1]), np.int64), self.observed.cumsum(axis=0)]
        )
        seen = counts[decided + 1] - counts[decided + 1 - context]
        asked = (counts[decided + 1 + horizon] - counts[decided + 1])[:, : self.targets]
        usable = (seen >= MIN_OBSERVED * context).all(axis=1) & (asked >= MIN_OBSERVED * horizon).all(axis=1)
        return np.asarray(decided[usable])

    def contexts(self, decided: Rows, context: int) -> Floats:
        """Return the rows up to each decision, (N, context, C)."""
        windows = np.lib.stride_tricks.sliding_window_view(self.values, context, axis=0)
        return np.moveaxis(windows[decided + 1 - context], 2, 1)

    def truths(self, decided: Rows, horizon: int) -> Floats:
        """Return the rows after each decision, gaps carried, (N, H, S)."""
        windows = np.lib.stride_tricks.sliding_window_view(self.values[:, : self.targets], horizon, axis=0)
        return np.moveaxis(windows[decided + 1], 2, 1)

    def observed_truths(self, decided: Rows, horizon: int) -> Floats:
        """Return the rows after each decision, NaN where not observed, (N, H, S)."""
        values = np.where(self.observed, self.values, np.nan)
        return replace(self, values=values).truths(decided, horizon)


def views_of(rows: FieldRows, *, is_joint: bool) -> list[View]:
    """Return the sequences of a table: one a series, or one of all, its channels in the order field, then series."""
    values = np.stack([carried(rows.values[:, :, f]) for f in range(rows.values.shape[2])], axis=2)
    if not is_joint:
        return [View(name, values[:, s], rows.observed[:, s], 1) for s, name in enumerate(rows.series)]
    flat = (len(values), -1)
    wide = np.moveaxis(values, 2, 1).reshape(flat)
    return [View("", wide, np.moveaxis(rows.observed, 2, 1).reshape(flat), len(rows.series))]


@dataclass(frozen=True, eq=False)
class Windows:
    """Every usable window of one table, ordered by view, then time.

    Attributes:
        views: what they were cut from.
        inputs: (N, L, C) what the network sees, unscaled; (N, L + H, C + E) with marks.
        targets: (N, H * S) what it should say, unscaled, step before series.
        last: (N, S) last known values.
        view: (N,) which view.
        decided: (N,) row of the last bar seen; the last target lies ``horizon`` rows later.
    """

    views: list[View]
    inputs: Singles
    targets: Singles
    last: Floats
    view: Rows
    decided: Rows

    def fold_rows(self, place: tuple[int, int], view: int, cut: WindowCut) -> Rows:
        """Return the windows of a view that lie inside rows ``place`` (first, stop) and use nothing from before them."""
        first, stop = place
        known = self.views[view].first_known(first)
        inside = (self.decided + cut.horizon < stop) & (self.decided - cut.context + 1 >= known)
        return np.flatnonzero(inside & (self.view == view))

    def truths(self, rows: Rows, horizon: int) -> Floats:
        """Return what happened, NaN where not observed, (N, H, S)."""
        parts = [
            self.views[v].observed_truths(self.decided[rows[self.view[rows] == v]], horizon)
            for v in np.unique(self.view[rows])
        ]
        return np.concatenate(parts)


def windows_of(rows: FieldRows, cut: WindowCut) -> Windows:
    """Return every usable window of a table."""
    views = views_of(rows, is_joint=cut.is_joint)
    parts = [_view_windows(view, rows.times, cut) for view in views]
    counts = [len(decided) for *_, decided in parts]
    inputs, targets, last, decided = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Windows(views, inputs, targets, last, np.repeat(np.arange(len(views)), counts), decided)


def _view_windows(view: View, times: Times, cut: WindowCut) -> tuple[Singles, Singles, Floats, Rows]:
    if len(view.values) < cut.context + cut.horizon:
        decided = np.empty(0, np.int64)
        contexts = np.empty((0, cut.context, view.values.shape[1]))
        truths = np.empty((0, cut.horizon, view.targets))
        ahead = np.empty((0, cut.horizon), "datetime64[ns]")
        past = np.empty((0, cut.context), "datetime64[ns]")
    else:
        decided = view.decisions(cut.context, cut.horizon)
        contexts, truths = view.contexts(decided, cut.context), view.truths(decided, cut.horizon)
        past = np.lib.stride_tricks.sliding_window_view(times, cut.context)[decided + 1 - cut.context]
        ahead = np.lib.stride_tricks.sliding_window_view(times, cut.horizon)[decided + 1]
    last = contexts[:, -1, : view.targets]
    inputs = encoded_inputs(contexts, np.concatenate([past, ahead], axis=1), cut)
    targets = encoded_targets(truths, last, cut.target).reshape(len(decided), cut.horizon * view.targets)
    return inputs.astype(np.float32), targets.astype(np.float32), last, decided


def encoded_inputs(contexts: Floats, times: Times, cut: WindowCut) -> Floats:
    """Return what the network sees, (N, L, C), or with marks (N, L + H, C + E); the rows ahead hold marks and else 0.

    Args:
        contexts: (N, context, C) values.
        times: (N, context + H) when they were, and when the rows ahead will be.
        cut: how windows are cut.
    """
    inputs = _changes(contexts, cut.target)
    if not cut.mark_count:
        return inputs
    ahead = np.zeros((len(inputs), cut.horizon, inputs.shape[2]))
    used = times[:, -(cut.length + cut.horizon) :]
    marks = cut.marks(used.ravel()).reshape(*used.shape, cut.mark_count)
    return np.concatenate([np.concatenate([inputs, ahead], axis=1), marks], axis=2)


def _changes(contexts: Floats, target: Target) -> Floats:
    if target == "log_return":
        return np.asarray(np.diff(np.log(contexts), axis=1))
    return contexts - contexts[:, -1:] if target == "last_value" else contexts


def encoded_targets(truths: Floats, last: Floats, target: Target) -> Floats:
    """Return what the network should say about values (N, H, S) after last values (N, S)."""
    if target == "log_return":
        return np.asarray(np.log(truths) - np.log(last)[:, None])
    return truths - last[:, None] if target == "last_value" else truths


def decoded(said: Floats, last: Floats, target: Target) -> Floats:
    """Return values in the field's unit from what was said, (..., S, P), and last values broadcast against it.

    The map rises, so quantiles stay quantiles. What overflows becomes infinite, which no forecast accepts.
    """
    if target == "log_return":
        with np.errstate(over="ignore"):
            return np.asarray(last * np.exp(said))
    return last + said if target == "last_value" else said


def split_rows(decided: Rows, rows: Rows, horizon: int, share: float) -> tuple[Rows, Rows]:
    """Return training and validation windows: the newest ``share`` of the decisions validate.

    A training label is known at or before the first validation decision, so no validation window shares a label bar with
    training.

    Args:
        decided: (N,) decision row of every window.
        rows: the windows to split.
        horizon: rows from a decision to its last label.
        share: below 1; at 0 nothing validates.
    """
    times = np.unique(decided[rows])
    if share == 0.0 or not len(times):
        return rows, rows[:0]
    start = times[int(np.floor(len(times) * (1.0 - share)))]
    return rows[decided[rows] + horizon <= start], rows[decided[rows] >= start]
