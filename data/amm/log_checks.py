"""Checks of a pool log: whether prices, amounts, liquidity and ranges tell one story, and where they first do not.

What a swap pays, net of its fee f, buys at an average price between those before and after it; and while the liquidity L stays
the same, an input a moves the root price s by exactly a (1 - f) / L (token1) or 1/s by as much (token0): Adams et al. 2021,
Uniswap v3 Core, eq. 6.13 to 6.16. A file whose rows disagree has swapped tokens, wrong decimals or missing rows.
"""

import numpy as np
import numpy.typing as npt

from data.amm.liquidity_path import liquidity_path
from data.amm.pool import Pool, ticks_of
from data.amm.pool_log import PoolLog, RangeChanges, SwapPath
from data.errors import EventGapError, PoolError, TickError
from data.panel import Floats

_WILD = 4.0
"""An execution price so many times off the pool's price is no market: tokens or decimals are swapped."""

_SAMPLE = 2000
_REBUILT = 0.9
_SAME = 1e-6

Marks = npt.NDArray[np.bool_]


def check_swaps(swaps: SwapPath, pool: Pool, tolerance: float) -> None:
    """Raise unless every swap has liquidity, was paid at the price it passed, and begins where the one before it ended.

    Args:
        swaps: the swaps of the pool, in order.
        pool: its fee.
        tolerance: how far root prices may be off, relative: 0 for those of the contract, half a tick for estimates.

    Raises:
        PoolError: when a swap has no liquidity, or amounts and prices are far apart.
        EventGapError: when they are near but do not fit: events are missing.
    """
    _check_liquidity(swaps)
    with np.errstate(divide="ignore", invalid="ignore"):
        _check_paid(swaps, pool, tolerance)
        _check_moves(swaps, pool, tolerance)


def check_price_between(swaps: SwapPath, pool: Pool, between: tuple[float, float]) -> None:
    """Raise unless the pool's price after every swap, quote per base in whole tokens, lies between two bounds.

    Raises:
        PoolError: naming the first swap outside.
    """
    low, high = between
    price = pool.prices(swaps.sqrt_after)
    row = _first(~((price >= low) & (price <= high)))
    if row is not None:
        raise PoolError(
            f"the swap at {swaps.where(row)} left a price of {price[row]:.6g} {pool.numeraire} per {pool.base}; price_between "
            f"allows {low:g} to {high:g}: check the order of the tokens, their decimals ({pool.token0} {pool.decimals0}, "
            f"{pool.token1} {pool.decimals1}) and the quote token"
        )


def check_ranges(log: PoolLog) -> float:
    """Return the share of swaps whose liquidity the ranges rebuild, looked at on up to 2,000 swaps spread evenly.

    Liquidity that is added and taken within one block is in the swap between and in no range after it, so the share may be
    below 1; a history that lacks mints rebuilds next to nothing.

    Raises:
        TickError: when a range is off the pool's spacing; names the first change of it.
        PoolError: when the ranges rebuild less than nine tenths.
    """
    changes, swaps = log.changes, log.swaps
    if changes is None or not len(swaps):
        return 0.0
    _check_spacing(changes, log.pool)
    rows = np.unique(np.linspace(0, len(swaps) - 1, _SAMPLE).astype(np.intp))
    before = swaps.times[rows] - np.timedelta64(1, "ns")
    rebuilt = liquidity_path(changes, before, swaps.sqrt_after[rows])
    same = np.abs(rebuilt / swaps.liquidity[rows] - 1.0) < _SAME
    if same.mean() < _REBUILT:
        row = int(np.flatnonzero(~same)[0])
        raise PoolError(
            f"the ranges rebuild the liquidity of {same.mean():.0%} of the swaps; at {swaps.where(int(rows[row]))} they hold "
            f"{rebuilt[row]:.6g}, the swap says {swaps.liquidity[rows[row]]:.6g}: mints or burns are missing from the history"
        )
    return float(same.mean())


