"""Combinatorial purged cross-validation: no training label meets a test label, and nothing vanishes."""

import datetime
import itertools
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.cross_validation import LabelledSamples, backtest_paths, combinatorial_purged, path_count
from backtest.errors import FoldError

DAYS = np.arange("2020-01-01", "2020-04-10", dtype="datetime64[D]").astype("datetime64[ns]")


def bars(count: int) -> np.timedelta64:
    return np.timedelta64(count, "D")


def fixed(horizon: int) -> LabelledSamples:
    return LabelledSamples(DAYS, DAYS + bars(horizon))


def ragged(seed: int, count: int = 60) -> LabelledSamples:
    """Samples of several series at irregular times, each with its own label length."""
    rng = np.random.default_rng(seed)
    decided = np.sort(DAYS[0] + rng.integers(0, 80, count).astype("timedelta64[D]"))
    return LabelledSamples(decided, decided + rng.integers(1, 5, count).astype("timedelta64[D]"))


def meets(samples: LabelledSamples, i: int, j: int) -> bool:
    """Do (t0_i, t1_i] and (t0_j, t1_j] share an instant?"""
    return max(samples.decided[i], samples.decided[j]) < min(samples.known[i], samples.known[j])


def removed(samples: LabelledSamples, fold: int, **settings: object) -> tuple[int, int]:
    """Return how many rows are missing before and after a single test fold of ten."""
    split = list(combinatorial_purged(samples, folds=10, test_folds=1, **settings))[fold]
    absent = np.setdiff1d(np.arange(len(samples)), np.union1d(split.train, split.test))
    return int((absent < split.test[0]).sum()), int((absent > split.test[-1]).sum())


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), folds=st.integers(3, 6), data=st.data())
def test_no_training_label_meets_a_test_label_and_no_more_is_purged(
    seed: int, folds: int, data: st.DataObject
) -> None:
    samples = ragged(seed)
    held_out = data.draw(st.integers(1, folds - 2))
    for split in combinatorial_purged(samples, folds=folds, test_folds=held_out):
        others = set(range(len(samples))) - set(split.test.tolist())
        free = {i for i in others if not any(meets(samples, i, j) for j in split.test)}
        assert set(split.train.tolist()) == free


@pytest.mark.parametrize("fold", range(10))
def test_a_label_of_five_bars_costs_four_rows_on_each_side(fold: int) -> None:
    assert removed(fixed(5), fold) == (0 if fold == 0 else 4, 0 if fold == 9 else 4)


@pytest.mark.parametrize("horizon", [1, 2, 5, 9])
def test_purging_removes_the_horizon_less_one(horizon: int) -> None:
    assert removed(fixed(horizon), 4) == (horizon - 1, horizon - 1)


def test_publication_delay_is_purged_too() -> None:
    late = LabelledSamples(DAYS, DAYS + bars(5) + np.timedelta64(6, "h"))
    assert removed(late, 4) == (5, 5)


@pytest.mark.parametrize(
    "embargo",
    [3, np.timedelta64(3, "D"), np.timedelta64(72, "h"), datetime.timedelta(days=3), pd.Timedelta("3D")],
)
def test_the_embargo_adds_to_the_purge_and_only_after_the_test(embargo: object) -> None:
    assert removed(fixed(5), 4, embargo=embargo) == (4, 4 + 3)


@pytest.mark.parametrize("embargo", [0, 2, 10, 60])
def test_a_longer_embargo_never_gives_rows_back(embargo: int) -> None:
    # Another library's embargo vanishes when it reaches past the end of the data.
    after = max(0, 10 - 4 - embargo)
    for span in (embargo, bars(embargo)):
        split = list(combinatorial_purged(fixed(5), folds=10, test_folds=1, embargo=span))[8]
        assert int((split.train > split.test[-1]).sum()) == after


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), short=st.integers(0, 10), more=st.integers(0, 10))
def test_training_shrinks_with_the_embargo(seed: int, short: int, more: int) -> None:
    settings_of = {"folds": 5, "test_folds": 1}
    loose = combinatorial_purged(ragged(seed), embargo=short, **settings_of)
    tight = combinatorial_purged(ragged(seed), embargo=short + more, **settings_of)
    for wide, narrow in zip(loose, tight, strict=True):
        assert set(narrow.train.tolist()) <= set(wide.train.tolist())


