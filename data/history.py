"""History: everything that was known at a time, under one cut."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from data.amm.pool_log import PoolLog
from data.errors import PanelError, nearest
from data.events import CorporateActions, ReleasedFacts
from data.panel import Panel, Times
from data.sessions import BarClock


@dataclass(frozen=True, eq=False)
class History:
    """A panel with its clock, corporate actions and released facts.

    ``fit`` and ``predict`` receive a History whose last row is the last bar known at the cutoff.

    Attributes:
        panel: the bars. Prices are raw (as traded); the optional field ``factor`` turns them into prices adjusted
            *forward* by the actions dated so far, so nothing that happens later rescales the past.
        clock: the calendar and bar length; knows the stamps of bars to come (calendars are published ahead).
        actions: splits and dividends.
        facts: released facts.
        untradable: series that may be forecast but not traded (indices, VIX).
        notes: sentences about the data that every report must repeat.
        pool: swaps and liquidity changes where the panel's bars are those of an automated market maker's pool.
    """

    panel: Panel
    clock: BarClock
    actions: CorporateActions = field(default_factory=CorporateActions)
    facts: ReleasedFacts = field(default_factory=ReleasedFacts)
    untradable: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()
    pool: PoolLog | None = None

    def __post_init__(self) -> None:
        unknown = self.untradable - set(self.panel.series)
        if unknown:
            name = min(unknown)
            raise PanelError(
                f"untradable series '{name}' is not in the panel{nearest(name, self.panel.series)}"
            )

    @property
    def times(self) -> Times:
        """(T,) the ends of the bars."""
        return self.panel.times

    @property
    def cutoff(self) -> np.datetime64:
        """The end of the last bar: what is known is known at this instant.

        Raises:
            PanelError: when there is no bar.
        """
        if not len(self.panel):
            raise PanelError("the history has no rows, so it has no cutoff")
        return np.datetime64(self.panel.times[-1])

    def until(self, cutoff: Any) -> "History":
        """Return what was known at the cutoff."""
        return replace(
            self,
            panel=self.panel.until(cutoff),
            actions=self.actions.until(cutoff),
            facts=self.facts.until(cutoff),
            pool=None if self.pool is None else self.pool.until(cutoff),
        )

    def between(self, start: Any, end: Any) -> "History":
        """Return the bars from ``start`` to ``end`` (both included) and what was known at ``end`` beside them."""
        return replace(
            self,
            panel=self.panel.between(start, end),
            actions=self.actions.between(start, end),
            facts=self.facts.until(end),
            pool=None if self.pool is None else self.pool.between(start, end),
        )

    def last(self, count: int) -> "History":
        """Return the history with its last ``count`` bars only."""
        return replace(self, panel=self.panel.last(count))

    def select(self, series: Sequence[str]) -> "History":
        """Return the history of these series, in this order.

        Raises:
            PanelError: when one does not exist or is named twice.
        """
        kept = np.isin(self.actions.series, list(series))
        return replace(
            self,
            panel=self.panel.select(series),
            actions=self.actions.where(kept),
            untradable=self.untradable & set(series),
        )

    def fingerprint(self) -> str:
        """Return the sha256 of everything in it that can change a result."""
        digest = hashlib.sha256(self.panel.fingerprint().encode())
        digest.update(repr((self.clock, sorted(self.untradable))).encode())
        for table in (self.actions, self.facts):
            for name in sorted(vars(table)):
                column = getattr(table, name)
                digest.update(name.encode())
                digest.update(repr(column.tolist()).encode())
        if self.pool is not None:
            digest.update(self.pool.fingerprint().encode())
        return digest.hexdigest()
