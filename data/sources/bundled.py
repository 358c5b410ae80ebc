"""Bundled: the real daily prices that ship with the package, so that everything runs offline."""

from collections.abc import Mapping
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any, Self

import numpy as np
from pyarrow import parquet
from pydantic import model_validator

from data.adjustment import Reinvested, implied_actions, with_forward_factor
from data.errors import SpecError, nearest
from data.events import CorporateActions
from data.history import History
from data.panel import Floats, Panel, Times
from data.registry import spec
from data.sessions import BarClock
from data.sources.base import AbstractSource
from data.sources.selection import asked_period, check_period, chosen

STOCKS: tuple[str, ...] = ("AAPL", "FB", "GOOG", "IBM", "MSFT")
INDICES: tuple[str, ...] = ("NASDAQ", "SP500", "VIX")
FIELDS: tuple[str, ...] = ("open", "high", "low", "close", "volume", "factor")

_REINVESTED: Reinvested = "close"
"""The five stocks' adjusted closes buy dividends back at the ex day's close (their dividends come out in whole cents)."""

_HINDSIGHT = (
    "Five names picked with hindsight are no evidence of selection skill: AAPL, FB, GOOG, IBM and MSFT were chosen "
    "after they had succeeded."
)
_ADJUSTED = (
    "The stocks' adjusted closes contain actions after the end of the data; only their ratios to the raw closes are "
    "used, as forward factors dated by the action."
)
_FACTS: Mapping[str, str] = {
    "FB": "FB has 196 rows, from 2012-05-18 on: less than one year.",
    "GOOG": "GOOG starts on 2004-08-19, later than the other stocks.",
    "VIX": "VIX covers 2014-01-03 to 2019-01-03 only and has closes only; it cannot be traded.",
    "SP500": (
        "The opens of SP500 equal the previous close on most days before 2006, so fills at the next open would be fills "
        "at the same close there; the index cannot be traded."
    ),
    "NASDAQ": "NASDAQ is an index and cannot be traded.",
}


@spec
class BundledSource(AbstractSource):
    """Daily bars of five US stocks (2000-2013), the S&P 500 and NASDAQ indices (1999-2018) and the VIX (2014-2019).

    ``series`` chooses among AAPL, FB, GOOG, IBM, MSFT, SP500, NASDAQ and VIX; empty means the five stocks. Rows are the
    union of the chosen series' sessions, stamped with the close of the New York Stock Exchange, UTC. Stocks are raw
    prices with the field ``factor``; splits and dividends are read from their adjusted closes. Indices have factor 1.
    """

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_period(self)
        for name in self.series:
            if name not in STOCKS + INDICES:
                raise SpecError(f"series '{name}' is not bundled{nearest(name, STOCKS + INDICES)}")
        return self

    def load(self, lake: Path, as_of: np.datetime64 | None = None) -> History:
        """Return the bundled bars; neither the lake nor ``as_of`` matters, as the files never change.

        Raises:
            SourceError: when no bar lies in the period.
        """
        names = self.series or STOCKS
        panel, actions = _adjusted(names)
        history = History(
            panel=panel,
            clock=BarClock("XNYS"),
            actions=actions,
            untradable=frozenset(names) & frozenset(INDICES),
            notes=_notes(names),
        )
        return chosen(history, self)

    def identity(self) -> dict[str, Any]:
        """Return source, series, fields and the period asked for."""
        return {
            "source": "bundled",
            "series": list(self.series or STOCKS),
            "fields": list(FIELDS),
            **asked_period(self),
        }


@lru_cache(maxsize=8)
def _adjusted(names: tuple[str, ...]) -> tuple[Panel, CorporateActions]:
    """Return the panel with forward factors and the actions behind them."""
    raw = _joined(names)
    actions = implied_actions(raw, reinvested=_REINVESTED)
    return with_forward_factor(raw, actions, reinvested=_REINVESTED), actions


def _joined(names: tuple[str, ...]) -> Panel:
    """Return the union of the series' sessions; an index's adjusted close is its close."""
    tables = [_table(name) for name in names]
    times = np.unique(np.concatenate([stamps for stamps, _ in tables]))
    fields = (*FIELDS[:-1], "adj_close")
    values = np.full((len(times), len(names), len(fields)), np.nan)
    for s, (stamps, columns) in enumerate(tables):
        rows = np.searchsorted(times, stamps)
        for f, field in enumerate(fields):
            known = columns.get(field, columns["close"] if field == "adj_close" else None)
            if known is not None:
                values[rows, s, f] = known
    return Panel(times, names, fields, values)


def _table(name: str) -> tuple[Times, dict[str, Floats]]:
    """Return the bar ends (N,) and the columns (N,) of one bundled file."""
    with resources.files("data").joinpath("samples", f"{name}.parquet").open("rb") as file:
        table = parquet.read_table(file)
    columns = {key: table[key].to_numpy() for key in table.column_names}
    stamps = columns.pop("time").astype("datetime64[ns]")
    return stamps, {key: column.astype(np.float64) for key, column in columns.items()}


def _notes(names: tuple[str, ...]) -> tuple[str, ...]:
    has_stock = any(name in STOCKS for name in names)
    return (
        *((_HINDSIGHT, _ADJUSTED) if has_stock else ()),
        *(_FACTS[name] for name in names if name in _FACTS),
    )
