"""Every registered classifier keeps the contract; a new one needs only its line in the table."""

from dataclasses import replace

import numpy as np
import pytest

from data.registry import spec
from forecast.classification import CLASSIFIERS
from forecast.classifier_checks import CHECKS, check_classifier
from forecast.models.classifiers import Tree

SMALL = {"bagging": {"trees": 4}, "random_forest": {"trees": 4}, "adaboost": {"trees": 3}}
"""Settings beyond ``context: 30, horizon: 3`` that keep the suite under a second a classifier."""


def small_spec(kind, **settings):
    return CLASSIFIERS.build({"kind": kind, "context": 30, "horizon": 3, **SMALL.get(kind, {}), **settings})


def broken(made):
    return [result for result in check_classifier(made) if not result.passed]


@pytest.mark.parametrize("kind", CLASSIFIERS.names())
def test_every_registered_classifier_keeps_the_contract(kind):
    results = check_classifier(small_spec(kind))
    assert [result.check for result in results] == list(CHECKS)
    assert [result for result in results if not result.passed] == []


@pytest.mark.parametrize("calibration", ["temperature", "platt", "isotonic"])
def test_calibrated_classifiers_keep_the_contract_too(calibration):
    assert broken(small_spec("logistic", calibration=calibration)) == []


def test_labels_by_first_touch_keep_the_contract_too():
    assert broken(small_spec("tree", reading="first_touch")) == []


@spec
class TooFarBack(Tree):
    """Reads one row more than its context: its forecast depends on how much history it is handed."""

    def fit(self, train, rng):
        return Leaky(Tree.fit(self, train, rng))


class Leaky:
    def __init__(self, inner):
        self.inner, self.spec = inner, inner.spec

    def predict(self, history, rng):
        made = self.inner.predict(history, rng)
        shift = 1e-3 * (len(history.panel) > self.spec.context) * np.array([1.0, -1.0, 0.0])
        return replace(made, values=made.values + shift)

    def predict_many(self, history, cutoffs, rngs):
        return [self.predict(history.until(t), rng) for t, rng in zip(cutoffs, rngs, strict=True)]

    def save(self, folder):
        self.inner.save(folder)


def test_a_classifier_that_reads_beyond_its_context_is_named():
    found = {result.check for result in broken(TooFarBack(context=30, horizon=3))}
    assert "at most context rows" in found
    assert "storage keeps the bits" in found


def test_importing_the_table_imports_no_scikit_learn():
    import subprocess
    import sys

    code = "import sys, forecast.classification; print('sklearn' in sys.modules, 'skops' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False False"
