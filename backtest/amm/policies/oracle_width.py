"""Oracle width: the best fixed width of the time to come, chosen after the fact; a bound, never a result."""

from typing import Annotated

import annotated_types as at
import numpy as np

from backtest.amm.policies.base import AbstractLiquidityPolicy, PoolView, RangeDecision
from backtest.amm.policies.plan import WIDTHS
from backtest.amm.policies.wanted import one_range, unchanged
from backtest.amm.ranges import range_of_width
from backtest.errors import EngineError
from data.registry import spec
from forecast.randomness import RandomStreams


@spec
class OracleWidth(AbstractLiquidityPolicy):
    """Of all widths around the price, and of leaving everything as it is, the one that turns out best.

    It plays the account through the swaps to come and keeps what is worth most at the next decision, costs included. The swaps come
    from ``PoolView.future``, which ordinary policies are never given, and it refuses to decide without them: so it can run
    in no lane but one that is marked as an upper bound. Asked once a window it bounds every width of its grid that is opened there
    and kept. Asked more often it is the best of each period alone: far above any rule, but not the best of all sequences.
    """

    every: Annotated[int, at.Ge(1)] = 720
    on_exit: bool = False

    @property
    def is_upper_bound(self) -> bool:
        """Always: it looks at the future."""
        return True

    def decide(self, view: PoolView, rng: RandomStreams) -> RangeDecision:
        """Return the range that is worth most at the next regular decision, or at the end of the window.

        Raises:
            EngineError: when the view has no future.
        """
        if view.future is None:
            raise EngineError(
                "policy 'oracle_width' chooses after the fact; it runs beside a backtest as an upper bound, and nowhere else"
            )
        pool, price = view.terms.pool, view.account.sqrt_price
        ranges = dict.fromkeys(range_of_width(pool, price, width) for width in WIDTHS)
        choices = [
            unchanged(view, "best left alone"),
            *(one_range(view, each, "best width") for each in ranges),
        ]
        worth = [self._worth(view, choice) for choice in choices]
        return choices[int(np.argmax(worth))]

    def _worth(self, view: PoolView, choice: RangeDecision) -> float:
        """Return what the account is worth at the next decision after a choice."""
        from backtest.amm.advance import advance, place  # numba; reading a configuration should not load it

        assert view.future is not None
        bars = min(self.every, view.remaining_bars)
        ends = view.history.clock.next(view.history.cutoff, bars)
        return advance(place(view.account, choice), view.future, ends[-1:], view.terms).account.equity
