"""Forecast values refuse what is no distribution, and answer only for what was forecast."""

import numpy as np
import pytest

from forecast.distribution import (
    DEFAULT_LEVELS,
    CategoricalForecast,
    ProfileForecast,
    QuantileForecast,
    SampleForecast,
)
from forecast.errors import ForecastError, LevelError

CUTOFF = np.datetime64("2020-01-01T00:00", "ns")
TIMES = CUTOFF + np.arange(1, 3) * np.timedelta64(1, "D")


def quantiles(**changed):
    values = np.array([[[90.0, 100.0, 110.0], [80.0, 100.0, 120.0]]])
    settings = {
        "cutoff": CUTOFF,
        "times": TIMES,
        "series": ("A",),
        "levels": np.array([0.1, 0.5, 0.9]),
        "values": values,
        "quantity": "level",
        "last": np.array([100.0]),
    }
    return QuantileForecast(**{**settings, **changed})


def test_default_levels_are_five_percent_steps_and_the_outer_pair():
    assert DEFAULT_LEVELS[:3] == (0.025, 0.05, 0.1)
    assert DEFAULT_LEVELS[-3:] == (0.9, 0.95, 0.975)
    assert len(DEFAULT_LEVELS) == 21


def test_a_level_that_was_forecast_is_answered_and_the_median_is_one_of_them():
    made = quantiles()
    np.testing.assert_array_equal(made.quantile(0.9), [[110.0, 120.0]])
    np.testing.assert_array_equal(made.median, [[100.0, 100.0]])
    assert made.horizon == 2


def test_a_level_that_was_not_forecast_is_refused_with_those_that_were():
    with pytest.raises(LevelError, match=r"level 0.99 was not forecast; levels are 0.1, 0.5, 0.9"):
        quantiles().quantile(0.99)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"values": np.zeros((1, 2, 2))}, r"shape \(1, 2, 2\).*\(1, 2, 3\)"),
        ({"values": np.array([[[1.0, 3.0, 2.0], [1, 2, 3]]])}, "quantiles of A cross at step 1"),
        (
            {"values": np.array([[[1.0, 2.0, 3.0], [1, np.nan, 3]]])},
            "forecast of A at step 2, level 1 is nan",
        ),
        ({"levels": np.array([0.1, 0.1, 0.9])}, "increase strictly"),
        ({"levels": np.array([0.0, 0.5, 0.9])}, "increase strictly"),
        ({"times": TIMES - np.timedelta64(1, "D")}, "is not after the cutoff"),
        ({"last": np.array([np.nan])}, "one finite number"),
        ({"unbounded": np.zeros((1, 2), bool)}, r"\(S, H, 2\)"),
    ],
)
def test_what_is_no_distribution_is_refused(changed, message):
    with pytest.raises(ForecastError, match=message):
        quantiles(**changed)


def test_arrays_cannot_be_written_to_and_the_callers_array_still_can():
    values = np.array([[[90.0, 100.0, 110.0], [80.0, 100.0, 120.0]]])
    made = quantiles(values=values)
    with pytest.raises(ValueError, match="read-only"):
        made.values[0, 0, 0] = 1.0
    values[0, 0, 0] = 91.0


def test_nothing_is_unbounded_unless_said():
    assert not quantiles().unbounded.any()


def test_returns_are_simple_and_cumulative_for_levels_and_log_returns():
    np.testing.assert_allclose(quantiles().returns()[0, 0], [-0.1, 0.0, 0.1])
    logs = np.log(quantiles().values / 100.0)
    np.testing.assert_allclose(
        quantiles(values=logs, quantity="log_return").returns()[0, 1], [-0.2, 0.0, 0.2]
    )


def test_a_variance_has_no_return():
    with pytest.raises(ForecastError, match="variance has no returns; allowed: level, log_return"):
        quantiles(quantity="variance").returns()


def test_a_forecast_of_no_series_is_allowed():
    made = quantiles(series=(), values=np.zeros((0, 2, 3)), last=np.zeros(0))
    assert made.median.shape == (0, 2)


def test_samples_become_their_empirical_quantiles():
    samples = np.random.default_rng(0).normal(size=(1, 2, 500))
    made = SampleForecast(CUTOFF, TIMES, ("A",), samples, "level", np.array([0.0])).to_quantiles((0.1, 0.5))
    np.testing.assert_allclose(made.values[0, 1], np.quantile(samples[0, 1], [0.1, 0.5]))


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.zeros((1, 3, 5)), "S, H = 1, 2"),
        (np.zeros((1, 2, 0)), "S, H = 1, 2"),
        (np.full((1, 2, 4), np.inf), "path 0 of A at step 1 is inf; it must be finite"),
    ],
)
def test_samples_of_the_wrong_shape_or_infinite_are_refused(samples, message):
    with pytest.raises(ForecastError, match=message):
        SampleForecast(CUTOFF, TIMES, ("A",), samples, "level", np.array([0.0]))


def test_probabilities_sum_to_one():
    CategoricalForecast(CUTOFF, TIMES[:1], ("A",), ("up", "down"), np.array([[[0.4, 0.6]]]))
    for wrong in ([[[0.4, 0.5]]], [[[-0.1, 1.1]]]):
        with pytest.raises(
            ForecastError,
            match=r"probabilities of A at step 1 are \[.*\]; they must be 0 or more and sum to 1",
        ):
            CategoricalForecast(CUTOFF, TIMES[:1], ("A",), ("up", "down"), np.array(wrong))
    with pytest.raises(ForecastError, match=r"\(S, H, K\)"):
        CategoricalForecast(CUTOFF, TIMES, ("A",), ("up", "down"), np.array([[[0.4, 0.6]]]))


def test_path_lengths_are_not_negative():
    edges = np.array([1.0, 2.0, 3.0])
    assert ProfileForecast(CUTOFF, TIMES[:1], ("A",), edges, np.ones((1, 1, 2, 2))).values.sum() == 4
    with pytest.raises(ForecastError, match="of A at step 1, bin 0 is -1.0; it must be finite and 0 or more"):
        ProfileForecast(CUTOFF, TIMES[:1], ("A",), edges, -np.ones((1, 1, 2, 2)))
    with pytest.raises(ForecastError, match="bins, 2"):
        ProfileForecast(CUTOFF, TIMES[:1], ("A",), edges, np.ones((1, 1, 3, 2)))
