"""A small made pool: swaps, bars, a forecast and accounts in every state, for tests of liquidity policies."""

from dataclasses import fields, replace
from typing import Any

import numpy as np

from backtest.amm.advance import start
from backtest.amm.policies.base import PoolView, RangeDecision, WantedRange
from backtest.amm.rebalance import rebalance
from backtest.amm.terms import PoolCosts, PoolTerms
from data.amm.bars import pool_bars
from data.amm.pool import Pool, sqrt_of, tick_of
from data.amm.pool_log import PoolLog, RangeChanges, SwapPath
from data.history import History
from data.sessions import BarClock
from forecast.distribution import DEFAULT_LEVELS, ProfileForecast, QuantileForecast
from forecast.liquidity import LiquidityForecast

CLOCK = BarClock("24/7", "1h")
BEGIN = np.datetime64("2024-01-01", "ns")
HOUR = np.timedelta64(3_600_000_000_000, "ns")
BARS = 400
CUT = 360
"""Bars known at a decision."""
TRAIN = CUT - 96
"""Bars a policy that learns may learn from."""

STATES = ("empty", "inside", "outside", "two")
LIQUIDITY = 2e18
SPAN = 24


def made_pool(quote: str = "token1", fee_pips: int = 3000) -> Pool:
    return Pool(
        token0="WBTC", token1="WETH", decimals0=8, decimals1=18, fee_pips=fee_pips, quote=quote, protocol1=4
    )


def made_swaps(seed: int = 0, count: int = 2000, scale: float = 0.003) -> SwapPath:
    """Swaps of a random walk around 13 WETH a WBTC, a few an hour, in steps of about ``scale`` of the root price."""
    rng = np.random.default_rng(seed)
    seconds = np.sort(rng.choice(BARS * 3600 - 1, count, replace=False)) + 1
    roots = sqrt_of(257_000.0) * np.exp(np.cumsum(rng.normal(0, scale, count + 1)))
    before, after = roots[:-1], roots[1:]
    moved = LIQUIDITY * (1 / after - 1 / before), LIQUIDITY * (after - before)
    paid0, paid1 = (np.where(amount > 0, amount / 0.997, amount) for amount in moved)
    return SwapPath(
        times=BEGIN + seconds * np.timedelta64(1_000_000_000, "ns"),
        blocks=1000 + seconds,
        log_indices=np.zeros(count, int),
        sqrt_before=before,
        sqrt_after=after,
        amount0=paid0,
        amount1=paid1,
        liquidity=np.full(count, LIQUIDITY),
    )


