"""Exact rules: the settings of the engines that keep accounts as backtrader does."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from backtest.engine.role import AbstractEngine
from data.registry import spec

if TYPE_CHECKING:  # numba is imported when an account is first advanced, not when a configuration is read
    from backtest.costs import AbstractCosts
    from backtest.engine.advance import Advance
    from backtest.engine.bars import Bars
    from backtest.engine.exact_state import ExactState
    from backtest.policies.base import Decision
    from data.history import History
    from data.panel import Floats

Target = Literal["percent", "value", "size"]


@spec
class AbstractExact(AbstractEngine):
    """What both engines with backtrader's rules share; adjusted prices, whole units, commission and slippage only.

    Attributes:
        target: what a target is: ``percent`` (share of the account's value), ``value`` (account currency) or ``size``
            (units). Policies decide weights, so an experiment needs ``percent``.
        slip_open: slippage also moves fills at the open, which is where all orders of this engine fill.
        slip_match: a price moved beyond the bar's range is filled at its end; otherwise the order waits.
        slip_out: such a price is filled as it is, outside the range (only with ``slip_match``).
        slip_limit: the same question for limit orders; targets make none, so it changes nothing.
        cheat_on_close: orders are filled at the close they were decided at, one bar late in the books.
        waits_for_all: nothing is decided before every series has had a bar, as in a backtrader strategy without
            ``prenext``; otherwise as in one whose ``prenext`` does what its ``next`` does.
    """

    target: Target = "percent"
    slip_open: bool = True
    slip_match: bool = True
    slip_out: bool = False
    slip_limit: bool = True
    cheat_on_close: bool = False
    waits_for_all: bool = False

    def bars(self, history: "History", after: np.datetime64 | None) -> "Bars":
        """Return the bars at adjusted prices, without corporate actions."""
        from backtest.engine.exact import adjusted_bars

        return adjusted_bars(history, after)

    def start(self, series: tuple[str, ...]) -> "ExactState":
        """Return an account with the capital and nothing else, before its first bar."""
        from backtest.engine.exact_state import start_exact

        return start_exact(series, self.capital)

    def place(
        self, state: "ExactState", decision: "Decision", tradable: npt.NDArray[np.bool_]
    ) -> "ExactState":
        """Return the account with the decision made at its close turned into orders.

        Which series can be traded is known from the bars; a series without a bar at this close takes an order, too.
        """
        from backtest.engine.exact import place_exact

        return place_exact(state, decision, self)

    def advance(
        self,
        state: "ExactState",
        bars: "Bars",
        costs: "AbstractCosts",
        periods_per_year: float,
        targets: "Floats | None" = None,
    ) -> "Advance":
        """Return what happens to the account over the bars; row t of ``targets`` is decided at close t."""
        from backtest.engine.exact import advance_exact

        return advance_exact(state, bars, self, costs, targets)

    def to_arrays(self, state: "ExactState") -> dict[str, npt.NDArray[Any]]:
        """Return a state as plain arrays."""
        from backtest.engine.exact_state import exact_to_arrays

        return exact_to_arrays(state)

    def from_arrays(self, arrays: Mapping[str, Any]) -> "ExactState":
        """Return the state that ``to_arrays`` wrote."""
        from backtest.engine.exact_state import exact_from_arrays

        return exact_from_arrays(arrays)

    def terms(self) -> tuple[str, ...]:
        """Return how orders are filled, what cash earns, and which prices are traded."""
        waits = (
            "nothing is decided before every series has had a bar"
            if self.waits_for_all
            else "each series is decided on from its first bar on"
        )
        when = "at the same close" if self.cheat_on_close else "at the next bar's open"
        filled = (
            f"Decisions at a bar's close are filled {when}, as backtrader 1.9.78.123 does to the last bit: whole units, "
            f"purchases beyond the cash are refused, {waits}."
        )
        return (
            filled,
            "Cash earns nothing, and nothing liquidates an account.",
            "Models see, and the account trades, prices adjusted forward by actions dated so far; no action is booked.",
        )


@spec
class ExactRules(AbstractExact):
    """backtrader's rules, computed by Wayfold's own kernel."""


@spec
class BacktraderPackage(AbstractExact):
    """backtrader's rules, computed by the package backtrader itself (extra ``backtrader``, GPL-3).

    Bar by bar, where the package cannot go, accounts are kept by Wayfold's kernel; one pass over all bars is the
    package's.
    """

    def start(self, series: tuple[str, ...]) -> "ExactState":
        """Return an account with the capital and nothing else, before its first bar.

        Raises:
            EngineError: when backtrader is not installed, before anything is computed.
        """
        from backtest.engine.backtrader_package import require_package

        require_package()
        return super().start(series)

    def replay(
        self, bars: "Bars", costs: "AbstractCosts", periods_per_year: float, targets: "Floats"
    ) -> "Advance":
        """Return what the package makes of all bars.

        Raises:
            EngineError: when backtrader is not installed.
        """
        from backtest.engine.backtrader_replay import replay_package

        return replay_package(bars, self, costs, targets)
