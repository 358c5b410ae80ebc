"""Network sources: real request code against recordings; a backtest itself never reaches the network."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from data.errors import OfflineError, SourceError, SpecError
from data.lake import entries
from data.sources.base import SOURCES
from data.sources.ccxt_exchange import CcxtSource
from data.sources.fetched import Machine
from data.sources.yahoo import YahooSource

HOUR = 3_600_000
START = 1_577_836_800_000  # 2020-01-01 in ms


def never(seconds: float) -> None:
    raise AssertionError(f"a pause of {seconds} s was asked for")


def yahoo_answer(symbol: str, **asked: Any) -> pd.DataFrame:
    """What yfinance 1.7 returns for one symbol with multi_level_index=False."""
    assert asked["auto_adjust"] is False
    index = pd.DatetimeIndex(["2020-01-02", "2020-01-03", "2020-01-06"], name="Date")
    close = np.array([100.0, 101.0, 102.0])
    return pd.DataFrame(
        {
            "Adj Close": close * 0.98,
            "Close": close,
            "High": close + 1,
            "Low": close - 1,
            "Open": close,
            "Volume": 1000,
        },
        index=index,
    )


class RecordedExchange:
    """A ccxt exchange that serves hourly bars from memory, in pages, with the last bar still open."""

    def __init__(self, bars: int, page: int) -> None:
        self.bars = [[START + i * HOUR, 10.0 + i, 11.0 + i, 9.0 + i, 10.5 + i, 5.0] for i in range(bars)]
        self.page = page
        self.calls = 0

    def fetch_ohlcv(self, symbol: str, timeframe: str, since: int | None, limit: int) -> list[list[float]]:
        assert (symbol, timeframe) == ("BTC/USDT", "1h")
        self.calls += 1
        return [bar for bar in self.bars if bar[0] >= (since or 0)][: self.page]

    def milliseconds(self) -> int:
        return int(self.bars[-1][0]) + HOUR // 2


def crypto(**more: Any) -> CcxtSource:
    config = {"kind": "ccxt", "exchange": "kraken", "series": ["BTC/USDT"], "start": "2020-01-01", **more}
    source = SOURCES.build(config)
    assert isinstance(source, CcxtSource)
    return source


def yahoo(**more: Any) -> YahooSource:
    source = SOURCES.build({"kind": "yahoo", "series": ["SPY"], **more})
    assert isinstance(source, YahooSource)
    return source


def test_yahoo_bars_are_stamped_at_the_close_and_kept_in_the_lake(tmp_path: Path) -> None:
    entry = yahoo().fetch(tmp_path, "2020-01-07T00:00:00", yahoo_answer)
    assert (entry.rows, entry.calendar) == (3, "XNYS")
    history = yahoo().load(tmp_path)
    assert str(history.times[0]).startswith("2020-01-02T21:00")
    assert history.panel.field("factor")[:, 0] == pytest.approx(1.0)


def test_loading_before_fetching_says_how_to_fetch(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="wayfold data fetch"):
        yahoo().load(tmp_path)


def test_an_empty_answer_is_an_offline_error_and_stores_nothing(tmp_path: Path) -> None:
    with pytest.raises(OfflineError, match="no bars for 'SPY'"):
        yahoo().fetch(tmp_path, "2020-01-07", lambda *_, **__: pd.DataFrame())
    assert entries(tmp_path) == []


def test_a_refused_connection_is_an_offline_error(tmp_path: Path) -> None:
    def refuse(*_: object, **__: object) -> pd.DataFrame:
        raise ConnectionError("refused")

    with pytest.raises(OfflineError, match="could not be reached for 'SPY'"):
        yahoo().fetch(tmp_path, "2020-01-07", refuse)


def test_a_changed_layout_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no column 'Adj Close'"):
        yahoo().fetch(tmp_path, "2020-01-07", lambda *a, **k: yahoo_answer(*a, **k).drop(columns="Adj Close"))


def test_exchange_pages_join_and_the_open_bar_is_left_out(tmp_path: Path) -> None:
    exchange = RecordedExchange(bars=50, page=7)
    entry = crypto().fetch(tmp_path, "2020-01-05", exchange)
    assert entry.rows == 49
    assert exchange.calls >= 8
    history = crypto().load(tmp_path)
    assert history.times[0] == np.datetime64("2020-01-01T01:00", "ns")
    assert (np.diff(history.times) == np.timedelta64(1, "h")).all()
    assert history.panel.field("close")[0, 0] == 10.5


def test_a_refetch_with_more_bars_is_a_new_revision(tmp_path: Path) -> None:
    crypto().fetch(tmp_path, "2020-01-02", RecordedExchange(10, 500))
    crypto().fetch(tmp_path, "2020-01-03", RecordedExchange(20, 500))
    assert [entry.revision for entry in entries(tmp_path)] == [1, 2]
    assert len(crypto().load(tmp_path, np.datetime64("2020-01-02")).panel) == 9


def test_an_unreachable_exchange_is_an_offline_error(tmp_path: Path) -> None:
    ccxt = pytest.importorskip("ccxt")

    class Down(RecordedExchange):
        def fetch_ohlcv(self, *_: object) -> list[list[float]]:
            raise ccxt.ExchangeNotAvailable("down")

    with pytest.raises(OfflineError, match="kraken could not be reached"):
        crypto().fetch(tmp_path, "2020-01-02", Down(5, 5))


def test_the_real_transports_exist_and_are_read_only() -> None:
    pytest.importorskip("yfinance")
    pytest.importorskip("ccxt")
    machine = Machine(never, ethereum_url=None)
    assert callable(yahoo().transport(machine))
    assert not crypto().transport(machine).apiKey
    with pytest.raises(SpecError, match="did you mean 'kraken'"):
        crypto(exchange="krakn").transport(machine)


def test_a_bar_length_the_exchange_does_not_know_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="bar was '7min'"):
        crypto(bar="7min").fetch(tmp_path, "2020-01-02", RecordedExchange(5, 5))


def test_no_symbol_is_no_request(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="name at least one symbol"):
        yahoo(series=[]).fetch(tmp_path, "2020-01-07", yahoo_answer)
