"""Costs: what trading and borrowing take from the trader, all of one shape."""

from typing import Annotated

import annotated_types as at
from pydantic import model_validator

from data.registry import Registry, plain, spec, validated

BPS = 1e-4
"""One basis point as a fraction."""

Bps = Annotated[float, at.Ge(0), at.Lt(10_000)]


@spec
class AbstractCosts:
    """Costs of one trade and of a short position; every kind has the same four numbers.

    Attributes:
        commission_bps: fee on traded value, one way.
        half_spread_bps: distance from the open to the side the trader gets, one way.
        slippage_bps: further move against the trader, one way.
        borrow_bps_per_year: paid on the value of short positions.

    Raises:
        SpecError: when spread and slippage together reach 100 %, so that a sale would bring nothing.
    """

    commission_bps: Bps = 0.0
    half_spread_bps: Bps = 0.0
    slippage_bps: Bps = 0.0
    borrow_bps_per_year: Annotated[float, at.Ge(0)] = 0.0

    @model_validator(mode="after")
    def _a_sale_brings_something(self) -> "AbstractCosts":
        if self.one_way_bps >= 10_000:
            raise ValueError(f"one-way costs are {self.one_way_bps:g} bps; allowed: below 10000")
        return self

    @property
    def one_way_bps(self) -> float:
        """Commission, half-spread and slippage of one trade, in bps of its value."""
        return self.commission_bps + self.half_spread_bps + self.slippage_bps

    def round_trip(self, short_years: float = 0.0) -> float:
        """Return the cost of opening and closing a position, as a fraction of its value.

        Args:
            short_years: how long the position is short; borrowing is charged for that time.
        """
        return (2.0 * self.one_way_bps + self.borrow_bps_per_year * short_years) * BPS

    def scaled(self, multiplier: float) -> "ScaledCosts":
        """Return every cost multiplied, for cost ladders; 0 trades for free."""
        numbers = {name: value * multiplier for name, value in plain(self).items()}
        return validated(ScaledCosts, numbers, f"costs times {multiplier:g}")

    def with_extra(self, one_way_bps: float) -> "ScaledCosts":
        """Return these costs with more slippage on every trade."""
        numbers = {**plain(self), "slippage_bps": self.slippage_bps + one_way_bps}
        return validated(ScaledCosts, numbers, f"costs plus {one_way_bps:g} bps")


@spec
class ScaledCosts(AbstractCosts):
    """Costs derived from others; no kind names it, so no file can ask for it."""


@spec
class UsEquities(AbstractCosts):
    """Liquid US shares: 2 bp half-spread, 3 bp slippage, 50 bp a year to borrow."""

    half_spread_bps: Bps = 2.0
    slippage_bps: Bps = 3.0
    borrow_bps_per_year: Annotated[float, at.Ge(0)] = 50.0


@spec
class Crypto(AbstractCosts):
    """A large crypto exchange: 10 bp fee, 3 bp slippage."""

    commission_bps: Bps = 10.0
    slippage_bps: Bps = 3.0


@spec
class NoCosts(AbstractCosts):
    """Free trading; it has to be asked for by this name."""

    @model_validator(mode="after")
    def _nothing_costs(self) -> "NoCosts":
        if self.one_way_bps or self.borrow_bps_per_year:
            raise ValueError("kind 'none' has no costs; use kind 'custom' to set them")
        return self


@spec
class CustomCosts(AbstractCosts):
    """Costs given number by number; all zero is refused, because free trading has its own name."""

    @model_validator(mode="after")
    def _something_costs(self) -> "CustomCosts":
        if not self.one_way_bps:
            raise ValueError("custom costs of 0 bps must be asked for with kind 'none'")
        return self


COSTS: Registry[AbstractCosts] = Registry(
    "costs",
    {
        "us_equities": "backtest.costs:UsEquities",
        "crypto": "backtest.costs:Crypto",
        "none": "backtest.costs:NoCosts",
        "custom": "backtest.costs:CustomCosts",
    },
    "wayfold.costs",
)
