"""Worlds for the engine's tests: random bars, targets, orders, rules and costs with everything that can happen in them."""

import numpy as np

from backtest.costs import CommissionTier, CustomCosts
from backtest.engine.bars import Bars
from backtest.engine.orders import Order, bracket, oco
from backtest.engine.rules import EngineSpec, Margin


def make_bars(opens, closes=None, **other):
    """Return daily bars of series a, b, ...; high and low span open and close unless given."""
    opens = np.asarray(opens, float)
    closes = opens if closes is None else np.asarray(closes, float)
    length, count = opens.shape
    fields = {
        "high": np.fmax(opens, closes),
        "low": np.fmin(opens, closes),
        "volume": np.full(opens.shape, np.nan),
        "splits": np.ones(opens.shape),
        "dividends": np.zeros(opens.shape),
        "tradable": np.ones(count, bool),
        **other,
    }
    times = np.datetime64("2024-01-01", "ns") + np.arange(length) * np.timedelta64(1, "D")
    return Bars(times, tuple("abcdefgh"[:count]), opens, close=closes, **fields)


def path(*rows):
    """Return bars of one series from rows of open, high, low, close."""
    table = np.array(rows, float)
    opens, highs, lows, closes = (table[:, [k]] for k in range(4))
    return make_bars(opens, closes, high=highs, low=lows)


