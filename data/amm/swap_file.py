"""Swap file: a pool's swaps and the liquidity of its ranges as tables on a block clock, turned into a pool log.

Swaps, one row each in the order they happened: ``block_number``, ``tick`` after it, the amounts into the pool as whole raw
units (``amount0_raw``) or in whole tokens (``amount0_adjusted``), the same of token1, ``liquidity`` after it and
``sqrt_price_est``, an estimate of the root price inside that tick. Ranges, one row a range and block in which it changed:
``block_number``, ``tick_lower``, ``tick_upper`` and ``liquidity``, what the range holds from then on.

Such files say no time: the block number is the clock, mapped evenly to nominal instants. They say no place within a block:
swaps keep the file's order, and a block's liquidity changes stand after its swaps. On the WBTC/WETH pool the ranges then rebuild
the liquidity of 76 % of the swaps in such blocks, the other way round of 41 %.
"""

import numpy as np
import pandas as pd

from data.amm.log_checks import check_swaps
from data.amm.pool import Pool, ticks_of
from data.amm.pool_log import Counts, RangeChanges, SwapPath
from data.amm.tables import numbers, require, whole_numbers
from data.errors import EventOrderError, PoolError, SourceError
from data.panel import Floats, Times

SECONDS_PER_BLOCK = 13.14
"""86,400 / 6,576 blocks a day, the mean over two years of proof of work and after."""

HALF_A_TICK = 5e-5
"""How far an estimate inside the right tick may be from the root price: the tick is 5e-5 of it wide."""

_DUST = 1e-12
"""Share of the most a range ever held below which a sum of floats says nothing."""

_SWAPS = ("block_number", "tick", "liquidity", "sqrt_price_est")
_RANGES = ("block_number", "tick_lower", "tick_upper", "liquidity")


def block_times(blocks: Counts, seconds_per_block: float) -> Times:
    """Return nominal UTC instants of block numbers: 1970-01-01 + block * seconds_per_block, (N,)."""
    step = np.timedelta64(round(seconds_per_block * 1e9), "ns")
    return np.asarray(np.datetime64(0, "ns") + blocks * step)


def swap_path(table: pd.DataFrame, pool: Pool, seconds_per_block: float = SECONDS_PER_BLOCK) -> SwapPath:
    """Return the swaps of a table; the first row only tells the price that the second one begins at.

    Raises:
        SourceError: when a column is missing or a value is no number.
        EventOrderError: when rows are unsorted or one is repeated.
        EventGapError: when rows are missing.
        PoolError: when amounts, ticks and prices disagree: tokens or decimals are swapped; or a swap has no liquidity.
    """
    require(table, _SWAPS)
    blocks = _blocks(table)
    amounts = [
        _amount(table, which, decimals) for which, decimals in ((0, pool.decimals0), (1, pool.decimals1))
    ]
    root, liquidity = numbers(table, "sqrt_price_est"), numbers(table, "liquidity")
    _check_repeats(blocks, np.column_stack([*amounts, root, liquidity]))
    _check_ticks(blocks, root, numbers(table, "tick"))
    swaps = SwapPath(
        block_times(blocks, seconds_per_block)[1:],
        blocks[1:],
        _places(blocks)[1:],
        root[:-1],
        root[1:],
        amounts[0][1:],
        amounts[1][1:],
        liquidity[1:],
    )
    check_swaps(swaps, pool, HALF_A_TICK)
    return swaps


def range_changes(
    table: pd.DataFrame, swap_blocks: Counts, seconds_per_block: float = SECONDS_PER_BLOCK
) -> RangeChanges:
    """Return the liquidity changes of a table of what every range holds from a block on.

    Args:
        table: the ranges, in the order of blocks.
        swap_blocks: (N,) blocks of every swap of the pool; a change in one of them stands after its swaps.
        seconds_per_block: nominal length of a block.

    Raises:
        SourceError: when a column is missing or a value is no number.
        EventOrderError: when rows are unsorted, or a range has two rows in one block.
        PoolError: when a range holds less than nothing.
    """
    require(table, _RANGES)
    blocks = _blocks(table)
    lower, upper, held = (numbers(table, name) for name in ("tick_lower", "tick_upper", "liquidity"))
    ranges = pd.DataFrame({"block": blocks, "lower": lower, "upper": upper, "held": held})
    ranges["held"] = _without_dust(ranges)
    _check_held(ranges)
    change = ranges.groupby(["lower", "upper"])["held"].diff().fillna(ranges["held"]).to_numpy()
    is_change = change != 0
    first, stop = (np.searchsorted(swap_blocks, blocks, side=side) for side in ("left", "right"))
    return RangeChanges(
        block_times(blocks, seconds_per_block)[is_change],
        blocks[is_change],
        (_places(blocks) + (stop - first))[is_change],
        lower[is_change],
        upper[is_change],
        change[is_change],
    )


