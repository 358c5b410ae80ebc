"""AutoRegression against statsmodels' AutoReg, and on the process it is made for."""

import numpy as np
import pytest
from scipy.special import ndtri
from statsmodels.tsa.ar_model import AutoReg, ar_select_order

from data.errors import SpecError
from data.history import History
from data.panel import Panel
from data.sessions import BarClock
from forecast.errors import FitError
from forecast.models.autoregression import AutoRegression, psi_weights
from forecast.randomness import RandomStreams
from forecast.registry import FORECASTERS


def history_of(values: np.ndarray) -> History:
    """Return daily closes, (T,) or (T, S), as a history."""
    table = values.reshape(len(values), -1)
    times = np.datetime64("2020-01-01", "ns") + np.arange(len(table)) * np.timedelta64(1, "D")
    names = tuple(f"s{i}" for i in range(table.shape[1]))
    return History(Panel(times, names, ("close",), table[:, :, None]), BarClock())


def autoregressive_prices(coefficient: float, rows: int, seed: int) -> np.ndarray:
    shocks = np.random.default_rng(seed).standard_normal(rows) * 0.01
    returns = np.zeros(rows)
    for t in range(1, rows):
        returns[t] = coefficient * returns[t - 1] + shocks[t]
    return 100 * np.exp(np.cumsum(returns))


def forecast_at_end(spec: AutoRegression, history: History):
    rng = RandomStreams(1, history.cutoff)
    return spec.fit(history, rng).predict(history, rng)


def test_log_change_forecasts_equal_statsmodels_autoreg() -> None:
    prices = autoregressive_prices(0.4, 300, 0)
    forecast = forecast_at_end(AutoRegression(lags=3, selection="fixed", horizon=6), history_of(prices))
    expected = AutoReg(np.diff(np.log(prices)), 3, trend="c").fit().forecast(6)
    np.testing.assert_allclose(
        np.log(forecast.median[0]), np.log(prices[-1]) + np.cumsum(expected), atol=1e-10
    )


def test_level_quantiles_equal_statsmodels_prediction_intervals() -> None:
    levels = np.log(autoregressive_prices(0.4, 300, 1)) + 10
    spec = AutoRegression(lags=2, selection="fixed", horizon=8, changes="none")
    forecast = forecast_at_end(spec, history_of(levels))
    fitted = AutoReg(levels, 2, trend="c").fit()
    deviation = fitted.get_prediction(len(levels), len(levels) + 7).se_mean
    np.testing.assert_allclose(forecast.median[0], fitted.forecast(8), rtol=1e-9)
    upper = forecast.median[0] + ndtri(0.975) * deviation
    np.testing.assert_allclose(forecast.quantile(0.975)[0], upper, rtol=1e-6)


def test_the_order_equals_that_of_statsmodels_ar_select_order() -> None:
    prices = autoregressive_prices(0.4, 400, 2)
    history = history_of(prices)
    fitted = AutoRegression(lags=6).fit(history, RandomStreams(1, history.cutoff))
    chosen = ar_select_order(np.diff(np.log(prices)), 6, ic="aic", trend="c").ar_lags
    used = np.flatnonzero(fitted.fits["s0"].parameters["weights"][1:]) + 1
    assert used.tolist() == list(chosen)


def test_psi_weights_of_an_ar1_are_powers() -> None:
    np.testing.assert_allclose(psi_weights(np.array([0.5, 0.0]), 5), 0.5 ** np.arange(5))


def test_an_ar1_market_is_forecast_better_than_by_its_last_value() -> None:
    prices = autoregressive_prices(0.5, 900, 3)
    history = history_of(prices)
    spec = AutoRegression(lags=2, horizon=1)
    fitted = spec.fit(history.last(900).until(history.times[599]), RandomStreams(1, history.times[599]))
    own, naive = [], []
    for t in range(600, 899):
        seen = history.until(history.times[t])
        median = fitted.predict(seen, RandomStreams(1, seen.cutoff)).median[0, 0]
        own.append(np.log(median / prices[t + 1]) ** 2)
        naive.append(np.log(prices[t] / prices[t + 1]) ** 2)
    assert np.mean(own) < 0.85 * np.mean(naive)


def test_parameters_are_held_between_fits() -> None:
    history = history_of(autoregressive_prices(0.5, 300, 4))
    early = history.until(history.times[199])
    fitted = AutoRegression().fit(early, RandomStreams(1, early.cutoff))
    before = {name: np.copy(fit.parameters["weights"]) for name, fit in fitted.fits.items()}
    fitted.predict(history, RandomStreams(1, history.cutoff))
    assert fitted.update(history) is fitted
    np.testing.assert_array_equal(fitted.fits["s0"].parameters["weights"], before["s0"])


@pytest.mark.parametrize("changes", ["log", "difference", "none"])
def test_a_constant_series_is_forecast_at_its_value(changes: str) -> None:
    forecast = forecast_at_end(AutoRegression(changes=changes), history_of(np.full(150, 42.0)))
    np.testing.assert_allclose(forecast.values, 42.0, rtol=1e-6)
    assert (np.diff(forecast.values, axis=2) > 0).all()


def test_a_series_without_enough_rows_is_left_out_and_none_at_all_is_an_error() -> None:
    prices = np.column_stack([autoregressive_prices(0.3, 200, 5), autoregressive_prices(0.3, 200, 6)])
    prices[:150, 1] = np.nan
    forecast = forecast_at_end(AutoRegression(), history_of(prices))
    assert forecast.series == ("s0",)
    with pytest.raises(FitError, match="69 observed"):
        forecast_at_end(AutoRegression(), history_of(prices[:60]))


def test_faults_of_the_spec_are_named() -> None:
    with pytest.raises(SpecError, match="context 10 is too short"):
        FORECASTERS.build({"kind": "ar", "context": 10, "lags": 9})
    with pytest.raises(SpecError, match="quantity was 'variance'; ar forecasts level"):
        FORECASTERS.build({"kind": "ar", "quantity": "variance"})
    with pytest.raises(SpecError, match="log returns need values above 0"):
        forecast_at_end(AutoRegression(), history_of(np.linspace(-1, 5, 200)))
