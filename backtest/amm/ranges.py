"""Ranges from widths and centres, and how much liquidity a unit of value buys in one.

A width w means that the upper price is (1 + w) times the lower one, so a centred range is (1 + w)**(+-1/2) around the price.
"""

import math

import numpy as np

from data.amm.pool import LOG_TICK, Pool, tick_of
from data.panel import Floats


def width_ticks(width: float) -> float:
    """Return the ticks between the edges of a range whose upper price is ``1 + width`` times its lower one."""
    return math.log1p(width) / LOG_TICK


def range_of_width(pool: Pool, sqrt_price: float, width: float, shift: float = 0.0) -> tuple[int, int]:
    """Return the usable range of a width, nearest to being centred ``shift`` widths above the price; unshifted it holds it.

    Args:
        pool: whose spacing it lies on.
        sqrt_price: raw root price.
        width: upper over lower price, less one; infinite for the whole pool.
        shift: distance of the range's centre from the price, in widths, on the log scale.
    """
    if math.isinf(width):
        return pool.full_range
    span, tick = width_ticks(width), tick_of(sqrt_price)
    if shift == 0:
        return range_holding(pool, tick, 0.5 * span)
    centre = tick + shift * span
    return pool.range_around(centre - 0.5 * span, centre + 0.5 * span)


def range_holding(pool: Pool, tick: float, half: float) -> tuple[int, int]:
    """Return the usable range nearest to ``half`` ticks on both sides of a tick; it holds the tick, however narrow it is.

    Rounding alone could leave the price outside a range of about one spacing, and a policy would move it again and again.
    """
    spacing = pool.spacing
    below = math.floor(tick / spacing) * spacing
    lower, upper = (round(each / spacing) * spacing for each in (tick - half, tick + half))
    return pool.range_around(min(lower, below), max(upper, below + spacing))


def unit_amounts(lower: Floats, upper: Floats, sqrt_price: Floats) -> tuple[Floats, Floats]:
    """Return the raw amounts of token0 and token1 in one unit of liquidity (Adams et al. 2021, eqs. 6.29 and 6.30).

    Args:
        lower: root prices at the lower edges; the three broadcast.
        upper: root prices at the upper edges.
        sqrt_price: root prices of the pool.
    """
    inside = np.clip(sqrt_price, lower, upper)
    return 1.0 / inside - 1.0 / upper, inside - lower


def token_values(pool: Pool, sqrt_prices: Floats) -> tuple[Floats, Floats]:
    """Return the worth of one raw token0 and of one raw token1 at each of (N,) root prices, in quote tokens."""
    each = np.array([(pool.value(1.0, 0.0, s), pool.value(0.0, 1.0, s)) for s in sqrt_prices.tolist()])
    return each[:, 0], each[:, 1]


def liquidity_per_value(pool: Pool, lower: Floats, upper: Floats, sqrt_price: float) -> Floats:
    """Return l(a, b; 1): raw liquidity that one quote token of value buys in each of (R,) ranges.

    With the quote in token1 it is 1 / (2 s - s**2 / sb - sa) inside the range; all is token0 below it and token1 above it.

    Args:
        pool: tells what value is counted in.
        lower: (R,) root prices at the lower edges.
        upper: (R,) root prices at the upper edges.
        sqrt_price: the pool's root price.
    """
    amount0, amount1 = unit_amounts(lower, upper, np.array(sqrt_price))
    value0, value1 = token_values(pool, np.array([sqrt_price]))
    return np.asarray(1.0 / (amount0 * value0 + amount1 * value1))
