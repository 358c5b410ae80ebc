"""What metrics refuse, what they leave open, and where other libraries go wrong."""

import math

import numpy as np
import pytest

from backtest.errors import MetricError
from backtest.metrics.drawdown import max_drawdown
from backtest.metrics.metric import Metric
from backtest.metrics.ratios import omega
from backtest.metrics.returns import Returns, least_periods, returns_from_equity, until_ruin
from backtest.metrics.table import METRICS
from backtest.metrics.tails import expected_shortfall, value_at_risk

RNG = np.random.default_rng(8)
DAILY = RNG.normal(0.0005, 0.01, 300)


def value(name: str, values: object, q: float = 252.0, rate: object = 0.0) -> float:
    return METRICS[name](Returns(values, q, rate)).value


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([0.1, math.nan], "row 1 was nan"),
        ([math.inf, 0.1], "row 0 was inf"),
        ([0.1, -1.01], "row 1 was -1.01"),
        ([[0.1, 0.2]], r"shape \(1, 2\)"),
        ([], r"shape \(0,\)"),
        (0.1, r"shape \(\)"),
        ([1e9] * 40, "not percent"),
    ],
)
def test_returns_that_are_none_are_refused(values: object, words: str) -> None:
    with pytest.raises(MetricError, match=words):
        Returns(np.array(values, dtype=float), 252.0)


@pytest.mark.parametrize("periods", [0.0, -252.0, math.nan, math.inf])
def test_periods_per_year_must_be_positive(periods: float) -> None:
    with pytest.raises(MetricError, match="periods_per_year"):
        Returns(DAILY, periods)


@pytest.mark.parametrize(
    ("rate", "words"), [(np.zeros(3), "shape"), (-1.0, "above -1"), (math.nan, "finite")]
)
def test_risk_free_of_another_shape_or_range_is_refused(rate: object, words: str) -> None:
    with pytest.raises(MetricError, match=words):
        Returns(DAILY, 252.0, rate)


def test_prices_are_never_guessed_from_large_returns() -> None:
    # quantstats takes these for prices: CAGR -1 and a drawdown of 93 %.
    values = np.tile([0.0, 1.5, 0.2], 21)
    assert value("sharpe", values) == pytest.approx(values.mean() / values.std(ddof=1) * math.sqrt(252))
    assert value("cagr", values) == pytest.approx(3.0**84, rel=1e-12)
    assert value("max_drawdown", values) == 0


def test_constant_returns_have_no_sharpe_instead_of_an_infinite_one() -> None:
    metric = METRICS["sharpe"](Returns(np.full(300, 0.001), 252.0))
    assert math.isnan(metric.value)
    assert metric.flag == "returns are constant"
    assert value("volatility", np.full(300, 0.001)) == pytest.approx(0, abs=1e-15)


def test_cash_that_earns_the_risk_free_rate_has_no_sharpe() -> None:
    equity = 1e5 * 1.03 ** (np.arange(301) / 252)
    metric = METRICS["sharpe"](returns_from_equity(equity, 252.0, 0.03))
    assert metric.flag == "returns are constant"


def test_calmar_and_sortino_without_a_loss_say_so() -> None:
    gains = Returns(np.abs(DAILY) + 1e-6, 252.0)
    assert METRICS["calmar"](gains).flag == "no drawdown"
    assert METRICS["sortino"](gains).flag == "no period below the target"
    assert METRICS["profit_factor"](gains).flag == "no losing period"


def test_sortino_divides_by_all_periods_not_by_the_losing_ones() -> None:
    values = np.tile([0.02, -0.01, 0.0, 0.01], 20)
    downside = math.sqrt(0.01**2 / 4)
    assert value("sortino", values) == pytest.approx(0.005 / downside * math.sqrt(252))


def test_a_losing_strategy_keeps_its_sign() -> None:
    values = DAILY - 0.01
    assert value("total_return", values) < 0
    assert value("cagr", values) < 0
    assert value("sharpe", values) < 0
    assert value("calmar", values) < 0


def test_a_negative_risk_free_rate_counts() -> None:
    assert value("sharpe", DAILY, rate=-0.01) > value("sharpe", DAILY) > value("sharpe", DAILY, rate=0.01)


