"""Combinatorial purged and embargoed cross-validation, for a robustness distribution only.

It trains on the future of its test folds, so no result of it may promote a model: promotion uses ``walk_forward`` alone.
Leakage is judged by label intervals (t0, t1], from the decision to the instant its label is known, never by counting rows
(Lopez de Prado 2018, chapters 7 and 12).
"""

import datetime
import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from backtest.errors import FoldError
from data.panel import Times, read_only

Rows = npt.NDArray[np.int64]
Embargo = int | np.timedelta64 | datetime.timedelta
"""How long training stays away after a test fold: bars (distinct decision times) or a span of time."""


@dataclass(frozen=True, eq=False)
class LabelledSamples:
    """When each ready-made sample was decided and when its label was known.

    Attributes:
        decided: (N,) decision times t0, UTC, not decreasing; samples of several series may share one.
        known: (N,) times t1 at which the label is known, publication delay included, after ``decided``.

    Raises:
        FoldError: when shapes differ, a time is missing, decisions decrease or a label is known at or before its decision.
    """

    decided: Times
    known: Times

    def __post_init__(self) -> None:
        for name in ("decided", "known"):
            times = np.asarray(getattr(self, name))
            if times.ndim != 1 or times.dtype.kind != "M" or np.isnat(times).any():
                raise FoldError(
                    f"{name} has shape {times.shape} and type {times.dtype}; (N,) datetime64 without gaps is needed"
                )
            object.__setattr__(self, name, read_only(times.astype("datetime64[ns]")))
        if self.decided.shape != self.known.shape:
            raise FoldError(
                f"decided has {len(self.decided)} times and known {len(self.known)}; as many are needed"
            )
        _refuse(
            np.diff(self.decided) < np.timedelta64(0),
            self.decided[1:],
            "decision",
            "decisions must not decrease",
        )
        _refuse(self.known <= self.decided, self.known, "label known", "a label is known after its decision")

    def __len__(self) -> int:
        return len(self.decided)


@dataclass(frozen=True, eq=False)
class CombinatorialSplit:
    """One way to hold out some of the folds.

    Attributes:
        number: position among the splits, from 0.
        test_folds: the folds held out, increasing.
        train: rows to train on, increasing; no label interval of theirs meets one of ``test``.
        test: rows held out, increasing.
    """

    number: int
    test_folds: tuple[int, ...]
    train: Rows
    test: Rows


def combinatorial_purged(
    samples: LabelledSamples, *, folds: int = 6, test_folds: int = 2, embargo: Embargo = 0
) -> Iterator[CombinatorialSplit]:
    """Yield the C(folds, test_folds) purged and embargoed splits, for a robustness distribution only.

    Most splits train on the future of their test: never promote a model by them. Folds are equal runs of distinct decision
    times, so samples decided together are tested together. A training sample is purged when its label interval (t0, t1]
    meets that of a test sample, which on a grid of h-bar labels removes h - 1 rows on each side of a test fold. The embargo
    begins where the purge after a fold ends and adds to it.

    Args:
        samples: decision and label times, (N,).
        folds: number of folds, at least 2.
        test_folds: folds held out at a time, 1 to folds - 1.
        embargo: bars (distinct decision times) or a span of time, not negative.

    Raises:
        FoldError: when a setting is out of range; while splitting, when purging leaves nothing to train on.
    """
    _check_counts(folds, test_folds)
    wait = _checked_embargo(embargo)
    fold_of = _fold_of(samples, folds)
    barred = np.stack([_barred(samples, fold_of == fold, wait) for fold in range(folds)])
    return _splits(fold_of, barred, test_folds)


def path_count(folds: int, test_folds: int) -> int:
    """Return the number of whole backtest paths, k/N C(N, k) = C(N - 1, k - 1).

    Raises:
        FoldError: when the counts are out of range.
    """
    _check_counts(folds, test_folds)
    return math.comb(folds - 1, test_folds - 1)


