"""Null table: how often each published test calls luck significant, beside how often it may."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from scipy.special import ndtri

from backtest.metrics.dependence import sharpe_standard_error
from backtest.metrics.overfitting import null_shares, winners
from backtest.metrics.ratios import sharpe, sharpe_per_period
from backtest.metrics.returns import Returns
from backtest.metrics.significance import deflated_sharpes, probabilistic_sharpe
from backtest.metrics.superiority import longest_block, resampled_tests, set_p_values
from backtest.metrics.trial_correlation import trial_family
from data.panel import Floats

Kind = Literal["exact", "conservative", "nothing"]

ALPHA = 0.05
"""Nominal level of every test in the table."""

PERIODS_PER_YEAR = 252.0
"""Year of the made-up returns; no test depends on it."""

TESTS: Mapping[str, Kind] = {
    "one rule, t-test": "exact",
    "one rule, HAC error": "exact",
    "one rule, PSR": "exact",
    "best of N, no correction": "nothing",
    "best of N, Bonferroni on PSR": "conservative",
    "best of N, DSR (N)": "conservative",
    "best of N, DSR (effective N)": "nothing",
    "reality check, returns as they are": "exact",
    "SPA, unit sd, block 10": "exact",
    "SPA, unit sd, block 30": "exact",
    "SPA, unit sd, automatic block": "exact",
    "StepM, any strategy": "exact",
    "MCS, any strategy left out": "conservative",
    "PBO below its null band": "conservative",
}
"""Tests of the table and what is asked of each: ``exact`` a rate inside both sides of the binomial band, ``conservative``
one not above it, ``nothing`` none of it, because it is shown as a warning."""


COLUMNS = ("test", "asked", "rate", "standard_error", "low", "high", "verdict")
"""Columns of ``rejection_rates``."""


@dataclass(frozen=True)
class Effort:
    """What a world costs.

    Attributes:
        periods: periods of the rules' returns.
        resamples: resamples of each bootstrap test.
        draws: noise matrices of the PBO band.
    """

    periods: int = 1000
    resamples: int = 499
    draws: int = 99


def decisions(values: Floats, rng: np.random.Generator, effort: Effort) -> dict[str, bool]:
    """Return which tests of ``TESTS`` reject at 5 % for strategies' returns (T, N) against cash that earns nothing."""
    return formula_decisions(values) | resampled_decisions(values, rng, effort)


def formula_decisions(values: Floats) -> dict[str, bool]:
    """Return which tests of ``TESTS`` that need no resamples reject at 5 %."""
    one, best = Returns(values[:, 0], PERIODS_PER_YEAR), best_of(values)
    ratios = sharpe_per_period(values.T)
    probabilities = [probabilistic_sharpe(Returns(column, PERIODS_PER_YEAR)).value for column in values.T]
    deflated = deflated_sharpes(best, trial_family(values))
    bounded = float(ndtri(1 - ALPHA)) / math.sqrt(len(values))
    return {
        "one rule, t-test": bool(ratios[0] > bounded),
        "one rule, HAC error": sharpe(one).value > float(ndtri(1 - ALPHA)) * sharpe_standard_error(one).value,
        "one rule, PSR": probabilities[0] > 1 - ALPHA,
        "best of N, no correction": bool(ratios.max() > bounded),
        "best of N, Bonferroni on PSR": max(probabilities) > 1 - ALPHA / values.shape[1],
        "best of N, DSR (N)": deflated.full.value > 1 - ALPHA,
        "best of N, DSR (effective N)": deflated.effective.value > 1 - ALPHA,
    }


def resampled_decisions(values: Floats, rng: np.random.Generator, effort: Effort) -> dict[str, bool]:
    """Return which resampling tests of ``TESTS`` reject at 5 %."""
    automatic = longest_block(values)
    tested = {b: resampled_tests(values, b, effort.resamples, rng) for b in (10.0, 30.0, automatic)}
    share = winners(values, 10).overfit_share
    null = null_shares(values, 10, automatic, effort.draws, rng)
    return {
        "reality check, returns as they are": tested[automatic].reality_check <= ALPHA,
        "SPA, unit sd, block 10": tested[10.0].consistent <= ALPHA,
        "SPA, unit sd, block 30": tested[30.0].consistent <= ALPHA,
        "SPA, unit sd, automatic block": tested[automatic].consistent <= ALPHA,
        "StepM, any strategy": bool(tested[automatic].stepwise.min() <= ALPHA),
        "MCS, any strategy left out": bool(
            set_p_values(values, automatic, effort.resamples, rng).min() <= ALPHA
        ),
        "PBO below its null band": bool((1 + np.count_nonzero(null <= share)) / (1 + effort.draws) <= ALPHA),
    }


def best_of(values: Floats) -> Returns:
    """Return the returns of the strategy with the highest Sharpe ratio among (T, N)."""
    return Returns(values[:, int(sharpe_per_period(values.T).argmax())], PERIODS_PER_YEAR)


def rejection_rates(found: Sequence[Mapping[str, bool]]) -> pd.DataFrame:
    """Return one row a test: its rejection rate over the worlds, the standard error, the band and whether it is inside.

    The band is alpha +- 3 sqrt(alpha (1 - alpha) / worlds); ``inside`` asks what ``TESTS`` says of the test.
    """
    worlds = len(found)
    half = 3 * math.sqrt(ALPHA * (1 - ALPHA) / worlds)
    rows = []
    for name in found[0]:
        rate = float(np.mean([each[name] for each in found]))
        error = math.sqrt(rate * (1 - rate) / worlds)
        kind = TESTS.get(name, "nothing")
        rows.append((name, kind, rate, error, ALPHA - half, ALPHA + half, verdict(kind, rate, half)))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def verdict(kind: Kind, rate: float, half: float) -> str:
    """Return ``inside`` or ``outside`` the band of half-width ``half``; one-sided for conservative tests."""
    above = rate > ALPHA + half
    below = rate < ALPHA - half and kind == "exact"
    return "outside" if above or below else "inside"
