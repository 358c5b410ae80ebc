"""Yahoo source: daily bars through yfinance (extra ``yahoo``), fetched into the lake.

Yahoo's closes are adjusted for splits as of the day of fetching; dividends are read from the adjusted closes as forward
ratios. A later fetch after a split rescales old prices: it is kept as a new revision, and as-of reads see the old one.
"""

from collections.abc import Callable
from typing import Any

import pandas as pd

from data.errors import OfflineError, SourceError
from data.frames import canonical
from data.lake import Origin
from data.registry import spec
from data.sessions import BarClock
from data.sources.fetched import AbstractFetchedSource, Machine, missing_extra

Download = Callable[..., Any]
"""``yfinance.download``, or a recording with its keywords."""


@spec
class YahooSource(AbstractFetchedSource):
    """Daily bars of Yahoo symbols.

    Attributes:
        calendar: exchange calendar of the symbols.
    """

    dataset: str = "yahoo"
    calendar: str = "XNYS"

    def transport(self, machine: Machine) -> Download:
        """Return ``yfinance.download``."""
        try:
            import yfinance
        except ImportError as error:
            raise missing_extra("yfinance", "yahoo") from error
        download: Download = yfinance.download
        return download

    def download(self, transport: Download) -> pd.DataFrame:
        """Return the daily bars of every symbol; a symbol without bars is an error, not a gap."""
        parts = [self._one(transport, symbol) for symbol in self.series]
        return pd.concat(parts, ignore_index=True)

    def _one(self, transport: Download, symbol: str) -> pd.DataFrame:
        asked = {
            "start": self.start,
            "end": self.end,
            "interval": "1d",
            "auto_adjust": False,
            "actions": False,
        }
        quiet = {"progress": False, "threads": False, "multi_level_index": False}
        if self.start is None and self.end is None:
            asked["period"] = "max"
        try:
            frame = transport(symbol, **asked, **quiet)
        except OSError as error:
            raise OfflineError(f"Yahoo could not be reached for '{symbol}': {error}") from error
        if frame is None or not len(frame):
            raise OfflineError(
                f"Yahoo sent no bars for '{symbol}' ({self.start or 'the beginning'} to {self.end or 'today'}): "
                "the symbol is unknown there, the period is empty, or the network is not reached"
            )
        missing = {"Open", "High", "Low", "Close", "Adj Close", "Volume"} - {
            str(name) for name in frame.columns
        }
        if missing:
            raise SourceError(
                f"Yahoo's answer for '{symbol}' has no column '{min(missing)}'; its layout has changed"
            )
        return canonical(frame, default_series=symbol, clock=BarClock(self.calendar))

    def origin(self, fetched_at: str) -> Origin:
        """Return the source, licence and clock of the bars."""
        return Origin(
            "Yahoo Finance daily bars",
            "personal use under Yahoo's terms",
            fetched_at,
            self.calendar,
            "session",
        )
