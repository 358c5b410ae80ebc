"""Pool: the candidates of a selection as their returns, and what was known of them at a date."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from backtest.errors import MetricError
from backtest.selection.estimators.base import Known, Record, Replay
from backtest.selection.utility import scaled_excess, utilities
from data.panel import Floats, Times, read_only

REGIME_NOW = 63
"""Bars whose market counts as "now": a quarter of a year of daily ones."""


class AbstractRefits(ABC):
    """What can be made of a candidate beside its own walk, for estimators that ask for it."""

    @abstractmethod
    def replay(self, need: str, until: np.datetime64) -> Replay:
        """Return the utilities an estimator needs (see ``EXTRAS``), made of nothing later than ``until``."""


class NoRefits(AbstractRefits):
    """Nothing but the walk: estimators that need more say so."""

    def replay(self, need: str, until: np.datetime64) -> Replay:
        """Return an empty replay that says why."""
        return Replay(np.empty((0, 0)), f"n/a (this candidate has no {need} returns)")


@dataclass(frozen=True, eq=False)
class Candidate:
    """A strategy that may be deployed.

    Attributes:
        id: distinct name, which also breaks ties.
        cost: declared beforehand; a tie goes to the cheaper one.
        returns: (T,) net simple returns on the pool's times, NaN before its first decision, 0 after ruin.
        refits: what else can be made of it.
    """

    id: str
    cost: float
    returns: Floats
    refits: AbstractRefits


@dataclass(frozen=True, eq=False)
class Pool:
    """Candidates on one time axis, with the baseline and the market beside them.

    Attributes:
        times: (T,) ends of the bars.
        periods_per_year: bars in a year, from the calendar.
        candidates: N of them, distinct ids.
        benchmark: (T,) net returns of the benchmark account, NaN before it begins.
        folds: (T,) fold that earns each bar, -1 before the first.
        dates: (M,) first decision of each fold, at which candidates may be deployed.
        regime: (T, F) state of the market at each close, NaN where not known; no columns where nobody needs it.

    Raises:
        MetricError: when shapes differ, ids repeat or there is no candidate.
    """

    times: Times
    periods_per_year: float
    candidates: tuple[Candidate, ...]
    benchmark: Floats
    folds: npt.NDArray[np.int64]
    dates: Times
    regime: Floats

    def __post_init__(self) -> None:
        ids = [candidate.id for candidate in self.candidates]
        if not ids or len(set(ids)) != len(ids):
            raise MetricError(f"candidates were {ids}; one or more with distinct ids are needed")
        count = len(self.times)
        parts = {each.id: each.returns for each in self.candidates} | {
            "benchmark": self.benchmark,
            "folds": self.folds,
            "regime": self.regime,
        }
        for name, part in parts.items():
            if len(part) != count:
                raise MetricError(f"{name} has {len(part)} rows; the pool has {count} times")
        for name in ("benchmark", "folds", "regime"):
            object.__setattr__(self, name, read_only(getattr(self, name)))

    @property
    def ids(self) -> tuple[str, ...]:
        """The candidates' names, in their order."""
        return tuple(candidate.id for candidate in self.candidates)

    @property
    def costs(self) -> Floats:
        """(N,) declared costs."""
        return np.array([candidate.cost for candidate in self.candidates])


@dataclass(frozen=True, eq=False)
class Accounts:
    """A pool's returns as arrays: each value at row t was made from rows up to t only.

    Attributes:
        returns: (T, N) net returns, NaN before a candidate begins.
        utilities: (T, N) per period, NaN while the volatility is not known.
        excess: (T, N) scaled excess returns, likewise.
        benchmark: (T,) utilities of the benchmark.
        start: first row at which every candidate and the benchmark have a utility.
    """

    returns: Floats
    utilities: Floats
    excess: Floats
    benchmark: Floats
    start: int


def accounts(pool: Pool) -> Accounts:
    """Return the pool's returns, scaled and as utilities.

    Raises:
        MetricError: when some candidate never has a utility.
    """
    returns = np.column_stack([candidate.returns for candidate in pool.candidates])
    worth = utilities(returns, pool.periods_per_year)
    beside = utilities(pool.benchmark, pool.periods_per_year)
    told = np.isfinite(worth).all(axis=1) & np.isfinite(beside)
    if not told.any():
        raise MetricError(
            f"{len(pool.candidates)} candidates on {len(pool.times)} bars have no period at which the volatility of all is known"
        )
    return Accounts(
        returns, worth, scaled_excess(returns, pool.periods_per_year), beside, int(np.flatnonzero(told)[0])
    )


def known_at(pool: Pool, accounts_of: Accounts, row: int, needs: Iterable[str] = ()) -> Known:
    """Return what was known at the close of ``pool.times[row]``: rows up to it, and nothing later.

    Args:
        pool: the candidates.
        accounts_of: their returns.
        row: the deployment's row, at or after ``accounts_of.start``.
        needs: extras to make (see ``EXTRAS``).
    """
    start, stop = accounts_of.start, row + 1
    wanted, at = sorted(needs), np.datetime64(pool.times[row])
    records = tuple(
        Record(
            candidate.id,
            accounts_of.returns[start:stop, i],
            accounts_of.utilities[start:stop, i],
            {need: candidate.refits.replay(need, at) for need in wanted},
        )
        for i, candidate in enumerate(pool.candidates)
    )
    # The market that a period's decision saw is that of the close before it.
    before = pool.regime[start - 1 : row]
    return Known(
        at,
        pool.periods_per_year,
        records,
        pool.folds[start:stop],
        before,
        pool.regime[max(0, stop - REGIME_NOW) : stop],
    )
