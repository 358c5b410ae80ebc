"""Rules: the settings of an engine."""

from typing import Annotated, Literal

import annotated_types as at

from data.registry import Registry, spec

Units = Literal["integer", "fractional"]
Fill = Literal["open", "close"]


@spec
class EngineSpec:
    """The realistic engine: decided at a close, filled from the next bar on.

    Attributes:
        capital: cash at the start, in account currency.
        units: ``integer`` (orders truncated toward zero) or ``fractional``.
        participation: largest share of a bar's volume that one order takes, None for no cap. A bar whose volume is
            NaN has no cap: its liquidity is unknown, and the report should say so. A bar with volume 0 fills nothing.
        fill: which price of the *next* bar fills an order; ``close`` serves panels without opens.
    """

    capital: Annotated[float, at.Gt(0)] = 1_000_000.0
    units: Units = "integer"
    participation: Annotated[float, at.Gt(0), at.Le(1)] | None = 0.05
    fill: Fill = "open"


ENGINES: Registry[EngineSpec] = Registry(
    "engine", {"realistic": "backtest.engine.rules:EngineSpec"}, "wayfold.engines"
)
