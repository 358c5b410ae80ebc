"""Conversion: the smallest swap after which an account has the tokens its ranges need, and what it loses by it.

All amounts are values in quote tokens at the price s of the pool. Whoever gives A receives k A / (1 + e A): k is 1 less the
fee and e = k / (worth of L s token1), because the pool moves from s to s' within its active liquidity L and the average
price of a move is s s' (Adams et al. 2021, eq. 6.13 to 6.16). So the gift that fills a gap solves a quadratic equation.
"""

import math
from dataclasses import dataclass

from backtest.amm.account import PoolAccount
from backtest.amm.terms import PoolTerms
from backtest.errors import RefusedError


@dataclass(frozen=True)
class Market:
    """What a conversion meets.

    Attributes:
        price0: quote tokens per raw token0.
        price1: quote tokens per raw token1.
        kept: share of what is given that is left after the fee.
        bend: impact: the share of the output lost per quote token given, for small gifts; 0 for none.
    """

    price0: float
    price1: float
    kept: float
    bend: float

    def received(self, given: float) -> float:
        """Return the worth of what comes out."""
        return self.kept * given / (1.0 + self.bend * given)


def market_of(account: PoolAccount, liquidity: float, terms: PoolTerms) -> Market:
    """Return the market an account meets in a pool of so much active liquidity; without any, the bend is infinite."""
    price0, price1 = account.value(1.0, 0.0), account.value(0.0, 1.0)
    fee = terms.costs.conversion_fee
    kept = 1.0 - (terms.pool.fee if fee is None else fee)
    depth = liquidity * account.sqrt_price * price1
    bend = 0.0 if not terms.costs.impact else kept / depth if depth > 0 else math.inf
    return Market(price0, price1, kept, bend)


@dataclass(frozen=True)
class Needs:
    """What an account has and wants, by side (0: token0, 1: token1); values in quote tokens.

    Attributes:
        held: worth of each token.
        shares: share of what is left after all costs that the ranges need in each token; together 1 or less.
        gas: without that of a conversion.
        swap_gas: gas of a conversion.
        quote: the side gas is paid from.
    """

    held: tuple[float, float]
    shares: tuple[float, float]
    gas: float
    swap_gas: float
    quote: int

    def gap(self, side: int, gas: float) -> float:
        """Return the worth that a side lacks before any loss of a conversion; 0 or less where it has enough."""
        wanted = self.shares[side] * (sum(self.held) - gas) + (gas if side == self.quote else 0.0)
        return wanted - self.held[side]


@dataclass(frozen=True)
class Conversion:
    """A swap of one token for the other, as values in quote tokens; 0 given is none."""

    side: int
    given: float
    received: float

    @property
    def loss(self) -> float:
        """What the fee and the impact take."""
        return self.given - self.received


NONE = Conversion(0, 0.0, 0.0)


def conversion_for(needs: Needs, market: Market) -> Conversion:
    """Return the conversion an account makes.

    A gap that is worth no more than the gas of closing it is left: the ranges then take what tokens there are. Gas that
    the quote token cannot pay must be converted for.

    Raises:
        RefusedError: when gas and conversion take all there is, or the active liquidity cannot give that much.
    """
    side = _lacking(needs)
    if side is None:
        _check_worth(needs, needs.gas, NONE)
        return NONE
    gas = needs.gas + needs.swap_gas
    given = _gift(needs.gap(side, gas), needs.shares[side], market)
    found = Conversion(1 - side, given, market.received(given))
    _check_worth(needs, gas, found)
    return found


def _lacking(needs: Needs) -> int | None:
    """Return the side to convert into, if any."""
    if needs.held[needs.quote] < needs.gas:
        return needs.quote
    side = max((0, 1), key=lambda each: needs.gap(each, needs.gas))
    least = max(needs.swap_gas, 1e-12 * sum(needs.held))
    return side if needs.gap(side, needs.gas) > least else None


def _gift(gap: float, share: float, market: Market) -> float:
    """Return what to give so that the gap is filled, the gap itself shrinking by its share of the loss.

    share * A + (1 - share) * kept * A / (1 + bend * A) = gap.
    """
    if math.isinf(market.bend):
        raise RefusedError("the pool has no active liquidity to convert in")
    square = share * market.bend
    slope = share + (1.0 - share) * market.kept - gap * market.bend
    root = math.sqrt(slope * slope + 4.0 * square * gap)
    if slope + root <= 0.0:
        raise RefusedError(f"the pool's active liquidity cannot give {gap:.6g} whatever is paid")
    return 2.0 * gap / (slope + root)


def _check_worth(needs: Needs, gas: float, conversion: Conversion) -> None:
    worth = sum(needs.held)
    if gas + conversion.loss >= worth:
        raise RefusedError(
            f"gas of {gas:.6g} and a conversion for {conversion.loss:.6g} would take all of the account's {worth:.6g}"
        )
