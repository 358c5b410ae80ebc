"""The role of a source that needs the network: fetched on request into the lake, read from the lake ever after.

A backtest never reaches the network: ``load`` reads the lake only, and ``wayfold data fetch`` alone calls ``fetch``.
"""

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from data.errors import LakeError, SourceError
from data.history import History
from data.lake import Entry, Origin, add_revision, find_entry
from data.registry import spec
from data.sources.base import AbstractSource
from data.sources.lake_files import history_of
from data.sources.selection import asked_period, chosen

Pause = Callable[[float], None]
"""Waits so many seconds; who reads a clock gives it."""


@dataclass(frozen=True)
class Machine:
    """What the machine gives a network source, and no configuration may hold.

    Attributes:
        pause: for services that must be asked again later.
        ethereum_url: address of an Ethereum node, None when the machine names none; it may hold a key, so nothing shows it.
    """

    pause: Pause
    ethereum_url: str | None = field(repr=False)


@spec
class AbstractFetchedSource(AbstractSource):
    """Bars of a network service.

    Attributes:
        dataset: name under which the lake keeps them.
        untradable: series that may be forecast but not traded.
    """

    dataset: str
    untradable: tuple[str, ...] = ()

    @abstractmethod
    def download(self, transport: Any) -> pd.DataFrame:
        """Return the bars as a long frame (data.frames), bar ends in UTC, only complete bars.

        Args:
            transport: what talks to the service; tests pass a recording.

        Raises:
            OfflineError: when the service cannot be reached.
            SourceError: when it answers with nothing or with something else.
        """

    @abstractmethod
    def transport(self, machine: Machine) -> Any:
        """Return what talks to the real service.

        Raises:
            SourceError: when the extra that holds it is not installed.
            SpecError: when the service is unknown, or the machine lacks what it needs.
        """

    @abstractmethod
    def origin(self, fetched_at: str) -> Origin:
        """Return the source, licence and clock of the bars."""

    def fetch(self, lake: Path, fetched_at: str, transport: Any) -> Entry:
        """Download the bars and store them as a revision of ``dataset``; ``fetched_at`` is an ISO instant, UTC.

        Raises:
            SourceError: when no series is named, or the download fails.
        """
        if not self.series:
            raise SourceError(f"{self.dataset}: 'series' is empty; name at least one symbol to fetch")
        long = self.download(transport)
        return add_revision(lake, self.dataset, long, self.origin(fetched_at))

    def load(self, lake: Path, as_of: np.datetime64 | None = None) -> History:
        """Return what the lake holds of the dataset; never reaches the network.

        Raises:
            SourceError: when the lake holds none of it.
        """
        try:
            entry = find_entry(lake, self.dataset, as_of)
        except LakeError as error:
            raise SourceError(f"{error}; fetch it first with: wayfold data fetch CONFIG") from error
        return chosen(history_of(lake, entry, frozenset(self.untradable)), self)

    def identity(self) -> dict[str, Any]:
        """Return what names the data for the trial ledger."""
        return {"source": self.origin("").source, "series": list(self.series), **asked_period(self)}


def missing_extra(package: str, extra: str) -> SourceError:
    """Return the error for an optional package that is not installed."""
    return SourceError(f"{package} is not installed; install it with: pip install 'wayfold[{extra}]'")
