"""The GARCH family against arch, and on the processes it is made for."""

import numpy as np
import pytest
from arch import arch_model
from scipy import stats

from data.errors import SpecError
from data.history import History
from data.panel import Panel
from data.sessions import BarClock
from forecast.models.conditional_variance import (
    VarianceRecursion,
    backcast_variance,
    filter_variance,
    simulate,
)
from forecast.models.garch import Garch, shock_grid
from forecast.randomness import RandomStreams
from forecast.registry import FORECASTERS

RECURSIONS = [
    VarianceRecursion("garch", 0.05, (0.08, 0.02), (), (0.5, 0.3)),
    VarianceRecursion("gjr", 0.05, (0.05,), (0.1,), (0.85,)),
    VarianceRecursion("egarch", 0.01, (0.2,), (-0.08,), (0.95,)),
]


def history_of(returns: np.ndarray) -> History:
    prices = 100 * np.exp(np.cumsum(returns, axis=0)).reshape(len(returns), -1)
    times = np.datetime64("2010-01-01", "ns") + np.arange(len(prices)) * np.timedelta64(1, "D")
    names = tuple(f"s{i}" for i in range(prices.shape[1]))
    return History(Panel(times, names, ("close",), prices[:, :, None]), BarClock())


def clustered_returns(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return GARCH(1,1) returns with t(6) shocks and their true variances, (rows,) each, daily 1 %."""
    shocks = np.random.default_rng(seed).standard_t(6, rows) * np.sqrt(4 / 6)
    variances, returns = np.ones(rows), np.zeros(rows)
    for t in range(rows):
        if t:
            variances[t] = 0.03 + 0.12 * returns[t - 1] ** 2 + 0.85 * variances[t - 1]
        returns[t] = np.sqrt(variances[t]) * shocks[t]
    return returns * 0.01, variances * 0.01**2


def oracle(recursion: VarianceRecursion, residuals: np.ndarray):
    """Return arch's model of the residuals with these coefficients fixed."""
    model = arch_model(
        residuals,
        mean="Zero",
        vol="EGARCH" if recursion.volatility == "egarch" else "GARCH",
        p=len(recursion.symmetric),
        o=len(recursion.asymmetric),
        q=len(recursion.persistence),
        rescale=False,
    )
    weights = [recursion.constant, *recursion.symmetric, *recursion.asymmetric, *recursion.persistence]
    return model.fix(weights)


@pytest.mark.parametrize("recursion", RECURSIONS, ids=lambda each: each.volatility)
def test_filtered_variances_equal_those_of_arch(recursion: VarianceRecursion) -> None:
    residuals = np.random.default_rng(0).standard_t(6, 250)
    own, _ = filter_variance(recursion, residuals)
    np.testing.assert_allclose(own, oracle(recursion, residuals).conditional_volatility ** 2, rtol=1e-10)


@pytest.mark.parametrize("recursion", RECURSIONS[:2], ids=lambda each: each.volatility)
def test_the_mean_of_simulated_variances_equals_archs_closed_form(recursion: VarianceRecursion) -> None:
    residuals = np.random.default_rng(1).standard_normal(250)
    _, trail = filter_variance(recursion, residuals)
    rng = np.random.default_rng(2)
    grid = shock_grid("normal", (), 20_000)
    variances, _ = simulate(recursion, trail, [rng.permutation(grid) for _ in range(5)])
    expected = oracle(recursion, residuals).forecast(horizon=5).variance.to_numpy()[-1]
    np.testing.assert_allclose(variances[0], expected[0], rtol=1e-10)
    np.testing.assert_allclose(variances.mean(axis=1), expected, rtol=5e-3)


@pytest.mark.parametrize(
    ("distribution", "shape", "law"),
    [
        ("normal", (), stats.norm()),
        ("t", (6.0,), stats.t(6, scale=np.sqrt(4 / 6))),
        ("skewt", (6.0, 0.0), stats.t(6, scale=np.sqrt(4 / 6))),
    ],
)
def test_the_shock_grid_holds_quantiles_of_unit_variance(distribution, shape, law) -> None:
    grid = shock_grid(distribution, shape, 2000)
    np.testing.assert_allclose(grid, law.ppf((np.arange(2000) + 0.5) / 2000), atol=1e-8)


def test_the_backcast_of_silence_is_positive() -> None:
    assert backcast_variance(np.zeros(10)) > 0


def test_clustered_variance_is_forecast_better_than_by_the_training_variance() -> None:
    returns, truth = clustered_returns(1600, 3)
    history = history_of(returns)
    train = history.until(history.times[1199])
    fitted = Garch(quantity="variance", variance_of="conditional", horizon=1).fit(
        train, RandomStreams(1, train.cutoff)
    )
    assert fitted.fits["s0"].converged
    own, constant = [], np.var(returns[:1200])
    for t in range(1200, 1599, 4):
        seen = history.until(history.times[t])
        own.append(fitted.predict(seen, RandomStreams(1, seen.cutoff)).median[0, 0])
    actual = truth[1201:1600:4]
    ratio = actual / np.array(own)
    flat = actual / constant
    qlike, flat_qlike = np.mean(ratio - np.log(ratio) - 1), np.mean(flat - np.log(flat) - 1)
    assert qlike < 0.25 * flat_qlike
    assert np.mean((actual - own) ** 2) < 0.5 * np.mean((actual - constant) ** 2)


def test_price_quantiles_widen_after_a_turbulent_week() -> None:
    returns, _ = clustered_returns(1000, 4)
    history = history_of(returns)
    fitted = Garch().fit(history, RandomStreams(1, history.cutoff))
    calm = np.concatenate([returns, np.full(5, 0.0005)])
    wild = np.concatenate([returns, np.array([0.05, -0.05, 0.04, -0.05, 0.05])])
    widths = []
    for each in (history_of(calm), history_of(wild)):
        forecast = fitted.predict(each, RandomStreams(1, each.cutoff))
        widths.append(forecast.returns()[0, 0, -1] - forecast.returns()[0, 0, 0])
    assert widths[1] > 2 * widths[0]


def test_variance_scales_with_the_square_of_the_returns() -> None:
    returns, _ = clustered_returns(600, 5)
    median = []
    for factor in (1.0, 10.0):
        history = history_of(returns * factor)
        spec = Garch(quantity="variance", variance_of="realised", mean="zero", distribution="normal")
        fitted = spec.fit(history, RandomStreams(1, history.cutoff))
        median.append(fitted.predict(history, RandomStreams(1, history.cutoff)).median)
    np.testing.assert_allclose(median[1], 100 * median[0], rtol=1e-6)


def test_one_step_conditional_variance_is_known_and_realised_variance_is_not() -> None:
    returns, _ = clustered_returns(600, 6)
    history = history_of(returns)
    rng = RandomStreams(1, history.cutoff)
    known = (
        Garch(quantity="variance", variance_of="conditional")
        .fit(history, rng)
        .predict(history, rng)
        .values[0]
    )
    realised = Garch(quantity="variance", variance_of="realised").fit(history, rng).predict(history, rng)
    np.testing.assert_allclose(known[0], known[0, 0], rtol=1e-12)
    assert known[4, -1] > 1.05 * known[4, 0]
    assert realised.values[0, 0, -1] > 100 * realised.values[0, 0, 0]


def test_realised_variance_is_forecast_better_than_by_its_training_quantiles() -> None:
    own_loss, flat_loss, below = [], [], []
    for seed in (20, 21, 22):
        returns, _ = clustered_returns(1600, seed)
        history = history_of(returns)
        train = history.until(history.times[1199])
        fitted = Garch(quantity="variance", variance_of="realised", horizon=1).fit(
            train, RandomStreams(1, train.cutoff)
        )
        levels = np.array(fitted.spec.levels)
        flat = np.quantile(returns[:1200] ** 2, levels)
        for t in range(1200, 1599, 3):
            seen = history.until(history.times[t])
            values = fitted.predict(seen, RandomStreams(1, seen.cutoff)).values[0, 0]
            gaps = returns[t + 1] ** 2 - np.array([values, flat])
            own, other = np.maximum(levels * gaps, (levels - 1) * gaps).mean(axis=1)
            own_loss.append(own)
            flat_loss.append(other)
            below.append(gaps[0] <= 0)
    assert np.mean(own_loss) < 0.97 * np.mean(flat_loss)
    np.testing.assert_allclose(np.mean(below, axis=0), levels, atol=0.08)


def test_a_fit_that_describes_no_returns_falls_back_to_constant_variance_and_says_so() -> None:
    rounded = np.round(5 * np.exp(np.cumsum(np.random.default_rng(0).normal(0, 0.003, 400))), 1)
    history = history_of(np.diff(np.log(rounded)))
    spec = Garch(volatility="egarch", context=60)
    fitted = spec.fit(history, RandomStreams(1, history.cutoff))
    assert not fitted.fits["s0"].converged
    forecast = fitted.predict(history, RandomStreams(1, history.cutoff))
    deviation = np.std(np.diff(np.log(history.panel.field("close")[:, 0])))
    spread = np.log(forecast.quantile(0.95)[0, 0] / forecast.quantile(0.05)[0, 0])
    np.testing.assert_allclose(spread, 2 * stats.norm.ppf(0.95) * deviation, rtol=0.01)


@pytest.mark.parametrize("volatility", ["garch", "gjr", "egarch"])
@pytest.mark.parametrize("distribution", ["normal", "t", "skewt"])
def test_a_constant_series_is_forecast_at_its_value(volatility: str, distribution: str) -> None:
    history = history_of(np.zeros(300))
    rng = RandomStreams(1, history.cutoff)
    forecast = Garch(volatility=volatility, distribution=distribution).fit(history, rng).predict(history, rng)
    np.testing.assert_allclose(forecast.values, 100.0, rtol=1e-6)


def test_faults_of_the_spec_are_named() -> None:
    with pytest.raises(SpecError, match="o was 1; volatility garch has no sign lags"):
        FORECASTERS.build({"kind": "garch", "o": 1})
    with pytest.raises(SpecError, match="volatility egarch needs at least 1 sign lag"):
        FORECASTERS.build({"kind": "garch", "volatility": "egarch", "o": 0})
    with pytest.raises(SpecError, match="needs p or o of at least 1"):
        FORECASTERS.build({"kind": "garch", "p": 0})
