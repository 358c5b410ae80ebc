"""Top-k policy: the series with the highest median forecast, against the lowest if asked."""

from typing import Annotated

import annotated_types as at
import numpy as np

from backtest.book import Book
from backtest.policies.base import AbstractPolicy, Decision, Market
from backtest.policies.candidates import candidates, decision
from data.registry import spec
from forecast.distribution import QuantileForecast
from forecast.randomness import RandomStreams


@spec
class TopK(AbstractPolicy):
    """Equal weights on the k series with the highest median return over the horizon; ties go by name.

    With ``long_short`` the k lowest are sold short with the same weight, and k is at most half of the series, so that
    none is in both. Series outside the buckets get 0. It ranks, so it trades whatever the size of the forecasts.

    Attributes:
        k: series in a bucket; all of them when there are fewer.
        long_short: sell the lowest k too.
    """

    k: Annotated[int, at.Ge(1)] = 3
    long_short: bool = False

    def decide(self, forecast: QuantileForecast, book: Book, market: Market, rng: RandomStreams) -> Decision:
        """Return ``max_gross`` split equally over the buckets, at most ``max_weight`` each."""
        chosen = candidates(forecast, book, market)
        gain, names = chosen.median_return(), chosen.forecast.series
        ranked = sorted(range(len(names)), key=lambda row: (-gain[row], names[row]))
        k = min(self.k, len(names) // 2 if self.long_short else len(names))
        weights = np.zeros(len(names))
        if k:
            each = min(market.max_weight, market.max_gross / (2 * k if self.long_short else k))
            weights[ranked[:k]] = each
            if self.long_short:
                weights[ranked[-k:]] = -each
        return decision(chosen, weights, book, market)
