"""Sign policies: long, flat or short by the direction of the median forecast."""

import numpy as np

from backtest.book import Book
from backtest.policies.base import AbstractPolicy, Decision, Market
from backtest.policies.candidates import Candidates, candidates, decision
from data.panel import Floats
from data.registry import spec
from forecast.distribution import QuantileForecast
from forecast.randomness import RandomStreams


@spec
class LongFlat(AbstractPolicy):
    """The largest allowed weight where the median return over the horizon is up, nothing where it is down.

    A series whose expected move does not exceed its round-trip cost keeps the position it has.
    """

    def decide(self, forecast: QuantileForecast, book: Book, market: Market, rng: RandomStreams) -> Decision:
        """Return ``max_weight`` or 0 for each series, shrunk together to ``max_gross``."""
        chosen = candidates(forecast, book, market)
        return decision(chosen, np.maximum(_by_sign(chosen, market.max_weight), 0.0), book, market)


@spec
class LongShort(AbstractPolicy):
    """The largest allowed weight, long where the median return over the horizon is up and short where it is down.

    A series whose expected move does not exceed its round-trip cost keeps the position it has.
    """

    def decide(self, forecast: QuantileForecast, book: Book, market: Market, rng: RandomStreams) -> Decision:
        """Return plus or minus ``max_weight`` for each series, shrunk together to ``max_gross``."""
        chosen = candidates(forecast, book, market)
        return decision(chosen, _by_sign(chosen, market.max_weight), book, market)


def _by_sign(chosen: Candidates, weight: float) -> Floats:
    gain = chosen.median_return()
    return np.where(np.abs(gain) > chosen.cost, np.sign(gain) * weight, chosen.held)
