"""Trial luck: how much of a run's numbers the search for them explains, in facts, a table and a sentence."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from backtest.metrics.returns import LEAST_INFERENCE, NOISE, until_ruin
from backtest.metrics.selection_tests import COLUMNS, HOLDS, selection_tests
from backtest.metrics.significance import expected_maximum, minimum_backtest_length
from backtest.trials import TrialCount
from backtest.walk import Lane
from data.panel import Floats
from forecast.skill import is_naive

CASH = "cash"
"""What the first test of every account is against."""


def trial_facts(trials: TrialCount, periods_per_year: float) -> dict[str, Any]:
    """Return what a manifest says of the trials on its data; Sharpe ratios a year, lengths in years.

    ``expected_best_sharpe`` is what the best of so many trials without skill shows on average, from the spread of their
    own ratios; ``years_for_a_sharpe_of_1`` is the record below which such a search finds a ratio of 1 by luck.
    """
    family = trials.family
    best = family.sharpe_sd * expected_maximum(family.count) * periods_per_year**0.5
    return {
        "count": trials.count,
        "sharpe_dispersion": trials.dispersion * periods_per_year**0.5,
        "mean_correlation": trials.mean_correlation if trials.pairs else None,
        "effective_count": family.effective_count,
        "expected_best_sharpe": best,
        "years_for_a_sharpe_of_1": minimum_backtest_length(family.count),
    }


def luck_table(
    lanes: Sequence[Lane],
    equity: pd.DataFrame,
    trials: TrialCount,
    periods_per_year: float,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Return the table ``luck``: each account that counts as a trial, tested after paying for the search.

    Tested twice: above cash, and above the benchmark held at the account's own volatility, since an account that is long
    in a rising market beats cash without any skill. The spread of ratios that luck is judged by is that of all trials above
    cash, both times. A model asked twice counts once, here as in the ledger. Empty, with its columns, where no account
    counts or the test is shorter than 20 bars.

    Args:
        lanes: of the run, the benchmark last.
        equity: the run table ``equity``.
        trials: all trials on these data, those of this run included; where they were not counted, the accounts themselves.
        periods_per_year: periods in a year.
        rng: source of the resamples.
    """
    asked = {lane.forecaster: lane.label for lane in reversed(lanes) if lane.role == "asked"}
    counted = [label for label in reversed(asked.values()) if not is_naive(label)]
    times = pd.DatetimeIndex(equity["time"].drop_duplicates().to_numpy()[1:])
    if not counted or len(times) < LEAST_INFERENCE:
        return pd.DataFrame(columns=["against", *COLUMNS])
    returns = pd.DataFrame({label: _returns(equity, label) for label in counted}, index=times)
    benchmark = _returns(equity, lanes[-1].label)
    against = {CASH: returns}
    if float(benchmark.std()) > NOISE:
        against[lanes[-1].label] = _above(returns, benchmark)
    cash = pd.Series(0.0, index=times)
    family = replace(trials.family, count=max(trials.family.count, len(counted)))
    parts = [
        selection_tests(above, cash, rng, periods_per_year=periods_per_year, family=family)
        for above in against.values()
    ]
    return (
        pd.concat(parts, keys=against, names=["against", None])
        .reset_index(level="against")
        .reset_index(drop=True)
    )


def trial_sentence(count: int) -> str:
    """Return how many strategies were tried on these data, in words."""
    if count == 0:
        return "No strategy was tried on these data: only reference models ran."
    tried = "1 strategy has" if count == 1 else f"{count:,} strategies have"
    return f"{tried} been tried on these data so far; reference models and benchmarks are not counted."


def luck_sentences(label: str, luck: pd.DataFrame) -> list[str]:
    """Say whether an account is more than its benchmark at the same risk, once the search is paid for."""
    own = luck[(luck["strategy"] == label) & (luck["against"] != CASH)]
    if own.empty or not np.isfinite(own["stepwise_p"].iloc[0]):
        return []
    row = own.iloc[0]
    ratio = f" (Sharpe ratio of the difference {row['sharpe']:.2f})" if np.isfinite(row["sharpe"]) else ""
    p_value = f"{row['stepwise_p']:.3f}"
    words = "does better" if row["verdict"] == HOLDS else "is not shown to do better"
    sentence = (
        f"It {words} than {row['against']} held at the same volatility{ratio}: the chance of this much by luck, corrected "
        f"for all accounts of the run, is {p_value}, its ratio deflated for all trials {row['deflated_sharpe']:.2f}."
    )
    return [sentence]


def _returns(equity: pd.DataFrame, lane: str) -> Floats:
    """Return the returns of an account, -1 at its ruin and 0 after it."""
    curve = equity.loc[equity["lane"] == lane, "equity"].to_numpy()
    known = until_ruin(curve)
    returns = np.zeros(len(curve) - 1)
    returns[: len(known) - 1] = known[1:] / known[:-1] - 1.0
    return returns


def _above(returns: pd.DataFrame, benchmark: Floats) -> pd.DataFrame:
    """Return what each account earned above the benchmark held at the account's volatility over the test.

    A ratio does not depend on size, so differences beyond a total loss are made smaller, all by one factor.
    """
    scale = returns.std(ddof=0).to_numpy() / float(benchmark.std())
    above = returns.to_numpy() - np.outer(benchmark, scale)
    return pd.DataFrame(above / np.maximum(1.0, -above.min(axis=0)), returns.index, returns.columns)