def _check_spacing(changes: RangeChanges, pool: Pool) -> None:
    _, rows = np.unique(np.stack([changes.tick_lower, changes.tick_upper]), axis=1, return_index=True)
    for row in np.sort(rows):
        try:
            pool.check_range(int(changes.tick_lower[row]), int(changes.tick_upper[row]))
        except TickError as error:
            raise TickError(
                f"the liquidity change at {changes.where(row)} is none of {pool.name}: {error}"
            ) from error


def _check_liquidity(swaps: SwapPath) -> None:
    row = _first(~(np.isfinite(swaps.liquidity) & (swaps.liquidity > 0)))
    if row is not None:
        raise PoolError(
            f"the swap at {swaps.where(row)} has liquidity {swaps.liquidity[row]:g}; a swap needs some to trade against"
        )


def _check_paid(swaps: SwapPath, pool: Pool, tolerance: float) -> None:
    """Raise unless the average price of every swap, net of the fee, lies between the prices before and after it."""
    in0, in1 = swaps.amount0, swaps.amount1
    row = _first(~(in0 * in1 <= 0))
    if row is not None:
        raise PoolError(
            f"the swap at {swaps.where(row)} has amounts {in0[row]:g} and {in1[row]:g}; one flows in, the other out"
        )
    gross = -in1 / in0
    net = np.where(in0 > 0, gross / (1.0 - pool.fee), gross * (1.0 - pool.fee))
    low = np.minimum(swaps.sqrt_before, swaps.sqrt_after) ** 2
    high = np.maximum(swaps.sqrt_before, swaps.sqrt_after) ** 2
    # Amounts are whole numbers of raw units; a few of them say little about the price.
    slack = 1e-9 + 2.0 * tolerance + 4.0 / np.abs(in0) + 4.0 / np.abs(in1)
    telling = slack < 1.0
    row = _first(telling & ~((net > low / _WILD) & (net < high * _WILD)))
    if row is not None:
        raise PoolError(
            f"the swap at {swaps.where(row)} was paid at {net[row]:.6g} raw token1 per token0 while the pool's price was "
            f"{low[row]:.6g} to {high[row]:.6g}; the token order or the decimals are swapped"
        )
    row = _first(telling & ~((net >= low * (1.0 - slack)) & (net <= high * (1.0 + slack))))
    if row is not None:
        raise EventGapError(
            f"the swap at {swaps.where(row)} was paid at {net[row]:.10g} raw token1 per token0, which is not between the price "
            f"before it, {low[row]:.10g}, and after it, {high[row]:.10g}; events are missing before it"
        )


def _check_moves(swaps: SwapPath, pool: Pool, tolerance: float) -> None:
    """Raise where liquidity was the same all the way and the root price moved otherwise than the input says.

    Between two usable ticks liquidity cannot change within a swap. Over several it is the same where it was the same before
    and after; the root prices of the contract do not prove that, estimates rest on it.
    """
    before, after, liquidity = swaps.sqrt_before, swaps.sqrt_after, swaps.liquidity
    kept = 1.0 - pool.fee
    by_input0 = 1.0 / (1.0 / before + swaps.amount0 * kept / liquidity)
    expected = np.where(swaps.amount0 > 0, by_input0, before + swaps.amount1 * kept / liquidity)
    is_same = _segment(before, pool) == _segment(after, pool)
    if tolerance:
        is_same[1:] |= liquidity[1:] == liquidity[:-1]
    # Inputs and fees are whole numbers of raw units, so the root price may be off by what a few of them move it.
    slack = 1e-9 + 2.0 * tolerance + 4.0 * (before + 1.0 / before) / liquidity
    row = _first(is_same & (np.abs(after / expected - 1.0) > slack))
    if row is not None:
        raise EventGapError(
            f"the swap at {swaps.where(row)} goes from root price {before[row]:.10g} to {after[row]:.10g}; at its liquidity its input "
            f"leads to {expected[row]:.10g}: events are missing before it"
        )


def _segment(sqrt_prices: Floats, pool: Pool) -> Floats:
    """Return the number of the stretch between two usable ticks that holds each root price."""
    return np.floor(ticks_of(sqrt_prices) / pool.spacing)


def _first(wrong: Marks) -> int | None:
    return int(np.argmax(wrong)) if wrong.any() else None
