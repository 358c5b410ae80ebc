"""Costs: what trading and borrowing take from the trader, all of one shape."""

from typing import Annotated

import annotated_types as at
from pydantic import model_validator

from data.registry import Registry, plain, spec, validated

BPS = 1e-4
"""One basis point as a fraction."""

Bps = Annotated[float, at.Ge(0), at.Lt(10_000)]


Money = Annotated[float, at.Ge(0)]


@spec
class CommissionTier:
    """A commission that takes the place of ``commission_bps`` once enough was traded.

    Attributes:
        traded_value: value traded in the calendar month before the bar, from which on it holds, account currency.
        commission_bps: fee on traded value, one way.
    """

    traded_value: Annotated[float, at.Gt(0)]
    commission_bps: Bps


@spec
class AbstractCosts:
    """Costs of one trade and of a short position; every kind has the same numbers.

    Attributes:
        commission_bps: fee on traded value, one way.
        half_spread_bps: distance from the open to the side the trader gets, one way.
        slippage_bps: further move against the trader, one way.
        borrow_bps_per_year: paid on the value of short positions.
        commission_per_unit: fee on each unit traded, account currency, added to the fee on value.
        commission_minimum: least commission of an order, all its fills together, account currency.
        commission_tiers: lower fees for accounts that trade much, by rising traded value.
        impact_bps: move of the price against the trader when an order is as large as the bar's whole volume; an order
            of a share x of it moves the price by sqrt(x) of this (the square-root law: Almgren, Thum, Hauptmann and Li
            2005; Toth et al. 2011, eq. 1). A bar whose volume is unknown has no impact.

    Raises:
        SpecError: when spread, slippage and impact together reach 100 %, so that a sale would bring nothing, or when
            the tiers are not in order.
    """

    commission_bps: Bps = 0.0
    half_spread_bps: Bps = 0.0
    slippage_bps: Bps = 0.0
    borrow_bps_per_year: Money = 0.0
    commission_per_unit: Money = 0.0
    commission_minimum: Money = 0.0
    commission_tiers: tuple[CommissionTier, ...] = ()
    impact_bps: Bps = 0.0

    @model_validator(mode="after")
    def _a_sale_brings_something(self) -> "AbstractCosts":
        if self.one_way_bps + self.impact_bps >= 10_000:
            raise ValueError(
                f"one-way costs are {self.one_way_bps + self.impact_bps:g} bps; allowed: below 10000"
            )
        values = [tier.traded_value for tier in self.commission_tiers]
        if values != sorted(set(values)):
            raise ValueError(f"commission tiers start at {values}; allowed: rising values")
        return self

    @property
    def one_way_bps(self) -> float:
        """Commission, half-spread and slippage of one trade, in bps of its value.

        The commission is that of an account that trades little. What depends on price and size is left out: commission
        per unit, the minimum, and impact.
        """
        return self.commission_bps + self.half_spread_bps + self.slippage_bps

    @property
    def cost_anything(self) -> bool:
        """Whether a trade costs something."""
        return bool(
            self.one_way_bps or self.commission_per_unit or self.commission_minimum or self.impact_bps
        )

    def round_trip(self, short_years: float = 0.0) -> float:
        """Return the cost of opening and closing a position, as a fraction of its value.

        What ``one_way_bps`` leaves out is left out here.

        Args:
            short_years: how long the position is short; borrowing is charged for that time.
        """
        return (2.0 * self.one_way_bps + self.borrow_bps_per_year * short_years) * BPS

    def terms(self) -> str:
        """Return one sentence that names every cost, for the report."""
        parts = [
            f"Costs one way: {self.commission_bps:g} bp commission",
            f"{self.half_spread_bps:g} bp half-spread",
            f"{self.slippage_bps:g} bp slippage",
        ]
        if self.commission_per_unit:
            parts.append(f"{self.commission_per_unit:g} a unit")
        if self.commission_minimum:
            parts.append(f"at least {self.commission_minimum:g} an order")
        parts += [
            f"{tier.commission_bps:g} bp commission from {tier.traded_value:g} traded in a month"
            for tier in self.commission_tiers
        ]
        if self.impact_bps:
            parts.append(f"{self.impact_bps:g} bp times the square root of the order's share of the volume")
        return f"{', '.join(parts)}; borrowing {self.borrow_bps_per_year:g} bp a year."

    def scaled(self, multiplier: float) -> "ScaledCosts":
        """Return every cost multiplied, for cost ladders; 0 trades for free."""
        numbers = {name: value * multiplier for name, value in plain(self).items() if name != _TIERS}
        tiers = [
            {**plain(tier), "commission_bps": tier.commission_bps * multiplier}
            for tier in self.commission_tiers
        ]
        return validated(ScaledCosts, {**numbers, _TIERS: tiers}, f"costs times {multiplier:g}")

    def with_extra(self, one_way_bps: float) -> "ScaledCosts":
        """Return these costs with more slippage on every trade."""
        numbers = {**plain(self), "slippage_bps": self.slippage_bps + one_way_bps}
        return validated(ScaledCosts, numbers, f"costs plus {one_way_bps:g} bps")


_TIERS = "commission_tiers"


@spec
class ScaledCosts(AbstractCosts):
    """Costs derived from others; no kind names it, so no file can ask for it."""


@spec
class UsEquities(AbstractCosts):
    """Liquid US shares: 2 bp half-spread, 3 bp slippage, 50 bp a year to borrow."""

    half_spread_bps: Bps = 2.0
    slippage_bps: Bps = 3.0
    borrow_bps_per_year: Money = 50.0


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
        if self.cost_anything or self.borrow_bps_per_year or self.commission_tiers:
            raise ValueError("kind 'none' has no costs; use kind 'custom' to set them")
        return self


@spec
class CustomCosts(AbstractCosts):
    """Costs given number by number; all zero is refused, because free trading has its own name."""

    @model_validator(mode="after")
    def _something_costs(self) -> "CustomCosts":
        if not self.cost_anything:
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
