"""A small experiment on made bars with a split, a dividend, gaps and an untradable series; and the bits of any value."""

import copy
import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from backtest.spec import RunSpec, build_spec
from data.events import CorporateActions
from data.history import History
from data.panel import Panel
from data.sources.synthetic import SyntheticSource

LEVELS = [0.1, 0.25, 0.5, 0.75, 0.9]
"""Few enough that a conformal set is bounded after four scores."""

CONFIG: dict[str, Any] = {
    "data": {"kind": "synthetic", "count": 3, "bars": 170},
    "forecaster": {"kind": "bootstrap", "context": 8, "horizon": 3, "paths": 100, "levels": LEVELS},
    "folds": {"kind": "rolling", "train": 120, "test": 14},
    "policy": {"kind": "kelly", "fraction": 1.0},
    "costs": {"kind": "custom", "half_spread_bps": 2.0, "borrow_bps_per_year": 50.0},
    "seed": 5,
}

SPLIT_ROW, DIVIDEND_ROW, GAP_ROWS = 145, 131, (60, 139, 140)


def small_config(**sections: Any) -> dict[str, Any]:
    return {**copy.deepcopy(CONFIG), **sections}


def small_spec(**sections: Any) -> RunSpec:
    return build_spec(small_config(**sections))


def small_history(bars: int = 170, seed: int = 11, process: str = "garch_t") -> History:
    """Bars of three series on a clock that never closes: S1 splits two for one, S2 pays, S2 has gaps, S3 is an index."""
    made = SyntheticSource(count=3, bars=bars, seed=seed, process=process, volatility=0.6).load(None)  # type: ignore[arg-type]
    panel = made.panel
    values, factor = panel.values.copy(), np.ones((bars, 3))
    prices = [panel.field_index(name) for name in ("open", "high", "low", "close")]
    values[SPLIT_ROW:, 0, prices] /= 2.0
    factor[SPLIT_ROW:, 0] = 2.0
    paid = 0.01 * values[DIVIDEND_ROW - 1, 1, panel.field_index("close")]
    factor[DIVIDEND_ROW:, 1] = 1.01
    values[GAP_ROWS, 1] = np.nan
    actions = CorporateActions(
        times=panel.times[[DIVIDEND_ROW, SPLIT_ROW]],
        series=np.array(["S2", "S1"]),
        splits=np.array([1.0, 2.0]),
        dividends=np.array([paid, 0.0]),
    )
    raw = Panel(panel.times, panel.series, panel.fields, values).with_field("factor", factor)
    return dataclasses.replace(made, panel=raw, actions=actions, untradable=frozenset({"S3"}))


def quiet(*_: Any) -> None:
    """A progress report that says nothing."""


def bits(value: Any) -> bytes:
    """Return bytes that are equal only for equal values, to the last bit; CPU seconds are no part of a value."""
    if isinstance(value, np.ndarray) and value.dtype != object:
        return repr((value.dtype.str, value.shape)).encode() + np.ascontiguousarray(value).tobytes()
    if isinstance(value, Mapping):
        return b"{" + b",".join(repr(key).encode() + bits(item) for key, item in value.items()) + b"}"
    if isinstance(value, (tuple, list, np.ndarray)):
        return b"[" + b",".join(bits(item) for item in value) + b"]"
    if value is None or isinstance(value, (str, bool, int, float, np.generic)):
        return repr(value).encode()
    parts = {
        name: item for name, item in vars(value).items() if name not in ("cpu_seconds", "predict_seconds")
    }
    return type(value).__qualname__.encode() + bits(parts)
