"""Rows: the bars of a pool as its models read them, from the first swap on, with the swaps inside them."""

from dataclasses import dataclass, replace

import numpy as np

from data.amm.pool_log import SwapPath
from data.history import History
from data.panel import Floats, Times
from data.sessions import BarClock, bar_length
from forecast.errors import FitError, ForecastError

FIELDS: tuple[str, ...] = (
    "sqrt_price",
    "path_up",
    "path_down",
    "variance",
    "volume",
    "flow",
    "swaps",
    "liquidity",
)
"""Panel fields that models of a pool read."""


@dataclass(frozen=True, eq=False)
class PoolRows:
    """Bars of one pool, oldest first, complete.

    Attributes:
        series: name of the pool in the panel.
        clock: of the bars.
        times: (T,) ends of the bars.
        values: (T, 8) the ``FIELDS``, finite.
        swaps: those inside these bars.
    """

    series: str
    clock: BarClock
    times: Times
    values: Floats
    swaps: SwapPath

    def __len__(self) -> int:
        return len(self.times)

    def field(self, name: str) -> Floats:
        """Return one of ``FIELDS``, (T,)."""
        return np.asarray(self.values[:, FIELDS.index(name)])

    @property
    def path(self) -> Floats:
        """(T,) path of the log root price in each bar, up and down together."""
        return np.asarray(self.field("path_up") + self.field("path_down"))

    @property
    def log_price(self) -> Floats:
        """(T,) log of the price (token1 per token0, raw) at each bar's end."""
        return np.asarray(2.0 * np.log(self.field("sqrt_price")))

    def last(self, count: int) -> "PoolRows":
        """Return the last ``count`` bars and the swaps inside them."""
        times = self.times[-count:]
        opening = times[0] - bar_length(self.clock.bar)
        return replace(
            self,
            times=times,
            values=self.values[-count:],
            swaps=self.swaps.between(opening, times[-1]),
        )


def training_rows(train: History, least: int) -> PoolRows:
    """Return every bar of a history from the first swap on.

    Raises:
        FitError: when the history has no pool, lacks a field, has fewer than ``least`` bars, or nobody traded in it.
    """
    try:
        rows = _rows(train, least)
    except ForecastError as error:
        raise FitError(str(error)) from error
    if not (rows.path.sum() > 0.0 and rows.field("variance").sum() > 0.0):
        raise FitError(f"the price of {rows.series} never moved in {len(rows)} bars; nothing can be learnt")
    return rows


def context_rows(history: History, context: int) -> PoolRows:
    """Return the last ``context`` bars of a history.

    Raises:
        ForecastError: when the history has no pool, lacks a field or has fewer bars.
    """
    return _rows(history, context).last(context)


def _rows(history: History, least: int) -> PoolRows:
    if history.pool is None:
        raise ForecastError("the history has no pool; a liquidity forecaster reads the swaps of one")
    panel = history.panel
    missing = [name for name in FIELDS if name not in panel.fields]
    if missing or len(panel.series) != 1:
        raise ForecastError(
            f"the panel has the fields {', '.join(panel.fields)} of {len(panel.series)} series; one pool with "
            f"{', '.join(FIELDS)} is needed"
        )
    values = np.stack([panel.field(name)[:, 0] for name in FIELDS], axis=1)
    known = np.asarray(np.isfinite(values).all(axis=1))
    first = int(np.argmax(known)) if known.any() else len(known)
    if not known[first:].all():
        row = first + int(np.argmin(known[first:]))
        raise ForecastError(f"the bar that ends at {panel.times[row]} has a hole; a pool's bars are complete")
    _check_values(values[first:], panel.times[first:])
    if len(panel) - first < least:
        raise ForecastError(
            f"the history has {len(panel) - first} bars since its first swap; {least} are needed"
        )
    opening = panel.times[first] - bar_length(history.clock.bar)
    swaps = history.pool.swaps.between(opening, panel.times[-1])
    return PoolRows(panel.series[0], history.clock, panel.times[first:], values[first:], swaps)


def _check_values(values: Floats, times: Times) -> None:
    """Raise unless prices are above 0 and sums at or above 0."""
    least = np.array([0.0 if name != "flow" else -np.inf for name in FIELDS])
    wrong = values < least
    wrong[:, FIELDS.index("sqrt_price")] |= values[:, FIELDS.index("sqrt_price")] <= 0.0
    if wrong.any():
        row, column = (int(place) for place in np.argwhere(wrong)[0])
        raise ForecastError(
            f"{FIELDS[column]} of the bar that ends at {times[row]} was {values[row, column]:g}; it cannot be negative, "
            "nor a price 0"
        )
