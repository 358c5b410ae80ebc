"""Classification experiments: configurations, purged and random splits, walks, and a judgement beside the base rates."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.classification import (
    judge,
    labelled,
    load_classification,
    run_parts,
    smoothed_shares,
    split_parts,
    walk_parts,
)
from backtest.cross_validation import LabelledSamples
from backtest.errors import FoldError
from data.errors import SpecError
from data.registry import validated
from forecast.checks import synthetic_history
from forecast.classification import CLASSIFIERS

CONFIG = Path(__file__).resolve().parents[2] / "configs" / "classification" / "index_direction.yaml"
START = np.datetime64("2020-01-01", "ns")


def grid(count, horizon, together=1):
    decided = START + np.repeat(np.arange(count), together) * np.timedelta64(1, "D")
    return LabelledSamples(decided, decided + np.timedelta64(horizon, "D"))


def split(kind="purged", share=0.2):
    from backtest.classification import Split

    return validated(Split, {"kind": kind, "test_share": share}, "split")


@settings(derandomize=True, deadline=None)
@given(st.integers(30, 120), st.integers(1, 12), st.integers(1, 3), st.floats(0.1, 0.6))
def test_a_purged_split_trains_on_all_that_is_known_before_the_first_test_decision_and_nothing_else(
    count, horizon, together, share
):
    samples = grid(count, horizon, together)
    try:
        parts = split_parts(samples, split(share=share), np.random.default_rng(0))
    except FoldError:
        return
    first = samples.decided[parts.test].min()
    assert (samples.known[parts.train] <= first).all()
    left = np.setdiff1d(np.flatnonzero(samples.known <= first), parts.train)
    assert len(left) == 0
    # h-bar labels lose the h - 1 decisions before the test.
    gap = (first - samples.decided[parts.train].max()) // np.timedelta64(1, "D")
    assert gap == horizon


def test_a_random_split_uses_every_sample_once():
    parts = split_parts(grid(500, 10), split("random"), np.random.default_rng(0))
    assert sorted([*parts.train, *parts.test]) == list(range(500))
    assert len(parts.test) == pytest.approx(100, abs=30)


def test_a_walk_tests_every_later_decision_once_and_never_trains_on_an_open_label():
    samples = grid(103, 5, together=2)
    parts = walk_parts(samples, 4, 0.5)
    tested = np.concatenate([each.test for each in parts])
    assert (tested == np.arange(tested[0], len(samples))).all()
    for each in parts:
        assert samples.known[each.train].max() == samples.decided[each.test].min()


def test_splits_that_leave_nothing_are_refused():
    with pytest.raises(FoldError, match="leaves 0 to train"):
        split_parts(grid(20, 19), split(share=0.5), np.random.default_rng(0))
    with pytest.raises(FoldError, match="fold 0 of 3 has 0 samples to train"):
        walk_parts(grid(20, 19), 3, 0.2)
    with pytest.raises(FoldError, match="take fewer folds"):
        walk_parts(grid(10, 1), 9, 0.5)


def test_the_judgement_of_the_base_rates_themselves_is_no_skill():
    rng = np.random.default_rng(0)
    classes = rng.choice(3, 600, p=[0.2, 0.3, 0.5])
    naive = np.tile([0.2, 0.3, 0.5], (600, 1))
    judged = judge(classes, naive, np.arange(600), naive=naive, horizon=10, seed=0)
    assert judged.accuracy == judged.naive_accuracy == judged.commonest
    assert judged.brier == judged.naive_brier
    assert judged.p_value == 1.0
    assert not judged.has_skill


def test_the_judgement_of_one_who_knows_is_skill():
    rng = np.random.default_rng(0)
    classes = rng.choice(3, 600, p=[0.2, 0.3, 0.5])
    naive = np.tile([0.2, 0.3, 0.5], (600, 1))
    knows = 0.5 * naive + 0.5 * np.eye(3)[classes]
    judged = judge(classes, knows, np.arange(600), naive=naive, horizon=10, seed=0)
    assert judged.has_skill
    assert judged.log_loss < judged.naive_log_loss
    assert judged.low <= judged.accuracy <= judged.high


def test_shares_leave_no_class_impossible():
    assert smoothed_shares(np.array([2, 2, 1])).tolist() == [1 / 6, 2 / 6, 3 / 6]


def test_a_walk_on_a_random_walk_shows_no_skill():
    history = synthetic_history(400)
    classifier = CLASSIFIERS.build({"kind": "logistic", "context": 30, "horizon": 5})
    samples = classifier.samples(history)
    made = run_parts(classifier, samples, walk_parts(labelled(samples, history), 3, 0.5), 0)
    assert made.probabilities.shape == (len(made.classes), 3)
    assert not made.judged(5, 0).has_skill


def test_the_shipped_configuration_is_read_and_overridden():
    spec = load_classification(CONFIG, ["split.kind=random", "classifier.trees=7"])
    assert (spec.split.kind, spec.classifier.trees, spec.seed) == ("random", 7, 0)
    assert load_classification(CONFIG).split.kind == "purged"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("split.kind=shuffled", "split.kind was 'shuffled'"),
        ("split.test_share=1", "split.test_share was 1"),
        ("polcy=x", "unknown key 'polcy'"),
        ("classifier.tres=7", "unknown key 'classifier.tres'; did you mean 'trees'"),
        ("seed=x", "seed was 'x'; a whole number is needed"),
        ("name=5", "name was 5; text is needed"),
    ],
)
def test_what_is_not_allowed_is_named(override, message):
    with pytest.raises(SpecError, match=message):
        load_classification(CONFIG, [override])


def test_a_missing_section_is_named(tmp_path):
    (tmp_path / "own.yaml").write_text("name: x\nclassifier: tree\n")
    with pytest.raises(SpecError, match="missing key 'data'"):
        load_classification(tmp_path / "own.yaml")
