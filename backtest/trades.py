"""Trades: fills gathered into positions from flat to flat."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from backtest.errors import EngineError

COLUMNS = (
    "series",
    "direction",
    "entry_time",
    "exit_time",
    "units",
    "entry_price",
    "exit_price",
    "profit",
    "costs",
    "return",
    "bars",
)

FLAT = 1e-9
"""Units left below this share of all units entered are rounding; the position is flat."""


@dataclass(frozen=True)
class _Position:
    """A position being held; amounts in account currency, prices include spread and slippage.

    Attributes:
        sign: 1 long, -1 short.
        entry_time: time of its first fill.
        entered: units entered, in units of today (scaled by splits).
        paid: value of all entries at their prices.
        left: units closed so far, in units of today.
        received: value of all exits at their prices.
        commissions: paid so far.
        costs: commissions, half-spread and slippage so far.
    """

    sign: int
    entry_time: pd.Timestamp
    entered: float = 0.0
    paid: float = 0.0
    left: float = 0.0
    received: float = 0.0
    commissions: float = 0.0
    costs: float = 0.0

    @property
    def open_units(self) -> float:
        """Units still held, without sign."""
        return self.entered - self.left


def round_trips(fills: pd.DataFrame, marks: pd.DataFrame) -> pd.DataFrame:
    """Return one row a trade: the columns of table ``trades`` without its lane, ordered by entry, then series.

    A trade is a position from flat to flat, at average cost: ``entry_price`` is the mean price of everything entered,
    ``exit_price`` of everything closed, ``units`` all units entered (after splits). A fill that turns a position round
    closes one trade and opens the next, its costs shared by units. ``profit`` is net: prices include half-spread and
    slippage, commissions are taken off; ``costs`` names all three. ``return`` is profit over the value entered. An
    open position has exit_time NaT and its rest valued at the last mark. ``bars`` counts bars from entry to exit.

    The profits add up to the change of equity less dividends and plus borrow fees, which are flows of the account and
    of no trade.

    Args:
        fills: the table ``fills`` without its lane, in the order they happened (``Fills.frame()``); ``split`` rows
            rescale a position.
        marks: index: ends of all bars, increasing; one column a series: closes, NaN = absent.

    Raises:
        EngineError: when a fill names a series or a time the marks do not have.
    """
    _check(fills, marks)
    rows: list[dict[str, Any]] = []
    for series, own in fills.groupby("series", sort=True):
        rows.extend(_trades_of(str(series), own, marks))
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    if not rows:
        return table.astype({"entry_time": "datetime64[ns]", "exit_time": "datetime64[ns]"})
    return table.sort_values(["entry_time", "series"], kind="stable", ignore_index=True)


def _check(fills: pd.DataFrame, marks: pd.DataFrame) -> None:
    unknown = set(fills["series"]) - set(marks.columns)
    if unknown:
        raise EngineError(
            f"fills of '{min(unknown)}' have no marks; marks are of {', '.join(map(str, marks.columns))}"
        )
    known = fills["time"].isin(marks.index)
    if not known.all():
        raise EngineError(f"fill at {fills['time'][~known].iloc[0]} is outside the bars of the marks")


def _trades_of(series: str, fills: pd.DataFrame, marks: pd.DataFrame) -> list[dict[str, Any]]:
    times = pd.DatetimeIndex(marks.index)
    position: _Position | None = None
    done: list[dict[str, Any]] = []
    for row in fills.to_dict("records"):
        fill = {str(name): value for name, value in row.items()}
        if fill["reason"] == "split":
            position = _split(position, fill["units"])
            continue
        opening = fill["units"]
        if position is not None and np.sign(opening) != position.sign:
            closing = min(abs(opening), position.open_units)
            share = closing / abs(opening)
            position = _closed(position, fill, closing, share)
            opening = np.sign(opening) * (abs(opening) - closing)
            if position.open_units <= FLAT * position.entered:
                done.append(_row(series, position, fill["time"], times))
                position = None
        if abs(opening) > FLAT * abs(fill["units"]):
            position = _opened(position, fill, opening)
    if position is not None:
        done.append(_still_open(series, position, marks[series], times))
    return done


def _split(position: _Position | None, added: float) -> _Position | None:
    if position is None:
        return None
    ratio = 1.0 + added * position.sign / position.open_units
    return replace(position, entered=position.entered * ratio, left=position.left * ratio)


def _fees(fill: dict[str, Any], share: float) -> tuple[float, float]:
    commission = fill["commission"] * share
    return commission, commission + (fill["spread_cost"] + fill["slippage_cost"]) * share


def _opened(position: _Position | None, fill: dict[str, Any], units: float) -> _Position:
    if position is None:
        position = _Position(int(np.sign(units)), fill["time"])
    commission, costs = _fees(fill, units / fill["units"])
    return replace(
        position,
        entered=position.entered + abs(units),
        paid=position.paid + abs(units) * fill["price"],
        commissions=position.commissions + commission,
        costs=position.costs + costs,
    )


def _closed(position: _Position, fill: dict[str, Any], units: float, share: float) -> _Position:
    commission, costs = _fees(fill, share)
    return replace(
        position,
        left=position.left + units,
        received=position.received + units * fill["price"],
        commissions=position.commissions + commission,
        costs=position.costs + costs,
    )


def _still_open(
    series: str, position: _Position, closes: pd.Series, times: pd.DatetimeIndex
) -> dict[str, Any]:
    seen = closes.dropna()
    if not len(seen):
        raise EngineError(f"open position in '{series}' has no close to be marked at")
    units = position.open_units
    received = position.received + units * float(seen.iloc[-1])
    return _row(series, replace(position, left=position.left + units, received=received), pd.NaT, times)


def _row(series: str, position: _Position, exit_time: Any, times: pd.DatetimeIndex) -> dict[str, Any]:
    profit = position.sign * (position.received - position.paid) - position.commissions
    first = int(times.searchsorted(position.entry_time))
    last = len(times) - 1 if exit_time is pd.NaT else int(times.searchsorted(exit_time))
    return {
        "series": series,
        "direction": "long" if position.sign > 0 else "short",
        "entry_time": position.entry_time,
        "exit_time": exit_time,
        "units": position.entered,
        "entry_price": position.paid / position.entered,
        "exit_price": position.received / position.left,
        "profit": profit,
        "costs": position.costs,
        "return": profit / position.paid,
        "bars": last - first,
    }
