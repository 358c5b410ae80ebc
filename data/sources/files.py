"""Files: the user's own CSV and Parquet tables, checked and never repaired unless asked."""

from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from pydantic import BeforeValidator, model_validator

from data.adjustment import Reinvested, implied_actions, with_forward_factor
from data.errors import DataError, SourceError, nearest
from data.events import CorporateActions
from data.findings import Finding
from data.frames import FIELDS, ID, PRICES, TIME, Stamps, canonical, check_order, to_panel
from data.history import History
from data.panel import Panel
from data.registry import spec
from data.repairs import Repairs, repair
from data.sessions import BarClock
from data.sources.base import AbstractSource
from data.sources.selection import asked_period, check_period, chosen

_ADJUSTED = (
    "The adjusted closes of the files contain later actions; only their ratios to the raw closes are used, as forward "
    "factors dated by the action."
)
_NOT_NUMBERS = (ID, TIME)
_MOST_NAMES = 5


def _as_names(value: Any) -> Any:
    return (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else value


def _as_pairs(value: Any) -> Any:
    if isinstance(value, Mapping):
        return tuple(value.items())
    return tuple(tuple(pair) for pair in value) if isinstance(value, list) else value


def _check_zone(zone: str | None) -> None:
    """Raise for a zone that does not exist, also where dates alone would never ask for it."""
    try:
        ZoneInfo(zone or "UTC")
    except (KeyError, ValueError, OSError) as error:
        raise SourceError(f"zone '{zone}' is unknown; allowed: names such as America/New_York") from error


@spec
class AbstractFileSource(AbstractSource):
    """Tables on disk: long (a column names the series), wide (one column a series) or one file a series.

    A file that names no series is one series, called by the file's stem. Every file is checked before anything is
    used: empty files, one-row series, repeated or unsorted stamps, negative prices, infinite values and columns without
    a value are errors. Prices are raw; with ``adjusted: adj_close`` the ratio of adjusted to raw close gives splits,
    dividends and the forward factor.

    Attributes:
        files: paths or patterns (``bars/*.parquet``), relative to the working folder; one text or a list.
        calendar: the bars' calendar, see ``BarClock``.
        bar: bar length, see ``BarClock``.
        stamps: whether stamps mark the end or the start of their bar.
        zone: time zone of stamps that carry none; None means UTC.
        columns: canonical name -> the files' column, where the spelling is unusual.
        fields: fields to keep, in this order; empty keeps all but ``adj_close``, which knows the future.
        untradable: series that may be forecast but not traded.
        adjusted: where dividends and splits come from: ``none`` or ``adj_close``.
        reinvested: the vendor's convention for ``adj_close``, see ``data.adjustment``.
        repairs: what may be changed about the bars before the checks; nothing by default.
    """

    files: Annotated[tuple[str, ...], BeforeValidator(_as_names)]
    calendar: str
    bar: str = "session"
    stamps: Stamps = "end"
    zone: str | None = None
    columns: Annotated[tuple[tuple[str, str], ...], BeforeValidator(_as_pairs)] = ()
    fields: tuple[str, ...] = ()
    untradable: tuple[str, ...] = ()
    adjusted: Literal["none", "adj_close"] = "none"
    reinvested: Reinvested = "previous_close"
    repairs: Repairs = Repairs()

    @model_validator(mode="after")
    def _check(self) -> Self:
        self.clock()
        check_period(self)
        _check_zone(self.zone)
        if not self.files:
            raise ValueError("files is empty; at least one path or pattern is needed")
        if self.adjusted == "adj_close" and "adj_close" in self.fields:
            raise ValueError(
                "fields holds adj_close, which knows the future; adjusted: adj_close gives 'factor'"
            )
        return self

    def clock(self) -> BarClock:
        """Return the calendar and bar length of the files."""
        return BarClock(self.calendar, self.bar)

    @abstractmethod
    def read(self, path: Path) -> pd.DataFrame:
        """Return the raw table of one file.

        Raises:
            SourceError: when the file cannot be read.
        """

    def load(self, lake: Path, as_of: np.datetime64 | None = None) -> History:
        """Return the bars of every file; files are read as they are, so the lake and ``as_of`` do not matter.

        Raises:
            SourceError: when a file is missing, unreadable, empty or broken, or a series or field does not exist.
            DataError: when the files together repeat a stamp of a series or are out of order.
        """
        read = [self._checked(path) for path in self._paths()]
        known = frozenset().union(*(names for _, names, _ in read))
        for name in (*self.series, *self.untradable):
            if name not in known:
                raise SourceError(
                    f"series '{name}' is in none of {', '.join(self.files)}{nearest(name, known)}"
                )
        long = pd.concat([table for table, _, _ in read], ignore_index=True)
        panel, actions = self._adjusted(long)
        history = History(
            panel=panel,
            clock=self.clock(),
            actions=actions,
            untradable=frozenset(self.untradable) & frozenset(panel.series),
            notes=(
                *((_ADJUSTED,) if self.adjusted == "adj_close" else ()),
                *_repair_notes([finding for _, _, made in read for finding in made]),
            ),
        )
        return chosen(history, self)

    def identity(self) -> dict[str, Any]:
        """Return source, files, series, fields and the period asked for."""
        return {
            "source": "files",
            "files": list(self.files),
            "calendar": self.calendar,
            "bar": self.bar,
            "series": list(self.series),
            "fields": list(self.fields),
            **asked_period(self),
        }

    def _paths(self) -> list[Path]:
        """Return the files that the patterns name, each once, in order of their names."""
        paths: dict[Path, None] = {}
        for pattern in self.files:
            matches = _matches(pattern)
            if not matches:
                raise SourceError(
                    f"no file matches '{pattern}' in {Path.cwd()}; allowed: a path or a pattern such as bars/*.parquet"
                )
            paths.update(dict.fromkeys(matches))
        return list(paths)

    def _checked(self, path: Path) -> tuple[pd.DataFrame, frozenset[str], list[Finding]]:
        """Return one file's chosen bars in the long form, every series in it, and what was repaired.

        Raises:
            SourceError: when the file is broken; names the file.
        """
        try:
            long = canonical(
                self.read(path),
                default_series=path.stem,
                clock=self.clock(),
                columns=dict(self.columns),
                stamps=self.stamps,
                zone=self.zone,
            )
            names, fields = frozenset(long[ID]), self._kept(long)
            made: list[Finding] = []
            if self.series:
                long = long[long[ID].isin(self.series)]
            if len(long):
                _check_columns(long, fields)
                long, made = repair(long, self.repairs, self.clock())
                long = long[[ID, TIME, *fields]]
                _check_values(long, fields)
                check_order(long)
        except SourceError:
            raise
        except DataError as error:
            raise SourceError(f"{path}: {error}") from error
        return long[[ID, TIME, *fields]], names, made

    def _kept(self, long: pd.DataFrame) -> list[str]:
        """Return the fields to read from a file: those asked for and those the adjustment needs."""
        present = [str(name) for name in long.columns if name not in _NOT_NUMBERS]
        needed = ("close", "adj_close") if self.adjusted == "adj_close" else ()
        wanted = [*self.fields, *(name for name in needed if name not in self.fields)]
        for name in wanted if self.fields else needed:
            if name not in present:
                raise DataError(f"field '{name}' is not there; found: {', '.join(present)}")
        return wanted if self.fields else [n for n in present if n != "adj_close" or n in needed]

    def _adjusted(self, long: pd.DataFrame) -> tuple[Panel, CorporateActions]:
        panel = to_panel(long)
        if self.adjusted == "none":
            return panel, CorporateActions()
        actions = implied_actions(panel, reinvested=self.reinvested)
        return with_forward_factor(panel, actions, reinvested=self.reinvested), actions


@spec
class CsvSource(AbstractFileSource):
    """Comma-separated tables with a header line; ``.gz`` files are unpacked."""

    def read(self, path: Path) -> pd.DataFrame:
        """Return the raw table of a CSV file.

        Raises:
            SourceError: when the file cannot be read as CSV.
        """
        try:
            return pd.read_csv(path, low_memory=False)
        except (OSError, ValueError) as error:
            raise SourceError(f"{path} cannot be read as CSV: {_first_line(error)}") from error


@spec
class ParquetSource(AbstractFileSource):
    """Parquet tables."""

    def read(self, path: Path) -> pd.DataFrame:
        """Return the raw table of a Parquet file.

        Raises:
            SourceError: when the file cannot be read as Parquet.
        """
        try:
            return pd.read_parquet(path)
        except (OSError, ValueError) as error:
            raise SourceError(f"{path} cannot be read as Parquet: {_first_line(error)}") from error


def _matches(pattern: str) -> list[Path]:
    given = Path(pattern)
    if given.is_file():
        return [given]
    base = Path(given.anchor) if given.is_absolute() else Path()
    relative = str(given.relative_to(base)) if given.is_absolute() else pattern
    return sorted(path for path in base.glob(relative) if path.is_file()) if relative else []


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _check_columns(long: pd.DataFrame, fields: list[str]) -> None:
    """Raise on a field that holds no value at all."""
    for name in fields:
        if long[name].isna().all():
            raise DataError(f"column '{name}' holds no value; leave it out with fields: or fill it")


def _check_values(long: pd.DataFrame, fields: list[str]) -> None:
    """Raise on what no bar may hold: naming field, series, stamp and value."""
    for name in fields:
        values = long[name].to_numpy()
        cure = (
            "; remedy: repairs: {volume: mask}" if name == "volume" else "; remedy: repairs: {bad_bars: mask}"
        )
        cure = cure if name in (*PRICES, "volume") else ""
        _refuse(long, name, np.isinf(values), f"finite or missing{cure}")
        if name in (*PRICES, "volume"):
            _refuse(long, name, values < 0, f"0 or above, or missing{cure}")
    _check_lengths(long, [name for name in fields if name in FIELDS] or fields)


def _refuse(long: pd.DataFrame, name: str, is_bad: Any, allowed: str) -> None:
    if is_bad.any():
        row = long.iloc[int(np.flatnonzero(is_bad)[0])]
        raise DataError(f"{name} of series '{row[ID]}' is {row[name]:g} at {row[TIME]}; allowed: {allowed}")


def _check_lengths(long: pd.DataFrame, names: list[str]) -> None:
    """Raise on series with fewer than two rows, or whose price was never observed."""
    price = "close" if "close" in names else names[0]
    counts = long.groupby(ID, sort=False)[price].agg(["size", "count"])
    for series, row in counts.iterrows():
        if row["size"] < 2:
            raise DataError(f"series '{series}' has {row['size']} row; at least 2 are needed")
        if row["count"] == 0:
            raise DataError(f"series '{series}' has no value of '{price}'; choose others with series:")


def _repair_notes(findings: list[Finding]) -> list[str]:
    """Return one sentence a kind of repair: how many rows of which series."""
    notes = []
    for kind in sorted({finding.kind for finding in findings}):
        same = [finding for finding in findings if finding.kind == kind]
        names = sorted({finding.series for finding in same})
        shown = ", ".join(names[:_MOST_NAMES]) + (
            f" and {len(names) - _MOST_NAMES} more" if names[_MOST_NAMES:] else ""
        )
        rows = sum(finding.count for finding in same)
        notes.append(
            f"Repaired as configured ({kind.removeprefix('repaired_')}): {rows} row{'' if rows == 1 else 's'} of {shown}."
        )
    return notes
