"""NIFTY persistence: how well does "repeat the last price" forecast next week's five opens?

Mehtab and Sen (arXiv 2010.13891, 2020) forecast the NIFTY 50 open five days ahead with CNN and LSTM networks, week by
week, and report RMSE over the mean open without a persistence row. This is that row, on their test window.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from backtest.reproductions.base import AbstractReproduction, Reproduction, Row, require_file
from backtest.reproductions.intervals import block_interval
from data.panel import Floats
from data.registry import spec

STEPS = 5


@dataclass(frozen=True, eq=False)
class Chunks:
    """Targets in chunks of five bars and what was last known before each chunk.

    Attributes:
        opens: (N, 5) the opens to forecast.
        last_open: (N,) the last open known before the chunk.
        last_close: (N,) the last close known before the chunk.
    """

    opens: Floats
    last_open: Floats
    last_close: Floats


@spec
class NiftyPersistence(AbstractReproduction):
    """RMSE over mean of repeating the last open or the last close.

    Attributes:
        file: daily bars with the columns Date, Open, Close.
        grid_start: first weekday of the filled grid.
        test_start: first day of the test, a Monday.
        test_end: last day of the test.
        published: name of a row -> the figure it must meet.
        networks: name of a network -> its RMSE over mean when rebuilt and run on the same window.
        seed: of the bootstrap over chunks.
    """

    file: str
    grid_start: str
    test_start: str
    test_end: str
    published: dict[str, float]
    networks: dict[str, float]
    seed: int = 0

    def run(self, folder: Path) -> Reproduction:
        """Return the four persistence rows and the verdict."""
        bars = read_weekday_bars(require_file(folder, self.file))
        grid = chunks(filled_grid(bars, self.grid_start, self.test_end), self.test_start, self.test_end)
        sessions = chunks(bars, self.test_start, self.test_end)
        rows = tuple(
            self._row(f"{word}, {calendar}", part, last)
            for calendar, part in (("weekday grid", grid), ("weekday sessions", sessions))
            for word, last in (("last open", part.last_open), ("last close", part.last_close))
        )
        return Reproduction(self.claim, self.public, "RMSE over mean", rows, self._verdict(rows))

    def _row(self, name: str, part: Chunks, last: Floats) -> Row:
        low, high = bootstrap_interval(part.opens, last, np.random.default_rng(self.seed))
        return Row(name, rmse_over_mean(part.opens, last), low, high, self.published.get(name), True)

    def _verdict(self, rows: tuple[Row, ...]) -> str:
        best = rows[0].value
        worse = [name for name, ratio in self.networks.items() if ratio > best]
        return (
            f"No skill shown: {len(worse)} of {len(self.networks)} networks of this family, rebuilt on the same window, "
            f"are worse than repeating the last open ({best:.5f}); they score "
            f"{min(self.networks.values()):.5f} to {max(self.networks.values()):.5f}."
        )


def read_weekday_bars(path: Path) -> pd.DataFrame:
    """Return open and close by date, weekend special sessions left out and rows without an open dropped."""
    frame = pd.read_csv(path, parse_dates=["Date"]).set_index("Date")[["Open", "Close"]]
    frame.columns = pd.Index(["open", "close"])
    weekdays = np.is_busday(frame.index.to_numpy().astype("datetime64[D]"))
    return frame[weekdays].dropna()


def filled_grid(bars: pd.DataFrame, start: str, end: str) -> pd.DataFrame:
    """Return every weekday from ``start`` to ``end``; holidays repeat the last session, as the papers' counts imply."""
    grid = pd.bdate_range(start, end)
    return bars.reindex(bars.index.union(grid)).ffill().reindex(grid)


def chunks(bars: pd.DataFrame, start: str, end: str) -> Chunks:
    """Return the test rows in chunks of five, with the row before each chunk as what was last known."""
    first = int(bars.index.searchsorted(pd.Timestamp(start)))
    stop = int(bars.index.searchsorted(pd.Timestamp(end), side="right"))
    count = (stop - first) // STEPS
    opens, closes = bars["open"].to_numpy(), bars["close"].to_numpy()
    known = first - 1 + STEPS * np.arange(count)
    return Chunks(opens[first : first + STEPS * count].reshape(count, STEPS), opens[known], closes[known])


def rmse_over_mean(truth: Floats, last: Floats) -> float:
    """Return the root mean square error of repeating ``last`` (N,) over the mean of ``truth`` (N, 5)."""
    return float(np.sqrt(np.mean((truth - last[:, None]) ** 2)) / truth.mean())


def bootstrap_interval(truth: Floats, last: Floats, rng: np.random.Generator) -> tuple[float, float]:
    """Return the 95 % interval of ``rmse_over_mean`` over resampled chunks, see ``block_interval``."""
    return block_interval(lambda pick: rmse_over_mean(truth[pick], last[pick]), len(truth), rng)
