"""Frames: pandas tables to panels and back. The only module that knows column names.

The long form has one row per series and bar: ``unique_id`` (text), ``ds`` (datetime64[ns], UTC without zone, the END of
the bar), then whichever of open, high, low, close, volume, adj_close were found, then every other numeric column under
its lower-case name. Nothing is repaired here: row order, repeated rows and NaN pass through for the quality checks.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from data.errors import DataError, nearest
from data.panel import Panel, Times, as_time
from data.sessions import ALWAYS, DAY, WEEKDAYS, BarClock, bar_length, session_closes

ID, TIME, TARGET = "unique_id", "ds", "y"
FIELDS: tuple[str, ...] = ("open", "high", "low", "close", "volume", "adj_close")
"""Fields of a bar, in the order frames and panels carry them."""

PRICES: tuple[str, ...] = ("open", "high", "low", "close", "adj_close")
"""Fields that are prices and therefore never negative."""

Stamps = Literal["end", "start"]

_SPELLINGS: dict[str, tuple[str, ...]] = {
    ID: ("unique_id", "symbol", "ticker", "series", "name"),
    TIME: ("ds", "date", "datetime", "timestamp", "time", "ts"),
    "open": ("open",),
    "high": ("high",),
    "low": ("low",),
    "close": ("close",),
    "volume": ("volume", "vol"),
    "adj_close": ("adj_close", "adjclose", "adjusted_close", "close_adjusted"),
    TARGET: ("y",),
}
_TEXT_FORMATS = ("ISO8601", "%Y/%m/%d", "%Y/%m/%d %H:%M", "%Y/%m/%d %H:%M:%S", "%Y%m%d", "%Y%m%d %H:%M:%S")
_OFFSET = re.compile(r"(?<=\d)\s*(?:Z|UTC|[+-]\d\d:?\d\d)$")
_EPOCH_UNITS: tuple[tuple[float, float, Literal["s", "ms", "us", "ns"]], ...] = (
    (1e8, 1e11, "s"),
    (1e11, 1e14, "ms"),
    (1e14, 1e17, "us"),
    (1e17, 1e20, "ns"),
)


def canonical(
    frame: pd.DataFrame,
    *,
    default_series: str | None = None,
    clock: BarClock | None = None,
    columns: Mapping[str, str] | None = None,
    stamps: Stamps = "end",
    zone: str | None = None,
) -> pd.DataFrame:
    """Return any raw frame in the long form described at the top of this module.

    A frame without a series column and without any bar column is *wide*: every numeric column becomes a series of the
    field ``y``. Text columns other than the series name and the time are left out.

    Timing: dates without a time name sessions when ``clock`` has session bars; they are stamped with that session's
    close. A date that is no session is kept and stamped with the midnight (UTC) that ends it, which is off the clock's
    grid, so the quality checks report it. Other stamps are taken as given, or moved one bar later when they mark the
    start of a bar (never past the close of the session they start in).

    Args:
        frame: the table; its index may hold the time or the series.
        default_series: name for the rows of a frame that names no series.
        clock: calendar and bar length; None takes every stamp as given.
        columns: canonical name -> the frame's own column, where the spelling is unusual.
        stamps: whether stamps mark the end or the start of their bar.
        zone: time zone of stamps that carry none; None means UTC.

    Raises:
        DataError: when the frame is empty, a column is missing, ambiguous or not numeric, or a stamp cannot be read.
    """
    if stamps not in ("end", "start"):
        raise DataError(f"stamps was '{stamps}'; allowed: 'end', 'start'")
    if not len(frame):
        raise DataError("the frame has no rows; at least one is needed")
    flat = _flat(frame)
    found = _locate(flat, columns or {})
    for name in found:
        if name != TIME and found[name] == found[TIME]:
            raise DataError(
                f"columns: {name} was '{found[name]}', which holds the time; the time's own name is '{TIME}'"
            )
    ds = bar_ends(flat[found[TIME]], clock=clock, stamps=stamps, zone=zone)
    if ID not in found and not _is_long(found):
        return _melted(flat, ds, found[TIME])
    rest = flat.drop(columns=[found[TIME]])
    return _long(rest, ds, found, default_series)


def to_panel(long: pd.DataFrame, fields: Sequence[str] | None = None) -> Panel:
    """Return the panel of a long frame: series in order of first appearance, times in order, NaN where no row is.

    Args:
        long: a frame in the long form, stamps increasing inside each series.
        fields: the fields to keep, in this order; None keeps all.

    Raises:
        DataError: when a stamp is missing, repeated or out of order inside a series, or a field does not exist.
    """
    present = [str(name) for name in long.columns if name not in (ID, TIME)]
    kept = list(present if fields is None else fields)
    for name in kept:
        if name not in present:
            raise DataError(f"field '{name}' is not in the frame{nearest(name, present)}")
    if not len(long) or not kept:
        raise DataError(
            f"the frame has {len(long)} rows and {len(kept)} fields; at least one of each is needed"
        )
    check_order(long)
    stamps = np.asarray(long[TIME].to_numpy()).astype("datetime64[ns]")
    codes, names = pd.factorize(long[ID])
    times, rows = np.unique(stamps, return_inverse=True)
    values = np.full((len(times), len(names), len(kept)), np.nan)
    values[rows, codes] = long[kept].to_numpy(dtype=np.float64, na_value=np.nan)
    return Panel(times, tuple(str(name) for name in names), tuple(kept), values)


def check_order(long: pd.DataFrame) -> None:
    """Raise unless the stamps of every series in a long frame are known, distinct and increasing.

    Raises:
        DataError: naming the series, the stamp and the remedy.
    """
    codes, names = pd.factorize(long[ID])
    stamps = np.asarray(long[TIME].to_numpy()).astype("datetime64[ns]")
    if np.isnat(stamps).any():
        row = int(np.flatnonzero(np.isnat(stamps))[0])
        raise DataError(
            f"the stamp at row {row} of series '{names[codes[row]]}' is missing; every row needs one"
        )
    repeated = long.duplicated([ID, TIME]).to_numpy()
    if repeated.any():
        row = int(np.flatnonzero(repeated)[0])
        raise DataError(
            f"series '{names[codes[row]]}' has more than one row at {_show(stamps[row])} "
            f"({int(repeated.sum())} repeated in all); remedy: repairs: {{duplicates: keep_first}}"
        )
    rows = np.argsort(codes, kind="stable")
    back = np.flatnonzero((np.diff(codes[rows]) == 0) & (np.diff(stamps[rows]) < np.timedelta64(0, "ns")))
    if len(back):
        row, before = rows[back[0] + 1], rows[back[0]]
        raise DataError(
            f"series '{names[codes[row]]}' is out of order: {_show(stamps[row])} comes after {_show(stamps[before])}; "
            "remedy: repairs: {unsorted: sort}"
        )


def to_long(panel: Panel) -> pd.DataFrame:
    """Return the panel in the long form, series after series, without the bars at which nothing was observed."""
    t, s = len(panel.times), len(panel.series)
    flat = panel.values.transpose(1, 0, 2).reshape(t * s, len(panel.fields))
    kept = ~np.isnan(flat).all(axis=1)
    names = np.repeat(np.asarray(panel.series, dtype=object), t).astype(str)
    data: dict[str, Any] = {ID: names[kept], TIME: np.tile(np.asarray(panel.times), s)[kept]}
    data.update({name: flat[kept, f] for f, name in enumerate(panel.fields)})
    return pd.DataFrame(data)


def to_wide(panel: Panel, field: str) -> pd.DataFrame:
    """Return one field as a table with the times as index ``ds`` and one column a series."""
    index = pd.DatetimeIndex(np.array(panel.times), name=TIME)
    return pd.DataFrame(np.array(panel.field(field)), index=index, columns=list(panel.series))


def bar_ends(
    column: "pd.Series[Any]", *, clock: BarClock | None, stamps: Stamps = "end", zone: str | None = None
) -> Times:
    """Return the bar ends (N,) that a column of stamps means, UTC; missing stamps stay NaT.

    Stamps may be dates, times with or without zone, ISO 8601 text, YYYYMMDD numbers, or seconds, milliseconds,
    microseconds or nanoseconds since 1970. Ambiguous spellings such as 03/04/2020 are refused.

    Raises:
        DataError: when a stamp cannot be read, or does not exist or is ambiguous in its zone.
    """
    wall, is_aware = _wall_times(column)
    known = ~np.isnat(wall)
    is_date = bool(known.any()) and bool((wall[known] == wall[known].astype("datetime64[D]")).all())
    if clock is not None and clock.bar == "session" and is_date:
        return _session_ends(wall, clock.calendar)
    ends = _utc(column, wall, is_aware, zone)
    if stamps == "end":
        return ends
    if clock is None:
        raise DataError("stamps was 'start' without a clock; the bar length is needed to find the end")
    return _ends_of_starts(ends, clock)


def _flat(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with text column names, and any named or dated index level as a column in front."""
    if frame.columns.nlevels > 1:
        raise DataError(f"the frame has {frame.columns.nlevels} levels of column names; one is allowed")
    body = frame.rename(columns=str).reset_index(drop=True)
    if not body.columns.is_unique:
        twice = body.columns[body.columns.duplicated()][0]
        raise DataError(f"column '{twice}' appears more than once; names must be distinct")
    front: dict[str, Any] = {}
    for number in range(frame.index.nlevels):
        level = frame.index.get_level_values(number)
        is_dated = isinstance(level, pd.DatetimeIndex)
        if level.name is None and not is_dated and frame.index.nlevels == 1:
            continue
        name = str(level.name if level.name is not None else (TIME if is_dated else ID))
        if name not in body.columns:
            front[name] = pd.Series(level)
    return pd.concat([pd.DataFrame(front, index=body.index), body], axis=1) if front else body


