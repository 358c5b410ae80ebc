"""Expectation: what ranges are expected to earn and lose over a forecast's span, per unit of liquidity, in quote tokens.

Fees and loss versus rebalancing both accrue while the price is inside: fees along the path travelled there, the loss with the variance
spent there. The forecast's profile gives the path; its share of the whole path stands for the share of the time.
"""

import math
from dataclasses import dataclass

import numpy as np

from backtest.amm.account import PoolAccount
from backtest.amm.ranges import token_values, unit_amounts
from backtest.policies.quantile_moments import level_weights
from data.amm.pool import LOG_TICK, Pool, sqrts_of, tick_of
from data.panel import Floats
from data.sessions import BarClock
from forecast.liquidity import LiquidityForecast


@dataclass(frozen=True)
class Prospect:
    """What an account's open ranges are expected to do over a forecast's span, in quote tokens.

    Attributes:
        fees: earned.
        lvr: lost versus rebalancing.
        shortfall: mean of the worst losses against the hold basket, fees left out.
    """

    fees: float
    lvr: float
    shortfall: float


def prospect(account: PoolAccount, forecast: LiquidityForecast, tail: float) -> Prospect:
    """Return what an account's open ranges are expected to do over a forecast's span, if nothing is moved.

    Args:
        account: at the forecast's cutoff.
        forecast: where the pool will trade.
        tail: share of the outcomes the shortfall averages.
    """
    pool, price = account.pool, account.sqrt_price
    ticks = np.array([(each.lower, each.upper) for each in account.positions], np.float64).reshape(-1, 2)
    liquidity = np.array([each.liquidity for each in account.positions], np.float64)
    paths = paths_inside(forecast, price, ticks)
    fees = expected_fees(pool, price, paths)
    lvr = expected_lvr(pool, price, change_variance(forecast), time_inside(forecast, price, paths))
    losses = losses_against_hold(account, ticks, liquidity, final_root_prices(forecast, price))
    worst = shortfall(losses[None, :], forecast.offset.levels, tail)
    return Prospect(float(liquidity @ fees), float(liquidity @ lvr), float(worst[0]))


def forecast_bars(forecast: LiquidityForecast, clock: BarClock) -> int:
    """Return how many bars a forecast spans."""
    return int((clock.ends(forecast.cutoff, forecast.profile.times[-1]) > forecast.cutoff).sum())


def paths_inside(forecast: LiquidityForecast, sqrt_price: float, ticks: Floats) -> Floats:
    """Return the forecast path inside each of (R, 2) ranges of ticks, up and down, (R, 2): raw s' - s and 1/s' - 1/s.

    A bin partly inside counts by the part of its ticks; what lies beyond the outermost bins is in them.

    Args:
        forecast: made at ``sqrt_price``.
        sqrt_price: root price the profile's offsets are counted from.
        ticks: lower and upper ticks.
    """
    edges, path = forecast.profile.edges, forecast.profile.values[0, 0]
    offsets = np.clip(ticks - tick_of(sqrt_price), edges[0], edges[-1])
    within = np.concatenate([np.zeros((1, 2)), np.cumsum(path, axis=0)])
    up, down = (np.diff(np.interp(offsets, edges, within[:, way]), axis=1)[:, 0] for way in (0, 1))
    return np.column_stack([up * sqrt_price, down / sqrt_price])


def expected_fees(pool: Pool, sqrt_price: float, paths: Floats) -> Floats:
    """Return fees per unit of liquidity on (R, 2) paths up and down, valued at the present price, (R,) quote tokens."""
    rate0, rate1 = pool.rates
    value0, value1 = token_values(pool, np.array([sqrt_price]))
    return np.asarray(rate1 * value1 * paths[:, 0] + rate0 * value0 * paths[:, 1])


def time_inside(forecast: LiquidityForecast, sqrt_price: float, paths: Floats) -> Floats:
    """Return the expected share of the span inside each range, (R,): the mean of its shares of the path up and down."""
    whole = forecast.profile.values[0, 0].sum(axis=0) * np.array([sqrt_price, 1.0 / sqrt_price])
    return np.asarray(np.divide(paths, whole, out=np.zeros_like(paths), where=whole > 0).mean(axis=1))