def backtest_paths(folds: int, test_folds: int) -> Rows:
    """Return which split tests which fold on which path, (paths, folds) split numbers.

    Path p takes the p-th split that holds a fold out, so every path covers all folds once and every (split, fold) pair is
    used once (Lopez de Prado 2018, section 12.4).

    Raises:
        FoldError: when the counts are out of range.
    """
    paths = path_count(folds, test_folds)
    held_out = list(itertools.combinations(range(folds), test_folds))
    table = np.empty((paths, folds), dtype=np.int64)
    for fold in range(folds):
        table[:, fold] = [number for number, chosen in enumerate(held_out) if fold in chosen]
    return table


def _splits(fold_of: Rows, barred: npt.NDArray[np.bool_], test_folds: int) -> Iterator[CombinatorialSplit]:
    for number, chosen in enumerate(itertools.combinations(range(len(barred)), test_folds)):
        is_test = np.isin(fold_of, chosen)
        train = np.flatnonzero(~is_test & ~barred[list(chosen)].any(axis=0))
        if not len(train):
            raise FoldError(
                f"split {number} with test folds {chosen} has nothing left to train on; take shorter labels or embargo, or fewer folds"
            )
        yield CombinatorialSplit(number, chosen, read_only(train), read_only(np.flatnonzero(is_test)))


def _fold_of(samples: LabelledSamples, folds: int) -> Rows:
    """Return the fold of each sample: equal runs of distinct decision times, the first ones longer by one if need be."""
    distinct, position = np.unique(samples.decided, return_inverse=True)
    if len(distinct) < folds:
        raise FoldError(f"folds was {folds}; {len(distinct)} distinct decision times allow at most that many")
    sizes = [len(part) for part in np.array_split(np.arange(len(distinct)), folds)]
    return np.asarray(np.repeat(np.arange(folds), sizes)[position], dtype=np.int64)


def _barred(
    samples: LabelledSamples, tested: npt.NDArray[np.bool_], embargo: Embargo
) -> npt.NDArray[np.bool_]:
    """Return which samples may not train beside one test fold, (N,): purged, or embargoed after it."""
    first, last = samples.decided[tested].min(), samples.known[tested].max()
    # A fold is a run of decisions, so its earliest decision and latest label meet exactly what its samples meet.
    purged = (samples.decided < last) & (samples.known > first)
    if isinstance(embargo, int):
        later = np.unique(samples.decided[samples.decided >= last])
        shut = later[:embargo]
        embargoed = (
            (samples.decided >= last) & (samples.decided <= shut[-1]) if len(shut) else np.zeros_like(purged)
        )
    else:
        embargoed = (samples.decided >= last) & (samples.decided - last < embargo)
    return np.asarray(purged | embargoed)


def _check_counts(folds: int, test_folds: int) -> None:
    if folds < 2:
        raise FoldError(f"folds was {folds}; at least 2 are needed")
    if not 1 <= test_folds < folds:
        raise FoldError(f"test_folds was {test_folds}; 1 to {folds - 1} of {folds} folds can be held out")


def _checked_embargo(embargo: Embargo) -> int | np.timedelta64:
    """Return the embargo as bars or as nanoseconds."""
    if isinstance(embargo, bool) or not isinstance(embargo, (int, np.timedelta64, datetime.timedelta)):
        raise FoldError(f"embargo was {embargo!r}; a number of bars or a span of time is needed")
    if isinstance(embargo, int):
        span: int | np.timedelta64 = embargo
    elif np.datetime_data(np.timedelta64(embargo))[0] in ("Y", "M"):
        raise FoldError(f"embargo was {embargo!r}; months and years have no fixed length, use days")
    else:
        span = np.timedelta64(embargo).astype("timedelta64[ns]")
    if not span >= type(span)(0):
        raise FoldError(f"embargo was {embargo}; it must not be negative")
    return span


def _refuse(wrong: npt.NDArray[np.bool_], times: Times, what: str, rule: str) -> None:
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise FoldError(f"{what} time {times[row]} is out of order; {rule}")
