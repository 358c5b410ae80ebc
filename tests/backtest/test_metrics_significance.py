"""Published values of PSR, DSR, MinTRL and Lo's factors, and the HAC error against another library."""

import math

import numpy as np
import pytest

from backtest.errors import MetricError
from backtest.metrics.dependence import (
    aggregation_factor,
    autocorrelations,
    lo_adjusted_sharpe,
    long_run_variance,
    newey_west_lags,
    sharpe_influence,
    sharpe_standard_error,
)
from backtest.metrics.ratios import sharpe_per_period
from backtest.metrics.returns import Returns
from backtest.metrics.significance import (
    TrialFamily,
    deflated_sharpe,
    deflated_sharpes,
    effective_trials,
    expected_maximum,
    minimum_backtest_length,
    minimum_track_record_length,
    probabilistic_sharpe,
    probability_above,
    sharpe_variance_factor,
    track_record_length,
)

TRIAL_SD = math.sqrt(0.5 / 250)
SHARPE = 2.5 / math.sqrt(250)
NOISE = Returns(np.random.default_rng(5).normal(0.0005, 0.01, 800), 252.0)


@pytest.mark.parametrize(
    ("trials", "skewness", "kurtosis", "published"),
    [(100, -3, 10, 0.900397), (46, -3, 10, 0.950502), (88, 0, 3, 0.950491)],
)
def test_deflated_sharpe_of_the_paper(
    trials: int, skewness: float, kurtosis: float, published: float
) -> None:
    luck = TRIAL_SD * expected_maximum(trials)
    assert probability_above(SHARPE, luck, 1250, skewness, kurtosis) == pytest.approx(published, abs=1e-6)


def test_expected_best_of_a_hundred_trials_of_the_paper() -> None:
    assert TRIAL_SD * expected_maximum(100) == pytest.approx(0.113172, abs=1e-6)


@pytest.mark.parametrize(
    ("count", "exact"), [(1, 0.0), (2, 1 / math.sqrt(math.pi)), (5, 1.16296), (100, 2.5306)]
)
def test_expected_maximum_is_exact_for_few_trials(count: int, exact: float) -> None:
    assert expected_maximum(count) == pytest.approx(exact, abs=5e-5)


def test_expected_maximum_grows_with_effective_counts_between_whole_ones() -> None:
    grown = [expected_maximum(count) for count in np.arange(1, 30, 0.25)]
    assert np.all(np.diff(grown) > 0)


@pytest.mark.parametrize(("periods", "years"), [(252, 2.7310), (52, 2.8288), (12, 3.2398)])
def test_minimum_track_record_of_the_paper(periods: int, years: float) -> None:
    needed = track_record_length(2 / math.sqrt(periods), 1 / math.sqrt(periods), 0, 3)
    assert needed / periods == pytest.approx(years, abs=5e-5)


def test_a_ratio_that_is_not_above_its_benchmark_is_never_shown() -> None:
    losing = Returns(NOISE.values - 0.002, 252.0)
    metric = minimum_track_record_length(losing)
    assert math.isinf(track_record_length(0.1, 0.1, 0, 3))
    assert math.isnan(metric.value)
    assert metric.flag == "never: the Sharpe ratio is not above 0"


@pytest.mark.parametrize(
    ("rho", "eta"), [(0.9, 1.2070), (0.5, 2.1213), (0.2, 2.8788), (0, 3.4641), (-0.2, 4.1708)]
)
def test_lo_factor_of_autoregressive_returns(rho: float, eta: float) -> None:
    assert aggregation_factor(12, rho ** np.arange(1, 12)) == pytest.approx(eta, abs=5e-5)


def test_lo_factor_ignores_lags_beyond_the_year_and_refuses_an_impossible_variance() -> None:
    assert aggregation_factor(2, np.array([0.1, 5.0, 5.0])) == aggregation_factor(2, np.array([0.1]))
    assert math.isnan(aggregation_factor(12, np.array([-0.9])))


def test_an_impossible_variance_is_flagged_in_the_lo_adjusted_sharpe() -> None:
    metric = lo_adjusted_sharpe(Returns(np.tile([0.02, -0.01], 60), 252.0), 1)
    assert metric.flag == "autocorrelations leave no positive variance"


def test_normal_standard_error_of_lo() -> None:
    assert math.sqrt(sharpe_variance_factor(1, 0, 3) / 60) == pytest.approx(0.15811, abs=5e-6)


def test_autocorrelations_agree_with_statsmodels() -> None:
    from statsmodels.tsa.stattools import acf

    assert autocorrelations(NOISE.values, 7) == pytest.approx(acf(NOISE.values, nlags=7)[1:], rel=1e-10)


def test_standard_error_agrees_with_a_hac_regression_on_a_constant() -> None:
    from statsmodels.api import OLS

    influence, lags = sharpe_influence(NOISE.values), newey_west_lags(len(NOISE))
    fitted = OLS(influence, np.ones(len(influence))).fit(
        cov_type="HAC", cov_kwds={"maxlags": lags, "use_correction": False}
    )
    assert sharpe_standard_error(NOISE).value == pytest.approx(
        float(fitted.bse[0]) * math.sqrt(252), rel=1e-10
    )


def test_influence_is_the_first_order_change_of_the_ratio() -> None:
    values, nudge = NOISE.values, 1e-6
    ratio = values.mean() / values.std()
    for row in (0, 17, 400):
        weights = np.full(len(values), (1 - nudge) / len(values))
        weights[row] += nudge
        mean = weights @ values
        moved = mean / math.sqrt(weights @ (values - mean) ** 2)
        assert (moved - ratio) / nudge == pytest.approx(sharpe_influence(values)[row], abs=1e-4)


