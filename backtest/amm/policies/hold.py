"""Hold: the basket of both tokens, and no liquidity; what every other policy is measured against."""

from backtest.amm.policies.base import AbstractLiquidityPolicy, PoolView, RangeDecision
from data.registry import spec
from forecast.randomness import RandomStreams


@spec
class Hold(AbstractLiquidityPolicy):
    """No position; closes what is open without swapping anything."""

    on_exit: bool = False

    def decide(self, view: PoolView, rng: RandomStreams) -> RangeDecision:
        """Return a decision that leaves an account without positions as it is."""
        wanted = () if view.account.positions else None
        return RangeDecision(view.history.cutoff, wanted, converts=False, reason="hold both tokens")
