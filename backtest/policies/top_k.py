"""Top-k policy: the series with the highest median forecast, against the lowest if asked."""

from typing import Annotated

import annotated_types as at
import numpy as np

from backtest.policies.base import AbstractBookFreePolicy, Terms
from backtest.policies.outlook import Outlook
from backtest.policies.wishes import Wishes, wishes_of
from data.panel import Floats
from data.registry import spec


@spec
class TopK(AbstractBookFreePolicy):
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

    def decide_many(self, outlook: Outlook, terms: Terms) -> Wishes:
        """Return ``max_gross`` split equally over the buckets, at most ``max_weight`` each."""
        weights = np.zeros(outlook.tradable.shape)
        for k, counts in enumerate(outlook.counts):
            gain = outlook.median_returns[k, counts]
            weights[k, counts] = shared(gain, self._by_rank(len(gain), terms))
        return wishes_of(weights, outlook.unbounded())

    def _by_rank(self, count: int, terms: Terms) -> Floats:
        k = min(self.k, count // 2 if self.long_short else count)
        each = min(terms.max_weight, terms.max_gross / max(1, 2 * k if self.long_short else k))
        by_rank = np.zeros(count)
        by_rank[:k] = each
        if self.long_short and k:
            by_rank[-k:] = -each
        return by_rank


def shared(gain: Floats, by_rank: Floats) -> Floats:
    """Return the weight of each series, (N,): that of its rank, highest gain first; equal gains share theirs.

    Args:
        gain: (N,) what is ranked.
        by_rank: (N,) weight of each rank.
    """
    ranked = np.sort(-gain)
    first, stop = np.searchsorted(ranked, -gain, "left"), np.searchsorted(ranked, -gain, "right")
    weights = np.array(by_rank[first])
    for row in np.flatnonzero(stop - first > 1):
        weights[row] = by_rank[first[row] : stop[row]].mean()
    return weights
