"""Fit: whether bars and decisions belong to an account, which every engine asks before it does anything."""

from typing import Protocol

import numpy as np

from backtest.engine.bars import Bars
from backtest.errors import EngineError
from backtest.policies.base import Decision
from data.panel import as_time


class Standing(Protocol):
    """An account of some series at a time."""

    @property
    def series(self) -> tuple[str, ...]:
        """S names."""

    @property
    def time(self) -> np.datetime64:
        """End of the last bar it was advanced over, NaT before the first."""


def require_decision_fits(state: Standing, decision: Decision) -> None:
    """Refuse a decision that is not about the account's series at the account's close.

    Raises:
        EngineError: naming both series or both times.
    """
    if decision.series != state.series:
        raise EngineError(
            f"decision is for {', '.join(decision.series)}; the account trades {', '.join(state.series)}"
        )
    if as_time(decision.cutoff) != state.time:
        raise EngineError(
            f"decision was made at {decision.cutoff}; the account stands at {state.time}, advance it first"
        )


def require_bars_fit(state: Standing, bars: Bars) -> None:
    """Refuse bars that are not of the account's series or do not come after its time.

    Raises:
        EngineError: naming both series or both times.
    """
    if bars.series != state.series:
        raise EngineError(
            f"bars are of {', '.join(bars.series)}; the account trades {', '.join(state.series)}"
        )
    if len(bars) and not np.isnat(state.time) and bars.times[0] <= state.time:
        raise EngineError(
            f"first bar ends at {bars.times[0]}; the account already stands at {state.time}, later bars are needed"
        )
