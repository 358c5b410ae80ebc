"""Material: a run as its report reads it; every table and key may be missing but the id."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import pandas as pd

from backtest.errors import RunError
from backtest.report.blocks import Column
from backtest.report.curves import Curves, account_curves, weight_curves
from backtest.report.formats import day, moment

NOT_STORED = "not stored by this run"


@dataclass(frozen=True, eq=False)
class Material:
    """A run's manifest and tables with the names a report uses for its accounts.

    Attributes:
        manifest: see docs/architecture.md.
        tables: by name.
    """

    manifest: Mapping[str, Any]
    tables: Mapping[str, pd.DataFrame]

    def __post_init__(self) -> None:
        if not isinstance(self.manifest.get("id"), str):
            raise RunError(
                f"the id of a run was {self.manifest.get('id')!r}; a text is needed to name its report"
            )

    def table(self, name: str, *columns: str) -> pd.DataFrame | None:
        """Return a stored table, or None when it is missing, empty or lacks one of the columns."""
        found = self.tables.get(name)
        if found is None or found.empty or not set(columns) <= set(found.columns):
            return None
        return found

    def own(self, name: str, *columns: str) -> pd.DataFrame | None:
        """Return the rows of a stored table that belong to the primary lane, or None."""
        found = self.table(name, "lane", *columns)
        if found is None:
            return None
        rows = found[found["lane"] == self.primary].reset_index(drop=True)
        return None if rows.empty else rows

    def said(self, key: str) -> tuple[str, ...]:
        """Return the sentences of a key of the manifest; none when it is missing."""
        return tuple(map(str, self.manifest.get(key) or ()))

    @property
    def data(self) -> Mapping[str, Any]:
        """What the manifest says about the data."""
        return self.manifest.get("data") or {}

    @property
    def has_days(self) -> bool:
        """Whether bars are days, so that times are shown as dates."""
        return str(self.data.get("bar")) in ("session", "1d", "1D", "D")

    @property
    def hover(self) -> str:
        """How a chart tells the time of a bar."""
        return "@time{%F}" if self.has_days else "@time{%F %H:%M}"

    def time(self, value: Any) -> str:
        """Return a time as a date where bars are days."""
        return day(value) if self.has_days else moment(value)

    def dated(self, columns: tuple[Column, ...]) -> tuple[Column, ...]:
        """Return columns with times as dates where bars are days."""
        return tuple(replace(c, format=day) if c.format is moment and self.has_days else c for c in columns)

    @property
    def primary(self) -> str:
        """The lane the run is judged by."""
        return str(self.manifest.get("primary", "primary"))

    @property
    def benchmark(self) -> str:
        """The lane it is compared with."""
        return str(self.manifest.get("benchmark", "benchmark"))

    @cached_property
    def lanes(self) -> dict[str, str]:
        """Role (net, benchmark, naive) to lane, of the lanes with equity."""
        equity = self.table("equity", "lane")
        present = set() if equity is None else set(equity["lane"])
        wanted = {"net": self.primary, "benchmark": self.benchmark, "naive": "naive"}
        chosen: dict[str, str] = {}
        for role, lane in wanted.items():
            if lane in present and lane not in chosen.values():
                chosen[role] = lane
        return chosen

    @cached_property
    def labels(self) -> dict[str, str]:
        """Role to the words of a legend."""
        return {
            "net": f"{self.primary}, net",
            "gross": f"{self.primary}, before costs",
            "benchmark": self.benchmark_name,
            "naive": "naive, net",
        }

    @property
    def benchmark_name(self) -> str:
        """The benchmark by the name of its policy where the spec gives one."""
        section = (self.manifest.get("spec") or {}).get("benchmark")
        kind = section.get("kind") if isinstance(section, Mapping) else section
        return (
            str(kind).replace("_", " ")
            if kind and self.benchmark == "benchmark"
            else self.benchmark.replace("_", " ")
        )

    def lane_name(self, lane: str) -> str:
        """Return a lane in words."""
        return self.benchmark_name if lane == self.benchmark else lane.replace("_", " ")

    @cached_property
    def curves(self) -> Curves | None:
        """The accounts over time, thinned; None when the run stored no equity of its primary lane."""
        equity = self.table("equity", "time", "lane", "equity")
        if equity is None or "net" not in self.lanes:
            return None
        return account_curves(equity, self.lanes, self.table("folds"), self.hover)

    @cached_property
    def weights(self) -> tuple[Curves, tuple[str, ...], int] | None:
        """The primary lane's weights over time, thinned; None when the run stored none."""
        weights = self.table("weights", "time", "lane", "series", "weight")
        return None if weights is None else weight_curves(weights, self.primary, self.hover)