def _without_dust(ranges: pd.DataFrame) -> Floats:
    """Return what ranges hold, with 0 for what sums of floats leave of an emptied one."""
    most = ranges["held"].abs().groupby([ranges["lower"], ranges["upper"]]).cummax()
    return np.asarray(ranges["held"].where(ranges["held"].abs() > _DUST * most, 0.0), np.float64)


def _check_held(ranges: pd.DataFrame) -> None:
    """Raise where a range holds less than nothing, or has two rows in one block."""
    if (short := ranges["held"] < 0).any():
        row = ranges.iloc[int(np.argmax(short))]
        raise PoolError(
            f"the range {row.lower:.0f} to {row.upper:.0f} holds {row.held:g} at block {row.block:.0f}; allowed: 0 or more"
        )
    if (again := ranges.duplicated(["block", "lower", "upper"])).any():
        row = ranges.iloc[int(np.argmax(again))]
        raise EventOrderError(
            f"the range {row.lower:.0f} to {row.upper:.0f} has two rows in block {row.block:.0f}; allowed: one, what it holds after it"
        )


def _blocks(table: pd.DataFrame) -> Counts:
    found = whole_numbers(table, "block_number")
    if None in found:
        raise SourceError(
            f"column 'block_number' is empty at row {found.index(None)}; a whole number is needed"
        )
    blocks = np.array(found, np.int64)
    if (wrong := np.diff(blocks) < 0).any():
        row = int(np.argmax(wrong)) + 1
        raise EventOrderError(
            f"block {blocks[row]} at row {row} stands after block {blocks[row - 1]}; rows are ordered by block"
        )
    return blocks


def _places(blocks: Counts) -> Counts:
    """Return the place of each row among those of its block."""
    return np.arange(len(blocks)) - np.searchsorted(blocks, blocks)


def _amount(table: pd.DataFrame, which: int, decimals: int) -> Floats:
    """Return raw amounts; where raw and whole tokens are both given they must agree, or the decimals are wrong."""
    raw, adjusted = f"amount{which}_raw", f"amount{which}_adjusted"
    if adjusted not in table.columns:
        require(table, [raw])
        return numbers(table, raw)
    scaled = numbers(table, adjusted) * 10.0**decimals
    if raw not in table.columns:
        return scaled
    exact = numbers(table, raw)
    if (wrong := np.abs(scaled - exact) > 1.0 + 1e-9 * np.abs(exact)).any():
        row = int(np.argmax(wrong))
        raise PoolError(
            f"{raw} of the swap at block {table['block_number'].iloc[row]}, row {row}, is {exact[row]:.0f}; {adjusted} at "
            f"{decimals} decimals says {scaled[row]:.0f}: decimals{which} of the pool is wrong"
        )
    return exact


def _check_repeats(blocks: Counts, rows: Floats) -> None:
    same = (np.diff(blocks) == 0) & (np.diff(rows, axis=0) == 0).all(axis=1)
    if same.any():
        row = int(np.argmax(same)) + 1
        raise EventOrderError(
            f"the swap at block {blocks[row]}, log {_places(blocks)[row]}, repeats the one before it (row {row}); each is given once"
        )


def _check_ticks(blocks: Counts, root: Floats, ticks: Floats) -> None:
    with np.errstate(divide="ignore", invalid="ignore"):
        found = ticks_of(root)
    # The price may stand on the upper end of its tick, where the last swap came down to it.
    if (wrong := ~((found > ticks - 1e-3) & (found < ticks + 1.0 + 1e-3))).any():
        row = int(np.argmax(wrong))
        raise PoolError(
            f"the swap at block {blocks[row]}, log {_places(blocks)[row]}, has tick {ticks[row]:.0f}, its root price {root[row]:.10g} lies "
            f"at tick {found[row]:.2f}; the token order may be swapped"
        )
