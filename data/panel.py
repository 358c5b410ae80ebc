"""Panel: a read-only cube of observations over time, series and fields."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC
from typing import Any

import numpy as np
import numpy.typing as npt

from data.errors import PanelError, nearest

Times = npt.NDArray[np.datetime64]
Floats = npt.NDArray[np.float64]


def as_time(value: Any) -> np.datetime64:
    """Return one UTC instant as ``datetime64[ns]``; zone-aware stamps are converted, naive ones are UTC."""
    if getattr(value, "tzinfo", None) is not None:
        value = value.astimezone(UTC).replace(tzinfo=None)
    return np.datetime64(value, "ns")


def read_only(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return a view of the array that cannot be written to; the caller's array keeps its own flag."""
    view = array.view()
    view.flags.writeable = False
    return view


@dataclass(frozen=True, eq=False)
class Panel:
    """Observations of S series and F fields at T times.

    Row i is complete at ``times[i]`` (the end of the bar): everything in it is known at that instant and nothing
    in it is known before. NaN means "not observed".

    Attributes:
        times: (T,) datetime64[ns], UTC, strictly increasing.
        series: S distinct names.
        fields: F distinct names, for example ``("open", "high", "low", "close", "volume")``.
        values: (T, S, F) float64, read-only, finite or NaN.

    Raises:
        PanelError: when shapes disagree, times are unsorted or repeated, names repeat, or a value is infinite.
    """

    times: Times
    series: tuple[str, ...]
    fields: tuple[str, ...]
    values: Floats

    def __post_init__(self) -> None:
        times = np.asarray(self.times).astype("datetime64[ns]")
        values = np.asarray(self.values, dtype=np.float64)
        object.__setattr__(self, "series", tuple(self.series))
        object.__setattr__(self, "fields", tuple(self.fields))
        shape = (len(times), len(self.series), len(self.fields))
        if values.shape != shape:
            raise PanelError(f"values have shape {values.shape}; times, series and fields ask for {shape}")
        _check_times(times)
        _check_names("series", self.series)
        _check_names("field", self.fields)
        if np.isinf(values).any():
            t, s, f = np.argwhere(np.isinf(values))[0]
            raise PanelError(
                f"value of {self.series[s]}.{self.fields[f]} at {times[t]} is infinite; allowed: finite or NaN"
            )
        object.__setattr__(self, "times", read_only(times))
        object.__setattr__(self, "values", read_only(values))

    def __len__(self) -> int:
        return len(self.times)

    def until(self, cutoff: Any) -> "Panel":
        """Return the rows complete at or before the cutoff (a view; no copy)."""
        stop = int(np.searchsorted(self.times, as_time(cutoff), side="right"))
        return self.rows(0, stop)

    def between(self, start: Any, end: Any) -> "Panel":
        """Return the rows complete at or after ``start`` and at or before ``end`` (a view; no copy)."""
        first = int(np.searchsorted(self.times, as_time(start), side="left"))
        stop = int(np.searchsorted(self.times, as_time(end), side="right"))
        return self.rows(first, max(first, stop))

    def rows(self, start: int, stop: int) -> "Panel":
        """Return rows ``start`` to ``stop - 1`` by position (a view; no copy, no second validation)."""
        cut = object.__new__(Panel)
        object.__setattr__(cut, "times", self.times[start:stop])
        object.__setattr__(cut, "series", self.series)
        object.__setattr__(cut, "fields", self.fields)
        object.__setattr__(cut, "values", self.values[start:stop])
        return cut

    def last(self, count: int) -> "Panel":
        """Return the last ``count`` rows, or all when there are fewer (a view)."""
        return self.rows(max(0, len(self) - count), len(self))

    def field(self, name: str) -> Floats:
        """Return one field as a read-only (T, S) array.

        Raises:
            PanelError: when the field does not exist.
        """
        return self.values[:, :, self.field_index(name)]

    def field_index(self, name: str) -> int:
        """Return the position of a field.

        Raises:
            PanelError: when the field does not exist.
        """
        if name not in self.fields:
            raise PanelError(f"field '{name}' is not in the panel{nearest(name, self.fields)}")
        return self.fields.index(name)

    def series_index(self, name: str) -> int:
        """Return the position of a series.

        Raises:
            PanelError: when the series does not exist.
        """
        if name not in self.series:
            raise PanelError(f"series '{name}' is not in the panel{nearest(name, self.series)}")
        return self.series.index(name)

    def select(self, series: Sequence[str]) -> "Panel":
        """Return the panel with these series, in this order.

        Raises:
            PanelError: when one does not exist or is named twice.
        """
        order = [self.series_index(name) for name in series]
        return replace(self, series=tuple(series), values=self.values[:, order, :])

    def with_field(self, name: str, values: Floats) -> "Panel":
        """Return the panel with one more field, (T, S), or with that field replaced.

        Raises:
            PanelError: when the shape is not the panel's, or a value is infinite.
        """
        if values.shape != self.values.shape[:2]:
            raise PanelError(f"field '{name}' has shape {values.shape}; the panel is {self.values.shape[:2]}")
        kept = [i for i, field in enumerate(self.fields) if field != name]
        cube = np.concatenate([self.values[:, :, kept], values[:, :, None]], axis=2)
        return replace(self, fields=(*(self.fields[i] for i in kept), name), values=cube)

    def fingerprint(self) -> str:
        """Return the sha256 of times, names and values; equal panels have equal fingerprints."""
        digest = hashlib.sha256()
        digest.update(repr((self.series, self.fields)).encode())
        digest.update(np.ascontiguousarray(self.times).view(np.int64).tobytes())
        bits = np.where(np.isnan(self.values), np.nan, self.values) + 0.0
        digest.update(np.ascontiguousarray(bits).tobytes())
        return digest.hexdigest()


def _check_times(times: Times) -> None:
    if np.isnat(times).any():
        raise PanelError(
            f"time at row {int(np.flatnonzero(np.isnat(times))[0])} is missing; every row needs one"
        )
    steps = np.diff(times)
    if (steps <= np.timedelta64(0, "ns")).any():
        row = int(np.flatnonzero(steps <= np.timedelta64(0, "ns"))[0])
        word = "repeated" if times[row] == times[row + 1] else "out of order"
        raise PanelError(
            f"times are {word} at row {row + 1} ({times[row + 1]} after {times[row]}); they must increase"
        )


def _check_names(what: str, names: tuple[str, ...]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise PanelError(f"{what} name '{twice[0]}' is repeated; names must be distinct")
