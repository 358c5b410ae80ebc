"""Sign policies: long, flat or short by the direction of the median forecast."""

import numpy as np

from backtest.policies.base import AbstractBookFreePolicy, Terms
from backtest.policies.outlook import Outlook
from backtest.policies.wishes import Wishes, wishes_of
from data.panel import Floats
from data.registry import spec


@spec
class LongFlat(AbstractBookFreePolicy):
    """The largest allowed weight where the median return over the horizon is up, nothing where it is down.

    A series whose expected move does not exceed its round-trip cost keeps the position it has.
    """

    def decide_many(self, outlook: Outlook, terms: Terms) -> Wishes:
        """Return ``max_weight`` or 0 for each series, shrunk together to ``max_gross``."""
        weights = np.maximum(_by_sign(outlook, terms), 0.0)
        return wishes_of(weights, outlook.unbounded(), long_only=True)


@spec
class LongShort(AbstractBookFreePolicy):
    """The largest allowed weight, long where the median return over the horizon is up and short where it is down.

    A series whose expected move does not exceed its round-trip cost keeps the position it has.
    """

    def decide_many(self, outlook: Outlook, terms: Terms) -> Wishes:
        """Return plus or minus ``max_weight`` for each series, shrunk together to ``max_gross``."""
        return wishes_of(_by_sign(outlook, terms), outlook.unbounded())


def _by_sign(outlook: Outlook, terms: Terms) -> Floats:
    """Return the largest weight with the sign of the median return, (K, S); NaN where the move is not worth its cost."""
    gain = np.where(outlook.counts, outlook.median_returns, 0.0)
    worth = np.where(np.abs(gain) > terms.round_trip_cost, np.sign(gain) * terms.max_weight, np.nan)
    return np.where(outlook.counts, worth, 0.0)
