"""Constant policies: rules that read no forecast, to measure the others against."""

import numpy as np

from backtest.book import Book
from backtest.policies.base import AbstractPolicy, Decision, Market
from backtest.policies.candidates import within_limits
from data.panel import Floats
from data.registry import spec
from forecast.distribution import QuantileForecast
from forecast.randomness import RandomStreams


@spec
class EqualWeight(AbstractPolicy):
    """The same weight on every tradable series, restored at every decision; reads no forecast."""

    def decide(self, forecast: QuantileForecast, book: Book, market: Market, rng: RandomStreams) -> Decision:
        """Return ``max_gross`` split equally, at most ``max_weight`` each."""
        return Decision(forecast.cutoff, book.series, within_limits(_equal(market), book, market))


@spec
class BuyAndHold(AbstractPolicy):
    """Equal weights bought once, when the account holds nothing, and never touched again; reads no forecast.

    A series that cannot be traded at that first decision is never bought.
    """

    def decide(self, forecast: QuantileForecast, book: Book, market: Market, rng: RandomStreams) -> Decision:
        """Return equal weights for an empty account, else NaN for every series."""
        if (book.units != 0).any():
            return Decision(forecast.cutoff, book.series, np.full(len(book.series), np.nan))
        return Decision(forecast.cutoff, book.series, within_limits(_equal(market), book, market))


@spec
class Cash(AbstractPolicy):
    """Nothing held; reads no forecast."""

    def decide(self, forecast: QuantileForecast, book: Book, market: Market, rng: RandomStreams) -> Decision:
        """Return 0 for every tradable series."""
        return Decision(forecast.cutoff, book.series, within_limits(np.zeros(len(book.series)), book, market))


def _equal(market: Market) -> Floats:
    count = int(market.tradable.sum())
    each = min(market.max_weight, market.max_gross / count) if count else 0.0
    return np.full(len(market.tradable), each)
