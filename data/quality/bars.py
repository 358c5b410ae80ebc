"""Bars: the rows of one series as columns, in the order of the file and in the order of time."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from data.events import CorporateActions
from data.findings import Finding, Severity
from data.frames import ID, TARGET, TIME
from data.panel import Floats, Times
from data.quality.grid import Grid, Rows

OHLC: tuple[str, ...] = ("open", "high", "low", "close")


@dataclass(frozen=True, eq=False)
class SeriesBars:
    """The rows of one series.

    Attributes:
        series: name of the series.
        times: (N,) bar ends, UTC.
        columns: field -> (N,) float64, NaN where not observed.
    """

    series: str
    times: Times
    columns: Mapping[str, Floats]

    def __len__(self) -> int:
        return len(self.times)

    def rows(self, keep: Rows) -> "SeriesBars":
        """Return the rows that a mask keeps, or these rows by position."""
        return SeriesBars(
            self.series, self.times[keep], {name: column[keep] for name, column in self.columns.items()}
        )

    def ordered(self) -> "SeriesBars":
        """Return the rows in order of time, the first of the file where a stamp is repeated."""
        order = np.argsort(self.times, kind="stable")
        stamps = self.times[order]
        is_first = np.ones(len(stamps), dtype=bool)
        is_first[1:] = stamps[1:] != stamps[:-1]
        return self.rows(order[is_first])

    @property
    def price(self) -> str | None:
        """The field that is the price: the close, or the one value of a wide table when it is never below zero."""
        if "close" in self.columns:
            return "close"
        lone = self.columns.get(TARGET)
        return TARGET if lone is not None and len(lone) and not (lone <= 0).any() else None

    @property
    def prices(self) -> tuple[str, ...]:
        """The price fields of a bar that the table has."""
        return tuple(name for name in OHLC if name in self.columns)

    def found(
        self, kind: str, severity: Severity, where: Rows, message: str, **more: "str | float"
    ) -> Finding:
        """Return a finding about these rows; ``field`` (default ``bar``), ``value`` and ``count`` may be given."""
        times = self.times[where]
        return Finding(
            series=self.series,
            field=str(more.get("field", "bar")),
            kind=kind,
            severity=severity,
            time=np.fmin.reduce(times),
            until=np.fmax.reduce(times),
            count=int(more.get("count", len(times))),
            value=float(more.get("value", np.nan)),
            message=message,
        )


Check = Callable[[SeriesBars, Grid], Iterable[Finding]]
"""A check of one series' rows against the clock."""


def split_series(long: pd.DataFrame) -> Iterator[SeriesBars]:
    """Yield the rows of each series of a long frame, in order of first appearance, rows in the file's order."""
    codes, names = pd.factorize(long[ID])
    order = np.argsort(codes, kind="stable")
    times = stamps_of(long)[order]
    columns = {
        str(name): long[name].to_numpy(dtype=np.float64, na_value=np.nan)[order]
        for name in long.columns
        if name not in (ID, TIME)
    }
    edges = np.searchsorted(codes[order], np.arange(len(names) + 1))
    for place, name in enumerate(names):
        rows = slice(edges[place], edges[place + 1])
        yield SeriesBars(str(name), times[rows], {key: column[rows] for key, column in columns.items()})


def stamps_of(long: pd.DataFrame) -> Times:
    """Return the stamps of a long frame, (N,) datetime64[ns]."""
    return np.asarray(long[TIME].to_numpy()).astype("datetime64[ns]")


def action_times(actions: CorporateActions | None, series: str) -> Times:
    """Return the stamps of the splits known of a series."""
    if actions is None or not len(actions):
        return np.empty(0, "datetime64[ns]")
    return np.asarray(actions.times[(actions.series == series) & (actions.splits != 1)])


def shown(time: np.datetime64) -> str:
    """Return a stamp as text for messages: the day, and the minute where it is not midnight."""
    text = str(time.astype("datetime64[m]"))
    return text.removesuffix("T00:00").replace("T", " ")


def plural(count: int, word: str) -> str:
    """Return ``1 bar`` or ``1,234 bars``."""
    return f"{count:,} {word}" if count == 1 else f"{count:,} {word}s"


def are(count: int, word: str) -> str:
    """Return ``1 bar is`` or ``1,234 bars are``."""
    return f"{plural(count, word)} {'is' if count == 1 else 'are'}"


def median(values: Floats) -> float:
    """Return the median of the finite values, NaN when there is none."""
    finite = values[np.isfinite(values)]
    return float(np.median(finite)) if len(finite) else float("nan")
