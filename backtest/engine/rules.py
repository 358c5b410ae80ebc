"""Rules: the settings of the realistic engine."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

import annotated_types as at
import numpy as np
import numpy.typing as npt
from pydantic import model_validator

from backtest.engine.role import AbstractEngine
from data.registry import spec

if TYPE_CHECKING:  # numba is imported when an account is first advanced, not when a configuration is read
    from backtest.costs import AbstractCosts
    from backtest.engine.advance import Advance
    from backtest.engine.bars import Bars
    from backtest.engine.state import EngineState
    from backtest.policies.base import Decision
    from data.history import History
    from data.panel import Floats

Units = Literal["integer", "fractional"]
Fill = Literal["open", "close"]


@spec
class Margin:
    """How much an account may hold beyond its cash.

    Attributes:
        initial: equity needed to open positions, as a share of their absolute value.
        maintenance: where equity at a close falls below this share of the absolute value held, positions are reduced at
            their next tradable price until the initial margin holds.

    Raises:
        SpecError: when the maintenance margin is above the initial one.
    """

    initial: Annotated[float, at.Gt(0), at.Le(1)] = 0.5
    maintenance: Annotated[float, at.Gt(0), at.Le(1)] = 0.25

    @model_validator(mode="after")
    def _maintenance_is_the_smaller(self) -> "Margin":
        if self.maintenance > self.initial:
            raise ValueError(
                f"maintenance margin was {self.maintenance:g}, above the initial margin of {self.initial:g}"
            )
        return self


@spec
class EngineSpec(AbstractEngine):
    """The realistic engine: decided at a close, filled from the next bar on.

    Attributes:
        units: ``integer`` (orders truncated toward zero) or ``fractional``.
        lot: targets and cut orders are whole multiples of it; None for 1 where units are integer, else for no lot.
        participation: largest share of a bar's volume that the account takes of a series, None for no cap. A bar whose volume is
            NaN has no cap: its liquidity is unknown, and the report should say so. A bar with volume 0 fills nothing.
        fill: which price of the *next* bar fills an order; ``close`` serves panels without opens.
        margin: None is a cash account: what is bought is paid for, shorts are limited by the policy only.
        cash_rate: untradable series whose close is the yearly rate that cash earns (0.05 is 5 %) and a debt pays, known
            one bar before; None earns nothing.

    Raises:
        SpecError: when the lot is not whole although units are.
    """

    units: Units = "integer"
    participation: Annotated[float, at.Gt(0), at.Le(1)] | None = 0.05
    fill: Fill = "open"
    lot: Annotated[float, at.Gt(0)] | None = None
    margin: Margin | None = None
    cash_rate: str | None = None

    @model_validator(mode="after")
    def _lots_are_whole(self) -> "EngineSpec":
        if self.units == "integer" and self.lot is not None and self.lot != int(self.lot):
            raise ValueError(f"lot was {self.lot:g} with integer units; allowed: a whole number")
        return self

    def bars(self, history: "History", after: np.datetime64 | None) -> "Bars":
        """Return the raw bars with their corporate actions."""
        from backtest.engine.bars import bars_from

        return bars_from(history, self.fill, after)

    def start(self, series: tuple[str, ...]) -> "EngineState":
        """Return an account with the capital and nothing else, before its first bar."""
        from backtest.engine.state import start_state

        return start_state(series, self)

    def place(
        self, state: "EngineState", decision: "Decision", tradable: npt.NDArray[np.bool_]
    ) -> "EngineState":
        """Return the account with the decision made at its close turned into resting orders."""
        from backtest.engine.advance import place

        return place(state, decision, self, tradable)

    def advance(
        self,
        state: "EngineState",
        bars: "Bars",
        costs: "AbstractCosts",
        periods_per_year: float,
        targets: "Floats | None" = None,
    ) -> "Advance":
        """Return what happens to the account over the bars; row t of ``targets`` is decided at close t."""
        from backtest.engine.advance import advance

        return advance(state, bars, self, costs, periods_per_year, targets)

    def to_arrays(self, state: "EngineState") -> dict[str, npt.NDArray[Any]]:
        """Return a state as plain arrays."""
        from backtest.engine.state import to_arrays

        return to_arrays(state)

    def from_arrays(self, arrays: Mapping[str, Any]) -> "EngineState":
        """Return the state that ``to_arrays`` wrote."""
        from backtest.engine.state import from_arrays

        return from_arrays(arrays)

    def terms(self) -> tuple[str, ...]:
        """Return how orders are filled, what cash earns, and which prices are traded."""
        cap = (
            "no participation cap"
            if self.participation is None
            else f"at most {self.participation:.0%} of a bar's volume"
        )
        lot = "" if self.lot is None else f" in lots of {self.lot:g}"
        rest = f"{self.units} units{lot}, {cap}{self._margin_terms()}"
        earns = (
            "Cash earns nothing: no dated rate series was given."
            if self.cash_rate is None
            else f"Cash earns, and debt pays, the yearly rate of {self.cash_rate}, as known one bar before."
        )
        return (
            f"Decisions at a bar's close are filled at the next bar's {self.fill} or later, {rest}.",
            earns,
            "Models see prices adjusted forward by actions dated so far; the account trades raw prices and books the actions.",
        )

    def _margin_terms(self) -> str:
        if self.margin is None:
            return ""
        return f", margin {self.margin.initial:.0%} to open and {self.margin.maintenance:.0%} to hold"
