"""Curves: everything drawn over the bars of a run, thinned together into one shared column source."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from bokeh.models import ColumnDataSource, Range1d

from backtest.report.decimation import kept_rows
from data.panel import Floats

MAX_SERIES = 8


@dataclass(frozen=True, eq=False)
class Curves:
    """One time axis of a report.

    Attributes:
        source: columns by name; ``time`` and ``until`` in ms since 1970, the others float32.
        x_range: shared by every chart of the axis.
        spans: test windows of the folds, (left, right) in ms.
        names: the curves present.
        rows: bars before thinning.
        hover: how a chart tells the time of a bar.
    """

    source: ColumnDataSource
    x_range: Range1d
    spans: list[tuple[float, float]]
    names: tuple[str, ...]
    rows: int
    hover: str


def milliseconds(times: Any) -> Floats:
    """Return times as milliseconds since 1970, float64; NaT as NaN."""
    stamps = pd.Series(times).astype("datetime64[ns]")
    return np.where(stamps.isna(), np.nan, stamps.astype("int64") / 1e6)


def account_curves(
    equity: pd.DataFrame, lanes: Mapping[str, str], folds: pd.DataFrame | None, hover: str
) -> Curves:
    """Return the curves of the accounts a report draws.

    Args:
        equity: the stored table, one row a bar and lane.
        lanes: role (``net`` for the run's own account, ``benchmark``, ``naive``) to lane.
        folds: the stored table of folds, for the shading.
        hover: how a chart tells the time of a bar.
    """
    table = _wide(equity, lanes)
    peaks = table.cummax()
    for role in lanes:
        table[f"{role}_drawdown"] = table[role] / peaks[role] - 1.0
    kept = kept_rows(table.to_numpy(np.float64))
    return _curves(table, kept, _spans(folds, lanes["net"]), hover)


def weight_curves(weights: pd.DataFrame, lane: str, hover: str) -> tuple[Curves, tuple[str, ...], int] | None:
    """Return the weights of the largest series as curves ``w0, w1, ...``, the series' names, and how many there are."""
    own = weights[weights["lane"] == lane]
    if own.empty:
        return None
    wide = own.pivot_table(
        index="time", columns="series", values="weight", aggfunc="last", sort=False
    ).sort_index()
    size = wide.abs().mean().fillna(0.0)
    largest = size.sort_values(ascending=False, kind="stable").index[:MAX_SERIES]
    names = [name for name in wide.columns if name in set(largest)]
    table = wide[names]
    table.columns = pd.Index([f"w{i}" for i in range(len(names))])
    kept = kept_rows(table.to_numpy(np.float64))
    return _curves(table, kept, [], hover), tuple(map(str, names)), wide.shape[1]


def _wide(equity: pd.DataFrame, lanes: Mapping[str, str]) -> pd.DataFrame:
    """Return one row a time: each lane's equity, and the own account's gross equity and exposures."""
    parts: dict[str, pd.Series[Any]] = {}
    for role, lane in lanes.items():
        own = equity[equity["lane"] == lane].drop_duplicates("time", keep="last").set_index("time")
        parts[role] = own["equity"]
        if role == "net":
            parts |= {
                name: own[column]
                for name, column in (
                    ("gross", "equity_gross"),
                    ("gross_exposure", "gross_exposure"),
                    ("net_exposure", "net_exposure"),
                )
                if column in own
            }
    return pd.DataFrame(parts).sort_index()


def _curves(table: pd.DataFrame, kept: Any, spans: list[tuple[float, float]], hover: str) -> Curves:
    thin = table.iloc[kept]
    time = milliseconds(thin.index)
    last = time[-1] + (float(np.median(np.diff(time))) if len(time) > 1 else 0.0)
    columns = {name: thin[name].to_numpy(np.float32) for name in thin.columns}
    source = ColumnDataSource({"time": time, "until": np.append(time[1:], last), **columns})
    width = float(time[-1] - time[0])
    x_range = Range1d(start=float(time[0]) - 0.005 * width, end=float(time[-1]) + 0.005 * width)
    return Curves(source, x_range, spans, tuple(map(str, thin.columns)), len(table), hover)


def _spans(folds: pd.DataFrame | None, lane: str) -> list[tuple[float, float]]:
    if folds is None or not {"lane", "test_start", "test_end"} <= set(folds.columns):
        return []
    own = folds[folds["lane"] == lane]
    left, right = milliseconds(own["test_start"]), milliseconds(own["test_end"])
    return [(float(a), float(b)) for a, b in zip(left, right, strict=True)]
