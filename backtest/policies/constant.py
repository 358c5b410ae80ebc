"""Constant policies: rules that read no forecast, to measure the others against."""

import numpy as np

from backtest.policies.base import AbstractBookFreePolicy, Terms
from backtest.policies.outlook import Outlook
from backtest.policies.wishes import Wishes, wishes_of
from data.panel import Floats
from data.registry import spec


@spec
class EqualWeight(AbstractBookFreePolicy):
    """The same weight on every tradable series, restored at every decision; reads no forecast."""

    def decide_many(self, outlook: Outlook, terms: Terms) -> Wishes:
        """Return ``max_gross`` split equally, at most ``max_weight`` each."""
        return wishes_of(_equal(outlook, terms))


@spec
class BuyAndHold(AbstractBookFreePolicy):
    """Equal weights bought once, when the account holds nothing, and never touched again; reads no forecast.

    A series that cannot be traded at that first decision is never bought.
    """

    def decide_many(self, outlook: Outlook, terms: Terms) -> Wishes:
        """Return equal weights for an empty account, nothing for any other."""
        return wishes_of(_equal(outlook, terms), once=True)


@spec
class Cash(AbstractBookFreePolicy):
    """Nothing held; reads no forecast."""

    def decide_many(self, outlook: Outlook, terms: Terms) -> Wishes:
        """Return 0 for every series."""
        return wishes_of(np.zeros(outlook.tradable.shape))


def _equal(outlook: Outlook, terms: Terms) -> Floats:
    """Return ``max_gross`` shared equally by the tradable series of each decision, (K, S)."""
    count = np.maximum(outlook.tradable.sum(axis=1), 1)
    each = np.minimum(terms.max_weight, terms.max_gross / count)
    return np.where(outlook.tradable, each[:, None], 0.0)