def _plain_name(name: str) -> str:
    return re.sub(r"[\s\-]+", "_", name.strip().lower())


def _locate(flat: pd.DataFrame, columns: Mapping[str, str]) -> dict[str, str]:
    """Return canonical name -> column of the frame, for every canonical column the frame has."""
    names = [str(name) for name in flat.columns]
    for wanted, name in columns.items():
        if name not in names:
            raise DataError(
                f"column '{name}' (asked for as {wanted}) is not in the frame{nearest(name, names)}"
            )
    found = {**_single_letters(names), **columns}
    free = [name for name in names if name not in columns.values()]
    for wanted, spellings in _SPELLINGS.items():
        if wanted in found:
            continue
        matches = sorted(
            (name for name in free if _plain_name(name) in spellings),
            key=lambda name: spellings.index(_plain_name(name)),
        )
        # A table often carries a company's name beside its symbol; every other pair of candidates is ambiguous.
        if len(matches) > 1 and wanted != ID:
            raise DataError(
                f"columns '{matches[0]}' and '{matches[1]}' both look like {wanted}; "
                f"say which with columns: {{{wanted}: ...}}"
            )
        if matches:
            found[wanted] = matches[0]
    if TIME not in found:
        found[TIME] = _first_time_column(flat)
    return found


def _single_letters(names: Sequence[str]) -> dict[str, str]:
    """Return o, h, l, c and v as bar columns when the first four are all there; alone they may be ticker symbols."""
    letters = {name.lower(): name for name in names if len(name) == 1}
    if not {"o", "h", "l", "c"} <= set(letters):
        return {}
    return {field: letters[field[0]] for field in FIELDS if field != "adj_close" and field[0] in letters}


