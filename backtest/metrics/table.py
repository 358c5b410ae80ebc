"""The table of metrics, and the headline of one lane as a run stores it."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from backtest.metrics import activity, dependence, drawdown, growth, ratios, significance, tails
from backtest.metrics.activity import Activity
from backtest.metrics.bootstrap import stationary_intervals
from backtest.metrics.metric import Metric
from backtest.metrics.returns import Returns

METRICS: Mapping[str, Callable[[Returns], Metric]] = {
    "total_return": growth.total_return,
    "cagr": growth.cagr,
    "volatility": ratios.volatility,
    "sharpe": ratios.sharpe,
    "sharpe_standard_error": dependence.sharpe_standard_error,
    "lo_adjusted_sharpe": dependence.lo_adjusted_sharpe,
    "probabilistic_sharpe": significance.probabilistic_sharpe,
    "deflated_sharpe": significance.deflated_sharpe,
    "minimum_track_record_length": significance.minimum_track_record_length,
    "sortino": ratios.sortino,
    "calmar": drawdown.calmar,
    "omega": ratios.omega,
    "max_drawdown": drawdown.max_drawdown,
    "average_drawdown": drawdown.average_drawdown,
    "longest_drawdown": drawdown.longest_drawdown,
    "average_drawdown_length": drawdown.average_drawdown_length,
    "time_under_water": drawdown.time_under_water,
    "value_at_risk": tails.value_at_risk,
    "expected_shortfall": tails.expected_shortfall,
    "hit_rate": growth.hit_rate,
    "profit_factor": growth.profit_factor,
    "tail_ratio": tails.tail_ratio,
    "skewness": tails.skewness,
    "kurtosis": tails.kurtosis,
    "best_period": growth.best_period,
    "worst_period": growth.worst_period,
}
"""Every metric of a return series, in the order of the report; a new one is a function and a line here."""

ACTIVITY_METRICS: Mapping[str, Callable[[Activity], Metric]] = {
    "annual_turnover": activity.annual_turnover,
    "average_gross_exposure": activity.average_gross_exposure,
    "average_net_exposure": activity.average_net_exposure,
    "time_in_market": activity.time_in_market,
}
"""Every metric of trading and holding."""

COLUMNS = ("lane", "metric", "value", "low", "high", "n", "periods_per_year", "convention", "flag")


def headline(
    returns: Returns,
    rng: np.random.Generator,
    *,
    traded: Activity | None = None,
    trials: float = 1,
    trial_sharpe_sd: float = 0.0,
    resamples: int = 1000,
) -> list[Metric]:
    """Return every metric of one lane, with bootstrap intervals on total return, CAGR, Sharpe and max drawdown.

    Args:
        returns: net returns of the lane.
        rng: source of the bootstrap.
        traded: trading and holding of the lane; None leaves those metrics out.
        trials: strategies tried on these data, this one included, for the deflated Sharpe ratio.
        trial_sharpe_sd: standard deviation of the trials' per-period Sharpe ratios.
        resamples: bootstrap resamples.

    Raises:
        MetricError: when a setting is out of range.
    """
    found = {name: metric(returns) for name, metric in METRICS.items()}
    found["deflated_sharpe"] = significance.deflated_sharpe(returns, trials, trial_sharpe_sd)
    for name, interval in stationary_intervals(returns, rng, resamples=resamples).items():
        if interval.flag:
            found[name] = found[name].with_flag(interval.flag)
        elif np.isfinite(interval.low):
            found[name] = found[name].with_interval(interval.low, interval.high, interval.convention)
    if traded is not None:
        found |= {name: metric(traded) for name, metric in ACTIVITY_METRICS.items()}
    return list(found.values())


def metrics_frame(lane: str, metrics: Sequence[Metric]) -> pd.DataFrame:
    """Return the run table ``metrics`` of one lane, one row a metric; NaN where there is no value or interval."""
    rows = [
        (lane, m.name, m.value, m.low, m.high, m.n, m.periods_per_year, m.convention, m.flag) for m in metrics
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))