def test_long_run_variance_counts_positive_dependence() -> None:
    noise = np.random.default_rng(0).normal(size=5000)
    assert long_run_variance(noise[1:] + noise[:-1], 20) == pytest.approx(4, rel=0.15)


def test_the_null_is_rejected_as_often_as_it_should_be() -> None:
    rng = np.random.default_rng(11)
    values = [probabilistic_sharpe(Returns(rng.standard_t(6, 250) * 0.01, 252.0)).value for _ in range(600)]
    assert np.mean(np.array(values) > 0.95) == pytest.approx(0.05, abs=0.03)
    assert np.mean(np.array(values) > 0.5) == pytest.approx(0.5, abs=0.06)


def test_deflation_grows_with_trials_and_their_dispersion() -> None:
    one = deflated_sharpe(NOISE).value
    assert one == probabilistic_sharpe(NOISE).value
    assert one > deflated_sharpe(NOISE, 5, 0.02).value > deflated_sharpe(NOISE, 50, 0.02).value
    assert deflated_sharpe(NOISE, 50, 0.02).value > deflated_sharpe(NOISE, 50, 0.04).value


def test_probability_uses_the_excess_series_throughout() -> None:
    shifted = Returns(NOISE.values + 0.0001, 252.0, np.full(len(NOISE), 0.0001))
    assert probabilistic_sharpe(shifted).value == pytest.approx(probabilistic_sharpe(NOISE).value, rel=1e-9)


def test_a_handful_of_periods_gives_no_probability() -> None:
    assert probabilistic_sharpe(Returns(NOISE.values[:12], 12.0)).flag == "n/a (12 < 20 periods)"


def test_correlated_trials_count_for_fewer() -> None:
    assert effective_trials(0.0, 40) == 40
    assert effective_trials(1.0, 40) == 1
    assert effective_trials(0.5, 41) == 21


@pytest.mark.parametrize(("trials", "target", "years"), [(45, 1, 4.998), (45, 2, 4.998 / 4), (1, 1, 0.0)])
def test_minimum_backtest_length_of_the_paper(trials: int, target: float, years: float) -> None:
    assert minimum_backtest_length(trials, target) == pytest.approx(years, abs=5e-4)


def test_the_best_of_trials_reaches_the_target_at_the_minimum_length() -> None:
    rng = np.random.default_rng(3)
    periods = round(minimum_backtest_length(45, 1.0) * 252)
    best = [sharpe_per_period(rng.normal(size=(45, periods))).max() for _ in range(200)]
    assert np.mean(best) * math.sqrt(252) == pytest.approx(1.0, abs=0.03)


@pytest.mark.parametrize("count", [2, 5, 9])
def test_expected_maximum_of_few_is_the_mean_of_simulated_maxima(count: int) -> None:
    simulated = np.random.default_rng(1).normal(size=(200_000, count)).max(axis=1).mean()
    assert expected_maximum(count) == pytest.approx(simulated, abs=0.006)


@pytest.mark.parametrize("count", [10, 30, 100])
def test_the_approximation_for_many_errs_towards_more_luck(count: int) -> None:
    simulated = np.random.default_rng(1).normal(size=(50_000, count)).max(axis=1).mean()
    assert simulated < expected_maximum(count) < 1.03 * simulated


def test_both_counts_of_trials_stand_side_by_side() -> None:
    family = TrialFamily(41, 0.02, 0.5)
    found = deflated_sharpes(NOISE, family)
    assert found.full == deflated_sharpe(NOISE, 41, 0.02)
    assert found.effective.value == deflated_sharpe(NOISE, 21, 0.02).value
    assert found.effective.name == "deflated_sharpe_effective"
    assert found.effective.convention.endswith("effective number of 41 trials, a sensitivity")
    assert found.full.value < found.effective.value


def test_negative_correlation_never_raises_the_count() -> None:
    assert TrialFamily(7, 0.1, -0.1).effective_count == 7
    assert TrialFamily(1, 0.0, 0.0).effective_count == 1


@pytest.mark.parametrize(
    "call",
    [
        lambda: TrialFamily(0, 0.1, 0.0),
        lambda: TrialFamily(3, -0.1, 0.0),
        lambda: TrialFamily(3, math.nan, 0.0),
        lambda: TrialFamily(3, 0.1, 1.2),
        lambda: TrialFamily(3, 0.1, math.nan),
        lambda: minimum_backtest_length(0, 1),
        lambda: minimum_backtest_length(10, 0),
        lambda: expected_maximum(0.5),
        lambda: expected_maximum(math.nan),
        lambda: deflated_sharpe(NOISE, 0, 0.1),
        lambda: deflated_sharpe(NOISE, 3, -0.1),
        lambda: deflated_sharpe(NOISE, 3, math.nan),
        lambda: probabilistic_sharpe(NOISE, math.nan),
        lambda: minimum_track_record_length(NOISE, 0.0, 0.4),
        lambda: probability_above(0.1, 0.0, 1, 0, 3),
        lambda: lo_adjusted_sharpe(NOISE, -1),
        lambda: lo_adjusted_sharpe(NOISE, len(NOISE)),
        lambda: effective_trials(1.5, 3),
    ],
)
def test_misuse_is_an_error_not_a_missing_number(call: object) -> None:
    with pytest.raises(MetricError, match="was"):
        call()