def _first_time_column(flat: pd.DataFrame) -> str:
    first = str(flat.columns[0])
    if pd.api.types.is_numeric_dtype(flat[first]):
        raise DataError(
            f"no column holds the time: columns are {', '.join(map(str, flat.columns))}; "
            f"known spellings: {', '.join(_SPELLINGS[TIME])}, or say which with columns: {{ds: ...}}"
        )
    return first


def _is_long(found: Mapping[str, str]) -> bool:
    return any(name not in (ID, TIME) for name in found)


def _long(
    rest: pd.DataFrame, ds: Times, found: Mapping[str, str], default_series: str | None
) -> pd.DataFrame:
    series = _series_names(rest, found, default_series)
    data: dict[str, Any] = {ID: series, TIME: ds}
    others = [name for name in found if name not in (ID, TIME, *FIELDS)]
    for name in (*(name for name in FIELDS if name in found), *others):
        data[name] = _numbers(rest[found[name]], found[name])
    for column in rest.columns:
        if column not in found.values() and _is_numeric(rest[column]):
            name = str(column).strip().lower()
            if name in data:
                raise DataError(f"column '{column}' would be a second '{name}'; rename or drop one of them")
            data[name] = _numbers(rest[column], column)
    if len(data) == 2:
        raise DataError(f"no column holds numbers: columns are {', '.join(map(str, rest.columns)) or 'none'}")
    return pd.DataFrame(data)


