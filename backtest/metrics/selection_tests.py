"""Selection tests: one table that says which of many strategies' numbers are luck once the search is paid for."""

from collections.abc import Hashable, Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from backtest.errors import MetricError
from backtest.metrics.overfitting import overfitting
from backtest.metrics.ratios import sharpe
from backtest.metrics.returns import Returns
from backtest.metrics.significance import TrialFamily, deflated_sharpes, probabilistic_sharpe
from backtest.metrics.strategy_returns import StrategyReturns, strategy_returns
from backtest.metrics.superiority import (
    LARGEST_SET,
    LEVEL,
    SET_LEVEL,
    confidence_set,
    longest_block,
    superiority,
)
from backtest.metrics.trial_correlation import trial_family
from data.panel import Floats
from forecast.comparison import holm

COLUMNS: Mapping[str, str] = {
    "strategy": "Its name.",
    "sharpe": "Annual Sharpe ratio of the return above the benchmark.",
    "alone_p": "Chance of such a ratio by luck if this had been the only strategy ever tried.",
    "holm_p": "The same, corrected for all trials by Holm's steps; assumes nothing of how they hang together.",
    "bonferroni_p": "The same, multiplied by the number of trials: the most careful correction.",
    "deflated_sharpe": "Chance that it beats the best that this many trials without skill would have shown.",
    "deflated_sharpe_effective": "The same with correlated trials counted for fewer: too lenient, shown for comparison.",
    "stepwise_p": "Chance of such a return above the benchmark by luck, corrected for all strategies here as they move together.",
    "is_superior": "Whether it beats the benchmark after that correction.",
    "confidence_set_p": "How easily it can be told from the best one here; small means it is worse.",
    "in_confidence_set": "Whether it cannot be told from the best one here.",
    "superiority_p": "Chance that the best one here would look this good if none beat the benchmark; one number for all.",
    "overfitting": "How often the best on one half of the time falls into the lower half on the rest; one number for all.",
    "overfitting_null_low": "What strategies without skill give, lower end (5 %).",
    "overfitting_null_high": "What strategies without skill give, upper end (95 %).",
    "trials": "Strategies tried on these data, all counted.",
    "effective_trials": "Independent strategies that these are worth.",
    "periods": "Periods of the test.",
    "verdict": "The table in words.",
    "flag": "What could not be tested, and why.",
}
"""Columns of ``selection_tests`` and what each says in plain words."""

HOLDS = "holds after the search"
HOLDS_HERE = "holds among the strategies here, but its deflated ratio falls short"
HOLDS_ALONE = "would hold alone, not after the search"
LUCK = "not told apart from luck"
UNTESTED = "not tested"


def selection_tests(
    returns: pd.DataFrame,
    benchmark: pd.Series,
    rng: np.random.Generator,
    *,
    periods_per_year: float,
    family: TrialFamily | None = None,
    level: float = LEVEL,
) -> pd.DataFrame:
    """Return one row a strategy, in the order given, with the columns of ``COLUMNS``.

    Args:
        returns: T x N net simple returns; the index is times, the columns are the strategies' names, T >= 20.
        benchmark: T net simple returns on the same index; zeros for cash that earns nothing.
        rng: source of the resamples; equal generators give equal bits.
        periods_per_year: periods in a year, from the calendar of the data.
        family: all strategies ever tried on these data, at least those here; None means those here are all.
        level: chance allowed of calling luck skill, inside (0, 1).

    Raises:
        MetricError: when the frame is not T x N with times and names, a return is missing, the family is smaller than the
            table, or a setting is out of range.
    """
    strategies = strategy_returns(returns, benchmark)
    family = trial_family(strategies.differentials) if family is None else family
    if family.count < len(strategies.names):
        raise MetricError(
            f"the family has {family.count} trials; at least the {len(strategies.names)} here are needed"
        )
    varying = np.flatnonzero(~strategies.is_constant)
    table = pd.DataFrame(
        {"strategy": strategies.names, "trials": family.count, "effective_trials": family.effective_count,
         "periods": len(strategies.times)}
    )  # fmt: skip
    if len(varying):
        kept = strategies.only(~strategies.is_constant)
        measured = _one_by_one(kept, periods_per_year, family) | _together(kept, rng, level)
        table = table.join(pd.DataFrame(measured, index=varying))
    table = table.reindex(columns=list(COLUMNS))
    table["flag"] = np.where(
        strategies.is_constant, "differs from the benchmark by a constant", table["flag"]
    )
    table["is_superior"] = table["stepwise_p"] <= level
    table["in_confidence_set"] = table["confidence_set_p"] > SET_LEVEL
    table["verdict"] = [_verdict(row, level) for row in table.to_dict(orient="records")]
    return table


def _one_by_one(
    strategies: StrategyReturns, periods_per_year: float, family: TrialFamily
) -> dict[str, Floats | list[str]]:
    """Return the columns (N,) that look at one strategy at a time, corrected by the number of trials."""
    rows, flags = [], []
    for values in strategies.values.T:
        # The benchmark stands where the risk-free return does, so that every ratio is one above the benchmark.
        returns = Returns(values, periods_per_year, strategies.benchmark)
        deflated = deflated_sharpes(returns, family)
        metrics = (sharpe(returns), probabilistic_sharpe(returns), deflated.full, deflated.effective)
        rows.append([metric.value for metric in metrics])
        flags.append(_joined([*(metric.flag for metric in metrics), _unfit(len(strategies.names))]))
    annual, probability, full, effective = np.array(rows).T
    alone = 1 - probability
    # Trials that are not in the table count as tested without success.
    padded = np.concatenate([alone, np.ones(family.count - len(alone))])
    return {
        "sharpe": annual, "alone_p": alone, "holm_p": holm(padded)[: len(alone)],
        "bonferroni_p": np.minimum(1.0, alone * family.count),
        "deflated_sharpe": full, "deflated_sharpe_effective": effective, "flag": flags,
    }  # fmt: skip


def _together(
    strategies: StrategyReturns, rng: np.random.Generator, level: float
) -> dict[str, Floats | float]:
    """Return the columns that look at all N strategies on the same resamples; those of too few or too many are left out."""
    block, count = longest_block(strategies.differentials), len(strategies.names)
    tested = superiority(strategies, rng, level=level, block=block)
    found: dict[str, Floats | float] = {
        "stepwise_p": tested.stepwise_p_values, "superiority_p": tested.p_value,
    }  # fmt: skip
    if count <= LARGEST_SET:
        found["confidence_set_p"] = confidence_set(strategies, rng, block=block).p_values
    if count > 1:
        overfit = overfitting(strategies, rng, block=block)
        found |= {
            "overfitting": overfit.probability, "overfitting_null_low": overfit.null_low,
            "overfitting_null_high": overfit.null_high,
        }  # fmt: skip
    return found


def _unfit(count: int) -> str:
    """Return which tests of all strategies together do not take so few or so many."""
    if count == 1:
        return "overfitting needs two strategies"
    return f"the confidence set takes {LARGEST_SET} strategies" if count > LARGEST_SET else ""


def _joined(flags: Iterable[str]) -> str:
    """Return the flags that say something, each once, in order."""
    return "; ".join(dict.fromkeys(flag for flag in flags if flag))


def _verdict(row: Mapping[Hashable, Any], level: float) -> str:
    """Return the words of one row."""
    if np.isnan(row["alone_p"]):
        return UNTESTED
    if row["is_superior"]:
        return HOLDS if row["deflated_sharpe"] >= 1 - level else HOLDS_HERE
    return HOLDS_ALONE if row["alone_p"] <= level else LUCK
