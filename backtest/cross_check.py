"""Cross-check: the same bars and targets through Wayfold's kernel and through backtrader itself, compared bit by bit."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from backtest.costs import AbstractCosts, ScaledCosts
from backtest.engine.advance import Advance
from backtest.engine.backtrader_package import PackageRun, run_package
from backtest.engine.bars import Bars
from backtest.engine.exact import advance_exact, exact_fractions
from backtest.engine.exact_rules import AbstractExact
from backtest.engine.exact_state import start_exact
from backtest.engine.rejections import REASONS
from data.panel import Floats, as_time
from data.registry import plain, validated

Row = tuple[Any, ...]

_NOTHING = "nothing"


@dataclass(frozen=True)
class Difference:
    """The first thing in which the two disagree.

    Attributes:
        what: the number compared, for example ``price of fill 17``.
        time: end of the bar, None for the end of the run.
        series: the series it belongs to, None for the account.
        ours: our kernel's value.
        theirs: the package's value.
    """

    what: str
    time: np.datetime64 | None
    series: str | None
    ours: Any
    theirs: Any


@dataclass(frozen=True)
class CrossCheck:
    """What a comparison found.

    Attributes:
        bars: rows compared.
        series: series compared.
        fills: our fills.
        rejections: our rejections.
        final_equity: our value at the last close, account currency.
        difference: the first one, None when every bit is the same.
    """

    bars: int
    series: int
    fills: int
    rejections: int
    final_equity: float
    difference: Difference | None

    @property
    def is_identical(self) -> bool:
        """Whether value and cash at every bar, all fills, rejections and final sizes agree to the last bit."""
        return self.difference is None

    def sentence(self) -> str:
        """Return the outcome in one sentence, starting with ``identical`` or ``different``."""
        compared = (
            f"{self.bars:,} bars x {self.series} series, {self.fills:,} fills, {self.rejections:,} rejections"
        )
        if self.difference is None:
            return f"identical to backtrader 1.9.78.123: {compared}, final equity {self.final_equity!r}"
        first = self.difference
        where = f" of {first.series}" if first.series is not None else ""
        when = f" at {first.time}" if first.time is not None else " after the last bar"
        return f"different: {first.what}{where}{when} is {first.ours} here and {first.theirs} in backtrader ({compared})"


def cross_check(bars: Bars, rules: AbstractExact, costs: AbstractCosts, targets: Floats) -> CrossCheck:
    """Return whether our kernel and the package make the same of the bars and targets.

    Args:
        bars: without splits and dividends (``adjusted_bars``); absent bars have a close of NaN.
        rules: the settings of both.
        costs: commission, half-spread and slippage; ``free_of_borrowing`` drops what the package does not know.
        targets: (T, S), row t decided at close t, NaN = no call.

    Raises:
        EngineError: when backtrader is not installed, or bars, targets or costs do not fit.
    """
    ours = advance_exact(start_exact(bars.series, rules.capital), bars, rules, costs, targets)
    theirs = run_package(bars, rules, *exact_fractions(rules, costs), targets)
    return CrossCheck(
        bars=len(bars),
        series=len(bars.series),
        fills=len(ours.fills),
        rejections=len(ours.rejections),
        final_equity=float(ours.equity[-1]) if len(bars) else rules.capital,
        difference=first_difference(bars, ours, theirs),
    )


def free_of_borrowing(costs: AbstractCosts) -> ScaledCosts:
    """Return the same costs with shares lent for free, as backtrader's default broker lends them."""
    return validated(ScaledCosts, {**plain(costs), "borrow_bps_per_year": 0.0}, "costs without borrowing")


def first_difference(bars: Bars, ours: Advance, theirs: PackageRun) -> Difference | None:
    """Return the earliest disagreement; within one bar fills come before rejections, cash and value."""
    found = [
        _first_row("fill", bars, _our_fills(bars, ours), _their_fills(theirs)),
        _first_row("rejection", bars, _our_rejections(bars, ours), _their_rejections(theirs)),
        _first_bar("cash", bars, ours.cash, theirs.cash),
        _first_bar("value", bars, ours.equity, theirs.value),
    ]
    known = [difference for difference in found if difference is not None]
    if known:
        return min(known, key=lambda difference: str(difference.time))
    for s in np.flatnonzero(ours.state.units != theirs.units):
        return Difference("units", None, bars.series[s], float(ours.state.units[s]), float(theirs.units[s]))
    return None


def _our_fills(bars: Bars, ours: Advance) -> list[Row]:
    fills = ours.fills
    rows = np.searchsorted(bars.times, fills.times)
    columns = (rows, fills.columns, fills.units, fills.prices, fills.commissions)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def _their_fills(theirs: PackageRun) -> list[Row]:
    columns = (theirs.fill_dates, theirs.fill_columns, *theirs.fill_values.T)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def _our_rejections(bars: Bars, ours: Advance) -> list[Row]:
    refused = ours.rejections
    rows = np.searchsorted(bars.times, refused.times)
    reasons = [REASONS[code] for code in refused.reasons]
    return list(zip(rows.tolist(), refused.columns.tolist(), refused.units.tolist(), reasons, strict=True))


def _their_rejections(theirs: PackageRun) -> list[Row]:
    rows, columns, codes = theirs.refused.T
    reasons = [REASONS[code] for code in codes]
    return list(zip(rows.tolist(), columns.tolist(), theirs.refused_units.tolist(), reasons, strict=True))


_NAMES = {
    "fill": ("bar", "series", "units", "price", "commission"),
    "rejection": ("bar", "series", "units", "reason"),
}


def _first_row(kind: str, bars: Bars, ours: list[Row], theirs: list[Row]) -> Difference | None:
    """Return the first row in which two lists of (bar, column, ...) disagree."""
    for k in range(max(len(ours), len(theirs))):
        mine, other = (rows[k] if k < len(rows) else None for rows in (ours, theirs))
        if mine == other:
            continue
        row, column = min(filled[:2] for filled in (mine, other) if filled is not None)
        if mine is None or other is None or mine[:2] != other[:2]:
            said = (_said(kind, bars, mine), _said(kind, bars, other))
            return Difference(f"{kind} {k + 1}", as_time(bars.times[row]), None, *said)
        i = next(i for i in range(len(mine)) if mine[i] != other[i])
        return Difference(
            f"{_NAMES[kind][i]} of {kind} {k + 1}",
            as_time(bars.times[row]),
            bars.series[column],
            mine[i],
            other[i],
        )
    return None


def _said(kind: str, bars: Bars, row: Row | None) -> str:
    if row is None:
        return _NOTHING
    rest = " ".join(f"{name} {value}" for name, value in zip(_NAMES[kind][2:], row[2:], strict=True))
    return f"{bars.series[row[1]]} at {bars.times[row[0]]} {rest}"


def _first_bar(what: str, bars: Bars, ours: Floats, theirs: Floats) -> Difference | None:
    wrong = np.flatnonzero(ours != theirs)
    if not len(wrong):
        return None
    t = int(wrong[0])
    return Difference(what, as_time(bars.times[t]), None, float(ours[t]), float(theirs[t]))
