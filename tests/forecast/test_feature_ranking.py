"""Feature ranking: what holds up on unseen rows comes first, and noise tells nothing."""

import numpy as np
import pytest

from forecast.errors import ForecastError
from forecast.feature_ranking import rank_features


def world(count=1200, seed=0):
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((count, 3))
    classes = (features[:, 1] + 0.5 * rng.standard_normal(count) > 0).astype(np.int64)
    return features, classes


def folds(count, number=4):
    parts = np.array_split(np.arange(count), number)
    return [(np.setdiff1d(np.arange(count), part), part) for part in parts]


def threshold_model(features, classes):
    """Return a learner: one cut through the feature that correlates most."""

    def learn(rows):
        strength = [
            abs(np.corrcoef(features[rows, f], classes[rows])[0, 1]) for f in range(features.shape[1])
        ]
        best = int(np.argmax(strength))

        def answer(table):
            up = np.where(table[:, best] > 0, 0.8, 0.2)
            return np.column_stack([1 - up, up])

        return answer

    return learn


def ranked(features, classes, **settings):
    return rank_features(
        threshold_model(features, classes),
        features,
        classes,
        folds(len(classes)),
        **{"names": ("a", "b", "c"), "repeats": 3, "rng": np.random.default_rng(0), **settings},
    )


def test_the_feature_that_holds_the_answer_comes_first_and_the_others_lose_nothing():
    made = ranked(*world())
    assert made.order[0] == "b"
    assert made.importance[1] > 0.2
    assert made.importance[[0, 2]].tolist() == [0.0, 0.0]
    assert made.accuracy.shape == (4,)


def test_the_drop_is_to_the_accuracy_of_guessing():
    features, classes = world(20_000)
    made = ranked(features, classes)
    assert made.importance[1] == pytest.approx(made.accuracy.mean() - 0.5, abs=0.02)


def test_the_standard_error_is_that_of_the_mean_over_folds():
    made = ranked(*world())
    assert made.standard_error[1] == pytest.approx(made.drops[:, 1].std(ddof=1) / 2)
    alone = rank_features(
        threshold_model(*world()),
        *world(),
        folds(1200)[:1],
        names="abc",
        repeats=1,
        rng=np.random.default_rng(0),
    )
    assert np.isnan(alone.standard_error).all()


def test_features_are_left_as_they_were_and_equal_seeds_agree():
    features, classes = world()
    before = features.copy()
    first, second = ranked(features, classes), ranked(features, classes)
    assert (features == before).all()
    assert (first.drops == second.drops).all()


@pytest.mark.parametrize("settings", [{"names": ("a",)}, {"repeats": 0}])
def test_wrong_numbers_are_refused(settings):
    with pytest.raises(ForecastError, match="a name a feature are needed"):
        ranked(*world(), **settings)