def made_history(swaps: SwapPath, pool: Pool, seed: int = 0) -> History:
    """Bars of the swaps, and liquidity changes that a policy may look at but not foresee."""
    spacing, rng = pool.spacing, np.random.default_rng(seed + 1)
    rows = np.sort(rng.choice(len(swaps), 40, replace=False))
    lower = (tick_of(sqrt_of(257_000.0)) // spacing - rng.integers(1, 30, 40)) * spacing
    changes = RangeChanges(
        times=swaps.times[rows],
        blocks=swaps.blocks[rows],
        log_indices=np.ones(40, int),
        tick_lower=lower,
        tick_upper=lower + rng.integers(2, 60, 40) * spacing,
        liquidity=rng.uniform(1, 3, 40) * LIQUIDITY,
    )
    wide = RangeChanges(
        times=swaps.times[:1],
        blocks=np.array([1]),
        log_indices=np.array([0]),
        tick_lower=np.array([pool.full_range[0]]),
        tick_upper=np.array([pool.full_range[1]]),
        liquidity=np.array([LIQUIDITY]),
    )
    return with_log(PoolLog(pool, swaps, joined(wide, changes)))


def joined(one: RangeChanges, other: RangeChanges) -> RangeChanges:
    names = [field.name for field in fields(one)]
    return RangeChanges(
        **{name: np.concatenate([getattr(one, name), getattr(other, name)]) for name in names}
    )


def with_log(log: PoolLog) -> History:
    return History(pool_bars(log, CLOCK, BEGIN + HOUR, BEGIN + BARS * HOUR), CLOCK, pool=log)


def altered_after(history: History, cutoff: Any, how: str) -> History:
    """The same events up to a cutoff, and after it another walk, a fall to a hundredth, or none; bars are made anew."""
    assert history.pool is not None and history.pool.changes is not None
    if how == "gone":
        return history.until(cutoff)
    swaps = history.pool.swaps
    stop = len(swaps.until(cutoff))
    steps = np.random.default_rng(5).normal(0, 0.02, len(swaps) - stop)
    if how == "crash":
        steps = np.concatenate([[np.log(0.01)], np.zeros(len(steps) - 1)])
    columns = {field.name: getattr(swaps, field.name).copy() for field in fields(swaps)}
    columns["sqrt_after"][stop:] = swaps.sqrt_after[stop - 1] * np.exp(np.cumsum(steps))
    columns["sqrt_before"][stop:] = columns["sqrt_after"][stop - 1 : -1]
    columns["amount0"][stop:], columns["liquidity"][stop:] = 1e9, 7e18
    later = history.pool.changes.between(cutoff, swaps.times[-1])
    more = replace(later, liquidity=9.0 * later.liquidity, tick_upper=later.tick_upper + 600)
    changes = joined(history.pool.changes.until(cutoff), more)
    return with_log(PoolLog(history.pool.pool, SwapPath(**columns), changes))


def made_forecast(
    history: History, seed: int = 3, *, intensity: float = 1.0, variance: float = 4e-4
) -> LiquidityForecast:
    """A forecast of 24 bars at the end of a history: a humped profile, more of it for a higher intensity."""
    rng = np.random.default_rng(seed)
    edges = (np.arange(62) - 30.5) * 120.0
    middles = 0.5 * (edges[1:] + edges[:-1])
    hump = np.exp(-0.5 * (middles / 400.0) ** 2) * rng.uniform(0.5, 1.5, (2, 61))
    profile = intensity * 0.3 * (hump / hump.sum(axis=1, keepdims=True)).T
    ends = np.array([history.cutoff + SPAN * HOUR])
    levels = np.array(DEFAULT_LEVELS)
    spread = np.sort(rng.normal(0, np.sqrt(variance), len(levels)))
    name = history.panel.series
    last = np.array([history.panel.field("sqrt_price")[-1, 0] ** 2])
    return LiquidityForecast(
        ProfileForecast(history.cutoff, ends, name, edges, profile[None, None]),
        QuantileForecast(history.cutoff, ends, name, levels, spread[None, None], "log_return", last),
        variance,
    )


def made_terms(pool: Pool, gas: float = 0.01, *, own_dilution: bool = False) -> PoolTerms:
    costs = PoolCosts(mint_gas=gas, burn_gas=gas, swap_gas=gas)
    return PoolTerms(pool=pool, costs=costs, own_dilution=own_dilution)


def made_view(
    history: History,
    state: str = "empty",
    *,
    capital: float = 100.0,
    gas: float = 0.01,
    forecast: LiquidityForecast | None = None,
    own_dilution: bool = False,
) -> PoolView:
    """What a policy sees at the end of a history, with an account that is empty, in a range, outside one, or in two."""
    assert history.pool is not None
    pool, price = history.pool.pool, float(history.panel.field("sqrt_price")[-1, 0])
    terms = made_terms(pool, gas, own_dilution=own_dilution)
    account = start(terms, capital, price, history.cutoff)
    tick = tick_of(price)
    open_ranges = {
        "empty": None,
        "inside": (WantedRange(*pool.range_around(tick - 900, tick + 700), 0.9),),
        "outside": (WantedRange(*pool.range_around(tick + 300, tick + 1500)),),
        "two": (
            WantedRange(*pool.range_around(tick - 900, tick + 900), 0.5),
            WantedRange(*pool.range_around(tick - 6000, tick + 2000), 0.5),
        ),
    }[state]
    wanted = RangeDecision(history.cutoff, open_ranges)
    account, _ = rebalance(account, wanted, history.cutoff, LIQUIDITY, terms)
    return PoolView(history, forecast, account, terms, BARS - CUT)


def at(view: PoolView, sqrt_price: float) -> PoolView:
    """The same view with the account marked at another price."""
    return replace(view, account=replace(view.account, sqrt_price=sqrt_price))


def cut_history(seed: int = 0, quote: str = "token1", fee_pips: int = 3000) -> History:
    return made_history(made_swaps(seed), made_pool(quote, fee_pips)).until(BEGIN + CUT * HOUR)
