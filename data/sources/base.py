"""The role of a data source: from a configuration section to a History."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import numpy as np

from data.history import History
from data.registry import Registry, spec


@spec
class AbstractSource(ABC):
    """A place bars come from. The spec says what to read; it is frozen, hashable and round-trips through YAML.

    Attributes:
        series: names to keep, in this order; empty keeps all.
        start: first bar end to keep (ISO date or time, UTC), or None.
        end: last bar end to keep, or None.
    """

    series: tuple[str, ...] = ()
    start: str | None = None
    end: str | None = None

    @abstractmethod
    def load(self, lake: Path, as_of: np.datetime64 | None = None) -> History:
        """Return the bars asked for, validated and in time order.

        Args:
            lake: folder of immutable files; sources that fetch read and write only there.
            as_of: read what the lake knew at this instant; None reads the newest revision.

        Raises:
            SourceError: when a file, series or field is missing or unreadable.
            OfflineError: when the network is needed and cannot be reached.
        """

    def raw(self, lake: Path, as_of: np.datetime64 | None = None) -> History:
        """Return the bars before the source computes anything from them; by default what ``load`` returns.

        A source that computes fields from its rows (features, scaled prices) overrides ``raw`` and ``derive`` and loads
        ``derive(raw(...))``; then ``wayfold audit`` can change the future before anything is computed from it.
        """
        return self.load(lake, as_of)

    def derive(self, history: History) -> History:
        """Return the bars with what the source computes from them, row by row; by default as they are."""
        return history

    @abstractmethod
    def identity(self) -> dict[str, Any]:
        """Return what names the data for the trial ledger: source, series, fields and period, never its bytes."""


SOURCES: Registry[AbstractSource] = Registry(
    "data source",
    {
        "bundled": "data.sources.bundled:BundledSource",
        "csv": "data.sources.files:CsvSource",
        "parquet": "data.sources.files:ParquetSource",
        "synthetic": "data.sources.synthetic:SyntheticSource",
        "lake": "data.sources.lake_files:LakeSource",
        "yahoo": "data.sources.yahoo:YahooSource",
        "ccxt": "data.sources.ccxt_exchange:CcxtSource",
        "pool_swaps": "data.sources.pool_files:PoolSwapsSource",
        "pool_events": "data.sources.pool_files:PoolEventsSource",
        "pool_minutes": "data.sources.pool_files:PoolMinutesSource",
        "pool_rpc": "data.sources.ethereum_rpc:PoolRpcSource",
        "pool_simulated": "data.sources.pool_simulated:PoolSimulatedSource",
    },
    "wayfold.sources",
)
