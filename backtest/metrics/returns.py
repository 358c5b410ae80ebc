"""Returns: what every metric reads, and how returns are made from an equity curve.

A metric never guesses whether it was given prices or returns: it takes a ``Returns``, and only ``returns_from_equity``
turns money into one.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from backtest.errors import MetricError
from backtest.metrics.columns import checked_periods
from data.panel import Floats, read_only

DAILY_FROM = 200.0
"""From this many periods a year on, data counts as daily or finer."""

LEAST_DAILY = 63
"""Fewest daily periods that may be annualised: a quarter of a 252-day year."""

LEAST_INFERENCE = 20
"""Fewest periods for which an error, an interval or a probability is stated."""

NOISE = 1e-13
"""Returns that differ by less are equal: an equity ratio carries rounding of about 2e-16 at every period."""

LARGEST_LOG_GROWTH = 700.0
"""A curve that compounds to more than e^700 overflows float64."""


@dataclass(frozen=True, eq=False)
class Returns:
    """Net simple returns of one account, one a period, and the risk-free returns beside them.

    Attributes:
        values: (T,) net simple returns per period, finite, at least -1 (a total loss is -1), T >= 1,
            compounding to a finite number.
        periods_per_year: periods in a year, from the calendar of the data; there is no default.
        risk_free: a number is an annual rate, converted to (1 + rf)^(1/q) - 1 a period; an array (T,) is per period.
            Stored as (T,) per period.

    Raises:
        MetricError: when values are not one-dimensional, empty, not finite, below -1 or compound beyond e^700, when
            ``periods_per_year`` is not a positive number, or when ``risk_free`` has another length or is not above -1.
    """

    values: Floats
    periods_per_year: float
    risk_free: float | Floats = 0.0

    def __post_init__(self) -> None:
        values = np.array(self.values, dtype=np.float64)
        _check_values(values)
        checked_periods(self.periods_per_year)
        object.__setattr__(self, "values", read_only(values))
        object.__setattr__(self, "risk_free", read_only(self._risk_free_per_period()))

    def __len__(self) -> int:
        return len(self.values)

    @property
    def excess(self) -> Floats:
        """Returns above the risk-free ones, (T,)."""
        return np.asarray(self.values - self.risk_free, dtype=np.float64)

    @property
    def risk_free_annual(self) -> float:
        """The constant annual rate that compounds to the same as ``risk_free``."""
        log_growth = float(np.log1p(self.risk_free).mean())
        return math.expm1(log_growth * self.periods_per_year)

    @property
    def terms(self) -> str:
        """The words every convention ends with: periods a year and risk-free rate."""
        return f"{self.periods_per_year:g} periods/year, rf {self.risk_free_annual:.4g} a year"

    def _risk_free_per_period(self) -> Floats:
        rate = np.array(self.risk_free, dtype=np.float64)
        if rate.ndim and rate.shape != np.shape(self.values):
            raise MetricError(
                f"risk_free has shape {rate.shape}; a number (annual) or shape {np.shape(self.values)} (per period) is needed"
            )
        if not (np.isfinite(rate).all() and (rate > -1).all()):
            raise MetricError(f"risk_free was {rate.min()}; finite rates above -1 are needed")
        if rate.ndim:
            return rate
        return np.full(np.shape(self.values), (1 + float(rate)) ** (1 / self.periods_per_year) - 1)


def returns_from_equity(
    equity: npt.ArrayLike, periods_per_year: float, risk_free: float | Floats = 0.0
) -> Returns:
    """Return the (T,) returns of an equity curve (T+1,) whose first value is the start capital.

    Args:
        equity: (T+1,) money, positive; only the last value may be 0 (a total loss). See ``until_ruin``.
        periods_per_year: periods in a year, from the calendar of the data.
        risk_free: as in ``Returns``.

    Raises:
        MetricError: when the curve has fewer than two values, or one that is not finite or not positive.
    """
    curve = np.asarray(equity, dtype=np.float64)
    check_equity(curve)
    return Returns(curve[1:] / curve[:-1] - 1, periods_per_year, risk_free)


def check_equity(curve: Floats) -> None:
    """Refuse an equity curve that has no returns.

    Raises:
        MetricError: when it is not (T+1,) with T >= 1, or has a value that is not finite or not positive before its end.
    """
    if curve.ndim != 1 or len(curve) < 2:
        raise MetricError(
            f"equity has shape {curve.shape}; the start capital and at least one more value are needed"
        )
    wrong = ~np.isfinite(curve) | (curve < 0) | ((curve == 0) & (np.arange(len(curve)) < len(curve) - 1))
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise MetricError(
            f"equity at row {row} was {curve[row]}; it must be positive (a ruined account ends with 0: see until_ruin)"
        )


def until_ruin(equity: npt.ArrayLike) -> Floats:
    """Return the curve up to its first value at or below zero, which becomes 0; a solvent curve is returned whole."""
    curve = np.array(equity, dtype=np.float64)
    ruined = np.flatnonzero(curve <= 0)
    if not len(ruined):
        return curve
    curve[ruined[0]] = 0.0
    return curve[: ruined[0] + 1]


def least_periods(periods_per_year: float) -> int:
    """Return the fewest periods that may be annualised: a quarter of a year, and 63 for daily data."""
    quarter = math.ceil(periods_per_year / 4 - 1e-9)
    return max(quarter, LEAST_DAILY) if periods_per_year >= DAILY_FROM else max(quarter, 1)


def _check_values(values: Floats) -> None:
    if values.ndim != 1 or not len(values):
        raise MetricError(
            f"returns have shape {values.shape}; (T,) with T >= 1 is needed, one account at a time"
        )
    wrong = ~(np.isfinite(values) & (values >= -1))
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise MetricError(f"return at row {row} was {values[row]}; finite values of at least -1 are needed")
    with np.errstate(divide="ignore"):
        highest = float(np.cumsum(np.log1p(values)).max())
    if highest > LARGEST_LOG_GROWTH:
        raise MetricError(
            f"returns compound to e^{highest:.0f}, beyond the range of a number; shares such as 0.01 are needed, not percent"
        )
