"""Retraining: the first fit is always due, later ones by the policy's word."""

import pytest

from forecast.retraining import RETRAINING, TrainingAge

FIRST = TrainingAge(fold=0, fitted_fold=None, bars=0)


@pytest.mark.parametrize("kind", ["every_fold", "never"])
def test_the_first_fit_is_due(kind: str) -> None:
    assert RETRAINING.build(kind).due(FIRST) == "first fit"


def test_every_fold_refits_when_the_fold_changes() -> None:
    policy = RETRAINING.build("every_fold")
    assert policy.due(TrainingAge(3, 3, 40)) is None
    assert policy.due(TrainingAge(4, 3, 40)) == "new fold"


def test_every_bars_refits_by_age_across_folds() -> None:
    policy = RETRAINING.build({"kind": "every", "bars": 20})
    assert policy.due(FIRST) == "first fit"
    assert policy.due(TrainingAge(4, 3, 19)) is None
    assert policy.due(TrainingAge(3, 3, 20)) == "20 bars old"


def test_never_keeps_the_first_model() -> None:
    assert RETRAINING.build("never").due(TrainingAge(99, 0, 10_000)) is None
