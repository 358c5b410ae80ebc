"""The role of an engine: from bars and decisions to an account, in one call or bar by bar."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import annotated_types as at
import numpy as np
import numpy.typing as npt

from data.registry import Registry, spec

if TYPE_CHECKING:  # the engines import numba; reading a configuration should not
    from backtest.costs import AbstractCosts
    from backtest.engine.advance import Advance
    from backtest.engine.bars import Bars
    from backtest.policies.base import Decision
    from data.history import History
    from data.panel import Floats


@spec
class AbstractEngine(ABC):
    """The rules of an account. Its state is a frozen value with ``series``, ``time``, ``cash``, ``units`` and ``marks``.

    Advancing in one call, bar by bar with ``place`` between, or with a state stored and loaded gives the same bits.

    Attributes:
        capital: cash at the start, in account currency.
    """

    capital: Annotated[float, at.Gt(0)] = 1_000_000.0

    @abstractmethod
    def bars(self, history: "History", after: np.datetime64 | None) -> "Bars":
        """Return the bars this engine trades, those up to ``after`` left out."""

    @abstractmethod
    def start(self, series: tuple[str, ...]) -> Any:
        """Return an account with the capital and nothing else, before its first bar."""

    @abstractmethod
    def place(self, state: Any, decision: "Decision", tradable: npt.NDArray[np.bool_]) -> Any:
        """Return the account with the decision made at its close turned into orders; they fill from the next bar on."""

    @abstractmethod
    def advance(
        self,
        state: Any,
        bars: "Bars",
        costs: "AbstractCosts",
        periods_per_year: float,
        targets: "Floats | None" = None,
    ) -> "Advance":
        """Return what happens to the account over the bars; row t of ``targets`` is decided at close t."""

    @abstractmethod
    def to_arrays(self, state: Any) -> dict[str, npt.NDArray[Any]]:
        """Return a state as plain arrays; ``from_arrays`` restores every bit."""

    @abstractmethod
    def from_arrays(self, arrays: Mapping[str, Any]) -> Any:
        """Return the state that ``to_arrays`` wrote.

        Raises:
            EngineError: when an array is missing or the layout is another version's.
        """

    @abstractmethod
    def terms(self) -> tuple[str, ...]:
        """Return sentences for the report: how orders are filled, what cash earns, which prices are traded."""

    def replay(
        self, bars: "Bars", costs: "AbstractCosts", periods_per_year: float, targets: "Floats"
    ) -> "Advance":
        """Return what happens over all bars to an account that starts with the capital."""
        return self.advance(self.start(bars.series), bars, costs, periods_per_year, targets)


ENGINES: Registry[AbstractEngine] = Registry(
    "engine",
    {
        "realistic": "backtest.engine.rules:EngineSpec",
        "backtrader_exact": "backtest.engine.exact_rules:ExactRules",
        "backtrader": "backtest.engine.exact_rules:BacktraderPackage",
    },
    "wayfold.engines",
)
