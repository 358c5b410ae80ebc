"""Time marks: the published features of a time, known before the bar comes."""

import numpy as np
import pandas as pd
import pytest

from forecast.models.layers.time_marks import COUNTS, time_marks


@pytest.mark.parametrize("unit", ["none", "day", "hour", "minute"])
def test_marks_are_the_published_features(unit):
    times = pd.date_range("2015-12-27 22:45", periods=2000, freq="317min")
    columns = [
        times.minute / 59 - 0.5,
        times.hour / 23 - 0.5,
        times.day_of_week / 6 - 0.5,
        (times.day - 1) / 30 - 0.5,
        (times.day_of_year - 1) / 365 - 0.5,
    ]
    made = time_marks(times.to_numpy().astype("datetime64[ns]"), unit)
    assert made.shape == (2000, COUNTS[unit])
    expected = np.stack(columns, axis=1)[:, 5 - COUNTS[unit] :]
    np.testing.assert_allclose(made, expected, atol=1e-15)


def test_marks_of_times_before_1970_stay_inside_their_bounds():
    times = np.arange("1955-01-01", "1975-01-01", 37, dtype="datetime64[h]").astype("datetime64[ns]")
    marks = time_marks(times, "minute")
    assert marks.min() >= -0.5
    assert marks.max() <= 0.5


@pytest.mark.parametrize("unit", ["none", "hour"])
def test_no_times_have_no_marks_but_their_columns(unit):
    assert time_marks(np.array([], "datetime64[ns]"), unit).shape == (0, COUNTS[unit])
