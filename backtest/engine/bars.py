"""Bars: raw prices, volumes and corporate actions as the engine trades them."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from backtest.engine.rules import Fill
from backtest.errors import EngineError
from data.events import CorporateActions
from data.history import History
from data.panel import Floats, Panel, Times, as_time, read_only

_PRICES = ("open", "high", "low", "close")
_ALWAYS = (*_PRICES, "volume", "splits", "dividends")
_BESIDE = ("shortable", "funding", "delistings")


@dataclass(frozen=True, eq=False)
class Bars:
    """Raw bars of S series at T times; row i is complete at ``times[i]``.

    Attributes:
        times: (T,) ends of the bars, UTC, increasing.
        series: S names.
        open: (T, S) first price of the bar, NaN = no trade is possible in this bar.
        high: (T, S) highest price, NaN = unknown.
        low: (T, S) lowest price, NaN = unknown.
        close: (T, S) last price, NaN = the bar is absent and positions keep their mark.
        volume: (T, S) units traded in the bar, NaN = unknown (then no participation cap applies).
        splits: (T, S) new units per old unit, in force before this bar trades; 1 = none.
        dividends: (T, S) cash per unit held before this bar and before its split; 0 = none.
        tradable: (S,) bool; prices of the others are not checked, because nothing can be bought at them.
        shortable: (T, S) units that may be short in the bar, NaN = any number; None where nothing is known.
        funding: (T, S) share of the position's value that longs pay to shorts at the bar's end, NaN = 0; None for none.
        delistings: (T, S) cash per unit for which a series ceases to trade in this bar, NaN = it trades; None for none.

    Raises:
        EngineError: when shapes disagree, or a price, volume or action of a tradable series cannot be.
    """

    times: Times
    series: tuple[str, ...]
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    splits: Floats
    dividends: Floats
    tradable: npt.NDArray[np.bool_]
    shortable: Floats | None = None
    funding: Floats | None = None
    delistings: Floats | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "times", read_only(np.asarray(self.times).astype("datetime64[ns]")))
        object.__setattr__(self, "tradable", read_only(np.ascontiguousarray(self.tradable, bool)))
        shape = (len(self.times), len(self.series))
        for name in (*_ALWAYS, *self.beside):
            array = np.ascontiguousarray(getattr(self, name), np.float64)
            if array.shape != shape:
                raise EngineError(f"bars.{name} has shape {array.shape}; times and series ask for {shape}")
            object.__setattr__(self, name, read_only(array))
        if self.tradable.shape != (shape[1],):
            raise EngineError(f"bars.tradable has shape {self.tradable.shape}; {(shape[1],)} is needed")
        _check(self)

    def __len__(self) -> int:
        return len(self.times)

    @property
    def beside(self) -> tuple[str, ...]:
        """Names of the optional arrays that are there."""
        return tuple(name for name in _BESIDE if getattr(self, name) is not None)

    def rows(self, start: int, stop: int) -> "Bars":
        """Return rows ``start`` to ``stop - 1`` (views; no copy, no second validation)."""
        cut = object.__new__(Bars)
        for name in ("times", *_ALWAYS, *self.beside):
            object.__setattr__(cut, name, getattr(self, name)[start:stop])
        for name in set(_BESIDE) - set(self.beside):
            object.__setattr__(cut, name, None)
        object.__setattr__(cut, "series", self.series)
        object.__setattr__(cut, "tradable", self.tradable)
        return cut

    def scaled(self, factor: float) -> "Bars":
        """Return the bars with every price and dividend multiplied, as in another currency unit."""
        names = (*_PRICES, "dividends", *(name for name in self.beside if name == "delistings"))
        priced = {name: getattr(self, name) * factor for name in names}
        return replace(self, **priced)


def bars_from(history: History, fill: Fill = "open", after: np.datetime64 | None = None) -> Bars:
    """Return the raw bars of a history.

    High, low and volume are NaN where the panel has no such field; the optional fields ``shortable`` and ``funding`` are
    taken as they are. A delisting stands on the first bar that ends at or after its stamp. Any other action stands on the bar with its stamp; where
    that series has no bar then, on its next one. Actions stamped before the first row belong to bars already gone.

    Args:
        history: its last row may be any time; a longer history gives the same bars in the rows both have.
        fill: ``close`` accepts a panel without opens.
        after: leave out the bars up to this instant. An action delayed by absent bars is still found, which it is not
            when the history itself is cut there.

    Raises:
        EngineError: when the panel has no ``close``, or no ``open`` and orders fill at the open.
    """
    panel = history.panel
    for name in ("close", "open") if fill == "open" else ("close",):
        if name not in panel.fields:
            hint = "; without opens use 'fill: close'" if name == "open" else ""
            raise EngineError(f"the panel has no field '{name}' (it has {', '.join(panel.fields)}){hint}")
    start = 0 if after is None else int(np.searchsorted(panel.times, as_time(after), side="right"))
    splits, dividends = _actions(history.actions, panel, start)
    kept = panel.rows(start, len(panel))
    prices = {name: _field(kept, name) for name in (*_PRICES, "volume")}
    beside = {name: kept.field(name) for name in ("shortable", "funding") if name in kept.fields}
    return Bars(
        kept.times,
        kept.series,
        **prices,
        splits=splits,
        dividends=dividends,
        tradable=np.array([name not in history.untradable for name in panel.series], bool),
        delistings=_delistings(history.actions, panel, start),
        **beside,
    )


def _delistings(actions: CorporateActions, panel: Panel, start: int) -> Floats | None:
    """Return what delisted series pay, on the first bar of the panel that ends at or after the stamp."""
    rows = np.flatnonzero(~np.isnan(actions.delistings))
    if not len(rows):
        return None
    paid = np.full((len(panel) - start, len(panel.series)), np.nan)
    column = {name: index for index, name in enumerate(panel.series)}
    for row in rows:
        s, stamp = column.get(str(actions.series[row])), actions.times[row]
        t = int(np.searchsorted(panel.times, stamp.astype("datetime64[ns]"), side="left")) - start
        if s is not None and 0 <= t < len(paid) and stamp >= panel.times[0]:
            paid[t, s] = actions.delistings[row]
    return paid


def _field(panel: Panel, name: str) -> Floats:
    if name in panel.fields:
        return panel.field(name)
    return np.full(panel.values.shape[:2], np.nan)


def _actions(actions: CorporateActions, panel: Panel, start: int) -> tuple[Floats, Floats]:
    """Return split ratios and dividends of the bars from row ``start`` on, (T - start, S) each.

    A dividend that shares a bar with an earlier split is paid per unit held before that split, so it is multiplied
    by the ratio; at one stamp dividends count before splits.
    """
    shape = (len(panel) - start, len(panel.series))
    splits, dividends = np.ones(shape), np.zeros(shape)
    column = {name: index for index, name in enumerate(panel.series)}
    closes, stamps = panel.field("close"), actions.times.astype("datetime64[ns]")
    for row in np.lexsort((actions.splits != 1, stamps)):
        s = column.get(str(actions.series[row]))
        if s is None or not len(panel) or stamps[row] < panel.times[0]:
            continue
        t = _next_present(closes[:, s], int(np.searchsorted(panel.times, stamps[row], side="left"))) - start
        if 0 <= t < shape[0]:
            dividends[t, s] += actions.dividends[row] * splits[t, s]
            splits[t, s] *= actions.splits[row]
    return splits, dividends


def _next_present(closes: Floats, row: int) -> int:
    """Return the first row from ``row`` on with a close, or the length when there is none."""
    while row < len(closes) and np.isnan(closes[row]):
        row += 1
    return row


def _check(bars: Bars) -> None:
    if (np.diff(bars.times) <= np.timedelta64(0, "ns")).any():
        row = int(np.flatnonzero(np.diff(bars.times) <= np.timedelta64(0, "ns"))[0]) + 1
        raise EngineError(f"bar times must increase; row {row} is {bars.times[row]}")
    for name in _PRICES:
        price = getattr(bars, name)
        _refuse(
            bars, name, np.isinf(price) | (price <= 0), "a finite price above 0, or NaN for an absent bar"
        )
    _refuse(bars, "volume", np.isinf(bars.volume) | (bars.volume < 0), "0 or more, or NaN when unknown")
    _refuse(bars, "high", bars.high < bars.low, "at least the low")
    _refuse(bars, "splits", ~(np.isfinite(bars.splits) & (bars.splits > 0)), "finite and above 0")
    if bars.shortable is not None:
        _refuse(bars, "shortable", bars.shortable < 0, "0 or more, or NaN for any number")
    if bars.funding is not None:
        _refuse(bars, "funding", np.isinf(bars.funding), "finite, or NaN for none")
    if bars.delistings is not None:
        wrong = np.isinf(bars.delistings) | (bars.delistings < 0)
        _refuse(bars, "delistings", wrong, "finite and not below 0, or NaN for none")
    _refuse(
        bars, "dividends", ~(np.isfinite(bars.dividends) & (bars.dividends >= 0)), "finite and not below 0"
    )


def _refuse(bars: Bars, name: str, wrong: npt.NDArray[np.bool_], allowed: str) -> None:
    wrong = wrong & bars.tradable
    if wrong.any():
        t, s = np.argwhere(wrong)[0]
        value = getattr(bars, name)[t, s]
        beside = f" with low {bars.low[t, s]}" if name == "high" and value < bars.low[t, s] else ""
        raise EngineError(
            f"{name} of {bars.series[s]} at {bars.times[t]} was {value}{beside}; allowed: {allowed}"
        )
