"""HAR against arch's HARX, and on variance with a long memory."""

import numpy as np
import pytest
from arch.univariate import HARX

from data.errors import PanelError, SpecError
from data.history import History
from data.panel import Panel
from data.sessions import BarClock
from forecast.models.har import HeterogeneousAutoregression as Har
from forecast.models.har import expected_variance, smearing, transform
from forecast.randomness import RandomStreams
from forecast.registry import FORECASTERS


def history_of(close: np.ndarray, high: np.ndarray | None = None, low: np.ndarray | None = None) -> History:
    times = np.datetime64("2010-01-01", "ns") + np.arange(len(close)) * np.timedelta64(1, "D")
    columns = {"close": close} if high is None or low is None else {"close": close, "high": high, "low": low}
    return History(
        Panel(times, ("s",), tuple(columns), np.stack(list(columns.values()), 1)[:, None, :]), BarClock()
    )


def long_memory_market(rows: int, seed: int) -> tuple[History, np.ndarray]:
    """Return bars of 40 ticks whose log variance sums slow and quick memories, and their true variances."""
    rng = np.random.default_rng(seed)
    state, log_variance = np.zeros(3), np.zeros(rows)
    for t in range(rows):
        state = np.array([0.3, 0.85, 0.985]) * state + np.array([0.2, 0.25, 0.15]) * rng.standard_normal(3)
        log_variance[t] = state.sum()
    variance = 1e-4 * np.exp(log_variance)
    ticks = rng.standard_normal((rows, 40)) * np.sqrt(variance / 40)[:, None]
    path = np.cumsum(ticks.ravel()).reshape(rows, 40)
    opened = np.concatenate([[0.0], path[:-1, -1]])[:, None]
    whole = np.exp(np.hstack([opened, path]))
    return history_of(100 * whole[:, -1], 100 * whole.max(axis=1), 100 * whole.min(axis=1)), variance


def fit_and_predict(spec: Har, history: History):
    rng = RandomStreams(1, history.cutoff)
    fitted = spec.fit(history, rng)
    return fitted, fitted.predict(history, rng)


def test_weights_equal_those_of_archs_harx() -> None:
    history, _ = long_memory_market(400, 0)
    fitted, forecast = fit_and_predict(
        Har(form="linear", quantity="variance", variance_of="conditional", horizon=1), history
    )
    returns = np.diff(np.log(history.panel.field("close")[:, 0]))
    proxies = np.maximum(returns**2, 0.01 * np.mean(returns**2))
    oracle = HARX(1e4 * proxies, lags=[1, 5, 22], rescale=False).fit(disp="off")
    expected = np.asarray(oracle.params)[:4] * [1e-4, 1, 1, 1]
    np.testing.assert_allclose(fitted.fits["s"].parameters["weights"], expected, rtol=1e-6, atol=1e-12)
    following = expected @ [1, *(proxies[-lag:].mean() for lag in (1, 5, 22))]
    np.testing.assert_allclose(forecast.median[0, 0], following, rtol=1e-9)


@pytest.mark.parametrize("form", ["linear", "volatility", "log"])
def test_the_conditional_variance_is_the_mean_over_training_residuals(form: str) -> None:
    residuals = np.random.default_rng(1).standard_normal(500) * 0.1
    residuals -= residuals.mean()
    fitted = np.array([0.7, 2.0])
    inverse = {"linear": lambda g: g, "volatility": np.square, "log": np.exp}[form]
    np.testing.assert_allclose(inverse(transform(fitted, form)), fitted)
    slow = [np.mean(inverse(f + residuals)) for f in fitted]
    np.testing.assert_allclose(expected_variance(fitted, smearing(residuals, form), form), slow, rtol=1e-12)


@pytest.mark.parametrize(
    ("proxy", "form"), [("parkinson", "log"), ("parkinson", "volatility"), ("squared_return", "volatility")]
)
def test_long_memory_variance_is_forecast_better_than_by_the_training_variance(proxy: str, form: str) -> None:
    history, truth = long_memory_market(1600, 2)
    train = history.until(history.times[1199])
    spec = Har(proxy=proxy, form=form, quantity="variance", variance_of="conditional", horizon=1)
    fitted = spec.fit(train, RandomStreams(1, train.cutoff))
    rows = range(1200, 1599, 2)
    own = np.array([_median(fitted, history.until(history.times[t])) for t in rows])
    actual = truth[np.array(rows) + 1]
    flat = np.var(np.diff(np.log(train.panel.field("close")[:, 0])))
    assert _qlike(actual, own) < 0.75 * _qlike(actual, flat)


