"""Candidates: the tradable series with a forecast, and the weights a policy may ask for them.

Rules every policy shares:

- a series that cannot be traded at the cutoff gets NaN: its position is left alone and counts toward the gross limit;
- a tradable series the forecast left out gets 0: what cannot be forecast is not held;
- where the calibrated set was unbounded at a step the policy used, no position is opened or enlarged; it may shrink;
- a position the policy would keep exactly as it is gets NaN;
- absolute weights stay within ``max_weight``, and are shrunk by one factor when they exceed ``max_gross`` together;
- an account whose equity is not above zero asks for nothing but zeros.

Small changes of weight are left out later, by ``backtest.limits``.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from backtest.book import Book
from backtest.errors import EngineError
from backtest.policies.base import Decision, Market
from data.panel import Floats
from forecast.distribution import QuantileForecast
from forecast.errors import ForecastError


@dataclass(frozen=True, eq=False)
class Candidates:
    """N tradable series that were forecast, in the book's order.

    Attributes:
        forecast: of these series only.
        columns: (N,) their positions in the book.
        held: (N,) their present weights.
        cost: (N,) round-trip cost as a fraction of traded value.
    """

    forecast: QuantileForecast
    columns: npt.NDArray[np.int64]
    held: Floats
    cost: Floats

    def returns(self) -> Floats:
        """Return the quantiles of the cumulative simple return over the whole horizon, (N, Q).

        Raises:
            ForecastError: when the forecast is of something without returns, or a last value is not above zero.
        """
        wrong = (self.forecast.last <= 0) & (self.forecast.quantity == "level")
        if wrong.any():
            row = int(np.argmax(wrong))
            name, value = self.forecast.series[row], self.forecast.last[row]
            raise ForecastError(f"last value of {name} was {value}; returns need one above 0")
        return self.forecast.returns()[:, -1, :]

    def median_return(self) -> Floats:
        """Return the median of the cumulative simple return over the whole horizon, (N,)."""
        self.forecast.quantile(0.5)
        return self.returns()[:, int(np.argmin(np.abs(self.forecast.levels - 0.5)))]


def candidates(forecast: QuantileForecast, book: Book, market: Market) -> Candidates:
    """Return the tradable series of the book that were forecast.

    Raises:
        EngineError: when the market is not about the book's series.
    """
    if market.tradable.shape != (len(book.series),):
        raise EngineError(f"market covers {market.tradable.shape} series; the book has {len(book.series)}")
    row_of = {name: row for row, name in enumerate(forecast.series)}
    columns = [s for s, name in enumerate(book.series) if market.tradable[s] and name in row_of]
    rows = [row_of[book.series[s]] for s in columns]
    flags = forecast.unbounded
    known = replace(
        forecast,
        series=tuple(forecast.series[row] for row in rows),
        values=forecast.values[rows],
        last=forecast.last[rows],
        unbounded=None if flags is None else flags[rows],
    )
    where = np.asarray(columns, np.int64)
    return Candidates(known, where, held_weights(book)[where], market.round_trip_cost[where])


def held_weights(book: Book) -> Floats:
    """Return the book's weights, (S,), to the same bits in any order of the series; zeros without positive equity."""
    values = np.where(book.units != 0, book.units * np.nan_to_num(book.marks), 0.0)
    equity = math.fsum([book.cash, *values])
    return values / equity if equity > 0 else np.zeros(len(book.series))


def decision(
    chosen: Candidates, weights: Floats, book: Book, market: Market, every_step: bool = False
) -> Decision:
    """Return the decision that asks for these weights within the rules above.

    Args:
        chosen: the candidates.
        weights: (N,) wanted for them, finite.
        book: the account.
        market: limits, and what is tradable.
        every_step: the policy used all steps of the forecast, not only the last.
    """
    flags = chosen.forecast.unbounded
    risky = (
        np.zeros(len(weights), bool)
        if flags is None
        else flags[:, slice(None) if every_step else -1].any(axis=(1, 2) if every_step else 1)
    )
    capped = np.clip(weights, -market.max_weight, market.max_weight)
    wanted = np.zeros(len(book.series))
    wanted[chosen.columns] = np.where(risky, _not_enlarged(capped, chosen.held), capped)
    return Decision(chosen.forecast.cutoff, book.series, within_limits(wanted, book, market))


def within_limits(wanted: Floats, book: Book, market: Market) -> Floats:
    """Return finite wanted weights, (S,), inside the limits, NaN where the position is left alone."""
    held = held_weights(book)
    if not book.equity > 0:
        return np.where(market.tradable, 0.0, np.nan)
    wanted = np.clip(np.where(market.tradable, wanted, 0.0), -market.max_weight, market.max_weight)
    # fsum is exact, so the factor does not depend on the order of the series.
    room = max(0.0, market.max_gross - math.fsum(np.abs(held[~market.tradable])))
    asked = math.fsum(np.abs(wanted))
    if asked > room:
        wanted = wanted * (room / asked)
    kept = (wanted == held) & (held != 0)
    return np.where(market.tradable & ~kept, wanted + 0.0, np.nan)


def _not_enlarged(wanted: Floats, held: Floats) -> Floats:
    smaller = np.sign(held) * np.minimum(np.abs(wanted), np.abs(held))
    return np.where(np.sign(wanted) == np.sign(held), smaller, 0.0)
