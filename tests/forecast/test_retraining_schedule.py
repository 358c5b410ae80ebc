"""Schedules: the first fit is always due, later ones by age or fold."""

import numpy as np
import pytest

from forecast.checks import synthetic_history
from forecast.retraining.base import RETRAINING, FitAge, Moment

HISTORY = synthetic_history(40)


def reason(kind, fold, fit=None):
    policy = RETRAINING.build(kind)
    return policy.decide(policy.start(), Moment(fold, HISTORY, fit))[1].reason


def age(fold, bars):
    return FitAge(fold, np.datetime64(HISTORY.times[-1 - bars]), bars)


@pytest.mark.parametrize("kind", ["every_fold", "never", {"kind": "every", "bars": 20}])
def test_the_first_fit_is_due(kind):
    assert reason(kind, 0) == "first fit"


def test_every_fold_refits_when_the_fold_changes():
    assert reason("every_fold", 3, age(3, 30)) is None
    assert reason("every_fold", 4, age(3, 30)) == "new fold"


def test_every_bars_refits_by_age_across_folds():
    policy = {"kind": "every", "bars": 20}
    assert reason(policy, 4, age(3, 19)) is None
    assert reason(policy, 3, age(3, 20)) == "20 bars old"


def test_never_keeps_the_first_model():
    assert reason("never", 99, age(0, 39)) is None
