"""Crypto exchange source: public bars through ccxt (extra ``crypto``), fetched into the lake page by page.

Only public market data is asked for; no key is read and nothing can be ordered through this module.
"""

from typing import Protocol

import numpy as np
import pandas as pd

from data.errors import OfflineError, SourceError, SpecError, nearest
from data.frames import ID, TIME
from data.lake import Origin
from data.registry import spec
from data.sessions import ALWAYS, BarClock, bar_length
from data.sources.fetched import AbstractFetchedSource, Machine, missing_extra
from data.sources.selection import instant

PAGE = 500
FIELDS = ("open", "high", "low", "close", "volume")
_CODES = {"1min": "1m", "5min": "5m", "15min": "15m", "30min": "30m", "1h": "1h", "4h": "4h", "1D": "1d"}


class Exchange(Protocol):
    """What is used of a ccxt exchange; a recording has the same two methods."""

    def fetch_ohlcv(self, symbol: str, timeframe: str, since: int | None, limit: int) -> list[list[float]]:
        """Return bars [start in ms, open, high, low, close, volume] from ``since`` on, oldest first."""

    def milliseconds(self) -> int:
        """Return the exchange's present time in ms."""


@spec
class CcxtSource(AbstractFetchedSource):
    """Bars of one exchange's symbols (``BTC/USDT``), around the clock.

    Attributes:
        exchange: ccxt's name of the exchange, such as ``kraken``.
        bar: bar length: 1min, 5min, 15min, 30min, 1h, 4h or 1D.
    """

    dataset: str = "crypto"
    exchange: str
    bar: str = "1h"

    def transport(self, machine: Machine) -> Exchange:
        """Return the ccxt exchange, rate-limited."""
        try:
            import ccxt
        except ImportError as error:
            raise missing_extra("ccxt", "crypto") from error
        if self.exchange not in ccxt.exchanges:
            raise SpecError(
                f"exchange '{self.exchange}' is unknown to ccxt{nearest(self.exchange, ccxt.exchanges)}"
            )
        made: Exchange = getattr(ccxt, self.exchange)({"enableRateLimit": True})
        return made

    def download(self, transport: Exchange) -> pd.DataFrame:
        """Return every complete bar from ``start`` on; the bar still open at the exchange is left out."""
        return pd.concat([self._one(transport, symbol) for symbol in self.series], ignore_index=True)

    def _one(self, transport: Exchange, symbol: str) -> pd.DataFrame:
        step = int(bar_length(self.bar) / np.timedelta64(1, "ms"))
        begin = self.start or "2017-01-01"
        since = int(instant(begin).astype("datetime64[ms]").astype(np.int64))
        stop = transport.milliseconds()
        if self.end is not None:
            stop = min(stop, int(instant(self.end, is_end=True).astype("datetime64[ms]").astype(np.int64)))
        rows: dict[int, list[float]] = {}
        while since < stop:
            page = self._page(transport, symbol, since)
            fresh = [row for row in page if row[0] >= since]
            if not fresh:
                break
            rows.update({int(row[0]): row for row in fresh})
            since = int(fresh[-1][0]) + step
        complete = [row for start, row in sorted(rows.items()) if start + step <= stop]
        if not complete:
            raise SourceError(
                f"{self.exchange} sent no complete {self.bar} bar of '{symbol}' from {begin} on"
            )
        return self._long(symbol, np.array(complete, dtype=np.float64), step)

    def _page(self, transport: Exchange, symbol: str, since: int) -> list[list[float]]:
        if self.bar not in _CODES:
            raise SpecError(f"bar was '{self.bar}'; allowed: {', '.join(_CODES)}")
        try:
            return transport.fetch_ohlcv(symbol, _CODES[self.bar], since, PAGE)
        except _network_errors() as error:
            raise OfflineError(
                f"{self.exchange} could not be reached for '{symbol}': {type(error).__name__}"
            ) from error
        except _exchange_errors() as error:
            raise SourceError(f"{self.exchange} refused '{symbol}': {error}") from error

    def _long(self, symbol: str, rows: np.ndarray, step: int) -> pd.DataFrame:
        """Return a long frame; the exchange stamps bars at their start, the house at their end."""
        ends = (rows[:, 0].astype(np.int64) + step).astype("datetime64[ms]").astype("datetime64[ns]")
        columns = {name: rows[:, i + 1] for i, name in enumerate(FIELDS)}
        return pd.DataFrame({ID: np.full(len(rows), symbol), TIME: ends, **columns})

    def origin(self, fetched_at: str) -> Origin:
        """Return the source, licence and clock of the bars."""
        bar = BarClock(ALWAYS, self.bar).bar
        return Origin(
            f"{self.exchange} public {bar} bars through ccxt", "the exchange's terms", fetched_at, ALWAYS, bar
        )


def _network_errors() -> tuple[type[Exception], ...]:
    try:
        import ccxt
    except ImportError:
        return (OSError,)
    return (OSError, ccxt.NetworkError)


def _exchange_errors() -> tuple[type[Exception], ...]:
    try:
        import ccxt
    except ImportError:
        return ()
    return (ccxt.BaseError,)
