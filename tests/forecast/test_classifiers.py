"""The eight classifiers: they learn what is there, say base rates where nothing is, and refuse what they cannot read."""

import json
import warnings

import numpy as np
import pytest

from data.errors import SpecError
from data.history import History
from data.panel import Panel
from data.sessions import BarClock
from forecast.classification import CLASSIFIERS
from forecast.errors import FitError, ForecastError
from forecast.labels import base_rates
from forecast.models.class_samples import split_purged
from forecast.models.classifiers import LEAST_PROBABILITY
from forecast.models.one_thread import one_thread
from forecast.probability_scores import brier_loss, hits
from forecast.randomness import RandomStreams
from forecast.storage import load_with_spec, save_with_spec

QUICK = {"bagging": {"trees": 10}, "random_forest": {"trees": 20}, "adaboost": {"trees": 20}}
LEARNING = [*CLASSIFIERS.names()]


def build(kind, **settings):
    return CLASSIFIERS.build({"kind": kind, "context": 12, "horizon": 1, **QUICK.get(kind, {}), **settings})


def history_of(returns):
    table = 100 * np.exp(np.cumsum(returns, axis=0))
    times = np.datetime64("2010-01-01", "ns") + np.arange(len(table)) * np.timedelta64(1, "D")
    return History(Panel(times, tuple("ABCD"[: table.shape[1]]), ("close",), table[:, :, None]), BarClock())


def remembering(rows, seed):
    """Return moves of which each is against the last one."""
    shocks = np.random.default_rng(seed).standard_normal((rows, 2))
    moves = np.zeros((rows, 2))
    for t in range(1, rows):
        moves[t] = -0.9 * moves[t - 1] + 0.4 * shocks[t]
    return 0.02 * moves


def noise(rows, seed):
    return 0.015 * np.random.default_rng(seed).standard_normal((rows, 2))


def split(kind, returns):
    classifier = build(kind)
    train, held = split_purged(classifier.samples(history_of(returns)), 0.3)
    fitted = classifier.learn(train, 0)
    return train, held, fitted.probabilities(held.features)


@pytest.mark.parametrize("kind", LEARNING)
def test_a_memory_is_learnt(kind):
    train, held, said = split(kind, remembering(900, 0))
    commonest = base_rates(held.classes).max()
    assert hits(held.classes, said).mean() > commonest + 0.1
    naive = np.tile(base_rates(train.classes), (len(held), 1))
    assert brier_loss(held.classes, said).mean() < brier_loss(held.classes, naive).mean()


@pytest.mark.parametrize("kind", sorted(set(LEARNING) - {"tree", "adaboost"}))
def test_on_noise_nothing_much_is_lost_to_the_base_rates(kind):
    train, held, said = split(kind, noise(900, 1))
    naive = np.tile(base_rates(train.classes), (len(held), 1))
    assert brier_loss(held.classes, said).mean() < 1.08 * brier_loss(held.classes, naive).mean()


@pytest.mark.parametrize("kind", LEARNING)
def test_no_class_is_impossible_and_rows_sum_to_one(kind):
    _, _, said = split(kind, remembering(500, 2))
    assert said.min() >= LEAST_PROBABILITY * 0.999
    np.testing.assert_allclose(said.sum(axis=1), 1.0, atol=1e-12)


@pytest.mark.parametrize("kind", ["logistic", "support_vectors"])
def test_a_class_that_training_lacks_is_unlikely_not_impossible(kind):
    classifier = build(kind)
    samples = classifier.samples(history_of(remembering(600, 3)))
    few = samples.where(samples.classes != 1)
    said = classifier.learn(few, 0).probabilities(few.features)
    assert 0 < said[:, 1].max() < 0.1


def test_nothing_is_learnt_of_too_few_samples_or_one_class():
    classifier = build("tree")
    short = history_of(noise(60, 0))
    with pytest.raises(FitError, match="samples of context 12 and horizon 1 were there; 100 are needed"):
        classifier.fit(short, RandomStreams(0, short.cutoff))
    still = history_of(np.zeros((200, 1)))
    with pytest.raises(FitError, match="were: flat; two or more are needed"):
        classifier.fit(still, RandomStreams(0, still.cutoff))


def test_a_fit_that_does_not_converge_is_an_error_not_a_warning(monkeypatch):
    from sklearn.linear_model import LogisticRegression

    from forecast.models import classifiers

    monkeypatch.setattr(
        classifiers.Logistic, "estimator", lambda self, seed: LogisticRegression(C=1e6, max_iter=1)
    )
    history = history_of(remembering(300, 0))
    with pytest.raises(FitError, match="Logistic did not converge"):
        build("logistic").fit(history, RandomStreams(0, history.cutoff))


def test_the_perceptron_stops_after_its_epochs_without_a_warning():
    history = history_of(remembering(300, 0))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        build("perceptron", epochs=2).fit(history, RandomStreams(0, history.cutoff))


@pytest.mark.parametrize(
    ("kind", "settings", "message"),
    [
        ("tree", {"lags": 12}, "lags were 12; they must be fewer than context 12"),
        ("support_vectors", {"calibration": "none"}, "classifier.calibration was 'none'"),
        ("tree", {"threshold": 0}, "classifier.threshold was 0"),
        ("treee", {}, "unknown classifier kind 'treee'; did you mean 'tree'"),
    ],
)
def test_wrong_settings_are_named(kind, settings, message):
    with pytest.raises(SpecError, match=message):
        build(kind, **settings)


@pytest.fixture
def stored(tmp_path):
    history = history_of(remembering(300, 0))
    fitted = build("tree", calibration="isotonic").fit(history, RandomStreams(0, history.cutoff))
    save_with_spec(CLASSIFIERS, fitted, tmp_path / "tree")
    return tmp_path / "tree", fitted, history


def test_a_stored_classifier_is_no_pickle_and_comes_back(stored):
    folder, fitted, history = stored
    assert not any(path.read_bytes().startswith(b"\x80") for path in folder.iterdir())
    again = load_with_spec(CLASSIFIERS, folder).predict(history, RandomStreams(0, history.cutoff))
    assert (again.values == fitted.predict(history, RandomStreams(0, history.cutoff)).values).all()


def test_another_format_is_refused(stored):
    folder, *_ = stored
    (folder / "state.json").write_text(json.dumps({"format": 2}))
    with pytest.raises(ForecastError, match="is of format 2; 1 is needed: fit it again"):
        load_with_spec(CLASSIFIERS, folder)


def test_another_scikit_learn_is_refused(stored, monkeypatch):
    folder, *_ = stored
    monkeypatch.setattr("sklearn.base.__version__", "0.1")
    with pytest.raises(ForecastError, match="was written by another scikit-learn"):
        load_with_spec(CLASSIFIERS, folder)


def test_a_damaged_model_is_refused(stored):
    folder, *_ = stored
    (folder / "model.skops").write_bytes(b"nothing")
    with pytest.raises(ForecastError, match="cannot be read"):
        load_with_spec(CLASSIFIERS, folder)


def test_a_type_that_is_not_trusted_is_refused(stored):
    from skops.io import dump

    folder, fitted, _ = stored
    dump({"tree": fitted.estimator, "alien": fitted.spec}, folder / "model.skops")
    with pytest.raises(
        ForecastError, match="holds a type that is not expected: .*forecast.models.classifiers.Tree"
    ):
        load_with_spec(CLASSIFIERS, folder)


def test_one_thread_holds_every_pool():
    import sklearn.utils.extmath  # noqa: F401
    from threadpoolctl import threadpool_info

    with one_thread():
        assert {pool["num_threads"] for pool in threadpool_info()} == {1}
