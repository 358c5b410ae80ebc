"""The role of a liquidity policy: from a forecast and an account to the ranges wanted."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import annotated_types as at
import numpy as np

from data.amm.pool_log import SwapPath
from data.history import History
from data.registry import Registry, spec
from forecast.liquidity import LiquidityForecast
from forecast.randomness import RandomStreams

if TYPE_CHECKING:  # the account imports numba; reading a configuration should not
    from backtest.amm.account import PoolAccount
    from backtest.amm.terms import PoolTerms


@dataclass(frozen=True)
class WantedRange:
    """A range and how much of the account goes into it.

    Attributes:
        lower: lower tick, on the pool's spacing.
        upper: upper tick.
        share: share of what the account is worth after costs, above 0; the shares of a decision sum to 1 or less.
    """

    lower: int
    upper: int
    share: float = 1.0


@dataclass(frozen=True)
class RangeDecision:
    """What to do with an account's liquidity, decided at a bar's end, done at the first swap after the latency.

    Attributes:
        cutoff: the bar end it was decided at.
        ranges: ranges that replace every open position; empty closes them all; None leaves everything as it is.
        converts: whether tokens may be swapped so that they fit the ranges; without it each range takes what tokens there
            are, in order, and the rest stays idle.
        reason: why, in a few words of the policy.
        entropy: the entropy of the policy's action in nats; NaN for a rule.
    """

    cutoff: np.datetime64
    ranges: tuple[WantedRange, ...] | None
    converts: bool = True
    reason: str = ""
    entropy: float = float("nan")


@dataclass(frozen=True, eq=False)
class PoolView:
    """What a policy may see at one decision; nothing in it is later than the cutoff.

    Attributes:
        history: bars, swaps and liquidity changes up to the cutoff.
        forecast: of the policy's forecaster, or None when it uses none.
        account: the account at the cutoff, marked at the pool's price.
        terms: pool, gas, conversion and latency.
        remaining_bars: bars to the end of the account's window.
        future: swaps after the cutoff up to the end of the window, given only to a policy that is an upper bound; None for
            every other one.
    """

    history: History
    forecast: LiquidityForecast | None
    account: "PoolAccount"
    terms: "PoolTerms"
    remaining_bars: int
    future: SwapPath | None = None


@spec
class AbstractLiquidityPolicy(ABC):
    """A rule that places liquidity; frozen settings only, all memory is in the account.

    Attributes:
        every: bars between two regular decisions, 24 hourly bars by default.
        on_exit: whether leaving the range, seen at a bar's end, is a reason to decide as well.
    """

    every: Annotated[int, at.Ge(1)] = 24
    on_exit: bool = True

    @property
    def forecaster(self) -> str | None:
        """Kind of the liquidity forecaster whose forecasts the policy reads; None when it reads none."""
        return None

    @property
    def learns(self) -> bool:
        """Whether ``fit`` learns anything, so that fitting costs time."""
        return False

    @property
    def is_upper_bound(self) -> bool:
        """Whether the policy looks at the future, so that it can only be a bound and never a result."""
        return False

    def candidates(self) -> tuple["AbstractLiquidityPolicy", ...]:
        """Return the settings tried on the validation window, itself among them; the best one is used on the test window."""
        return (self,)

    def trigger_ticks(self, ranges: tuple[WantedRange, ...]) -> tuple[float, float] | None:
        """Return the ticks below and above which the policy acts before its next regular decision; None where it waits.

        Args:
            ranges: the open ranges; the price is looked at at each bar's end.
        """
        if not (self.on_exit and ranges):
            return None
        return float(min(each.lower for each in ranges)), float(max(each.upper for each in ranges))

    def fit(
        self, train: History, terms: "PoolTerms", capital: float, rng: RandomStreams
    ) -> "AbstractLiquidityPolicy":
        """Return the policy after learning from a history; itself unless it learns.

        Args:
            train: everything it may learn from.
            terms: what trading will cost.
            capital: worth of an account at its start, in quote tokens.
            rng: streams for what is random in it.
        """
        return self

    @abstractmethod
    def decide(self, view: PoolView, rng: RandomStreams) -> RangeDecision:
        """Return the ranges wanted, or a decision without ranges to leave everything as it is."""


LIQUIDITY_POLICIES: Registry[AbstractLiquidityPolicy] = Registry(
    "liquidity policy",
    {
        "hold": "backtest.amm.policies.hold:Hold",
        "full_range": "backtest.amm.policies.static:FullRange",
        "static": "backtest.amm.policies.static:StaticRange",
        "recentre": "backtest.amm.policies.recentre:RecentreWhenOut",
        "volatility_band": "backtest.amm.policies.volatility_band:VolatilityBand",
        "passive_rebalance": "backtest.amm.policies.passive_rebalance:PassiveRebalance",
        "tau_reset": "backtest.amm.policies.tau_reset:TauReset",
        "plan": "backtest.amm.policies.plan:Plan",
        "learned": "backtest.amm.policies.learned:LearnedPolicy",
        "oracle_width": "backtest.amm.policies.oracle_width:OracleWidth",
    },
    "wayfold.liquidity_policies",
)
