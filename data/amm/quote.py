"""Quote: what a trade of a given size would have cost a trader against the pool at an instant."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import annotated_types as at
import numpy as np

from data.amm.float_replay import SwapInputs, replay
from data.amm.pool import Pool
from data.amm.pool_log import PoolLog
from data.amm.tick_map import TickMap, tick_map
from data.errors import EventGapError
from data.registry import spec


@spec
class Trade:
    """What a trader wants.

    Attributes:
        side: whether the base token is bought or sold.
        size: whole tokens.
        unit: which token the size is in. A purchase of so much base and a sale for so much quote name what comes out of the
            pool; the other two name what is paid in, fee included.
    """

    side: Literal["buy", "sell"]
    size: Annotated[float, at.Gt(0)]
    unit: Literal["base", "quote"] = "base"

    @property
    def is_input(self) -> bool:
        """Whether the size is what is paid in."""
        return (self.side == "sell") == (self.unit == "base")


@dataclass(frozen=True)
class Quote:
    """What a trade would cost; prices are whole quote tokens per whole base token, amounts whole tokens.

    Attributes:
        paid: tokens paid in, fee included: quote tokens of a purchase, base tokens of a sale.
        received: tokens had for them.
        fee: the part of ``paid`` that is fee.
        price_before: the pool's price before the trade.
        price_after: the pool's price after it.
        average_price: price of the trade without the fee.
        effective_price: price of the trade with the fee.
        slippage: how much worse than ``price_before`` the trade is without its fee: what the net input is worth in the
            other token at the price before, over what was received, - 1. Within one liquidity it is s' / s - 1 for an
            input of token1 and s / s' - 1 for one of token0.
        price_impact: price after over price before - 1, above 0 for a purchase.
        crossings: ticks of the map that were crossed.
    """

    paid: float
    received: float
    fee: float
    price_before: float
    price_after: float
    average_price: float
    effective_price: float
    slippage: float
    price_impact: float
    crossings: int

    @property
    def slippage_bps(self) -> float:
        """Slippage in basis points."""
        return 1e4 * self.slippage


def quote(pool: Pool, ticks: TickMap, sqrt_price: float, trade: Trade) -> Quote:
    """Return what a trade costs against a pool at a root price.

    Args:
        pool: tokens and fee.
        ticks: its liquidity.
        sqrt_price: its root price, raw units.
        trade: what is wanted.

    Raises:
        EventGapError: when liquidity runs out before the trade is filled.
    """
    is_down = (trade.side == "sell") == (pool.quote == "token1")
    in_token0 = is_down == trade.is_input
    raw = trade.size * 10.0 ** (pool.decimals0 if in_token0 else pool.decimals1)
    asked = SwapInputs(np.array([raw if trade.is_input else -raw]), np.array([is_down]))
    done = replay(pool, ticks, sqrt_price, asked)
    whole0, whole1 = done.amount0[0] * 10.0**-pool.decimals0, done.amount1[0] * 10.0**-pool.decimals1
    paid, received = (whole0, -whole1) if is_down else (whole1, -whole0)
    fee = done.fees[0] * 10.0 ** -(pool.decimals0 if is_down else pool.decimals1)
    return _worded(
        pool, trade, (paid, received, fee), (sqrt_price, done.sqrt_after[0]), int(done.crossings[0])
    )


def quote_at(log: PoolLog, trade: Trade, time: Any) -> Quote:
    """Return what a trade would have cost at an instant, against the pool as the events up to it left it.

    Timing: events at the very instant count; of later ones nothing is used.

    Raises:
        EventGapError: when there is no swap yet, the mint history is missing, or liquidity runs out.
    """
    known = log.until(time)
    if not len(known.swaps):
        raise EventGapError(f"no swap was known at {time}, so the pool had no price to quote")
    return quote(log.pool, tick_map(known.changes), float(known.swaps.sqrt_after[-1]), trade)


def _worded(
    pool: Pool, trade: Trade, amounts: tuple[float, float, float], roots: tuple[float, float], crossings: int
) -> Quote:
    paid, received, fee = (float(each) for each in amounts)
    before, after = (pool.price(root) for root in roots)
    net = paid - fee
    fair = net / before if trade.side == "buy" else net * before
    return Quote(
        paid=paid,
        received=received,
        fee=fee,
        price_before=before,
        price_after=after,
        average_price=net / received if trade.side == "buy" else received / net,
        effective_price=paid / received if trade.side == "buy" else received / paid,
        slippage=fair / received - 1.0,
        price_impact=after / before - 1.0,
        crossings=crossings,
    )
