"""What happens beside the bars: corporate actions, released facts and event logs, each with its own clock."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from data.errors import PanelError
from data.panel import Floats, Times, as_time, read_only

Names = npt.NDArray[np.str_]


def _no_times() -> Times:
    return np.empty(0, "datetime64[ns]")


def _no_names() -> Names:
    return np.empty(0, "U1")


def _no_floats() -> Floats:
    return np.empty(0, np.float64)


@dataclass(frozen=True, eq=False)
class CorporateActions:
    """Splits, cash dividends and delistings, one row per action, ordered by time.

    Attributes:
        times: (N,) stamp of the first bar that trades without the right (the ex bar's end), UTC.
        series: (N,) series names.
        splits: (N,) new units per old unit; 1 where the row is no split.
        dividends: (N,) cash per unit held before the action, in price units; 0 where the row is no dividend.
        delistings: (N,) cash per unit paid when the series ceases to trade, in price units; NaN where the row is no
            delisting. Left out when there is none.
    """

    times: Times = field(default_factory=_no_times)
    series: Names = field(default_factory=_no_names)
    splits: Floats = field(default_factory=_no_floats)
    dividends: Floats = field(default_factory=_no_floats)
    delistings: Floats = field(default_factory=_no_floats)

    def __post_init__(self) -> None:
        if not len(self.delistings):
            object.__setattr__(self, "delistings", np.full(len(self.times), np.nan))
        _check_columns(
            "corporate actions", self.times, self.series, self.splits, self.dividends, self.delistings
        )
        if len(self.splits) and not (np.isfinite(self.splits).all() and (self.splits > 0).all()):
            raise PanelError(f"split ratio was {self.splits.min()}; allowed: finite and above 0")
        if len(self.dividends) and not (np.isfinite(self.dividends).all() and (self.dividends >= 0).all()):
            raise PanelError(f"dividend was {self.dividends.min()}; allowed: finite and not below 0")
        if (wrong := np.isinf(self.delistings) | (self.delistings < 0)).any():
            raise PanelError(
                f"delisting paid {self.delistings[wrong][0]}; allowed: finite and not below 0, NaN for none"
            )
        for name in ("times", "series", "splits", "dividends", "delistings"):
            object.__setattr__(self, name, read_only(np.asarray(getattr(self, name))))

    def __len__(self) -> int:
        return len(self.times)

    def where(self, keep: npt.NDArray[np.bool_]) -> "CorporateActions":
        """Return the actions that a (N,) mask keeps."""
        return CorporateActions(
            self.times[keep],
            self.series[keep],
            self.splits[keep],
            self.dividends[keep],
            self.delistings[keep],
        )

    def until(self, cutoff: Any) -> "CorporateActions":
        """Return the actions in force at the cutoff."""
        return self.where(self.times <= as_time(cutoff))

    def between(self, start: Any, end: Any) -> "CorporateActions":
        """Return the actions that came into force from ``start`` to ``end``, both included."""
        return self.where((self.times >= as_time(start)) & (self.times <= as_time(end)))


@dataclass(frozen=True, eq=False)
class ReleasedFacts:
    """Numbers about a period that become known later (fundamentals, ratings, revisions), ordered by release.

    Attributes:
        event_times: (N,) the period the fact is about.
        available_times: (N,) when it was published; joins use only this one.
        series: (N,) series names.
        names: (N,) fact names, for example ``eps``.
        values: (N,) float64.
    """

    event_times: Times = field(default_factory=_no_times)
    available_times: Times = field(default_factory=_no_times)
    series: Names = field(default_factory=_no_names)
    names: Names = field(default_factory=_no_names)
    values: Floats = field(default_factory=_no_floats)

    def __post_init__(self) -> None:
        _check_columns(
            "released facts", self.available_times, self.event_times, self.series, self.names, self.values
        )
        if (self.available_times < self.event_times).any():
            row = int(np.flatnonzero(self.available_times < self.event_times)[0])
            raise PanelError(
                f"fact '{self.names[row]}' of {self.series[row]} was available at {self.available_times[row]}, "
                f"before its event time {self.event_times[row]}; a fact is known at its event time or later"
            )
        for name in ("event_times", "available_times", "series", "names", "values"):
            object.__setattr__(self, name, read_only(np.asarray(getattr(self, name))))

    def __len__(self) -> int:
        return len(self.available_times)

    def until(self, cutoff: Any) -> "ReleasedFacts":
        """Return the facts published at or before the cutoff."""
        keep = self.available_times <= as_time(cutoff)
        return replace(
            self,
            event_times=self.event_times[keep],
            available_times=self.available_times[keep],
            series=self.series[keep],
            names=self.names[keep],
            values=self.values[keep],
        )


def _check_columns(what: str, ordered: Times, *others: npt.NDArray[Any]) -> None:
    for column in others:
        if len(column) != len(ordered):
            raise PanelError(
                f"{what} have columns of length {len(ordered)} and {len(column)}; they must agree"
            )
    if len(ordered) and (np.diff(ordered) < np.timedelta64(0, "ns")).any():
        raise PanelError(f"{what} are not ordered by time; sort them first")
