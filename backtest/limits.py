"""Limits: what a decision may ask for, applied after every policy."""

from typing import Annotated

import annotated_types as at

from backtest.book import Book
from backtest.policies.base import Decision, Market
from data.registry import spec


@spec
class Limits:
    """Bounds on target weights.

    Attributes:
        max_gross: largest sum of absolute weights.
        max_weight: largest absolute weight of one series; None means ``max_gross`` shared equally by all tradable series.
        min_trade: changes of weight smaller than this are not traded (share of equity); where the weight cap itself is
            small, half of it takes the place of this bound.
        long_only: refuse short positions.
    """

    max_gross: Annotated[float, at.Gt(0), at.Le(10)] = 1.0
    max_weight: Annotated[float, at.Gt(0), at.Le(10)] | None = None
    min_trade: Annotated[float, at.Ge(0), at.Lt(1)] = 0.01
    long_only: bool = False

    def weight_cap(self, tradable: int) -> float:
        """Return the largest absolute weight of one of ``tradable`` series."""
        return self.max_weight if self.max_weight is not None else self.max_gross / max(1, tradable)

    def apply(self, decision: Decision, book: Book, market: Market) -> Decision:
        """Return the decision inside the limits: clipped, scaled to the gross limit, small changes left alone.

        Untradable series are never traded. A weight of zero is never too small to ask for: it closes a position, and where
        nothing is held yet it ends an order that still rests.
        """
        # The settlement imports numba, which reading a configuration should not.
        from backtest.policies.settlement import limited

        weights = limited(decision.weights, book, market, self.min_trade, self.long_only)
        return Decision(decision.cutoff, decision.series, weights)
