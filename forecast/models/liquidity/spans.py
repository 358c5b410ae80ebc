"""Spans: sums of bars behind and ahead of each bar, and least squares on their logarithms."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from data.panel import Floats

Origins = npt.NDArray[np.int64]

LEAST_SHARE = 0.01
"""Sums below this share of their training mean are raised to it: a span in which nobody traded has no log."""


def trailing_sums(values: Floats, count: int) -> Floats:
    """Return the sum of each bar and the ``count`` - 1 before it, (T,); NaN where there are not as many."""
    totals = np.concatenate([[0.0], np.cumsum(values)])
    sums = np.full(len(values), np.nan)
    sums[count - 1 :] = totals[count:] - totals[:-count]
    # Differences of long sums may leave dust below 0.
    return np.maximum(sums, 0.0) if (values >= 0).all() else sums


def coming_sums(values: Floats, count: int) -> Floats:
    """Return the sum of the ``count`` bars after each bar, (T,); NaN where they are not all known."""
    sums = np.full(len(values), np.nan)
    sums[:-count] = trailing_sums(values, count)[count:]
    return sums


def origin_step(horizon: int) -> int:
    """Return the bars between two training spans: four to a span, at least one a day of hours."""
    return max(1, min(horizon // 4, 24))


def training_origins(rows: int, first: int, horizon: int) -> Origins:
    """Return the bars from which a fit looks ahead, ``origin_step`` apart, counted back from the last whose span is known.

    Args:
        rows: bars known; every span ends at the last of them or before.
        first: earliest bar with everything a forecast reads behind it.
        horizon: bars of a span.
    """
    return np.arange(rows - 1 - horizon, first - 1, -origin_step(horizon), dtype=np.int64)[::-1]


@dataclass(frozen=True, eq=False)
class LogRule:
    """A regression of a logarithm, as a rule for the mean of what it is the logarithm of.

    Attributes:
        weights: (F,) of the regressors.
        bounds: (3,) mean of exp(residual) (Duan 1983), least and greatest mean allowed.
    """

    weights: Floats
    bounds: Floats

    def mean(self, design: Floats) -> Floats:
        """Return the expected value for each row of regressors, (N,)."""
        # Column by column: a matrix product may round differently with the number of rows.
        fitted = np.zeros(len(design))
        for column, weight in zip(design.T, self.weights, strict=True):
            fitted = fitted + weight * column
        smear, least, most = self.bounds
        return np.asarray(np.clip(np.exp(np.clip(fitted, -700.0, 700.0)) * smear, least, most))


def fitted_rule(design: Floats, values: Floats) -> LogRule:
    """Return the least squares of log(values) on (N, F) regressors, bias corrected; values (N,) above 0."""
    target = np.log(values)
    weights = np.asarray(np.linalg.lstsq(design, target, rcond=None)[0], np.float64)
    smear = float(np.mean(np.exp(target - design @ weights)))
    return LogRule(weights, np.array([smear, values.min(), values.max()]))


def raised(values: Floats, least: float) -> Floats:
    """Return the values, those below ``least`` raised to it; NaN stays."""
    return np.where(values < least, least, values)
