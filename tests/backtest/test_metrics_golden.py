"""The golden table: S&P 500 adjusted closes 1999-2018, against published figures and three other libraries."""

import warnings

import numpy as np
import pandas as pd
import pytest

from backtest.metrics.dependence import lo_adjusted_sharpe
from backtest.metrics.returns import Returns, returns_from_equity
from backtest.metrics.significance import sharpe_variance_factor
from backtest.metrics.table import METRICS

GOLDEN = {
    "sharpe": 0.282739,
    "sortino": 0.398614,
    "cagr": 0.036396,
    "volatility": 0.190982,
    "max_drawdown": -0.567754,
    "calmar": 0.064104,
    "omega": 1.054489,
    "expected_shortfall": -0.028629,
    "value_at_risk": -0.018643,
    "hit_rate": 0.531213,
    "profit_factor": 1.054489,
    "probabilistic_sharpe": 0.896583,
    "skewness": -0.020483,
    "tail_ratio": 0.934622,
}


@pytest.fixture(scope="module")
def prices() -> pd.Series:
    from arch.data import sp500

    return sp500.load()["Adj Close"]


@pytest.fixture(scope="module")
def returns(prices: pd.Series) -> Returns:
    return returns_from_equity(prices, 252.0)


@pytest.fixture(scope="module")
def daily(prices: pd.Series) -> pd.Series:
    return prices.pct_change().dropna()


@pytest.mark.parametrize("name", GOLDEN)
def test_reference_column_is_reproduced(returns: Returns, name: str) -> None:
    assert METRICS[name](returns).value == pytest.approx(GOLDEN[name], abs=1e-6)


def test_sample_is_the_published_one(returns: Returns) -> None:
    assert len(returns) == 5030
    assert METRICS["kurtosis"](returns).value == pytest.approx(11.336, abs=5e-4)


@pytest.mark.parametrize(("lags", "adjusted"), [(1, 0.3053), (5, 0.3472), (21, 0.3765), (251, 0.3396)])
def test_negative_autocorrelation_raises_the_lo_adjusted_sharpe(
    returns: Returns, lags: int, adjusted: float
) -> None:
    assert lo_adjusted_sharpe(returns, lags).value == pytest.approx(adjusted, abs=5e-5)


def test_twenty_years_of_buy_and_hold_are_too_short_a_record(returns: Returns) -> None:
    needed = METRICS["minimum_track_record_length"](returns).value
    assert needed == pytest.approx(8540, abs=0.5)
    assert needed > len(returns)


def test_standard_error_without_dependence_is_the_published_one(returns: Returns) -> None:
    per_period = METRICS["sharpe"](returns).value / np.sqrt(252)
    shape = METRICS["skewness"](returns).value, METRICS["kurtosis"](returns).value
    factor = sharpe_variance_factor(per_period, *shape)
    assert np.sqrt(factor / (len(returns) - 1) * 252) == pytest.approx(0.2240, abs=5e-5)


def test_quantstats_agrees_where_definitions_do(returns: Returns, daily: pd.Series) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import quantstats.stats as peer

        theirs = {
            "sharpe": peer.sharpe(daily),
            "sortino": peer.sortino(daily),
            "cagr": peer.cagr(daily, periods=252),
            "volatility": peer.volatility(daily),
            "max_drawdown": peer.max_drawdown(daily),
            "calmar": peer.calmar(daily, periods=252),
            "omega": peer.omega(daily),
            "profit_factor": peer.profit_factor(daily),
            "tail_ratio": peer.tail_ratio(daily),
            "best_period": peer.best(daily),
            "worst_period": peer.worst(daily),
        }
    for name, value in theirs.items():
        assert METRICS[name](returns).value == pytest.approx(float(value), rel=1e-9), name


def test_empyrical_agrees_where_definitions_do(returns: Returns, daily: pd.Series) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import empyrical as peer

        theirs = {
            "total_return": peer.cum_returns_final(daily),
            "sharpe": peer.sharpe_ratio(daily),
            "sortino": peer.sortino_ratio(daily),
            "cagr": peer.annual_return(daily),
            "volatility": peer.annual_volatility(daily),
            "max_drawdown": peer.max_drawdown(daily),
            "calmar": peer.calmar_ratio(daily),
            "omega": peer.omega_ratio(daily),
            "value_at_risk": peer.value_at_risk(daily),
            "tail_ratio": peer.tail_ratio(daily),
        }
    for name, value in theirs.items():
        assert METRICS[name](returns).value == pytest.approx(float(value), rel=1e-9), name


def test_skfolio_agrees_where_definitions_do(returns: Returns, daily: pd.Series) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from skfolio import measures as peer

        values = daily.to_numpy()
        curve = peer.get_drawdowns(values, compounded=True)
        theirs = {
            "max_drawdown": -peer.max_drawdown(curve),
            "average_drawdown": -peer.average_drawdown(curve),
            "expected_shortfall": -peer.cvar(values, beta=0.95),
            "probabilistic_sharpe": peer.probabilistic_sharpe_ratio(values),
            "skewness": peer.skew(values),
            "kurtosis": peer.kurtosis(values),
        }
    for name, value in theirs.items():
        assert METRICS[name](returns).value == pytest.approx(float(value), rel=1e-9), name
