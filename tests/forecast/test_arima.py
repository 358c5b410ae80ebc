"""ARIMA against statsmodels, and on the process it is made for."""

import numpy as np
import pytest
from scipy.special import ndtri
from statsmodels.tsa.arima.model import ARIMA

from data.errors import SpecError
from data.history import History
from data.panel import Panel
from data.sessions import BarClock
from forecast.models.arima import Arima
from forecast.randomness import RandomStreams
from forecast.registry import FORECASTERS


def history_of(values: np.ndarray) -> History:
    times = np.datetime64("2020-01-01", "ns") + np.arange(len(values)) * np.timedelta64(1, "D")
    return History(Panel(times, ("s",), ("close",), values[:, None, None]), BarClock())


def mixed_prices(rows: int, seed: int) -> np.ndarray:
    """Return prices whose log changes are an ARMA(1, 1) process."""
    shocks = 0.01 * np.random.default_rng(seed).standard_normal(rows)
    changes = np.zeros(rows)
    for t in range(1, rows):
        changes[t] = 0.6 * changes[t - 1] + shocks[t] + 0.3 * shocks[t - 1]
    return 100 * np.exp(np.cumsum(changes))


def fit_and_predict(spec: Arima, history: History):
    rng = RandomStreams(1, history.cutoff)
    fitted = spec.fit(history, rng)
    return fitted, fitted.predict(history, rng)


@pytest.mark.parametrize(
    ("orders", "trend"),
    [
        ({"p": 1, "d": 1, "q": 1}, "n"),
        ({"p": 1, "d": 1, "q": 0, "drift": True}, "t"),
        ({"p": 1, "d": 0, "q": 1}, "c"),
    ],
)
def test_forecasts_and_intervals_equal_those_of_statsmodels(orders: dict, trend: str) -> None:
    prices = mixed_prices(260, 0)
    fitted, forecast = fit_and_predict(Arima(**orders, context=80, horizon=6), history_of(prices))
    unit = float(fitted.fits["s"].parameters["unit"])
    order = (orders["p"], orders["d"], orders["q"])
    model = ARIMA(np.log(prices)[-80:] / unit, order=order, trend=trend)
    ahead = model.smooth(fitted.fits["s"].parameters["values"]).get_forecast(6)
    np.testing.assert_allclose(np.log(forecast.median[0]), ahead.predicted_mean * unit, rtol=1e-9)
    upper = (ahead.predicted_mean + ndtri(0.9) * ahead.se_mean) * unit
    np.testing.assert_allclose(np.log(forecast.quantile(0.9)[0]), upper, rtol=1e-8)


def test_fitted_parameters_find_the_process() -> None:
    fitted, _ = fit_and_predict(Arima(), history_of(mixed_prices(1000, 1)))
    assert fitted.fits["s"].converged
    np.testing.assert_allclose(fitted.fits["s"].parameters["values"][:2], [0.6, 0.3], atol=0.12)


def test_an_arma_market_is_forecast_better_than_by_its_last_value() -> None:
    prices = mixed_prices(700, 2)
    history = history_of(prices)
    train = history.until(history.times[499])
    fitted = Arima(horizon=1).fit(train, RandomStreams(1, train.cutoff))
    own, naive = [], []
    for t in range(500, 699, 2):
        seen = history.until(history.times[t])
        median = fitted.predict(seen, RandomStreams(1, seen.cutoff)).median[0, 0]
        own.append(np.log(median / prices[t + 1]) ** 2)
        naive.append(np.log(prices[t] / prices[t + 1]) ** 2)
    assert np.mean(own) < 0.7 * np.mean(naive)


def test_an_optimiser_that_gave_up_is_recorded_and_survives_storage(tmp_path) -> None:
    history = history_of(mixed_prices(200, 3))
    fitted, _ = fit_and_predict(Arima(p=2, q=2, iterations=1), history)
    assert not fitted.fits["s"].converged
    fitted.save(tmp_path)
    assert not fitted.spec.load(tmp_path).fits["s"].converged


@pytest.mark.parametrize("d", [0, 1, 2])
def test_a_constant_series_is_forecast_at_its_value(d: int) -> None:
    _, forecast = fit_and_predict(Arima(d=d), history_of(np.full(120, 3.0)))
    np.testing.assert_allclose(forecast.values, 3.0, rtol=1e-6)


def test_faults_of_the_spec_are_named() -> None:
    with pytest.raises(SpecError, match="drift was true with d 2"):
        FORECASTERS.build({"kind": "arima", "d": 2, "drift": True})
    with pytest.raises(SpecError, match="context 5 is too short"):
        FORECASTERS.build({"kind": "arima", "context": 5, "p": 4})