def _series_names(
    rest: pd.DataFrame, found: Mapping[str, str], default_series: str | None
) -> "pd.Series[Any]":
    if ID in found:
        names = rest[found[ID]]
        if names.isna().any():
            row = int(np.flatnonzero(names.isna().to_numpy())[0])
            raise DataError(
                f"the series name in column '{found[ID]}' is missing at row {row}; every row needs one"
            )
        return names.astype(str)
    if default_series is None:
        raise DataError(
            f"no column names the series; known spellings: {', '.join(_SPELLINGS[ID])}, "
            "or say which with columns: {unique_id: ...}"
        )
    return pd.Series([default_series] * len(rest), index=rest.index).astype(str)


def _melted(flat: pd.DataFrame, ds: Times, time_column: str) -> pd.DataFrame:
    names = [name for name in flat.columns if name != time_column and _is_numeric(flat[name])]
    if not names:
        others = [str(name) for name in flat.columns if name != time_column]
        raise DataError(
            f"no column beside '{time_column}' holds numbers; columns are {', '.join(others) or 'none'}"
        )
    return pd.DataFrame(
        {
            ID: np.repeat(np.asarray(names, dtype=object), len(flat)).astype(str),
            TIME: np.tile(ds, len(names)),
            TARGET: np.concatenate([_numbers(flat[name], name) for name in names]),
        }
    )


def _is_numeric(column: "pd.Series[Any]") -> bool:
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def _numbers(column: "pd.Series[Any]", name: str) -> Any:
    """Return (N,) float64; text that is no number is an error that shows it."""
    if not _is_numeric(column):
        read = pd.to_numeric(column, errors="coerce")
        bad = np.flatnonzero((read.isna() & column.notna()).to_numpy())
        if len(bad):
            row = int(bad[0])
            raise DataError(
                f"column '{name}' holds {str(column.iloc[row])!r} at row {row}; numbers are needed"
            )
        column = read
    return column.to_numpy(dtype=np.float64, na_value=np.nan)


def _wall_times(column: "pd.Series[Any]") -> tuple[Times, bool]:
    """Return the stamps as their own clock showed them, (N,), and whether they carry a zone."""
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        return _nanoseconds(column.dt.tz_localize(None)), True
    if pd.api.types.is_datetime64_any_dtype(column):
        return _nanoseconds(column), False
    if _is_numeric(column):
        return _from_numbers(column), False
    text = column.astype("string")
    has_offset = text.str.contains(_OFFSET, na=False) & text.str.contains(":", regex=False, na=False)
    if has_offset.any() and not has_offset[column.notna()].all():
        row = int(np.flatnonzero((~has_offset & column.notna()).to_numpy())[0])
        raise DataError(
            f"stamp {column.iloc[row]!r} at row {row} has no zone, others have one; all or none may"
        )
    is_aware = bool(has_offset.any())
    return _from_text(text.str.replace(_OFFSET, "", regex=True) if is_aware else text), is_aware


def _nanoseconds(column: Any) -> Times:
    given = np.asarray(column.to_numpy()).astype("datetime64[s]")
    outside = (given < np.datetime64("1678-01-01")) | (given > np.datetime64("2261-12-31"))
    if outside.any():
        raise DataError(f"stamp {given[outside][0]} is out of range; allowed: the years 1678 to 2261")
    return np.asarray(np.asarray(column.to_numpy()).astype("datetime64[ns]"))


def _from_text(text: "pd.Series[Any]") -> Times:
    best = None
    for form in _TEXT_FORMATS:
        read = pd.to_datetime(text, format=form, errors="coerce")
        missed = (read.isna() & text.notna()).to_numpy()
        if not missed.any():
            return _nanoseconds(read)
        if best is None or missed.sum() < best.sum():
            best = missed
    row = int(np.flatnonzero(best if best is not None else [True])[0])
    raise DataError(
        f"stamp {str(text.iloc[row])!r} at row {row} cannot be read; allowed: YYYY-MM-DD, YYYY-MM-DD HH:MM[:SS] with "
        "or without a zone, YYYY/MM/DD, YYYYMMDD, or a number of seconds, ms, us or ns since 1970"
    )


