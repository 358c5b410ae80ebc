"""Outlook: the forecasts of K decisions in the book's order, as book-free policies read them.

A series counts at a decision when it can be traded there and was forecast: what cannot be forecast is not held, and what
cannot be traded is left alone.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from backtest.errors import EngineError
from data.panel import Floats, read_only
from forecast.distribution import QuantileForecast
from forecast.errors import ForecastError
from forecast.randomness import RandomStreams


@dataclass(frozen=True, eq=False)
class Outlook:
    """What is known at K decisions, apart from the account.

    Attributes:
        forecasts: K forecasts with the same levels, quantity and horizon; each may hold fewer series, or others.
        series: S names, in the book's order.
        tradable: (K, S) bool: may be traded, and its bar at the cutoff was observed.
        streams: K families of generators, for policies that randomise.

    Raises:
        EngineError: when ``tradable`` is not about these decisions and series.
        ForecastError: when the forecasts do not ask the same question.
    """

    forecasts: tuple[QuantileForecast, ...]
    series: tuple[str, ...]
    tradable: npt.NDArray[np.bool_]
    streams: tuple[RandomStreams, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "tradable", read_only(np.ascontiguousarray(self.tradable, bool)))
        if self.tradable.shape != (len(self.forecasts), len(self.series)):
            raise EngineError(
                f"market covers {self.tradable.shape[-1]} series at {self.tradable.shape[0]} decisions; the book has "
                f"{len(self.series)}, and {len(self.forecasts)} forecasts were made"
            )
        first = self.forecasts[0]
        for other in self.forecasts[1:]:
            alike = np.array_equal(first.levels, other.levels) and first.quantity == other.quantity
            if not alike or first.horizon != other.horizon:
                raise ForecastError(
                    f"forecasts at {first.cutoff} and {other.cutoff} differ in levels, quantity or horizon"
                )

    @property
    def levels(self) -> Floats:
        """(Q,) quantile levels."""
        return self.forecasts[0].levels

    @cached_property
    def rows(self) -> npt.NDArray[np.int64]:
        """(K, S) row of each series in its forecast, -1 where it does not count."""
        rows = np.full(self.tradable.shape, -1, np.int64)
        for k, forecast in enumerate(self.forecasts):
            row_of = {name: row for row, name in enumerate(forecast.series)}
            rows[k] = [row_of.get(name, -1) for name in self.series]
        return np.where(self.tradable, rows, -1)

    @property
    def counts(self) -> npt.NDArray[np.bool_]:
        """(K, S) where a series can be traded and was forecast."""
        return np.asarray(self.rows >= 0)

    @cached_property
    def returns(self) -> Floats:
        """(K, S, Q) quantiles of the cumulative simple return over the whole horizon, NaN where a series does not count.

        Raises:
            ForecastError: when the forecast is of something without returns, or a last value is not above zero.
        """
        found = np.full((*self.tradable.shape, len(self.levels)), np.nan)
        for k, forecast in enumerate(self.forecasts):
            columns = np.flatnonzero(self.counts[k])
            rows = self.rows[k, columns]
            _require_positive(forecast, rows)
            with np.errstate(divide="ignore", invalid="ignore"):  # of the series left out
                found[k, columns] = forecast.returns()[rows, -1]
        return found

    @cached_property
    def median_returns(self) -> Floats:
        """(K, S) medians of the cumulative simple return over the whole horizon, NaN where a series does not count."""
        self.forecasts[0].quantile(0.5)
        return np.ascontiguousarray(self.returns[:, :, int(np.argmin(np.abs(self.levels - 0.5)))])

    def each(self, measure: Callable[[QuantileForecast], Floats]) -> Floats:
        """Return one number a series, (K, S), from a measure of a forecast (S',); NaN where a series does not count."""
        found = np.full(self.tradable.shape, np.nan)
        for k, forecast in enumerate(self.forecasts):
            columns = np.flatnonzero(self.counts[k])
            found[k, columns] = measure(forecast)[self.rows[k, columns]]
        return found

    def unbounded(self, every_step: bool = False) -> npt.NDArray[np.bool_]:
        """Return where the calibrated set was unbounded, (K, S): at the last step, or at any."""
        steps = slice(None) if every_step else slice(-1, None)

        def flagged(forecast: QuantileForecast) -> Floats:
            assert forecast.unbounded is not None
            return np.asarray(forecast.unbounded[:, steps].any(axis=(1, 2)), np.float64)

        return np.asarray(self.each(flagged) == 1.0)


def _require_positive(forecast: QuantileForecast, rows: npt.NDArray[np.int64]) -> None:
    wrong = rows[forecast.last[rows] <= 0]
    if len(wrong) and forecast.quantity == "level":
        name, value = forecast.series[wrong[0]], forecast.last[wrong[0]]
        raise ForecastError(f"last value of {name} was {value}; returns need one above 0")
