"""Theta against statsmodels' ThetaModel, and on noisy levels with a trend."""

import numpy as np
import pytest
from statsmodels.tsa.forecasting.theta import ThetaModel

from data.errors import SpecError
from data.history import History
from data.panel import Panel
from data.sessions import BarClock
from forecast.models.theta import Theta, line_slope, smoothed
from forecast.randomness import RandomStreams
from forecast.registry import FORECASTERS


def history_of(values: np.ndarray) -> History:
    times = np.datetime64("2020-01-01", "ns") + np.arange(len(values)) * np.timedelta64(1, "D")
    return History(Panel(times, ("s",), ("close",), values[:, None, None]), BarClock())


def trending_level(rows: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return 50 + 0.2 * np.arange(rows) + np.cumsum(0.2 * rng.standard_normal(rows)) + rng.standard_normal(rows)


def fit_and_predict(spec: Theta, history: History):
    rng = RandomStreams(1, history.cutoff)
    fitted = spec.fit(history, rng)
    return fitted, fitted.predict(history, rng)


@pytest.mark.parametrize("theta", [1.0, 2.0, 3.0])
def test_forecasts_equal_those_of_statsmodels(theta: float) -> None:
    values = trending_level(150, 0)
    spec = Theta(theta=theta, scale="none", context=140, horizon=10)
    fitted, _ = fit_and_predict(spec, history_of(values))
    longer = Theta(theta=theta, scale="none", context=150, horizon=10)
    forecast = type(fitted)(longer, fitted.fits).predict(
        history_of(values), RandomStreams(1, np.datetime64(0, "ns"))
    )
    expected = ThetaModel(values, period=1, deseasonalize=False).fit()
    weight, slope, _ = fitted.fits["s"].parameters["values"]
    np.testing.assert_allclose([slope, weight], expected.params, rtol=1e-3)
    np.testing.assert_allclose(forecast.median[0], expected.forecast(10, theta=theta), rtol=1e-4)


def test_the_slope_is_that_of_a_fitted_line() -> None:
    values = trending_level(80, 1)
    np.testing.assert_allclose(line_slope(values), np.polyfit(np.arange(80), values, 1)[0])


def test_smoothing_equals_its_slow_twin() -> None:
    values = trending_level(50, 2)
    level, slow = values[0], []
    for value in values:
        level = level + 0.3 * (value - level)
        slow.append(level)
    np.testing.assert_allclose(smoothed(values, 0.3), slow)


def test_a_noisy_trend_is_forecast_better_than_by_its_last_value() -> None:
    values = trending_level(400, 3)
    history = history_of(values)
    train = history.until(history.times[249])
    fitted = Theta(scale="none").fit(train, RandomStreams(1, train.cutoff))
    own, naive, inside = [], [], []
    for t in range(250, 395):
        seen = history.until(history.times[t])
        forecast = fitted.predict(seen, RandomStreams(1, seen.cutoff))
        truth = values[t + 5]
        own.append((forecast.median[0, 4] - truth) ** 2)
        naive.append((values[t] - truth) ** 2)
        inside.append(forecast.quantile(0.05)[0, 4] <= truth <= forecast.quantile(0.95)[0, 4])
    assert np.mean(own) < 0.75 * np.mean(naive)
    assert 0.8 < np.mean(inside) < 0.99


def test_a_constant_series_is_forecast_at_its_value() -> None:
    _, forecast = fit_and_predict(Theta(), history_of(np.full(120, 3.0)))
    np.testing.assert_allclose(forecast.values, 3.0, rtol=1e-6)


def test_faults_of_the_spec_are_named() -> None:
    with pytest.raises(SpecError, match="forecaster.theta was 0.5"):
        FORECASTERS.build({"kind": "theta", "theta": 0.5})
    with pytest.raises(SpecError, match="theta forecasts level"):
        FORECASTERS.build({"kind": "theta", "quantity": "variance"})
