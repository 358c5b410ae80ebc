"""Rebalance: a decision about ranges carried out at one root price; what the account was worth is what it is worth and paid."""

from dataclasses import dataclass

import numpy as np

from backtest.amm.policies.base import WantedRange


@dataclass(frozen=True)
class PoolAction:
    """A decision after its execution.

    Attributes:
        decided: the bar end it was decided at.
        executed: instant of the swap after which it was executed.
        sqrt_price: root price after that swap.
        kind: ``open``, ``move``, ``close``, or ``refused`` when the account could not do it and nothing was changed.
        ranges: what was wanted.
        gas: quote tokens paid for gas.
        conversion: quote tokens lost to the fee and impact of the conversion.
        reason: the decision's reason; of a refused one, why it was.
    """

    decided: np.datetime64
    executed: np.datetime64
    sqrt_price: float
    kind: str
    ranges: tuple[WantedRange, ...]
    gas: float
    conversion: float
    reason: str
