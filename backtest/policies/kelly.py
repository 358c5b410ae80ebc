"""Kelly policy: the weight that maximises mean log growth over the forecast's quantiles, net of costs."""

from typing import Annotated

import annotated_types as at
import numpy as np

from backtest.policies.base import AbstractBookFreePolicy, Terms
from backtest.policies.outlook import Outlook
from backtest.policies.quantile_moments import level_weights
from backtest.policies.wishes import Wager, Wishes, wishes_of
from data.registry import spec


@spec
class QuantileKelly(AbstractBookFreePolicy):
    """A fraction of the growth-optimal weight of each series, one by one.

    For the full-Kelly position ``u`` and the present one ``u0`` it maximises

        sum_q p_q * log(1 + u * R_q - K(u)),

    where ``R_q`` are the quantiles of the cumulative return over the horizon, ``p_q`` their masses
    (``quantile_moments``), and ``K`` the cost of changing: the round trip for what is opened or enlarged, since it has
    to be closed again, and one way for what is closed. The weight is ``fraction * u``, with ``u0 = held / fraction``,
    so a position is opened only when its expected return exceeds the round trip, and is left alone when no change
    pays for itself. Correlations between series are not known to marginal forecasts and are ignored.

    Kelly (1956), "A New Interpretation of Information Rate", Bell System Technical Journal 35, 917-926; fractions:
    Thorp (2006), "The Kelly Criterion in Blackjack, Sports Betting, and the Stock Market", section 7.

    Attributes:
        fraction: share of the growth-optimal position that is taken.
        long_only: refuse short positions.
    """

    fraction: Annotated[float, at.Gt(0), at.Le(1)] = 0.25
    long_only: bool = False

    def decide_many(self, outlook: Outlook, terms: Terms) -> Wishes:
        """Return the wagers; the position held by then enters them when they are settled."""
        wager = Wager(np.array(outlook.returns), level_weights(outlook.levels), self.fraction)
        weights = np.where(outlook.counts, np.nan, 0.0)
        return wishes_of(weights, outlook.unbounded(), long_only=self.long_only, wager=wager)