def _from_numbers(column: "pd.Series[Any]") -> Times:
    numbers = column.to_numpy(dtype=np.float64, na_value=np.nan)
    if np.isnan(numbers).all():
        return np.full(len(numbers), "NaT", dtype="datetime64[ns]")
    low, high = np.nanmin(numbers), np.nanmax(numbers)
    if low >= 19_000_101 and high <= 22_001_231:
        return _from_text(column.astype("Int64").astype("string"))
    for least, limit, unit in _EPOCH_UNITS:
        if low >= least and high < limit:
            return _nanoseconds(pd.to_datetime(column, unit=unit))
    raise DataError(
        f"stamps are the numbers {low:g} to {high:g}; allowed: YYYYMMDD, or s, ms, us or ns since 1970 (after 1973-03)"
    )


def _utc(column: "pd.Series[Any]", wall: Times, is_aware: bool, zone: str | None) -> Times:
    if is_aware:
        return _nanoseconds(_aware(column).dt.tz_localize(None))
    if zone is None:
        return wall
    try:
        there = ZoneInfo(zone)
    except (KeyError, ValueError, OSError) as error:
        raise DataError(f"zone '{zone}' is unknown; allowed: names such as America/New_York") from error
    # The errors pandas raises here belong to another library in some versions; NaT is the same in all.
    moved = pd.DatetimeIndex(wall).tz_localize(there, ambiguous="NaT", nonexistent="NaT")
    lost = np.flatnonzero(moved.isna() & ~np.isnat(wall))
    if len(lost):
        raise DataError(
            f"stamp {_show(wall[lost[0]])} does not exist or is ambiguous in zone '{zone}'; give stamps with an offset"
        )
    return _nanoseconds(moved.tz_convert(None))


def _aware(column: "pd.Series[Any]") -> "pd.Series[Any]":
    """Return stamps with a zone in UTC."""
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        moved: pd.Series[Any] = column.dt.tz_convert("UTC")
        return moved
    text = (
        column.astype("string")
        .str.replace(r"\s*UTC$", "Z", regex=True)
        .str.replace(r"\s+([+-])", r"\1", regex=True)
    )
    read: pd.Series[Any] = pd.to_datetime(text, format="ISO8601", utc=True, errors="coerce")
    missed = np.flatnonzero((read.isna() & text.notna()).to_numpy())
    if len(missed):
        row = int(missed[0])
        raise DataError(
            f"stamp {str(column.iloc[row])!r} at row {row} cannot be read; stamps with a zone must be ISO 8601"
        )
    return read


def _session_ends(wall: Times, calendar: str) -> Times:
    """Return the close of the session each date names; other dates get the midnight that ends them."""
    known = wall[~np.isnat(wall)]
    dates, closes = session_closes(calendar, known.min(), known.max())
    days = wall.astype("datetime64[D]")
    at = np.clip(np.searchsorted(dates, days), 0, max(len(dates) - 1, 0))
    if not len(dates):
        return np.asarray(wall + DAY)
    return np.asarray(np.where(dates[at] == days, closes[at], wall + DAY))


def _ends_of_starts(starts: Times, clock: BarClock) -> Times:
    """Return one bar later than each start, but not after the close of the session it starts in."""
    ends = np.asarray(starts + bar_length(clock.bar))
    known = ~np.isnat(starts)
    # Only exchanges cut a bar short; elsewhere bars run on over midnight.
    if clock.bar == "session" or clock.calendar in (ALWAYS, WEEKDAYS) or not known.any():
        return ends
    span = np.timedelta64(7, "D")
    _, closes = session_closes(
        clock.calendar, as_time(starts[known].min()) - span, as_time(starts[known].max()) + span
    )
    at = np.searchsorted(closes, starts[known], side="right")
    inside = at < len(closes)
    nearer = np.where(inside, closes[np.minimum(at, len(closes) - 1)], ends[known])
    ends[known] = np.minimum(ends[known], nearer)
    return ends


def _show(stamp: np.datetime64) -> str:
    return str(stamp.astype("datetime64[s]"))