@pytest.mark.parametrize(("folds", "test_folds", "paths"), [(6, 2, 5), (10, 2, 9), (10, 8, 36), (5, 1, 1)])
def test_every_sample_is_tested_as_often_as_there_are_paths(folds: int, test_folds: int, paths: int) -> None:
    splits = list(combinatorial_purged(fixed(1), folds=folds, test_folds=test_folds))
    tested = np.bincount(np.concatenate([split.test for split in splits]), minlength=len(DAYS))
    assert len(splits) == math.comb(folds, test_folds)
    assert path_count(folds, test_folds) == paths == math.comb(folds - 1, test_folds - 1)
    assert set(tested.tolist()) == {paths}


@pytest.mark.parametrize(("folds", "test_folds"), [(6, 2), (10, 8), (5, 1)])
def test_every_path_covers_all_folds_and_uses_each_test_once(folds: int, test_folds: int) -> None:
    table = backtest_paths(folds, test_folds)
    held_out = list(itertools.combinations(range(folds), test_folds))
    pairs = [(int(split), fold) for path in table for fold, split in enumerate(path)]
    assert len(set(pairs)) == len(pairs) == math.comb(folds, test_folds) * test_folds
    assert all(fold in held_out[split] for split, fold in pairs)


def test_samples_decided_together_are_tested_together() -> None:
    decided = np.repeat(DAYS[:30], 3)
    samples = LabelledSamples(decided, decided + bars(2))
    for split in combinatorial_purged(samples, folds=4, test_folds=1):
        assert not set(decided[split.test]) & set(decided[split.train])
        assert len(split.test) % 3 == 0


def test_folds_differ_by_one_decision_at_most() -> None:
    sizes = [len(split.test) for split in combinatorial_purged(fixed(1), folds=7, test_folds=1)]
    assert sorted(set(sizes)) == [14, 15]


def test_any_time_unit_is_taken() -> None:
    days = DAYS.astype("datetime64[D]")
    coarse = combinatorial_purged(LabelledSamples(days, days + 5), folds=4, embargo=2)
    for one, other in zip(coarse, combinatorial_purged(fixed(5), folds=4, embargo=2), strict=True):
        assert np.array_equal(one.train, other.train)


@pytest.mark.parametrize(
    ("decided", "known", "words"),
    [
        (DAYS[:3], DAYS[:2], "as many"),
        (DAYS[:3], DAYS[:3], "after its decision"),
        (DAYS[2::-1], DAYS[3:6], "not decrease"),
        (np.array(["2020-01-01", "NaT"], "datetime64[ns]"), DAYS[5:7], "without gaps"),
        (np.arange(3.0), DAYS[:3], "datetime64"),
        (DAYS[:4].reshape(2, 2), DAYS[4:8].reshape(2, 2), "shape"),
    ],
)
def test_samples_without_order_are_refused(decided: np.ndarray, known: np.ndarray, words: str) -> None:
    with pytest.raises(FoldError, match=words):
        LabelledSamples(decided, known)


@pytest.mark.parametrize(
    ("settings_of", "words"),
    [
        ({"folds": 1}, "folds was 1"),
        ({"folds": 101}, "100 distinct decision times"),
        ({"test_folds": 0}, "test_folds was 0"),
        ({"test_folds": 6}, "1 to 5 of 6"),
        ({"embargo": -1}, "negative"),
        ({"embargo": bars(-1)}, "negative"),
        ({"embargo": np.timedelta64("NaT", "ns")}, "negative"),
        ({"embargo": np.timedelta64(1, "M")}, "no fixed length"),
        ({"embargo": 0.01}, "number of bars"),
        ({"embargo": True}, "number of bars"),
    ],
)
def test_settings_out_of_range_are_refused_at_once(settings_of: dict, words: str) -> None:
    with pytest.raises(FoldError, match=words):
        combinatorial_purged(fixed(1), **settings_of)


def test_nothing_left_to_train_on_is_an_error() -> None:
    with pytest.raises(FoldError, match=r"split 0 with test folds \(0, 1, 2\) has nothing left"):
        list(combinatorial_purged(fixed(40), folds=4, test_folds=3))
