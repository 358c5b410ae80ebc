"""Backtrader package: the same targets through the real backtrader; the one file that imports it, on first use."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from backtest.errors import EngineError
from data.panel import Floats

if TYPE_CHECKING:
    from backtest.engine.bars import Bars
    from backtest.engine.exact_rules import AbstractExact

FIRST_DAY = 730_000.0
DAYS_A_ROW = 2.0**-10
"""Row r is told to the package as day FIRST_DAY + r * DAYS_A_ROW: its floats then hold every row exactly."""

AT_SUBMISSION, AT_FILL = 0, 1


@dataclass(frozen=True, eq=False)
class PackageRun:
    """What the package did with T bars of S series.

    Attributes:
        value: (T,) the broker's value at each close.
        cash: (T,) the broker's cash at each close.
        units: (S,) sizes after the last bar.
        fill_rows: (N,) bar in whose turn the fill was made.
        fill_dates: (N,) bar the package dates it to; the one of the decision when cheating on the close.
        fill_columns: (N,) positions of the series.
        fill_values: (N, 3) units, price and commission.
        refused: (M, 3) integers: bar, position of the series, and 0 at submission or 1 at the fill.
        refused_units: (M,) units that were not traded.
    """

    value: Floats
    cash: Floats
    units: Floats
    fill_rows: npt.NDArray[np.int64]
    fill_dates: npt.NDArray[np.int64]
    fill_columns: npt.NDArray[np.int64]
    fill_values: Floats
    refused: npt.NDArray[np.int64]
    refused_units: Floats


@dataclass
class _Diary:
    """What the strategy writes down while the package runs; notices come before the bar they belong to is known."""

    rows: list[int]
    targets: list[list[float]]
    bar: int = 0
    values: list[float] = field(default_factory=list)
    cash: list[float] = field(default_factory=list)
    accepted: set[int] = field(default_factory=set)
    fills: list[tuple[int, int, int]] = field(default_factory=list)
    fill_values: list[tuple[float, float, float]] = field(default_factory=list)
    refused: list[tuple[int, int, int]] = field(default_factory=list)
    refused_units: list[float] = field(default_factory=list)

    def note(self, order: Any, column: int) -> None:
        """Write down what the broker says about an order."""
        row = self.rows[self.bar]
        if order.status == order.Accepted:
            self.accepted.add(order.ref)
        elif order.status in (order.Partial, order.Completed):
            bit = order.executed.exbits[-1]
            self.fills.append((row, round((bit.dt - FIRST_DAY) / DAYS_A_ROW), column))
            self.fill_values.append((bit.size, bit.price, bit.closedcomm + bit.openedcomm))
        elif order.status == order.Margin:
            when = AT_FILL if order.ref in self.accepted else AT_SUBMISSION
            self.refused.append((row, column, when))
            self.refused_units.append(order.created.size - order.executed.size)


def require_package() -> Any:
    """Return the package backtrader.

    Raises:
        EngineError: when it is not installed.
    """
    try:
        import backtrader  # type: ignore[import-untyped]
    except ImportError as error:
        raise EngineError(
            "engine 'backtrader' needs the package backtrader, which is not installed: "
            "pip install 'wayfold[backtrader]'; engine 'backtrader_exact' computes the same without it"
        ) from error
    return backtrader


def run_package(
    bars: "Bars", rules: "AbstractExact", commission: float, slippage: float, targets: Floats
) -> PackageRun:
    """Return what backtrader makes of the bars and targets.

    Rows without any bar do not exist for the package; value and cash stay there as they were.

    Args:
        bars: absent bars have a close of NaN; series that are not tradable are left out.
        rules: capital, kind of target, slippage flags, cheat-on-close.
        commission: fraction of traded value.
        slippage: fraction of the price, one way.
        targets: (T, S), row t is decided at close t; NaN = no call.

    Raises:
        EngineError: when backtrader is not installed.
    """
    backtrader = require_package()
    columns = np.flatnonzero(bars.tradable)
    present = ~np.isnan(bars.close) & bars.tradable
    rows = np.flatnonzero(present.any(axis=1))
    diary = _Diary(rows.tolist(), targets[:, columns].tolist())
    cerebro = backtrader.Cerebro(stdstats=False)
    feed = _feed_class(backtrader)
    for s in columns:
        cerebro.adddata(feed(_rows_of(bars, present[:, s], int(s))))
    _set_broker(cerebro.broker, rules, commission, slippage)
    cerebro.addstrategy(
        _strategy_class(backtrader),
        diary=diary,
        columns=columns.tolist(),
        target=rules.target,
        waits=rules.waits_for_all,
    )
    positions = {}
    if len(rows):
        positions = cerebro.run()[0].sizes()
    units = np.zeros(len(bars.series))
    units[columns] = [positions.get(int(s), 0.0) for s in columns]
    return _package_run(len(bars), rules.capital, diary, units)


def _rows_of(bars: "Bars", present: npt.NDArray[np.bool_], s: int) -> list[list[float]]:
    """Return a series' bars as lists [day, open, high, low, close]; unknown highs and lows do not bound anything."""
    prices = np.column_stack([getattr(bars, name)[present, s] for name in ("open", "high", "low", "close")])
    days = FIRST_DAY + np.flatnonzero(present) * DAYS_A_ROW
    rows: list[list[float]] = np.column_stack([days, prices]).tolist()
    return rows


