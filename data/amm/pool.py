"""Pool: two tokens, a fee and a tick spacing; prices and values in words a person uses.

The root price is s = sqrt(token1 / token0) in raw units (the tokens' smallest parts), the tick log(s**2) / log(1.0001)
(Adams et al. 2021, Uniswap v3 Core, eq. 6.1). Whatever leaves this module is in whole tokens.
"""

import math
from typing import Annotated, Literal, TypeVar

import annotated_types as at
import numpy as np
from pydantic import model_validator

from data.errors import TickError
from data.panel import Floats
from data.registry import spec

MAX_TICK = 887_272
LOG_TICK = math.log1p(1e-4)
"""Log of the price ratio of two neighbouring ticks; the float 1.0001 would cost twelve digits far from tick 0."""

SPACINGS: dict[int, int] = {100: 1, 500: 10, 3000: 60, 10_000: 200}
"""Tick spacing of each fee, in hundredths of a basis point."""

Decimals = Annotated[int, at.Ge(0), at.Le(36)]
ProtocolCut = Literal[0, 4, 5, 6, 7, 8, 9, 10]
Number = TypeVar("Number", float, Floats)


@spec
class Pool:
    """A concentrated-liquidity pool of two tokens.

    Attributes:
        token0: name of the first token.
        token1: name of the second token.
        decimals0: decimals of the first token.
        decimals1: decimals of the second token.
        fee_pips: fee in hundredths of a basis point; 3000 is 0.3 %.
        quote: which token values are counted in (the numeraire); the other one is the base.
        protocol0: 1 / n of the fees paid in token0 goes to the protocol; 0 for none.
        protocol1: the same for fees paid in token1.
    """

    token0: str
    token1: str
    decimals0: Decimals = 18
    decimals1: Decimals = 18
    fee_pips: Literal[100, 500, 3000, 10_000] = 3000
    quote: Literal["token0", "token1"] = "token1"
    protocol0: ProtocolCut = 0
    protocol1: ProtocolCut = 0

    @model_validator(mode="after")
    def _tokens_differ(self) -> "Pool":
        if self.token0 == self.token1:
            raise ValueError(f"both tokens are {self.token0}; a pool needs two")
        return self

    @property
    def name(self) -> str:
        """Base, quote and fee, as ``WBTC/WETH 0.3%``."""
        return f"{self.base}/{self.numeraire} {self.fee_pips / 10_000:g}%"

    @property
    def base(self) -> str:
        """The token that is priced."""
        return self.token0 if self.quote == "token1" else self.token1

    @property
    def numeraire(self) -> str:
        """The token values are counted in."""
        return self.token1 if self.quote == "token1" else self.token0

    @property
    def spacing(self) -> int:
        """Ticks between two usable ticks."""
        return SPACINGS[self.fee_pips]

    @property
    def fee(self) -> float:
        """Fee as a share of what a trader pays in."""
        return self.fee_pips / 1e6

    @property
    def rates(self) -> tuple[float, float]:
        """Fee that liquidity earns per unit of net input, in token0 and in token1, net of the protocol's cut."""
        gross = self.fee / (1.0 - self.fee)
        cut0, cut1 = (1.0 / n if n else 0.0 for n in (self.protocol0, self.protocol1))
        return gross * (1.0 - cut0), gross * (1.0 - cut1)

    def price(self, sqrt_price: float) -> float:
        """Return whole quote tokens per whole base token at a root price."""
        ratio = sqrt_price**2 * 10.0 ** (self.decimals0 - self.decimals1)
        return ratio if self.quote == "token1" else 1.0 / ratio

    def prices(self, sqrt_prices: Floats) -> Floats:
        """Return ``price`` of each of (N,) root prices."""
        ratio = sqrt_prices**2 * 10.0 ** (self.decimals0 - self.decimals1)
        return np.asarray(ratio if self.quote == "token1" else 1.0 / ratio)

    def sqrt_price(self, price: float) -> float:
        """Return the root price at which a whole base token costs ``price`` whole quote tokens."""
        ratio = price if self.quote == "token1" else 1.0 / price
        return math.sqrt(ratio * 10.0 ** (self.decimals1 - self.decimals0))

    def value(self, amount0: Number, amount1: Number, sqrt_price: Number) -> Number:
        """Return the worth of raw amounts at a root price, in whole quote tokens: numbers, or (N,) each."""
        if self.quote == "token1":
            return (amount0 * sqrt_price**2 + amount1) * 10.0**-self.decimals1
        return (amount0 + amount1 / sqrt_price**2) * 10.0**-self.decimals0

    def check_range(self, lower: int, upper: int) -> None:
        """Raise unless two ticks make a range of this pool.

        Raises:
            TickError: when the range is inverted, off the tick spacing or beyond the outermost usable tick.
        """
        least, most = self.full_range
        if lower >= upper:
            raise TickError(f"range was {lower} to {upper}; the lower tick must be below the upper one")
        for tick in (lower, upper):
            if tick % self.spacing:
                down = tick // self.spacing * self.spacing
                raise TickError(
                    f"tick {tick} is off the spacing of {self.spacing}; nearest: {down} and {down + self.spacing}"
                )
            if not least <= tick <= most:
                raise TickError(f"tick {tick} is outside the pool; allowed: {least} to {most}")

    @property
    def full_range(self) -> tuple[int, int]:
        """The outermost usable ticks."""
        last = MAX_TICK // self.spacing * self.spacing
        return -last, last

    def range_around(self, lower: float, upper: float) -> tuple[int, int]:
        """Return the usable range nearest to two real-valued ticks, at least one spacing wide and inside the pool."""
        least, most = self.full_range
        low = round(lower / self.spacing) * self.spacing
        high = round(upper / self.spacing) * self.spacing
        low = min(max(low, least), most - self.spacing)
        return low, min(max(high, low + self.spacing), most)


def tick_of(sqrt_price: float) -> float:
    """Return the real-valued tick of a root price: log(s**2) / log(1.0001)."""
    return 2.0 * math.log(sqrt_price) / LOG_TICK


def ticks_of(sqrt_prices: Floats) -> Floats:
    """Return ``tick_of`` each of (N,) root prices."""
    return np.asarray(2.0 * np.log(sqrt_prices) / LOG_TICK)


def sqrt_of(tick: float) -> float:
    """Return the root price at a real-valued tick, 1.0001**(tick / 2), in float64."""
    return math.exp(0.5 * LOG_TICK * tick)


def sqrts_of(ticks: Floats) -> Floats:
    """Return ``sqrt_of`` each of (N,) ticks."""
    return np.asarray(np.exp(0.5 * LOG_TICK * ticks))
