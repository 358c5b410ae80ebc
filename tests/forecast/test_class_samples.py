"""Class samples: features read the past only, labels lie inside the history, and a purged split shares no bar."""

from dataclasses import replace

import numpy as np
import pytest

from forecast.checks import synthetic_history
from forecast.labels import MOVES, move_labels
from forecast.models.class_samples import (
    class_features,
    class_samples,
    feature_names,
    split_purged,
    thinned_rows,
)

CONTEXT, LAGS, HORIZON = 30, 5, 4


def samples(history):
    return class_samples(history, "close", CONTEXT, LAGS, HORIZON, (0.01, "ahead"))


def test_features_have_their_names_and_the_last_one_is_the_volatility():
    windows = np.log(100 * np.exp(np.cumsum(np.random.default_rng(0).normal(0, 0.01, (7, CONTEXT)), axis=1)))
    found = class_features(windows, LAGS)
    names = feature_names(CONTEXT, LAGS)
    assert found.shape == (7, len(names))
    assert names[-1] == "volatility"
    changes = np.diff(windows, axis=1)
    np.testing.assert_allclose(found[:, -1], np.log(np.sqrt((changes**2).mean(axis=1))))
    np.testing.assert_allclose(found[:, 0], changes[:, -1] / np.exp(found[:, -1]))


def test_every_sample_is_the_window_and_the_label_of_its_row():
    history = synthetic_history(120)
    made = samples(history)
    close = history.panel.field("close")
    labels = move_labels(close, HORIZON, 0.01)
    names = sorted(history.panel.series)
    for i in range(0, len(made), 37):
        s = history.panel.series.index(names[made.series[i]])
        row = made.decided[i]
        window = np.log(close[row + 1 - CONTEXT : row + 1, s])[None]
        np.testing.assert_array_equal(made.features[i], class_features(window, LAGS)[0])
        assert made.classes[i] == labels.classes[row, s]
        assert made.known[i] == row + HORIZON
    assert made.known.max() == 119
    assert (np.diff(made.decided) >= 0).all()


def test_samples_do_not_depend_on_the_order_of_series():
    history = synthetic_history(80)
    turned = samples(history.select(history.panel.series[::-1]))
    np.testing.assert_array_equal(samples(history).features, turned.features)


def test_later_rows_change_no_earlier_sample():
    history = synthetic_history(120)
    cut = history.until(history.times[99])
    whole, early = samples(history), samples(cut)
    kept = whole.known <= 99
    np.testing.assert_array_equal(whole.features[kept], early.features)
    np.testing.assert_array_equal(whole.classes[kept], early.classes)


def test_a_series_never_observed_has_no_sample():
    history = synthetic_history(80)
    values = history.panel.values.copy()
    values[:, 0] = np.nan
    made = samples(replace(history, panel=replace(history.panel, values=values)))
    assert sorted(set(made.series.tolist())) == [0, 1]


def test_a_purged_split_knows_its_labels_before_the_first_held_out_decision():
    train, held = split_purged(samples(synthetic_history(200)), 0.25)
    assert train.known.max() == held.decided.min()
    assert len(train) > len(held) > 0


def test_thinning_keeps_whole_rows_and_the_newest():
    made = samples(synthetic_history(200))
    thin = thinned_rows(made, 150)
    assert len(thin) <= 150
    assert thin.decided.max() == made.decided.max()
    assert (np.bincount(thin.decided)[np.unique(thin.decided)] == 3).all()
    assert len(thinned_rows(made, 10_000)) == len(made)


def test_every_class_is_there():
    assert set(samples(synthetic_history(200)).classes.tolist()) == set(range(len(MOVES)))
    assert samples(synthetic_history(10)).features.shape == (0, len(feature_names(CONTEXT, LAGS)))


@pytest.mark.parametrize("reading", ["ahead", "first_touch"])
def test_known_is_the_end_of_the_window_for_both_readings(reading):
    made = class_samples(synthetic_history(80), "close", CONTEXT, LAGS, HORIZON, (0.01, reading))
    assert (made.known - made.decided == HORIZON).all()
