"""Workspace: the arrays of a call to the compiled loop, made from bars, an account, rules and costs."""

import math

import numpy as np

from backtest.costs import BPS, AbstractCosts
from backtest.engine.bars import Bars
from backtest.engine.layout import (
    ALIVE,
    CODES,
    NUMBERS,
    ROW,
    STORED_CODES,
    STORED_NUMBERS,
    Account,
    Feed,
    Integers,
    Log,
    OrderBook,
    Rates,
    Trace,
)
from backtest.engine.rules import EngineSpec
from backtest.engine.state import EngineState
from backtest.errors import EngineError
from data.panel import Floats, read_only

LINES = 2_000_000
"""Lines of a log beyond what one bar may need; memory is taken as they are written, and a full log makes way for another."""


def feed_of(bars: Bars, spec: EngineSpec, costs: AbstractCosts) -> Feed:
    """Return the bars as the loop reads them: views, nothing is copied."""
    nothing = read_only(np.empty((0, len(bars.series))))
    prices = bars.open if spec.fill == "open" else bars.close
    # A bar that ends with its month belongs to that month.
    ended = (bars.times - np.timedelta64(1, "ns")) if costs.commission_tiers else bars.times[:0]
    return Feed(
        prices=prices,
        highs=bars.high,
        lows=bars.low,
        closes=bars.close,
        volumes=bars.volume,
        splits=bars.splits,
        dividends=bars.dividends,
        shortable=nothing if bars.shortable is None else bars.shortable,
        funding=nothing if bars.funding is None else bars.funding,
        delistings=nothing if bars.delistings is None else bars.delistings,
        tradable=bars.tradable,
        times=bars.times.view(np.int64),
        months=read_only(ended.astype("datetime64[M]").astype(np.int64)),
        has_actions=bool((bars.splits != 1).any() or bars.dividends.any()),
    )


def rates_of(
    spec: EngineSpec, costs: AbstractCosts, periods_per_year: float, series: tuple[str, ...]
) -> Rates:
    """Return rules and costs as the loop reads them.

    Raises:
        EngineError: when the series of the cash rate is not there.
    """
    if spec.cash_rate is not None and spec.cash_rate not in series:
        raise EngineError(f"cash_rate names '{spec.cash_rate}'; the account's series are {', '.join(series)}")
    share = math.inf if spec.participation is None else spec.participation
    tiers = [(tier.traded_value, tier.commission_bps * BPS) for tier in costs.commission_tiers]
    return Rates(
        commission=costs.commission_bps * BPS,
        half_spread=costs.half_spread_bps * BPS,
        slippage=costs.slippage_bps * BPS,
        borrow=costs.borrow_bps_per_year * BPS / periods_per_year,
        # The square-root law says nothing of an order larger than the bar's volume.
        participation=min(share, 1.0) if costs.impact_bps else share,
        integer=spec.units == "integer",
        lot=lot_of(spec),
        per_unit=costs.commission_per_unit,
        minimum=costs.commission_minimum,
        impact=costs.impact_bps * BPS,
        tiers=read_only(np.array(tiers, np.float64).reshape(-1, 2)),
        initial=0.0 if spec.margin is None else spec.margin.initial,
        maintenance=0.0 if spec.margin is None else spec.margin.maintenance,
        cash_rate=-1 if spec.cash_rate is None else series.index(spec.cash_rate),
        periods=periods_per_year,
    )


def lot_of(spec: EngineSpec) -> float:
    """Return the units of which every target is a multiple, 0 for any."""
    return spec.lot or (1.0 if spec.units == "integer" else 0.0)


def account_of(state: EngineState, codes: Integers, numbers: Floats) -> Account:
    """Return a copy of the account to be changed in place, with the orders still to be placed behind those that rest."""
    count = len(state.series)
    return Account(
        cash=np.array([state.cash]),
        units=np.array(state.units),
        marks=np.array(state.marks),
        goals=np.array(state.goals),
        fees=np.array(state.fees),
        called=np.array(state.called),
        delisted=np.array(state.delisted),
        bankrupt=np.array([state.bankrupt]),
        month=np.array(state.month),
        orders=_order_book(state, codes, numbers),
        buys=np.empty(count),
        used=np.zeros(count),
        terms=np.zeros(3),
    )


def _order_book(state: EngineState, codes: Integers, numbers: Floats) -> OrderBook:
    resting = len(state.order_codes)
    all_codes = np.zeros((resting + len(codes), CODES), np.int64)
    all_numbers = np.full((resting + len(codes), NUMBERS), np.nan)
    all_codes[:resting, :STORED_CODES] = state.order_codes
    all_codes[:resting, ROW] = -1
    all_codes[:resting, ALIVE] = 1
    all_codes[resting:] = codes
    all_numbers[:resting, :STORED_NUMBERS] = state.order_numbers
    all_numbers[resting:] = numbers
    alive = np.zeros(len(all_codes), np.int64)
    alive[:resting] = np.arange(resting)
    return OrderBook(all_codes, all_numbers, alive, np.array([resting, resting]))


def trace_for(length: int, count: int) -> Trace:
    """Return empty outputs of ``length`` bars and ``count`` series.

    Flows that an account does not have are never written: their zeros take no memory.
    """
    written = ("equity", "cash", "gross", "net", "turnover", "costs")
    unless = ("dividends", "borrow", "funding", "interest")
    # One block for all columns: large pages make its first use several times cheaper.
    columns = dict(zip(written, np.empty((len(written), length)), strict=True))
    flows = dict(zip(unless, np.zeros((len(unless), length)), strict=True))
    return Trace(**columns, **flows, weights=np.empty((length, count)))


def log_for(bars: int, needed: int) -> Log:
    """Return an empty log: room for all bars where they are few, else for ``LINES``.

    Args:
        bars: how many there are.
        needed: the most lines that one bar can add.
    """
    room = min(max(bars, 1) * needed, LINES + needed)
    return Log(
        filled=np.zeros(1, np.int64),
        places=np.zeros((4, room), np.int64),
        values=np.zeros((5, room)),
        refused=np.zeros(1, np.int64),
        refusals=np.empty((4, room), np.int64),
        remainders=np.empty(room),
    )
