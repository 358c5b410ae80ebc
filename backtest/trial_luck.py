"""Trial luck: how much of a run's numbers the search for them explains, in facts, a table and a sentence."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from backtest.metrics.returns import LEAST_INFERENCE, until_ruin
from backtest.metrics.selection_tests import COLUMNS, selection_tests
from backtest.metrics.significance import expected_maximum, minimum_backtest_length
from backtest.trials import TrialCount
from backtest.walk import Lane
from data.panel import Floats
from forecast.skill import is_naive


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
    """Return the table ``luck``: each account that counts as a trial, tested above cash after paying for the search.

    A model asked twice counts once, here as in the ledger. Empty, with its columns, where no account counts or the test is shorter than 20 bars.

    Args:
        lanes: of the run.
        equity: the run table ``equity``.
        trials: all trials on these data, those of this run included.
        periods_per_year: periods in a year.
        rng: source of the resamples.
    """
    asked = {lane.forecaster: lane.label for lane in reversed(lanes) if lane.role == "asked"}
    counted = [label for label in reversed(asked.values()) if not is_naive(label)]
    curves = {label: equity[equity["lane"] == label] for label in counted}
    returns = {label: _returns(curve["equity"].to_numpy()) for label, curve in curves.items()}
    times = equity["time"].drop_duplicates().to_numpy()[1:]
    if not returns or len(times) < LEAST_INFERENCE:
        return pd.DataFrame(columns=list(COLUMNS))
    frame = pd.DataFrame(returns, index=pd.DatetimeIndex(times))
    cash = pd.Series(0.0, index=frame.index)
    return selection_tests(frame, cash, rng, periods_per_year=periods_per_year, family=trials.family)


def trial_sentence(count: int) -> str:
    """Return how many strategies were tried on these data, in words."""
    if count == 0:
        return "No strategy was tried on these data: only reference models ran."
    tried = "1 strategy has" if count == 1 else f"{count:,} strategies have"
    return f"{tried} been tried on these data so far; reference models and benchmarks are not counted."


def _returns(equity: Floats) -> Floats:
    """Return the returns of an account, -1 at its ruin and 0 after it."""
    known = until_ruin(equity)
    returns = np.zeros(len(equity) - 1)
    returns[: len(known) - 1] = known[1:] / known[:-1] - 1.0
    return returns
