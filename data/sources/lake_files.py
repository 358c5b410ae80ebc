"""Lake source: bars stored before, as they were known at a time."""

from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from pydantic import model_validator

from data.adjustment import implied_actions, with_forward_factor
from data.frames import to_panel
from data.history import History
from data.lake import Entry, find_entry, read_entry
from data.panel import as_time
from data.registry import spec
from data.sessions import BarClock
from data.sources.base import AbstractSource
from data.sources.selection import asked_period, check_period, chosen, instant


@spec
class LakeSource(AbstractSource):
    """Bars of one dataset of the lake (``wayfold data ls``).

    Attributes:
        name: the dataset.
        untradable: series that may be forecast but not traded.
        known_at: read the revision that was the newest at this ISO date or time (UTC; a bare date means its last
            moment); None reads the newest.
    """

    name: str
    untradable: tuple[str, ...] = ()
    known_at: str | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_period(self)
        if self.known_at is not None:
            instant(self.known_at, is_end=True)
        return self

    def load(self, lake: Path, as_of: np.datetime64 | None = None) -> History:
        """Return the newest revision, or the one known at ``known_at`` and at ``as_of``; reads the lake only."""
        entry = find_entry(lake, self.name, _earlier(self.known_at, as_of))
        return chosen(history_of(lake, entry, frozenset(self.untradable)), self)

    def identity(self) -> dict[str, Any]:
        """Return what names the data for the trial ledger."""
        return {"source": f"lake:{self.name}", "series": list(self.series), **asked_period(self)}


def _earlier(known_at: str | None, as_of: np.datetime64 | None) -> np.datetime64 | None:
    given = [] if as_of is None else [as_time(as_of)]
    return min([*given, *([] if known_at is None else [instant(known_at, is_end=True)])], default=None)


def history_of(lake: Path, entry: Entry, untradable: frozenset[str] = frozenset()) -> History:
    """Return a stored revision as a history; adjusted closes become the forward factor."""
    panel = to_panel(read_entry(lake, entry))
    notes = (
        f"{entry.name}, revision {entry.revision}, from {entry.source}, fetched {entry.fetched_at}; licence: {entry.licence}.",
    )
    history = History(panel, BarClock(entry.calendar, entry.bar), untradable=untradable, notes=notes)
    if "adj_close" not in panel.fields:
        return history
    actions = implied_actions(panel)
    return replace(history, panel=with_forward_factor(panel, actions), actions=actions)
