"""Backtrader replay: what the real package made of bars and targets, in the form every engine answers in."""

from dataclasses import replace

import numpy as np

from backtest.costs import AbstractCosts
from backtest.engine.advance import Advance
from backtest.engine.backtrader_package import PackageRun, run_package
from backtest.engine.bars import Bars
from backtest.engine.exact import advance_exact, exact_fractions
from backtest.engine.exact_rules import AbstractExact
from backtest.engine.exact_state import start_exact
from backtest.engine.fills import Fills
from backtest.engine.rejections import Rejections
from data.panel import Floats, read_only


def replay_package(bars: Bars, rules: AbstractExact, costs: AbstractCosts, targets: Floats) -> Advance:
    """Return what backtrader itself makes of the bars and targets, from the capital on.

    Value, cash, units, fills and rejections are the package's; weights, exposures, turnover and costs follow from
    them. What the package does not tell of its last state (pending orders, order of first touch) is our kernel's.

    Args:
        bars: without splits and dividends; absent bars have a close of NaN.
        rules: the settings.
        costs: commission, half-spread and slippage; borrowing is refused.
        targets: (T, S), row t decided at close t, NaN = no call.

    Raises:
        EngineError: when backtrader is not installed, or bars, targets or costs do not fit.
    """
    ours = advance_exact(start_exact(bars.series, rules.capital), bars, rules, costs, targets)
    run = run_package(bars, rules, *exact_fractions(rules, costs), targets)
    fills, nothing = _fills(bars, rules, costs, run), read_only(np.zeros(len(bars)))
    weights = _weights(bars, run)
    return Advance(
        state=replace(ours.state, cash=float(run.cash[-1]), units=run.units) if len(bars) else ours.state,
        times=bars.times,
        fills=fills,
        equity=read_only(run.value),
        cash=read_only(run.cash),
        weights=read_only(weights),
        gross_exposure=read_only(np.abs(weights).sum(axis=1)),
        net_exposure=read_only(weights.sum(axis=1)),
        turnover=read_only(_turnover(rules.capital, run, fills)),
        costs=read_only(_per_bar(run, fills.commissions + fills.spread_costs + fills.slippage_costs)),
        dividends=nothing,
        rejections=_rejections(bars, run),
        borrow=nothing,
        funding=nothing,
        interest=nothing,
    )


def _fills(bars: Bars, rules: AbstractExact, costs: AbstractCosts, run: PackageRun) -> Fills:
    units, prices, commissions = run.fill_values.T.copy()
    base = bars.close[run.fill_dates, run.fill_columns]
    if not rules.cheat_on_close:
        base = bars.open[run.fill_rows, run.fill_columns]
    slips = units * (prices - base)
    one_way = costs.half_spread_bps + costs.slippage_bps
    spreads = slips * (costs.half_spread_bps / one_way if one_way else 0.0)
    return Fills(
        times=bars.times[run.fill_dates],
        columns=run.fill_columns,
        series=bars.series,
        units=units,
        prices=prices,
        commissions=commissions,
        spread_costs=spreads,
        slippage_costs=slips - spreads,
        reasons=np.zeros(len(units), np.int64),
    )


def _rejections(bars: Bars, run: PackageRun) -> Rejections:
    rows, columns, reasons = run.refused.T.copy()
    return Rejections(bars.times[rows], columns, bars.series, run.refused_units, reasons)


def _weights(bars: Bars, run: PackageRun) -> Floats:
    """Return (T, S) position values at the last known closes over the value of the account, as our kernel does."""
    traded = np.zeros(bars.close.shape)
    np.add.at(traded, (run.fill_rows, run.fill_columns), run.fill_values[:, 0])
    units = np.cumsum(traded, axis=0)
    known = np.where(np.isnan(bars.close), 0, np.arange(len(bars))[:, None])
    marks = np.take_along_axis(bars.close, np.maximum.accumulate(known, axis=0), axis=0)
    equity = np.where(run.value == 0, np.nan, run.value)[:, None]
    return np.where(units == 0, 0.0, units * np.nan_to_num(marks) / equity)


def _per_bar(run: PackageRun, values: Floats) -> Floats:
    """Return (T,) sums of one value a fill, by the bar in whose turn it was filled."""
    return np.bincount(run.fill_rows, weights=values, minlength=len(run.value)).astype(np.float64)


def _turnover(capital: float, run: PackageRun, fills: Fills) -> Floats:
    before = np.concatenate([[capital], run.value])[: len(run.value)]
    traded = _per_bar(run, np.abs(fills.units) * fills.prices)
    return np.asarray(np.divide(traded, before, out=np.zeros(len(before)), where=before > 0))