def expected_lvr(pool: Pool, sqrt_price: float, variance: float, inside: Floats) -> Floats:
    """Return the loss versus rebalancing per unit of liquidity, s * variance / 4 in token1 times the time inside, (R,).

    (Milionis et al. 2022, "Automated Market Making and Loss-Versus-Rebalancing", theorem 1, for liquidity L in a range.)

    Args:
        pool: tells what value is counted in.
        sqrt_price: raw root price.
        variance: of the log price over the span.
        inside: (R,) expected share of the span inside each range.
    """
    _, value1 = token_values(pool, np.array([sqrt_price]))
    return np.asarray(0.25 * sqrt_price * variance * value1 * inside)


def expected_stay(account: PoolAccount, variance: float) -> float:
    """Return the bars until the price is expected to leave the first of the open ranges, a b / variance of a bar.

    For a driftless walk of the log price that starts a above a range's lower edge and b below its upper one (Feller 1968, "An
    Introduction to Probability Theory", XIV.3). 0 when it is outside one already; infinite without ranges or movement.

    Args:
        account: at the price the walk starts from.
        variance: of the log price in one bar.
    """
    tick = tick_of(account.sqrt_price)
    rooms = [
        max(0.0, LOG_TICK * (tick - each.lower)) * max(0.0, LOG_TICK * (each.upper - tick))
        for each in account.positions
    ]
    if not rooms or min(rooms) > 0 == variance:
        return math.inf
    return min(rooms) / variance if variance > 0 else 0.0


def losses_against_hold(
    account: PoolAccount, ticks: Floats, liquidity: Floats, sqrt_prices: Floats
) -> Floats:
    """Return what the hold basket would gain more than the account at each of (Q,) root prices, (Q,) quote tokens.

    Args:
        account: marked at the present price; its fees are left out.
        ticks: (R, 2) its open ranges.
        liquidity: (R,) in them.
        sqrt_prices: what the price may become.
    """
    edges, every = sqrts_of(ticks), np.append(sqrt_prices, account.sqrt_price)
    inside0, inside1 = unit_amounts(edges[:, :1], edges[:, 1:], every[None, :])
    value0, value1 = token_values(account.pool, every)
    more0 = account.hold0 - account.idle0 - liquidity @ inside0
    more1 = account.hold1 - account.idle1 - liquidity @ inside1
    ahead = more0 * value0 + more1 * value1
    return np.asarray(ahead[:-1] - ahead[-1])


def change_variance(forecast: LiquidityForecast) -> float:
    """Return the second moment of the log price's change over the span, from its forecast quantiles.

    Not the realised variance of short steps: a pool's price moves only when the market is a fee away from it, so short steps are
    trends and their squares say too little of where the price ends up.
    """
    changes = forecast.offset.values[0, 0]
    return float(level_weights(forecast.offset.levels) @ changes**2)


def final_root_prices(forecast: LiquidityForecast, sqrt_price: float) -> Floats:
    """Return the root price at each forecast level at the span's end, (Q,)."""
    return np.asarray(sqrt_price * np.exp(0.5 * forecast.offset.values[0, 0]))


def shortfall(losses: Floats, levels: Floats, tail: float) -> Floats:
    """Return the mean of the worst ``tail`` of outcomes, (R,): the conditional value at risk of (R, Q) losses.

    (Rockafellar and Uryasev 2002, eq. 6, on the masses of the levels.)

    Args:
        losses: one column a level, in any order of badness.
        levels: (Q,) quantile levels.
        tail: share of the outcomes that counts, above 0 and at most 1.
    """
    order = np.argsort(-losses, axis=1, kind="stable")
    worst = np.take_along_axis(losses, order, axis=1)
    mass = np.cumsum(level_weights(levels)[order], axis=1)
    taken = np.diff(np.minimum(mass, tail), axis=1, prepend=0.0)
    return np.asarray((worst * taken).sum(axis=1) / tail)
