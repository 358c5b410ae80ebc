"""Dated equity: an account's curve with the date of each value, which the definitions of other tools ask for."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from backtest.errors import MetricError
from backtest.metrics.returns import Returns, returns_from_equity
from backtest.metrics.trades import Trades
from data.panel import Floats, read_only

Dates = npt.NDArray[np.datetime64]


@dataclass(frozen=True, eq=False)
class DatedEquity:
    """One account's curve and the dates of its values.

    Attributes:
        equity: (T+1,) account currency, the start capital first; positive, only the last may be 0.
        dates: (T+1,) session dates, not decreasing; the first is that of the start capital.
        periods_per_year: periods in a year, from the calendar of the data.
        trades: the closed trades, for the definitions that count trades; None when they are not known.

    Raises:
        MetricError: when lengths differ, dates decrease or are missing, or the curve has no returns.
    """

    equity: Floats
    dates: Dates
    periods_per_year: float
    trades: Trades | None = None

    def __post_init__(self) -> None:
        equity = np.array(self.equity, dtype=np.float64)
        dates = np.array(self.dates).astype("datetime64[D]")
        if dates.shape != equity.shape:
            raise MetricError(
                f"dates have shape {dates.shape}, equity {equity.shape}; one date a value is needed"
            )
        if np.isnat(dates).any() or (np.diff(dates) < np.timedelta64(0)).any():
            raise MetricError("dates are missing or decrease; they must be known and in order")
        returns_from_equity(equity, self.periods_per_year)
        object.__setattr__(self, "equity", read_only(equity))
        object.__setattr__(self, "dates", read_only(dates))

    @property
    def returns(self) -> Returns:
        """The (T,) returns of the curve as it is."""
        return returns_from_equity(self.equity, self.periods_per_year)

    def by_day(self) -> "DatedEquity":
        """Return the start capital and the last value of each date: what tools that know days only see."""
        dates = self.dates[1:]
        is_last = np.append(dates[1:] != dates[:-1], True)
        kept = np.append(0, 1 + np.flatnonzero(is_last))
        return DatedEquity(self.equity[kept], self.dates[kept], self.periods_per_year, self.trades)
