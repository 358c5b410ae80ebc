"""The headline of a lane and its stored table."""

import math

import numpy as np
import pytest

from backtest.errors import MetricError
from backtest.metrics.activity import Activity
from backtest.metrics.bootstrap import RESAMPLED
from backtest.metrics.returns import Returns
from backtest.metrics.significance import TrialFamily
from backtest.metrics.table import ACTIVITY_METRICS, ALONE, COLUMNS, METRICS, headline, metrics_frame

DAILY = Returns(np.random.default_rng(9).normal(0.0005, 0.01, 120), 252.0)


def activity(count: int = 120) -> Activity:
    return Activity(
        np.full(count, 0.1), np.tile([0.0, 1.0], count // 2), np.tile([0.0, -1.0], count // 2), 252.0
    )


def test_headline_carries_every_metric_and_intervals_on_six() -> None:
    metrics = headline(DAILY, np.random.default_rng(1), beside=(activity(),), resamples=200)
    names = [*METRICS, "deflated_sharpe_effective", *ACTIVITY_METRICS]
    assert [each.name for each in metrics] == names
    bounded = {each.name for each in metrics if math.isfinite(each.low)}
    assert bounded == set(RESAMPLED)
    assert all(each.low <= each.value <= each.high for each in metrics if each.name in bounded)


def test_headline_deflates_by_the_trials() -> None:
    def deflated(family: TrialFamily) -> tuple[float, float]:
        found = headline(DAILY, np.random.default_rng(1), resamples=100, family=family)
        by_name = {each.name: each.value for each in found}
        return by_name["deflated_sharpe"], by_name["deflated_sharpe_effective"]

    full, effective = deflated(TrialFamily(30, 0.05, 0.9))
    alone = deflated(ALONE)
    assert full < effective < alone[0] == alone[1]


def test_headline_of_cash_is_complete_and_flagged() -> None:
    metrics = {each.name: each for each in headline(Returns(np.zeros(100), 252.0), np.random.default_rng(1))}
    assert metrics["total_return"].value == 0
    assert metrics["total_return"].flag == "no interval: returns are constant"
    assert metrics["sharpe"].flag.startswith("returns are constant")


def test_frame_has_the_columns_of_a_run() -> None:
    frame = metrics_frame("naive", headline(DAILY, np.random.default_rng(1), resamples=100))
    assert tuple(frame.columns) == COLUMNS
    assert set(frame["lane"]) == {"naive"}
    assert frame["metric"].is_unique
    assert frame["n"].eq(120).all()
    assert frame["value"].dtype == np.float64
    assert (frame["value"].notna() | (frame["flag"] != "")).all()


def test_an_interval_states_how_it_was_made() -> None:
    frame = metrics_frame("naive", headline(DAILY, np.random.default_rng(1), resamples=100)).set_index(
        "metric"
    )
    assert "95% stationary bootstrap, mean block" in frame.loc["sharpe", "convention"]
    assert "252 periods/year, rf 0 a year" in frame.loc["sharpe", "convention"]


def test_activity_metrics_of_a_known_account() -> None:
    found = {name: metric(activity()).value for name, metric in ACTIVITY_METRICS.items()}
    assert found == pytest.approx(
        {
            "annual_turnover": 12.6,
            "average_gross_exposure": 0.5,
            "average_net_exposure": -0.5,
            "time_in_market": 0.5,
        }
    )


def test_turnover_of_a_short_record_is_not_annualised() -> None:
    assert ACTIVITY_METRICS["annual_turnover"](activity(20)).flag == "n/a (20 < 63 periods)"


@pytest.mark.parametrize(
    "parts",
    [
        (np.ones(3), np.ones(2), np.ones(3), 252.0),
        (-np.ones(3), np.ones(3), np.ones(3), 252.0),
        (np.ones(3), np.full(3, np.nan), np.ones(3), 252.0),
        (np.ones(0), np.ones(0), np.ones(0), 252.0),
        (np.ones(3), np.ones(3), np.ones(3), 0.0),
    ],
)
def test_activity_that_is_none_is_refused(parts: tuple) -> None:
    with pytest.raises(MetricError, match="need"):
        Activity(*parts)
