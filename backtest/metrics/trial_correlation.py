"""Trial correlation: the mean pairwise correlation of any number of trials, kept as one sum while they stream by."""

import functools
from dataclasses import dataclass, replace

import numpy as np

from backtest.errors import MetricError
from backtest.metrics.ratios import sharpe_per_period
from backtest.metrics.returns import NOISE
from backtest.metrics.significance import TrialFamily, effective_trials
from data.panel import Floats, read_only


@dataclass(frozen=True, eq=False)
class TrialCorrelation:
    """What the mean correlation of N trials needs: with unit vectors z, sum over pairs of z_i z_j = (|sum z|^2 - N) / 2.

    Memory is one row of T values, whatever N. Adding and merging round differently in another order: to get equal bits,
    split and merge in a fixed order.

    Attributes:
        count: trials added whose returns vary.
        constant: trials added whose returns never vary; they have no correlation and stay out of the mean.
        total: (T,) sum of the centred returns of the varying trials, each scaled to length 1.

    Example:
        >>> rows = np.random.default_rng(0).normal(size=(3, 500))
        >>> found = TrialCorrelation.start(500).add(rows[0]).add(rows[1]).add(rows[2])
        >>> round(found.effective_count)
        3
    """

    count: int
    constant: int
    total: Floats

    @classmethod
    def start(cls, periods: int) -> "TrialCorrelation":
        """Return the accumulator of no trials over ``periods`` periods.

        Raises:
            MetricError: when there are fewer than two periods.
        """
        if periods < 2:
            raise MetricError(f"periods was {periods}; at least 2 are needed for a correlation")
        return cls(0, 0, read_only(np.zeros(periods)))

    def add(self, returns: Floats) -> "TrialCorrelation":
        """Return the accumulator with one more trial, its returns (T,) of the same periods as the others.

        Raises:
            MetricError: when the returns have another length or are not finite.
        """
        values = np.asarray(returns, dtype=np.float64)
        if values.shape != self.total.shape:
            raise MetricError(f"returns have shape {values.shape}; {self.total.shape} is needed, as before")
        if not np.isfinite(values).all():
            row = int(np.flatnonzero(~np.isfinite(values))[0])
            raise MetricError(f"return at row {row} was {values[row]}; finite values are needed")
        if float(np.ptp(values)) <= NOISE:
            return replace(self, constant=self.constant + 1)
        centred = values - values.mean()
        unit = centred / np.linalg.norm(centred)
        return replace(self, count=self.count + 1, total=read_only(self.total + unit))

    def merge(self, other: "TrialCorrelation") -> "TrialCorrelation":
        """Return the accumulator of both groups of trials, which have none in common.

        Raises:
            MetricError: when they are of different periods.
        """
        if self.total.shape != other.total.shape:
            raise MetricError(f"periods were {len(self.total)} and {len(other.total)}; equal ones are needed")
        total = read_only(self.total + other.total)
        return TrialCorrelation(self.count + other.count, self.constant + other.constant, total)

    @functools.cached_property
    def mean_correlation(self) -> float:
        """Mean correlation over all pairs of trials that vary, in [-1/(N-1), 1]; 0 where there is no pair."""
        if self.count < 2:
            return 0.0
        pairs = self.count * (self.count - 1)
        return min(1.0, (float(self.total @ self.total) - self.count) / pairs)

    @property
    def effective_count(self) -> float:
        """Independent trials worth these correlated ones, constant ones counted whole; never above their number.

        Raises:
            MetricError: when no trial was added.
        """
        return effective_trials(max(0.0, self.mean_correlation), self.count + self.constant)


def trial_family(returns: Floats) -> TrialFamily:
    """Return what a deflated Sharpe ratio has to know of the trials whose returns (T, N) are at hand.

    A trial that never varies counts, but has neither a Sharpe ratio nor a correlation.

    Raises:
        MetricError: when the returns are not (T, N) with T >= 2, N >= 1, or not finite.
    """
    values = np.asarray(returns, dtype=np.float64)
    if values.ndim != 2 or not values.shape[1]:
        raise MetricError(f"returns have shape {values.shape}; (T, N) is needed, one column a trial")
    correlation = functools.reduce(TrialCorrelation.add, values.T, TrialCorrelation.start(len(values)))
    varying = values[:, np.ptp(values, axis=0) > NOISE]
    deviation = float(sharpe_per_period(varying.T).std(ddof=1)) if varying.shape[1] > 1 else 0.0
    return TrialFamily(values.shape[1], deviation, correlation.mean_correlation)
