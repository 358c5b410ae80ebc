"""Top-k policy: the series with the highest median forecast, against the lowest if asked."""

from typing import Annotated

import annotated_types as at
import numpy as np

from backtest.book import Book
from backtest.policies.base import AbstractPolicy, Decision, Market
from backtest.policies.candidates import candidates, decision
from data.panel import Floats
from data.registry import spec
from forecast.distribution import QuantileForecast
from forecast.randomness import RandomStreams


@spec
class TopK(AbstractPolicy):
    """Equal weights on the k series with the highest median return over the horizon.

    With ``long_short`` the k lowest are sold short with the same weight, and k is at most half of the series, so that
    none is in both. Series outside the buckets get 0. Series with equal forecasts share the weights of their ranks
    equally, so that a forecast that tells no difference holds no view: nothing long against short, or all alike. It
    ranks, so it trades whatever the size of the forecasts.

    Attributes:
        k: series in a bucket; all of them when there are fewer.
        long_short: sell the lowest k too.
    """

    k: Annotated[int, at.Ge(1)] = 3
    long_short: bool = False

    def decide(self, forecast: QuantileForecast, book: Book, market: Market, rng: RandomStreams) -> Decision:
        """Return ``max_gross`` split equally over the buckets, at most ``max_weight`` each."""
        chosen = candidates(forecast, book, market)
        gain = chosen.median_return()
        k = min(self.k, len(gain) // 2 if self.long_short else len(gain))
        each = min(market.max_weight, market.max_gross / max(1, 2 * k if self.long_short else k))
        by_rank = np.zeros(len(gain))
        by_rank[:k] = each
        if self.long_short and k:
            by_rank[-k:] = -each
        return decision(chosen, shared(gain, by_rank), book, market)


def shared(gain: Floats, by_rank: Floats) -> Floats:
    """Return the weight of each series, (N,): that of its rank, highest gain first; equal gains share theirs.

    Args:
        gain: (N,) what is ranked.
        by_rank: (N,) weight of each rank.
    """
    ranked = np.sort(-gain)
    weights = np.empty(len(gain))
    for row, value in enumerate(-gain):
        first, stop = np.searchsorted(ranked, value, "left"), np.searchsorted(ranked, value, "right")
        weights[row] = by_rank[first:stop].mean()
    return weights
