"""Span: the part of an experiment that is audited, and how its bars are read, changed and derived again."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from backtest.folds import Fold
from backtest.spec import RunSpec
from backtest.walk import Plan, make_folds, make_plan
from data.errors import SpecError
from data.history import History
from data.panel import as_time
from data.registry import plain, validated
from data.sources.base import AbstractSource

MOST_DECISIONS = 120
"""Decisions that are run again each time; more folds share them, each keeping its first ones."""

MARGIN = 256
"""Bars kept before the first fit's own, so that fields with a long window are warm where they are read."""

Derive = Callable[[History], History]
Reread = Callable[[np.datetime64], History]


@dataclass(frozen=True, eq=False)
class Span:
    """What is run again, again and again.

    Attributes:
        spec: the experiment.
        folds: the last folds of the experiment, each with at most so many decisions.
        raw: the bars before the source computes anything from them.
        derive: what the source computes from its bars.
        reread: the raw bars, read again by a source that ends at a time; it shows what a source computes while it loads.
        derives: whether ``derive`` does anything.
    """

    spec: RunSpec
    folds: tuple[Fold, ...]
    raw: History
    derive: Derive
    reread: Reread
    derives: bool

    def plan(self, history: History) -> Plan:
        """Return the accounts the user asked for and the benchmark; reference models have a contract suite of their own."""
        plan = make_plan(self.spec, history)
        return replace(plan, lanes=tuple(lane for lane in plan.lanes if lane.role != "reference"))

    @property
    def decisions(self) -> int:
        """Decisions in all folds."""
        return sum(len(fold.cutoffs) for fold in self.folds)

    def sentence(self) -> str:
        """Return in words what is audited."""
        first, last = self.folds[0].test_start, self.folds[-1].test_end
        count = len(self.folds)
        return (
            f"Audited: the last {f'{count} folds' if count > 1 else 'fold'} of the experiment, {_day(first)} to "
            f"{_day(last)}, {self.decisions} decisions, on {len(self.raw.panel)} bars from {_day(self.raw.times[0])} on."
        )


def make_span(spec: RunSpec, lake: Path, folds: int) -> Span:
    """Return the last ``folds`` folds of an experiment and the bars they need.

    Raises:
        SpecError: when ``folds`` is below 1, or they do not fit the data, or the source does not derive what it loads.
        SourceError: when the bars cannot be read.
    """
    if folds < 1:
        raise SpecError(f"folds was {folds}; at least 1 is needed")
    source = spec.data
    raw = source.raw(lake)
    loaded = source.derive(raw)
    if loaded.fingerprint() != source.load(lake).fingerprint():
        raise SpecError(
            f"{type(source).__name__}.load does not return derive(raw(...)), so what it computes cannot be audited; "
            "let load return self.derive(self.raw(lake, as_of))"
        )
    whole = make_plan(spec, loaded)
    kept = _first_decisions(make_folds(whole, loaded)[-folds:])
    first = _first_row(spec, loaded, kept[0])
    start, end = loaded.times[first], kept[-1].test_end
    return Span(
        spec=spec,
        folds=kept,
        raw=raw.between(start, end),
        derive=source.derive,
        reread=lambda until: _ending(source, until).raw(lake).between(start, until),
        derives=type(source).derive is not AbstractSource.derive,
    )


def rows_until(history: History, time: np.datetime64) -> int:
    """Return how many bars end at or before a time."""
    return int(np.searchsorted(history.times, as_time(time), side="right"))


def _ending(source: AbstractSource, until: np.datetime64) -> AbstractSource:
    return validated(type(source), {**plain(source), "end": str(until)}, "data")


def _first_decisions(folds: tuple[Fold, ...]) -> tuple[Fold, ...]:
    each = max(1, MOST_DECISIONS // len(folds))
    return tuple(replace(fold, cutoffs=fold.cutoffs[:each]) for fold in folds)


def _first_row(spec: RunSpec, history: History, fold: Fold) -> int:
    """Return the row at which the audited bars begin: what the first fit needs, and a margin where there is one."""
    return max(0, rows_until(history, fold.test_start) - spec.folds.least_rows - MARGIN)


def _day(time: np.datetime64) -> str:
    return str(time.astype("datetime64[D]"))