def _set_broker(broker: Any, rules: "AbstractExact", commission: float, slippage: float) -> None:
    broker.setcash(rules.capital)
    broker.setcommission(commission=commission)
    broker.set_slippage_perc(
        slippage,
        slip_open=rules.slip_open,
        slip_limit=rules.slip_limit,
        slip_match=rules.slip_match,
        slip_out=rules.slip_out,
    )
    broker.set_coc(rules.cheat_on_close)


def _feed_class(backtrader: Any) -> Any:
    class ListFeed(backtrader.feed.DataBase):  # type: ignore[misc]
        """Bars kept in a list; the package's own pandas feed looks up every cell by name."""

        def __init__(self, rows: list[list[float]]) -> None:
            super().__init__()
            self.waiting = iter(rows)

        def _load(self) -> bool:
            row = next(self.waiting, None)
            if row is None:
                return False
            lines = self.lines
            lines.datetime[0], lines.open[0], lines.high[0], lines.low[0], lines.close[0] = row
            lines.volume[0] = lines.openinterest[0] = 0.0
            return True

    return ListFeed


def _strategy_class(backtrader: Any) -> Any:
    class Targets(backtrader.Strategy):  # type: ignore[misc]
        """Calls order_target_* in the order of the series, and writes down what the broker reports."""

        params = (("diary", None), ("columns", ()), ("target", "percent"), ("waits", False))

        def __init__(self) -> None:
            self.calls = [(data, getattr(self, f"order_target_{self.p.target}")) for data in self.datas]
            self.column_of = dict(zip((id(data) for data in self.datas), self.p.columns, strict=True))

        def sizes(self) -> dict[int, float]:
            return {self.column_of[id(data)]: float(self.getposition(data).size) for data in self.datas}

        def notify_order(self, order: Any) -> None:
            self.p.diary.note(order, self.column_of[id(order.data)])

        def prenext(self) -> None:
            self.live_bar(decides=not self.p.waits)

        def next(self) -> None:
            self.live_bar(decides=True)

        def live_bar(self, *, decides: bool) -> None:
            diary = self.p.diary
            targets = diary.targets[diary.rows[diary.bar]] if decides else ()
            for (data, call), target in zip(self.calls, targets, strict=decides):
                if target == target and len(data):  # noqa: PLR0124 - NaN means no call
                    call(data, target)
            diary.values.append(self.broker.getvalue())
            diary.cash.append(self.broker.getcash())
            diary.bar += 1

    return Targets


def _package_run(length: int, capital: float, diary: _Diary, units: Floats) -> PackageRun:
    fills = np.array(diary.fills, np.int64).reshape(-1, 3)
    return PackageRun(
        value=_carried(length, capital, diary.rows, diary.values),
        cash=_carried(length, capital, diary.rows, diary.cash),
        units=units,
        fill_rows=fills[:, 0],
        fill_dates=fills[:, 1],
        fill_columns=fills[:, 2],
        fill_values=np.array(diary.fill_values, np.float64).reshape(-1, 3),
        refused=np.array(diary.refused, np.int64).reshape(-1, 3),
        refused_units=np.array(diary.refused_units, np.float64),
    )


def _carried(length: int, capital: float, rows: list[int], values: list[float]) -> Floats:
    """Return (T,) values, the last one repeated on rows the package never saw."""
    known = np.array([capital, *values], np.float64)
    return known[np.searchsorted(np.array(rows, np.int64), np.arange(length), side="right")]
