"""World: who trades in a made pool, how often, and whose liquidity they meet."""

from typing import Annotated, Self

import annotated_types as at
from pydantic import model_validator

from data.amm.pool import Pool
from data.registry import spec

BLOCK_SECONDS = 12
BLOCKS_PER_HOUR = 3600 // BLOCK_SECONDS


@spec
class LiquidityLayer:
    """A range that passive providers keep.

    Attributes:
        capital: worth of its tokens when it is opened, in quote tokens.
        width: its upper price is 1 + width times its lower one, the pool's price in the geometric middle; None for the full
            range, which is opened once and stays.
        days: days after which it is closed and opened again around the pool's price.
        spread: standard deviation of the log of the capital, drawn anew at each opening.
    """

    capital: Annotated[float, at.Gt(0)]
    width: Annotated[float, at.Gt(0)] | None = None
    days: Annotated[int, at.Ge(1)] = 30
    spread: Annotated[float, at.Ge(0), at.Le(2)] = 0.0


USUAL_LAYERS = (
    LiquidityLayer(capital=2_000_000.0),
    LiquidityLayer(capital=3_000_000.0, width=1.0, days=30, spread=0.3),
    LiquidityLayer(capital=2_000_000.0, width=0.25, days=7, spread=0.3),
)


@spec
class PoolWorld:
    """A pool, its passive liquidity, its noise traders and its arbitrageurs.

    Attributes:
        pool: tokens, fee and numeraire.
        layers: liquidity, of which at least one layer is full range, so that there is always some.
        noise_per_day: expected trades a day of those who know nothing: a Poisson stream.
        noise_size: median worth of such a trade, fee included, in quote tokens.
        noise_spread: standard deviation of the log of its worth.
        arbitrage_blocks: blocks of 12 seconds between two looks of the arbitrageurs at the reference price; divides the 300
            of an hour.
        seed: seed of every stream.
    """

    pool: Pool = Pool(token0="ETH", token1="USDC", decimals0=18, decimals1=6, fee_pips=3000)
    layers: Annotated[tuple[LiquidityLayer, ...], at.MinLen(1)] = USUAL_LAYERS
    noise_per_day: Annotated[float, at.Ge(0), at.Le(100_000)] = 400.0
    noise_size: Annotated[float, at.Gt(0)] = 600.0
    noise_spread: Annotated[float, at.Ge(0), at.Le(3)] = 1.2
    arbitrage_blocks: Annotated[int, at.Ge(1), at.Le(BLOCKS_PER_HOUR)] = 25
    seed: int = 0

    @model_validator(mode="after")
    def _check(self) -> Self:
        if BLOCKS_PER_HOUR % self.arbitrage_blocks:
            raise ValueError(
                f"arbitrage_blocks was {self.arbitrage_blocks}; it must divide the {BLOCKS_PER_HOUR} blocks of an hour"
            )
        if all(layer.width is not None for layer in self.layers):
            raise ValueError(
                "no layer is full range; one without 'width' is needed, or the price could leave all liquidity"
            )
        return self

    @property
    def looks_per_hour(self) -> int:
        """How often an hour the arbitrageurs look."""
        return BLOCKS_PER_HOUR // self.arbitrage_blocks
