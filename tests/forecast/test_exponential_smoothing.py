"""ETS against statsmodels' ETSModel, and on levels, trends and seasons."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtri
from statsmodels.tsa.exponential_smoothing.ets import ETSModel

from data.errors import SpecError
from data.history import History
from data.panel import Panel
from data.sessions import BarClock
from forecast.models.exponential_smoothing import ExponentialSmoothing, first_state
from forecast.randomness import RandomStreams
from forecast.registry import FORECASTERS

VARIANTS = [("none", 0), ("additive", 0), ("damped", 0), ("none", 5), ("damped", 4)]


def history_of(values: np.ndarray) -> History:
    times = np.datetime64("2020-01-01", "ns") + np.arange(len(values)) * np.timedelta64(1, "D")
    return History(Panel(times, ("s",), ("close",), values[:, None, None]), BarClock())


def seasonal_level(rows: int, season: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    level = 50 + np.cumsum(0.2 * rng.standard_normal(rows)) + 0.05 * np.arange(rows)
    waves = 3 * np.sin(2 * np.pi * np.arange(rows) / season) if season else 0.0
    return level + waves + rng.standard_normal(rows)


def fit_and_predict(spec: ExponentialSmoothing, history: History):
    rng = RandomStreams(1, history.cutoff)
    fitted = spec.fit(history, rng)
    return fitted, fitted.predict(history, rng)


@pytest.mark.parametrize(("trend", "season"), VARIANTS)
def test_forecasts_and_intervals_equal_those_of_statsmodels(trend: str, season: int) -> None:
    values = seasonal_level(220, season, 0)
    spec = ExponentialSmoothing(trend=trend, season=season, scale="none", horizon=9, context=60)
    fitted, forecast = fit_and_predict(spec, history_of(values))
    parameters = fitted.fits["s"].parameters
    alpha, beta, phi, gamma = parameters["weights"]
    slope, deviation = parameters["moments"]
    state = first_state(values[-60:], slope, season)
    model = ETSModel(
        pd.Series(values[-60:]),
        trend=None if trend == "none" else "add",
        damped_trend=trend == "damped",
        seasonal="add" if season else None,
        seasonal_periods=season or None,
        initialization_method="known",
        initial_level=state.level,
        initial_trend=None if trend == "none" else slope,
        initial_seasonal=list(state.effects) if season else None,
    )
    named = {
        "smoothing_level": alpha,
        "smoothing_trend": beta,
        "smoothing_seasonal": gamma,
        "damping_trend": phi,
    }
    known = {"initial_level": state.level, "initial_trend": slope}
    known |= {f"initial_seasonal.{i}": effect for i, effect in enumerate(reversed(state.effects))}
    result = model.smooth([(named | known)[name] for name in model.param_names])
    np.testing.assert_allclose(forecast.median[0], result.forecast(9), rtol=1e-9)
    growth = np.asarray(result.get_prediction(60, 68).forecast_variance) / result.mse
    upper = forecast.median[0] + ndtri(0.95) * deviation * np.sqrt(growth)
    np.testing.assert_allclose(forecast.quantile(0.95)[0], upper, rtol=1e-6)


def test_the_fit_is_that_of_statsmodels() -> None:
    values = seasonal_level(220, 0, 1)
    fitted, _ = fit_and_predict(ExponentialSmoothing(trend="additive", scale="none"), history_of(values))
    expected = ETSModel(values, trend="add").fit(disp=False)
    assert fitted.fits["s"].converged
    np.testing.assert_allclose(fitted.fits["s"].parameters["weights"][0], expected.smoothing_level, rtol=1e-6)


def test_a_noisy_level_is_forecast_better_than_by_its_last_value() -> None:
    assert _loss_ratio(seasonal_level(400, 0, 2), ExponentialSmoothing(trend="none", horizon=1)) < 0.75


def test_a_season_is_forecast_better_than_by_its_last_value() -> None:
    spec = ExponentialSmoothing(trend="none", season=5, horizon=1)
    assert _loss_ratio(seasonal_level(400, 5, 3), spec) < 0.35


def _loss_ratio(values: np.ndarray, spec: ExponentialSmoothing) -> float:
    history = history_of(values)
    train = history.until(history.times[249])
    fitted = spec.fit(train, RandomStreams(1, train.cutoff))
    own, naive = [], []
    for t in range(250, 399):
        seen = history.until(history.times[t])
        median = fitted.predict(seen, RandomStreams(1, seen.cutoff)).median[0, 0]
        own.append((median - values[t + 1]) ** 2)
        naive.append((values[t] - values[t + 1]) ** 2)
    return float(np.mean(own) / np.mean(naive))


def test_a_missing_bar_keeps_the_season_in_phase() -> None:
    values = 50 + 3 * np.sin(2 * np.pi * np.arange(240) / 6) + np.random.default_rng(4).normal(0, 0.05, 240)
    holed = values.copy()
    holed[[230, 237]] = np.nan
    spec = ExponentialSmoothing(trend="none", season=6, horizon=6)
    _, forecast = fit_and_predict(spec, history_of(holed))
    expected = 50 + 3 * np.sin(2 * np.pi * np.arange(240, 246) / 6)
    np.testing.assert_allclose(forecast.median[0], expected, atol=0.8)


@pytest.mark.parametrize(("trend", "season"), VARIANTS)
def test_a_constant_series_is_forecast_at_its_value(trend: str, season: int) -> None:
    spec = ExponentialSmoothing(trend=trend, season=season)
    _, forecast = fit_and_predict(spec, history_of(np.full(120, 3.0)))
    np.testing.assert_allclose(forecast.values, 3.0, rtol=1e-6)


def test_faults_of_the_spec_are_named() -> None:
    with pytest.raises(SpecError, match="season was 1"):
        FORECASTERS.build({"kind": "ets", "season": 1})
    with pytest.raises(SpecError, match="context 20 is too short for season 12"):
        FORECASTERS.build({"kind": "ets", "season": 12, "context": 20})