def test_ranges_forecast_variance_better_than_squared_returns() -> None:
    history, truth = long_memory_market(1600, 3)
    train = history.until(history.times[1199])
    rows = range(1200, 1599, 2)
    losses = []
    for proxy in ("parkinson", "squared_return"):
        spec = Har(proxy=proxy, quantity="variance", variance_of="conditional", horizon=1)
        fitted = spec.fit(train, RandomStreams(1, train.cutoff))
        own = np.array([_median(fitted, history.until(history.times[t])) for t in rows])
        losses.append(_qlike(truth[np.array(rows) + 1], own))
    assert losses[0] < losses[1]


def _median(fitted, history: History) -> float:
    return float(fitted.predict(history, RandomStreams(1, history.cutoff)).median[0, 0])


def _qlike(actual: np.ndarray, forecast: np.ndarray | float) -> float:
    ratio = actual / forecast
    return float(np.mean(ratio - np.log(ratio) - 1))


def test_price_quantiles_cover_what_they_claim_in_training() -> None:
    history, _ = long_memory_market(900, 4)
    train = history.until(history.times[599])
    fitted = Har(proxy="parkinson", horizon=1).fit(train, RandomStreams(1, train.cutoff))
    close = history.panel.field("close")[:, 0]
    inside = []
    for t in range(600, 899, 2):
        seen = history.until(history.times[t])
        forecast = fitted.predict(seen, RandomStreams(1, seen.cutoff))
        inside.append(forecast.quantile(0.05)[0, 0] <= close[t + 1] <= forecast.quantile(0.95)[0, 0])
    assert 0.8 < np.mean(inside) < 0.98


def test_realised_variance_covers_what_it_claims() -> None:
    below = []
    for seed in (20, 21, 22):
        history, _ = long_memory_market(900, seed)
        train = history.until(history.times[599])
        spec = Har(proxy="parkinson", quantity="variance", variance_of="realised", horizon=1)
        fitted = spec.fit(train, RandomStreams(1, train.cutoff))
        close = history.panel.field("close")[:, 0]
        for t in range(600, 899, 2):
            seen = history.until(history.times[t])
            forecast = fitted.predict(seen, RandomStreams(1, seen.cutoff))
            below.append(np.log(close[t + 1] / close[t]) ** 2 <= forecast.values[0, 0])
    np.testing.assert_allclose(np.mean(below, axis=0), forecast.levels, atol=0.08)


def test_a_missing_range_counts_with_its_squared_return() -> None:
    history, _ = long_memory_market(300, 5)
    cube = np.array(history.panel.values)
    cube[-3, 0, 1:] = np.nan
    holed = History(Panel(history.times, ("s",), history.panel.fields, cube), BarClock())
    _, forecast = fit_and_predict(Har(proxy="parkinson"), holed)
    assert np.isfinite(forecast.values).all()


def test_a_constant_series_is_forecast_at_its_value() -> None:
    _, forecast = fit_and_predict(Har(), history_of(np.full(150, 7.0)))
    np.testing.assert_allclose(forecast.values, 7.0, rtol=1e-6)
    _, variance = fit_and_predict(Har(quantity="variance"), history_of(np.full(150, 7.0)))
    assert (variance.values > 0).all()
    assert (variance.values < 1e-12).all()


def test_faults_of_the_spec_and_the_panel_are_named() -> None:
    with pytest.raises(SpecError, match=r"lags were \(5, 1\); they must increase"):
        FORECASTERS.build({"kind": "har", "lags": [5, 1]})
    with pytest.raises(SpecError, match="context 20 is too short"):
        FORECASTERS.build({"kind": "har", "context": 20})
    with pytest.raises(PanelError, match="'high'"):
        fit_and_predict(Har(proxy="parkinson"), history_of(np.linspace(1, 2, 150)))
