"""Twelve ways in which a column comes to know the future, two that do not, and a source and a model that use them.

Each column is a function of a panel, (T, S), as a user would write it: computed once, over the whole table.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.signal import butter, filtfilt
from scipy.special import ndtri

from data.history import History
from data.panel import Floats, Panel
from data.registry import spec
from data.sources.base import SOURCES, AbstractSource
from data.sources.synthetic import SyntheticSource
from forecast.base import AbstractFitted, AbstractForecaster
from forecast.distribution import QuantileForecast
from forecast.randomness import RandomStreams
from forecast.registry import FORECASTERS
from forecast.storage import read_state, write_state
from forecast.windows import context_window

NAME = "wayfold_leaks"
"""The name under which this file is imported, as registries name classes by module."""

PLANTED = "planted"
"""The field that holds the column."""


def closes(panel: Panel) -> pd.DataFrame:
    return pd.DataFrame(panel.field("close"), index=pd.DatetimeIndex(panel.times))


def weeks(panel: Panel) -> np.ndarray:
    return (panel.times.astype("datetime64[D]").astype(np.int64) + 3) // 7


def next_return(panel: Panel, ahead: int = 1) -> Floats:
    close = closes(panel)
    return np.asarray(np.log(close.shift(-ahead) / close))


def global_z_score(panel: Panel) -> Floats:
    close = closes(panel)
    return np.asarray((close - close.mean()) / close.std())


def global_max(panel: Panel) -> Floats:
    close = closes(panel)
    return np.asarray(close / close.max())


def global_min_max(panel: Panel) -> Floats:
    close = closes(panel)
    return np.asarray((close - close.min()) / (close.max() - close.min()))


def centred_window(panel: Panel) -> Floats:
    close = closes(panel)
    return np.asarray(close.rolling(21, center=True, min_periods=1).mean() / close)


def two_way_filter(panel: Panel) -> Floats:
    b, a = butter(2, 0.1)
    logs = np.log(panel.field("close"))
    return logs - filtfilt(b, a, logs, axis=0) if len(logs) > 9 else np.zeros_like(logs)


def weekly_filled_backward(panel: Panel) -> Floats:
    close, week = closes(panel), weeks(panel)
    is_last = np.append(week[1:] != week[:-1], False)
    return np.asarray(close[is_last].reindex(close.index).bfill() / close)


def global_quintile(panel: Panel) -> Floats:
    changes = np.log(closes(panel)).diff(5)
    return np.column_stack(
        [pd.qcut(changes[s], 5, labels=False, duplicates="drop") if changes[s].nunique() > 5 else np.zeros(len(changes))
         for s in changes]
    ).astype(float)  # fmt: skip


def full_sample_trend(panel: Panel) -> Floats:
    logs, t = np.log(closes(panel)), np.arange(len(panel), dtype=float)
    if len(panel) < 3:
        return np.zeros(logs.shape)
    slope = logs.apply(lambda y: np.cov(t, y)[0, 1] / t.var(ddof=1))
    return np.asarray(logs - logs.mean() - np.outer(t - t.mean(), slope))


def pivot_low(panel: Panel) -> Floats:
    low = pd.DataFrame(panel.field("low"))
    return np.asarray((low == low.rolling(11, center=True, min_periods=1).min()).astype(float))


def weekly_bar_at_its_open(panel: Panel) -> Floats:
    close = closes(panel)
    return np.asarray(close.groupby(weeks(panel)).transform("last") / close)


def future_volatility(panel: Panel) -> Floats:
    changes = np.log(closes(panel)).diff()
    return np.asarray(changes[::-1].rolling(10, min_periods=1).std()[::-1].shift(-1))


def simple_average(panel: Panel) -> Floats:
    close = closes(panel)
    return np.asarray(close / close.rolling(20, min_periods=1).mean() - 1)


def exponential_average(panel: Panel) -> Floats:
    close = closes(panel)
    return np.asarray(close / close.ewm(span=20, adjust=False).mean() - 1)


Column = Callable[[Panel], Floats]

LEAKS: dict[str, Column] = {
    "shift(-1)": next_return,
    "global z-score": global_z_score,
    "global max": global_max,
    "global min-max": global_min_max,
    "centred window": centred_window,
    "filtfilt": two_way_filter,
    "bfill of weekly data": weekly_filled_backward,
    "global qcut": global_quintile,
    "full-sample OLS": full_sample_trend,
    "pivot low": pivot_low,
    "weekly bar stamped at its open": weekly_bar_at_its_open,
    "future volatility": future_volatility,
}

CLEAN: dict[str, Column] = {"SMA": simple_average, "EWM": exponential_average}

SHIFTS: dict[str, Column] = {f"shift(-{n})": lambda panel, n=n: next_return(panel, n) for n in (1, 2, 3)}

COLUMNS: dict[str, Column] = {**LEAKS, **CLEAN, **SHIFTS}


@spec
class PlantedSource(AbstractSource):
    """Synthetic bars with one column more, computed where a user would: from the whole table, once it is loaded."""

    column: str
    bars: int = 300
    count: int = 2
    seed: int = 0

    def raw(self, lake: Path, as_of: np.datetime64 | None = None) -> History:
        return SyntheticSource(
            bars=self.bars, count=self.count, seed=self.seed, process="garch_t", calendar="XNYS", end=self.end
        ).load(lake)

    def derive(self, history: History) -> History:
        column = COLUMNS[self.column](history.panel)
        return replace(history, panel=history.panel.with_field(PLANTED, column))

    def load(self, lake: Path, as_of: np.datetime64 | None = None) -> History:
        return self.derive(self.raw(lake, as_of))

    def identity(self) -> dict[str, Any]:
        return {"source": "planted", "column": self.column, "seed": self.seed, "bars": self.bars}


@spec
class HiddenSource(PlantedSource):
    """The same column, computed inside ``load`` where only a source that ends earlier shows it."""

    raw = AbstractSource.raw
    derive = AbstractSource.derive

    def load(self, lake: Path, as_of: np.datetime64 | None = None) -> History:
        return PlantedSource.derive(self, PlantedSource.raw(self, lake, as_of))


@spec
class ColumnTrees(AbstractForecaster):
    """LightGBM on the last changes and the planted column, pooled over series; normal quantiles around its answer."""

    lags: int = 3
    rounds: int = 15

    def fit(self, train: History, rng: RandomStreams) -> "ColumnTreesFitted":
        import lightgbm

        rows = np.arange(self.lags, len(train.panel) - self.horizon)
        logs = np.log(train.panel.field("close"))
        names = sorted(train.panel.series)
        order = [train.panel.series_index(name) for name in names]
        features = np.concatenate([self.features(train.panel, s)[rows] for s in order])
        labels = np.concatenate([logs[rows + self.horizon, s] - logs[rows, s] for s in order])
        settings = {"num_threads": 1, "deterministic": True, "force_row_wise": True, "verbosity": -1,
                    "num_leaves": 4, "min_data_in_leaf": 20, "learning_rate": 0.2, "max_bin": 31}  # fmt: skip
        model = lightgbm.train(settings, lightgbm.Dataset(features, labels), num_boost_round=self.rounds)
        return ColumnTreesFitted(self, model.model_to_string(), float(labels.std()))

    def features(self, panel: Panel, s: int) -> Floats:
        changes = np.diff(np.log(panel.field("close")[:, s]), prepend=np.nan)
        lagged = [np.concatenate([np.full(k, np.nan), changes[: len(changes) - k]]) for k in range(self.lags)]
        return np.column_stack([*lagged, panel.field(PLANTED)[:, s]])

    def load(self, folder: Path) -> "ColumnTreesFitted":
        _, facts = read_state(folder)
        return ColumnTreesFitted(self, facts["text"], facts["spread"])


@dataclass(frozen=True, eq=False)
class ColumnTreesFitted(AbstractFitted):
    spec: ColumnTrees
    text: str
    spread: float

    def predict(self, history: History, rng: RandomStreams) -> QuantileForecast:
        import lightgbm

        asked = self.spec
        window = context_window(history, asked.field, asked.context)
        recent = history.last(asked.lags + 1).panel
        rows = np.array([asked.features(recent, recent.series_index(name))[-1] for name in window.series])
        moves = lightgbm.Booster(model_str=self.text).predict(rows, num_threads=1)
        share = np.arange(1, asked.horizon + 1) / asked.horizon
        levels = np.asarray(asked.levels)
        drawn = moves[:, None, None] * share[:, None] + self.spread * np.sqrt(share)[:, None] * ndtri(levels)
        ends = history.clock.next(history.cutoff, asked.horizon)
        values = window.last[:, None, None] * np.exp(drawn)
        return QuantileForecast(
            history.cutoff, ends, window.series, levels, values, asked.quantity, window.last
        )

    def save(self, folder: Path) -> None:
        write_state(folder, {}, {"text": self.text, "spread": self.spread})


Put = Callable[[Any, str, str], None]


def register(put: Put = dict.__setitem__) -> None:
    """Make the sources and the model known, as the entry points of an installed package would.

    Tests give ``monkeypatch.setitem``, so that no other test finds them.
    """
    sys.modules.setdefault(NAME, sys.modules[__name__])
    put(SOURCES.kinds, "planted", f"{NAME}:PlantedSource")
    put(SOURCES.kinds, "hidden", f"{NAME}:HiddenSource")
    put(FORECASTERS.kinds, "column_trees", f"{NAME}:ColumnTrees")


def config(column: str, kind: str = "planted", **sections: Any) -> dict[str, Any]:
    """Return a small experiment whose model is trained on the column."""
    levels = [0.1, 0.5, 0.9]
    return {
        "name": f"leak: {column}",
        "data": {"kind": kind, "column": column},
        "forecaster": {"kind": "column_trees", "context": 8, "horizon": 5, "levels": levels},
        "folds": {"kind": "rolling", "train": 150, "test": 40},
        "policy": "long_flat",
        "costs": "us_equities",
        **sections,
    }
