"""Deployments: when candidates were ranked on what was known, and what each was worth afterwards."""

from dataclasses import dataclass

import numpy as np

from backtest.metrics.returns import LEAST_INFERENCE
from backtest.selection.pool import Accounts, Pool
from backtest.selection.ranking import Rows
from backtest.selection.settings import SelectionSettings
from backtest.selection.sharpe_at_k import Outcome
from backtest.selection.utility import annual_value, value_variance
from data.errors import SpecError
from data.panel import Floats, Times

DELAY = 1
"""Bars between a deployment's close and the first return that counts: the bar in which its orders fill is left out."""

BASELINES = ("cash", "benchmark")
"""Cash is worth exactly 0; the benchmark is held at the same volatility target."""


@dataclass(frozen=True, eq=False)
class Deployment:
    """One date at which strategies were chosen, and the window that judges them.

    Attributes:
        at: the close at which they were chosen.
        row: its row.
        first: first row whose return counts.
        stop: one past the last row that counts.
        is_closed: the window has ended; only then is there an outcome.
    """

    at: np.datetime64
    row: int
    first: int
    stop: int
    is_closed: bool


def deployments(
    pool: Pool, begun: Accounts, settings: SelectionSettings, since: np.datetime64 | None = None
) -> tuple[Deployment, ...]:
    """Return the deployments, oldest first; their outcome windows do not overlap.

    Args:
        pool: the candidates.
        begun: their returns; a date at which too little is known of any candidate is no deployment.
        settings: warm-up, spacing and length of the window.
        since: leave out dates before this instant.

    Raises:
        SpecError: when no date is left, or the window is too short or reaches beyond the next deployment.
    """
    rows = np.searchsorted(pool.times, pool.dates[settings.warm_up :: settings.every])
    rows = rows[rows - begun.start + 1 >= LEAST_INFERENCE]
    if since is not None:
        rows = rows[pool.times[rows] >= since]
    if not len(rows):
        raise SpecError(
            f"{len(pool.dates)} folds leave no deployment after a warm-up of {settings.warm_up}"
            f"{'' if since is None else f' from {since} on'}; use more data, shorter tests or a shorter warm-up"
        )
    length = _window(pool, rows, settings)
    return tuple(_deployment(pool.times, int(row), length) for row in rows)


def outcomes(pool: Pool, begun: Accounts, closed: tuple[Deployment, ...]) -> dict[str, tuple[Outcome, ...]]:
    """Return what the candidates were worth after each closed deployment, against each baseline."""
    found: dict[str, list[Outcome]] = {name: [] for name in BASELINES}
    for each in closed:
        window = begun.utilities[each.first : each.stop]
        values = annual_value(window, pool.periods_per_year)
        variances = np.array([value_variance(column, pool.periods_per_year) for column in window.T])
        benchmark = float(annual_value(begun.benchmark[each.first : each.stop], pool.periods_per_year))
        for name, baseline in zip(BASELINES, (0.0, benchmark), strict=True):
            found[name].append(Outcome(values, baseline, variances))
    return {name: tuple(parts) for name, parts in found.items()}


def portfolio_returns(begun: Accounts, each: Deployment, chosen: Rows) -> Floats:
    """Return the net excess returns of the equal-risk portfolio of the chosen after a deployment, (H,)."""
    return np.asarray(begun.excess[each.first : each.stop][:, chosen].mean(axis=1))


def _window(pool: Pool, rows: np.ndarray, settings: SelectionSettings) -> int:
    """Return the bars from a deployment to the end of its window."""
    between = np.diff(rows)
    longest = int(between.min()) if len(between) else len(pool.times) - 1 - int(rows[0])
    length = longest if settings.outcome is None else settings.outcome
    if length > longest and len(between):
        raise SpecError(
            f"outcome was {length} bars; the next deployment comes after {longest}, and windows must not overlap "
            "(deploy less often: every)"
        )
    if length - DELAY < LEAST_INFERENCE:
        raise SpecError(
            f"the outcome window is {length} bars; at least {LEAST_INFERENCE + DELAY} are needed (longer tests, or deploy less often: every)"
        )
    return length


def _deployment(times: Times, row: int, length: int) -> Deployment:
    stop = row + length + 1
    return Deployment(np.datetime64(times[row]), row, row + DELAY + 1, stop, stop <= len(times))
