"""Efficiency: how much harder capital works in a range than over the whole pool, by the three definitions in use."""

import math
from dataclasses import dataclass

import numpy as np

from backtest.amm.ranges import liquidity_per_value
from data.amm.path import fee_growth
from data.amm.pool import Pool, sqrt_of, sqrts_of
from data.amm.pool_log import SwapPath
from data.panel import Floats


@dataclass(frozen=True)
class RangeEfficiency:
    """One range on one stretch of swaps.

    Attributes:
        concentration: liquidity that a unit of value gives in the range over what it gives in the full range, at the
            range's geometric centre: 1 / (1 - (Pa / Pb)**(1/4)).
        in_range_share: share of the bar ends with the price inside.
        path_share: share of the traded path inside, each part counted by the fee it pays, in quote tokens at one price.
        path_per_capital: that share times the liquidity a unit of value gives at that price, over the full range's: what
            the capital earned over what it would have earned over the full range.
    """

    concentration: float
    in_range_share: float
    path_share: float
    path_per_capital: float


def range_efficiency(
    pool: Pool, ticks: tuple[int, int], swaps: SwapPath, sqrt_prices: Floats
) -> RangeEfficiency:
    """Return the efficiency of a range that was open all the time.

    Args:
        pool: of the swaps.
        ticks: lower and upper end.
        swaps: what was traded; without a move the shares are NaN.
        sqrt_prices: (M,) root prices at bar ends; the last one values the fees, the first one the position.

    Raises:
        TickError: when the range is inverted, off the tick spacing or outside the pool.
    """
    pool.check_range(*ticks)
    low, high = sqrts_of(np.array(ticks)).tolist()
    paid = fee_growth(swaps, np.array([low, 0.0]), np.array([high, np.inf]), pool.rates)
    inside, everywhere = (pool.value(paid0, paid1, float(sqrt_prices[-1])) for paid0, paid1 in paid.tolist())
    share = inside / everywhere if everywhere > 0 else float("nan")
    at = float(sqrt_prices[0])
    per_value = float(liquidity_per_value(pool, np.array([low]), np.array([high]), at)[0])
    return RangeEfficiency(
        concentration=concentration(ticks),
        in_range_share=float(np.mean((low <= sqrt_prices) & (sqrt_prices < high))),
        path_share=share,
        path_per_capital=share * full_range_value(pool, at) * per_value,
    )


def concentration(ticks: tuple[int, int]) -> float:
    """Return 1 / (1 - (Pa / Pb)**(1/4)): liquidity per value over that of the full range, at the geometric centre."""
    return 1.0 / (1.0 - math.sqrt(sqrt_of(ticks[0]) / sqrt_of(ticks[1])))


def full_range_value(pool: Pool, sqrt_price: float) -> float:
    """Return the worth of one unit of liquidity over all prices, in whole quote tokens: 2 s token1."""
    return pool.value(1.0 / sqrt_price, sqrt_price, sqrt_price)
