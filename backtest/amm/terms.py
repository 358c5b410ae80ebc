"""Terms: what it costs to move liquidity, and how long it takes."""

from typing import Annotated

import annotated_types as at

from data.amm.pool import Pool
from data.registry import spec


@spec
class PoolCosts:
    """Costs of moving liquidity, in quote tokens, paid once out of the account.

    Attributes:
        mint_gas: quote tokens of gas for opening a position.
        burn_gas: quote tokens of gas for closing one and collecting its fees.
        swap_gas: quote tokens of gas for a conversion.
        conversion_fee: fee of a conversion as a share of what is swapped; None takes the pool's own.
        impact: whether a conversion also pays the price impact within the active liquidity.
        latency_seconds: time from a decision to its execution: the first swap later than that.
    """

    mint_gas: Annotated[float, at.Ge(0)]
    burn_gas: Annotated[float, at.Ge(0)]
    swap_gas: Annotated[float, at.Ge(0)]
    conversion_fee: Annotated[float, at.Ge(0), at.Lt(1)] | None = None
    impact: bool = True
    latency_seconds: Annotated[float, at.Ge(0)] = 12.0


@spec
class PoolTerms:
    """A pool and what acting on it costs.

    Attributes:
        pool: tokens, fee and numeraire.
        costs: gas, conversion and latency.
        own_dilution: whether fees are shared with the account's own liquidity, L / (L + l), as on noise flow; without it
            they are those of a position too small to matter, as on arbitrage flow that trades to a given price.
    """

    pool: Pool
    costs: PoolCosts
    own_dilution: bool = False
