"""Metric: one number with its convention, its sample and, where there is one, its interval."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from backtest.errors import MetricError
from backtest.metrics.returns import LEAST_INFERENCE, NOISE, least_periods
from data.panel import Floats


class Sample(Protocol):
    """What a metric is computed on: a length and the periods in a year."""

    @property
    def periods_per_year(self) -> float:
        """Periods in a year."""

    def __len__(self) -> int: ...


@dataclass(frozen=True)
class Metric:
    """One number that says how it was computed.

    Attributes:
        name: the name in the table of metrics.
        value: finite, or NaN with a ``flag``.
        n: periods, trades or orders it was computed on.
        periods_per_year: periods in a year.
        convention: formula and settings in words, for the report.
        flag: why there is no value or interval; empty when nothing is to be said.
        low: lower end of the interval, NaN without one.
        high: upper end of the interval, NaN without one.

    Raises:
        MetricError: when the value is infinite, or NaN without a flag.
    """

    name: str
    value: float
    n: int
    periods_per_year: float
    convention: str
    flag: str = ""
    low: float = math.nan
    high: float = math.nan

    def __post_init__(self) -> None:
        if math.isinf(self.value) or (math.isnan(self.value) and not self.flag):
            raise MetricError(
                f"metric {self.name} was {self.value}; a finite value, or NaN with a flag, is needed"
            )

    def with_interval(self, low: float, high: float, convention: str) -> "Metric":
        """Return the metric with an interval and the words that say where it came from."""
        return replace(self, low=low, high=high, convention=f"{self.convention}; {convention}")

    def with_flag(self, flag: str) -> "Metric":
        """Return the metric with one more remark."""
        return replace(self, flag=f"{self.flag}; {flag}" if self.flag else flag)


def measured(name: str, sample: Sample, convention: str, flag: str, compute: Callable[[], float]) -> Metric:
    """Return the metric of ``compute()``, which is called only when no flag stands against it.

    A result that overflows becomes NaN with a flag.
    """
    value = math.nan
    if not flag:
        with np.errstate(over="ignore"):
            value = float(compute())
        if not math.isfinite(value):
            value, flag = math.nan, "too large for a number"
    return Metric(name, value, len(sample), float(sample.periods_per_year), convention, flag)


def if_short(sample: Sample, least: int | None = None) -> str:
    """Return a flag when the sample has fewer periods than may be annualised (or than ``least``), else nothing."""
    needed = least_periods(sample.periods_per_year) if least is None else least
    return f"n/a ({len(sample)} < {needed} periods)" if len(sample) < needed else ""


def if_few(sample: Sample) -> str:
    """Return a flag when the sample is too small for an error, an interval or a probability."""
    return if_short(sample, LEAST_INFERENCE)


def if_constant(values: Floats) -> str:
    """Return a flag when the values do not vary beyond rounding, else nothing."""
    if len(values) < 2:
        return "n/a (1 < 2 periods)"
    return "returns are constant" if float(np.ptp(values)) <= NOISE else ""
