"""Columns: the checks that the values a metric reads have in common."""

import math

import numpy as np
import numpy.typing as npt

from backtest.errors import MetricError
from data.panel import Floats, read_only


def checked_periods(periods_per_year: float) -> float:
    """Return the periods in a year.

    Raises:
        MetricError: when they are not a positive number.
    """
    if not (math.isfinite(periods_per_year) and periods_per_year > 0):
        raise MetricError(f"periods_per_year was {periods_per_year}; a positive number is needed")
    return float(periods_per_year)


def checked_column(
    name: str, values: npt.ArrayLike, count: int, *, least: float = -math.inf, unknown: bool = False
) -> Floats:
    """Return a read-only copy of a column (N,) of numbers.

    Args:
        name: what the column is called in the error.
        values: the numbers.
        count: how many are needed.
        least: the lowest number allowed.
        unknown: NaN stands for a number that is not known, and is allowed.

    Raises:
        MetricError: when the shape differs, or a number is not finite or below the least.
    """
    column = np.array(values, dtype=np.float64)
    if column.shape != (count,):
        raise MetricError(f"{name} has shape {column.shape}; ({count},) is needed")
    wrong = ~(np.isfinite(column) & (column >= least))
    if unknown:
        wrong &= ~np.isnan(column)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        allowed = "finite" if math.isinf(least) else f"finite and at least {least:g}"
        raise MetricError(f"{name} at row {row} was {column[row]}; {allowed} is needed")
    return read_only(column)
