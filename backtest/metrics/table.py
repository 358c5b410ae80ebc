"""The table of metrics, and the headline of one lane as a run stores it."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from backtest.metrics import (
    activity,
    capacity,
    dependence,
    drawdown,
    growth,
    pair,
    ratios,
    significance,
    tails,
    trades,
)
from backtest.metrics.activity import Activity
from backtest.metrics.bootstrap import Interval, stationary_intervals
from backtest.metrics.capacity import Orders
from backtest.metrics.metric import Metric
from backtest.metrics.pair import Pair
from backtest.metrics.returns import Returns
from backtest.metrics.significance import TrialFamily
from backtest.metrics.trades import Trades

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
    "ulcer_index": drawdown.ulcer_index,
    "conditional_drawdown": drawdown.conditional_drawdown,
    "pain_ratio": drawdown.pain_ratio,
    "recovery_factor": drawdown.recovery_factor,
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

TRADE_METRICS: Mapping[str, Callable[[Trades], Metric]] = {
    "closed_trades": trades.closed_trades,
    "trade_win_rate": trades.trade_win_rate,
    "break_even_win_rate": trades.break_even_win_rate,
    "average_win": trades.average_win,
    "average_loss": trades.average_loss,
    "payoff_ratio": trades.payoff_ratio,
    "trade_profit_factor": trades.trade_profit_factor,
    "expectancy": trades.expectancy,
    "average_holding": trades.average_holding,
    "longest_losing_streak": trades.longest_losing_streak,
}
"""Every metric of closed trades."""

PAIR_METRICS: Mapping[str, Callable[[Pair], Metric]] = {
    "alpha": pair.alpha,
    "alpha_standard_error": pair.alpha_standard_error,
    "beta": pair.beta,
    "correlation": pair.correlation,
    "active_return": pair.active_return,
    "tracking_error": pair.tracking_error,
    "information_ratio": pair.information_ratio,
    "up_capture": pair.up_capture,
    "down_capture": pair.down_capture,
}
"""Every metric beside a benchmark."""

CAPACITY_METRICS: Mapping[str, Callable[[Orders], Metric]] = {
    "median_participation": capacity.median_participation,
    "high_participation": capacity.high_participation,
    "largest_participation": capacity.largest_participation,
    "capacity_at_participation": capacity.capacity_at_participation,
    "capacity_at_impact": capacity.capacity_at_impact,
}
"""Every metric of orders beside the volume they were filled in."""

Beside = Activity | Trades | Pair | Orders
"""What may be known of a lane beside its returns."""

ALONE = TrialFamily(1, 0.0, 0.0)
"""The only strategy ever tried."""

COLUMNS = ("lane", "metric", "value", "low", "high", "n", "periods_per_year", "convention", "flag")


def headline(
    returns: Returns,
    rng: np.random.Generator,
    *,
    beside: Sequence[Beside] = (),
    family: TrialFamily = ALONE,
    resamples: int = 1000,
) -> list[Metric]:
    """Return every metric of one lane, with bootstrap intervals on those of ``backtest.metrics.bootstrap``.

    Args:
        returns: net returns of the lane.
        rng: source of the bootstrap.
        beside: what else is known of the lane, at most one of a kind; the metrics of a kind not given are left out.
        family: all strategies tried on these data, this one included, for the deflated Sharpe ratios.
        resamples: bootstrap resamples.

    Raises:
        MetricError: when a setting is out of range.
    """
    found = {name: metric(returns) for name, metric in METRICS.items()}
    deflated = significance.deflated_sharpes(returns, family)
    found["deflated_sharpe"], found["deflated_sharpe_effective"] = deflated.full, deflated.effective
    intervals = stationary_intervals(returns, rng, resamples=resamples)
    for each in beside:
        found |= _metrics_beside(each)
        if isinstance(each, Pair | Trades):
            intervals |= stationary_intervals(each, rng, resamples=resamples)
    return [_with(metric, intervals.get(name)) for name, metric in found.items()]


def _metrics_beside(known: Beside) -> dict[str, Metric]:
    if isinstance(known, Activity):
        return {name: metric(known) for name, metric in ACTIVITY_METRICS.items()}
    if isinstance(known, Trades):
        return {name: metric(known) for name, metric in TRADE_METRICS.items()}
    if isinstance(known, Pair):
        return {name: metric(known) for name, metric in PAIR_METRICS.items()}
    return {name: metric(known) for name, metric in CAPACITY_METRICS.items()}


def _with(metric: Metric, interval: Interval | None) -> Metric:
    """Return the metric with its interval, or with the reason why there is none."""
    if interval is None or np.isnan(metric.value):
        return metric
    if interval.flag:
        return metric.with_flag(interval.flag)
    if np.isnan(interval.low):
        return metric
    return metric.with_interval(interval.low, interval.high, interval.convention)


def metrics_frame(lane: str, metrics: Sequence[Metric]) -> pd.DataFrame:
    """Return the run table ``metrics`` of one lane, one row a metric; NaN where there is no value or interval."""
    rows = [
        (lane, m.name, m.value, m.low, m.high, m.n, m.periods_per_year, m.convention, m.flag) for m in metrics
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))
