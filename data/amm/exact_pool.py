"""Exact pool: the whole state of a concentrated-liquidity pool in the contract's integers, as a value.

Every change returns a new pool: ``data.amm.exact_swap`` trades with it, ``data.amm.exact_positions`` adds and takes liquidity.
Fee growth is counted per unit of liquidity with 128 fractional bits and wraps at 2**256 (Adams et al. 2021, Uniswap v3 Core,
section 6).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from data.amm.pool import Pool
from data.amm.tick_math import tick_at_sqrt
from data.amm.tick_table import MASK_256, TickState, TickTable


class PositionKey(NamedTuple):
    """Whose range it is.

    Attributes:
        owner: who holds it.
        tick_lower: lower tick.
        tick_upper: upper tick.
    """

    owner: str
    tick_lower: int
    tick_upper: int


class PositionState(NamedTuple):
    """What the pool knows about one position.

    Attributes:
        liquidity: raw liquidity.
        inside0: growth of token0 fees inside the range when the position was last touched, modulo 2**256.
        inside1: the same of token1 fees.
        owed0: raw token0 to collect, modulo 2**128.
        owed1: raw token1 to collect.
    """

    liquidity: int = 0
    inside0: int = 0
    inside1: int = 0
    owed0: int = 0
    owed1: int = 0


@dataclass(frozen=True, slots=True)
class ExactPool:
    """A pool at one moment.

    Attributes:
        pool: its tokens, fee, spacing and protocol cut.
        sqrt_x96: root price, fixed point with 96 fractional bits.
        tick: current tick; one below that of the price right after a tick was crossed downward.
        table: the initialized ticks.
        liquidity: active liquidity, raw.
        growth0: fees in token0 per unit of liquidity since the beginning, 128 fractional bits, modulo 2**256.
        growth1: the same in token1.
        protocol_fees0: raw token0 fees that the protocol may take.
        protocol_fees1: raw token1 fees that the protocol may take.
        positions: who holds which range.
    """

    pool: Pool
    sqrt_x96: int
    tick: int
    table: TickTable
    liquidity: int = 0
    growth0: int = 0
    growth1: int = 0
    protocol_fees0: int = 0
    protocol_fees1: int = 0
    positions: Mapping[PositionKey, PositionState] = field(default_factory=dict)

    def growth_inside(self, tick_lower: int, tick_upper: int) -> tuple[int, int]:
        """Return growth of token0 and token1 fees inside a range, modulo 2**256: only differences mean anything.

        Global growth less what lies below the lower tick and above the upper one (Adams et al. 2021, eq. 6.17 to 6.19).
        """
        nothing = TickState(0, 0)
        lower, upper = self.table.ticks.get(tick_lower, nothing), self.table.ticks.get(tick_upper, nothing)
        if self.tick < tick_lower:
            return lower.outside0 - upper.outside0 & MASK_256, lower.outside1 - upper.outside1 & MASK_256
        if self.tick >= tick_upper:
            return upper.outside0 - lower.outside0 & MASK_256, upper.outside1 - lower.outside1 & MASK_256
        return (
            self.growth0 - lower.outside0 - upper.outside0 & MASK_256,
            self.growth1 - lower.outside1 - upper.outside1 & MASK_256,
        )


def new_pool(pool: Pool, sqrt_x96: int) -> ExactPool:
    """Return an empty pool at a root price.

    Raises:
        PoolError: when the root price is outside the pool's limits.
    """
    return ExactPool(pool, sqrt_x96, tick_at_sqrt(sqrt_x96), TickTable(pool.spacing))


def pool_at(
    pool: Pool, sqrt_x96: int, liquidity: int, table: TickTable | None = None, tick: int | None = None
) -> ExactPool:
    """Return a pool whose past is not known: its price, active liquidity and, where known, ticks.

    Args:
        pool: its tokens and fee.
        sqrt_x96: root price.
        liquidity: active liquidity.
        table: the initialized ticks; none when left out.
        tick: current tick; that of the price when left out.

    Raises:
        PoolError: when the root price is outside the pool's limits.
    """
    found = tick_at_sqrt(sqrt_x96)
    table = TickTable(pool.spacing) if table is None else table
    return ExactPool(pool, sqrt_x96, found if tick is None else tick, table, liquidity)