def rich_world(seed, length=24, count=4):
    """Return bars with gaps, splits, dividends, delistings, funding, borrow limits and a rate series, and targets."""
    rng = np.random.default_rng(seed)
    shape = (length, count)
    closes = 50 * np.exp(np.cumsum(rng.normal(0, 0.04, shape), axis=0))
    opens = closes * np.exp(rng.normal(0, 0.02, shape))
    high = np.maximum(opens, closes) * np.exp(np.abs(rng.normal(0, 0.02, shape)))
    low = np.minimum(opens, closes) * np.exp(-np.abs(rng.normal(0, 0.02, shape)))
    absent = rng.random(shape) < 0.1
    absent[0] = False
    for prices in (opens, high, low, closes):
        prices[absent] = np.nan
    opens[rng.random(shape) < 0.04] = np.nan
    high[rng.random(shape) < 0.1] = np.nan
    low[rng.random(shape) < 0.1] = np.nan
    splits = np.where(rng.random(shape) < 0.03, rng.choice([2.0, 1 / 3, 1.5, 0.1], shape), 1.0)
    gone = np.full(shape, np.nan)
    if rng.random() < 0.4:
        row, column = int(rng.integers(length // 2, length)), int(rng.integers(count))
        gone[row, column] = float(rng.choice([0.0, 20.0, 60.0]))
        for prices in (opens, high, low, closes):
            prices[row:, column] = np.nan
    rate = np.cumsum(rng.normal(0, 0.01, (length, 1)), axis=0) + 0.03
    unknown = np.full((length, 1), np.nan)
    targets = rng.normal(0.1, 0.3, shape)
    targets[rng.random(shape) < 0.5] = np.nan
    targets[rng.random(shape) < 0.1] = 0.0
    targets[rng.random(shape) < 0.1] = -np.inf
    for column in np.flatnonzero(~np.isnan(gone).all(axis=0)):
        targets[int(np.flatnonzero(~np.isnan(gone[:, column]))[0]) :, column] = np.nan
    bars = make_bars(
        np.hstack([opens, unknown]),
        np.hstack([closes, rate]),
        high=np.hstack([high, unknown]),
        low=np.hstack([low, unknown]),
        volume=np.hstack(
            [np.where(rng.random(shape) < 0.4, np.nan, rng.integers(0, 40_000, shape)), unknown]
        ),
        splits=np.hstack([splits, np.ones((length, 1))]),
        dividends=np.hstack(
            [np.where(rng.random(shape) < 0.05, rng.random(shape), 0.0), np.zeros((length, 1))]
        ),
        tradable=np.array([True] * count + [False]),
        shortable=np.hstack(
            [np.where(rng.random(shape) < 0.5, np.nan, rng.integers(0, 3_000, shape)), unknown]
        ),
        funding=np.hstack([np.where(rng.random(shape) < 0.7, np.nan, rng.normal(0, 0.001, shape)), unknown]),
        delistings=np.hstack([gone, unknown]),
    )
    return bars, np.hstack([targets, unknown])


def rich_rules(seed):
    """Return rules of every kind, with opens to fill at and the last series as cash rate."""
    rng = np.random.default_rng(seed + 1)
    units = str(rng.choice(["integer", "fractional"]))
    lots = [None, 10.0] if units == "integer" else [None, 0.001]
    return EngineSpec(
        capital=float(rng.choice([20_000.0, 1_000_000.0])),
        units=units,
        lot=lots[rng.integers(2)],
        participation=[None, 0.05, 0.5][rng.integers(3)],
        margin=[None, Margin(), Margin(initial=1.0, maintenance=0.9)][rng.integers(3)],
        cash_rate=[None, "e"][rng.integers(2)],
    )


def rich_costs(seed):
    """Return costs with everything that can be charged, each of it only sometimes."""
    rng = np.random.default_rng(seed + 2)
    tiers = (
        CommissionTier(traded_value=20_000, commission_bps=3),
        CommissionTier(traded_value=90_000, commission_bps=1),
    )
    return CustomCosts(
        commission_bps=float(rng.choice([0.0, 7.0])),
        half_spread_bps=3,
        slippage_bps=5,
        borrow_bps_per_year=900,
        commission_per_unit=float(rng.choice([0.0, 0.005])),
        commission_minimum=float(rng.choice([0.0, 1.0, 25.0])),
        commission_tiers=tiers if rng.random() < 0.5 else (),
        impact_bps=float(rng.choice([0.0, 100.0])),
    )


def margin_fits(targets, spec):
    """Return targets scaled into the initial margin."""
    if spec.margin is None:
        return targets
    gross = np.nansum(np.abs(np.where(np.isinf(targets), np.nan, targets)), axis=1, keepdims=True)
    return np.where(np.isinf(targets), targets, targets / np.maximum(gross * spec.margin.initial * 1.01, 1.0))


def rich_orders(seed, bars, per_close=0.7):
    """Return orders of every kind, alone, in groups and in brackets, with the closes at which they are placed."""
    rng = np.random.default_rng(seed + 3)
    placed, number = [], 0
    gone = ~np.isnan(bars.delistings)
    for t in range(len(bars) - 1):
        if rng.random() > per_close:
            continue
        s = int(rng.integers(len(bars.series) - 1))
        mark = bars.close[: t + 1, s]
        mark = mark[~np.isnan(mark)]
        if gone[: t + 1, s].any() or not len(mark):
            continue
        made, number = _some_orders(rng, number, bars.series[s], float(mark[-1]), bars.times)
        placed += [(bars.times[t], order) for order in made]
    return placed


def _some_orders(rng, number, series, price, times):
    side = 1 if rng.random() < 0.5 else -1
    entry = _order(rng, number + 1, series, side, price, times)
    stop = Order(
        id=number + 2, series=series, units=-entry.units, kind="stop", stop=price * (1 - 0.03 * side)
    )
    limit = Order(
        id=number + 3, series=series, units=-entry.units, kind="limit", limit=price * (1 + 0.03 * side)
    )
    trail = Order(id=number + 2, series=series, units=-entry.units, kind="trailing_stop", trail_fraction=0.02)
    form = rng.integers(4)
    if form == 0:
        return bracket(entry, stop, limit), number + 3
    if form == 1:
        return bracket(entry, trail, limit), number + 3
    if form == 2:
        return oco(entry, _order(rng, number + 2, series, -side, price, times)), number + 2
    return (entry,), number + 1


def _order(rng, number, series, side, price, times):
    kind = str(rng.choice(["market", "limit", "stop", "stop_limit", "trailing_stop", "market_on_close"]))
    prices = {}
    if kind in ("limit", "stop_limit"):
        prices["limit"] = price * float(np.exp(rng.normal(0, 0.03)))
    if kind in ("stop", "stop_limit"):
        prices["stop"] = price * float(np.exp(rng.normal(0.02 * side, 0.02)))
    if kind == "trailing_stop":
        prices = {"trail_fraction": 0.03} if rng.random() < 0.5 else {"trail_amount": price * 0.03}
    ends = [None, "day", times[int(rng.integers(len(times)))]][rng.integers(3)]
    units = float(side * rng.integers(1, 300))
    return Order(id=number, series=series, units=units, kind=kind, expires=ends, **prices)