def test_the_risk_free_number_is_annual_and_the_array_per_period() -> None:
    per_period = np.full(300, 1.05 ** (1 / 252) - 1)
    assert value("sharpe", DAILY, rate=per_period) == pytest.approx(
        value("sharpe", DAILY, rate=0.05), rel=1e-12
    )
    assert Returns(DAILY, 252.0, per_period).risk_free_annual == pytest.approx(0.05)
    assert "rf 0.05 a year" in METRICS["sharpe"](Returns(DAILY, 252.0, 0.05)).convention


def test_a_loss_in_the_first_period_is_a_drawdown() -> None:
    assert max_drawdown(Returns(np.array([-0.1, 0.05]), 252.0)).value == pytest.approx(-0.1)


def test_hit_rate_counts_zero_returns_as_periods() -> None:
    assert value("hit_rate", [0.01, 0.0, 0.0, -0.01]) == 0.25


def test_total_loss_is_allowed_and_costs_everything() -> None:
    values = np.append(DAILY, -1.0)
    assert (value("total_return", values), value("cagr", values), value("max_drawdown", values)) == (
        -1,
        -1,
        -1,
    )


@pytest.mark.parametrize(
    ("periods", "least"), [(252.0, 63), (251.2, 63), (238.0, 63), (365.25, 92), (52.0, 13), (12.0, 3), (8766.0, 2192), (1.0, 1)]
)  # fmt: skip
def test_a_quarter_of_a_year_is_needed_to_annualise(periods: float, least: int) -> None:
    assert least_periods(periods) == least


@pytest.mark.parametrize("name", ["cagr", "volatility", "sharpe", "sortino", "calmar", "lo_adjusted_sharpe"])
def test_short_samples_are_not_annualised(name: str) -> None:
    metric = METRICS[name](Returns(DAILY[:19], 252.0))
    assert math.isnan(metric.value)
    assert metric.flag == "n/a (19 < 63 periods)"
    assert math.isfinite(value(name, DAILY[:63]))


def test_expected_shortfall_splits_the_last_observation() -> None:
    values = Returns(np.array([-0.4, -0.2, 0.1, 0.2, 0.3]), 252.0)
    assert expected_shortfall(values, 0.3).value == pytest.approx((-0.4 + 0.5 * -0.2) / 1.5)
    assert expected_shortfall(values, 0.01).value == pytest.approx(-0.4)


@pytest.mark.parametrize("level", [0.0, 1.0, -0.1, math.nan])
def test_levels_outside_zero_and_one_are_refused(level: float) -> None:
    for metric in (value_at_risk, expected_shortfall):
        with pytest.raises(MetricError, match="level was"):
            metric(Returns(DAILY, 252.0), level)


def test_omega_refuses_a_threshold_that_is_no_number() -> None:
    with pytest.raises(MetricError, match="threshold"):
        omega(Returns(DAILY, 252.0), math.nan)


def test_returns_of_an_equity_curve_start_from_its_capital() -> None:
    assert returns_from_equity([100.0, 90.0, 99.0], 252.0).values.tolist() == pytest.approx([-0.1, 0.1])


@pytest.mark.parametrize(
    "equity", [[100.0], [[1.0, 2.0]], [100.0, -1.0], [100.0, 0.0, 5.0], [100.0, math.nan]]
)
def test_equity_without_returns_is_refused(equity: list) -> None:
    with pytest.raises(MetricError, match="equity"):
        returns_from_equity(equity, 252.0)


def test_a_ruined_account_ends_with_a_total_loss() -> None:
    cut = until_ruin([100.0, 50.0, -3.0, 10.0])
    assert cut.tolist() == [100, 50, 0]
    assert returns_from_equity(cut, 252.0).values.tolist() == [-0.5, -1.0]
    assert until_ruin([1.0, 2.0]).tolist() == [1, 2]


def test_returns_keep_their_own_read_only_copy() -> None:
    values = DAILY.copy()
    kept = Returns(values, 252.0)
    values[0] = 9.0
    assert kept.values[0] == DAILY[0]
    with pytest.raises(ValueError, match="read-only"):
        kept.values[0] = 1.0


@pytest.mark.parametrize("wrong", [math.inf, -math.inf, math.nan])
def test_a_metric_is_never_infinite_nor_silently_missing(wrong: float) -> None:
    with pytest.raises(MetricError, match="sharpe"):
        Metric("sharpe", wrong, 10, 252.0, "words")
