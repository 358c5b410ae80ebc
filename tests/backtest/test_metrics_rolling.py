"""Rolling metrics against the metric of each window, and what they never read."""

import numpy as np
import pytest

from backtest.errors import MetricError
from backtest.metrics import rolling
from backtest.metrics.returns import Returns
from backtest.metrics.rolling import rolling_sharpe
from backtest.metrics.table import METRICS

RETURNS = Returns(np.random.default_rng(3).normal(0.0005, 0.01, 300), 252.0, 0.02)


def test_each_value_is_the_sharpe_ratio_of_its_window_annualised_by_the_calendar():
    found = rolling_sharpe(RETURNS, 80)
    assert np.isnan(found[:79]).all()
    for end in (80, 150, 300):
        window = Returns(RETURNS.values[end - 80 : end], 252.0, 0.02)
        assert found[end - 1] == pytest.approx(METRICS["sharpe"](window).value)


def test_the_window_of_everything_is_the_metric_itself():
    assert rolling_sharpe(RETURNS, 300)[-1] == pytest.approx(METRICS["sharpe"](RETURNS).value)


def test_later_returns_change_no_earlier_value():
    changed = Returns(np.append(RETURNS.values[:200], np.full(100, 0.5)), 252.0, 0.02)
    assert np.array_equal(
        rolling_sharpe(changed, 20)[:200], rolling_sharpe(RETURNS, 20)[:200], equal_nan=True
    )


def test_chunks_do_not_change_the_bits(monkeypatch):
    whole = rolling_sharpe(RETURNS, 20)
    monkeypatch.setattr(rolling, "CHUNK", 100)
    assert np.array_equal(rolling_sharpe(RETURNS, 20), whole, equal_nan=True)


def test_constant_windows_are_open_not_infinite():
    values = np.append(np.full(30, 0.001), RETURNS.values)
    found = rolling_sharpe(Returns(values, 252.0), 20)
    assert np.isnan(found[:30]).all()
    assert np.isfinite(found[30:]).all()


@pytest.mark.parametrize("window", [1, 0, 301])
def test_windows_that_do_not_fit_are_refused(window):
    with pytest.raises(MetricError, match="2 to 300"):
        rolling_sharpe(RETURNS, window)
