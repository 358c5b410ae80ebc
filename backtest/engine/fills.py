"""Fills: every change of units, with its price and costs."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from data.panel import Floats, Times, read_only

REASONS = (
    "target",
    "split",
    "cash_in_lieu",
    "liquidation",
    "margin_call",
    "delisting",
    "market",
    "limit",
    "stop",
    "stop_limit",
    "trailing_stop",
    "market_on_close",
)
"""Why units changed; the position of a word is its code in the kernel.

- ``target``: an order toward a decided weight was filled.
- ``split``: units multiplied by a split, price 0, no cost.
- ``cash_in_lieu``: the fraction of a unit left by a split, paid out at the bar's open, no cost.
- ``liquidation``: a bankrupt account closed at its marks, no cost.
- ``margin_call``: a position reduced because equity had fallen below the maintenance margin.
- ``delisting``: a position paid out when its series was delisted, no cost.
- the others: an order of that kind was filled.
"""


def no_orders() -> npt.NDArray[np.int64]:
    """Return no order ids, which stand for 0 everywhere."""
    return np.empty(0, np.int64)


@dataclass(frozen=True, eq=False)
class Fills:
    """N changes of units in the order they happened.

    Attributes:
        times: (N,) end of the bar in which it happened.
        columns: (N,) position of the series.
        series: S names.
        units: (N,) units bought, negative when sold.
        prices: (N,) price paid; half-spread and slippage are in it.
        commissions: (N,) account currency.
        spread_costs: (N,) the part of the price paid that is half-spread, account currency.
        slippage_costs: (N,) the part of the price paid that is slippage, account currency.
        reasons: (N,) codes of ``REASONS``.
        orders: (N,) ids of the orders filled, 0 for none; left out when there are no orders.
    """

    times: Times
    columns: npt.NDArray[np.int64]
    series: tuple[str, ...]
    units: Floats
    prices: Floats
    commissions: Floats
    spread_costs: Floats
    slippage_costs: Floats
    reasons: npt.NDArray[np.int64]
    orders: npt.NDArray[np.int64] = field(default_factory=no_orders)

    def __post_init__(self) -> None:
        if not len(self.orders):
            object.__setattr__(self, "orders", np.zeros(len(self.times), np.int64))
        for name in ("times", "columns", "units", "prices", "commissions", "reasons", "orders"):
            object.__setattr__(self, name, read_only(getattr(self, name)))
        object.__setattr__(self, "spread_costs", read_only(self.spread_costs))
        object.__setattr__(self, "slippage_costs", read_only(self.slippage_costs))

    def __len__(self) -> int:
        return len(self.times)

    def frame(self) -> pd.DataFrame:
        """Return the table ``fills`` without its lane: one row a change, times UTC without zone."""
        return pd.DataFrame(
            {
                "time": pd.DatetimeIndex(self.times),
                "series": np.asarray(self.series, dtype=object)[self.columns],
                "units": self.units,
                "price": self.prices,
                "commission": self.commissions,
                "spread_cost": self.spread_costs,
                "slippage_cost": self.slippage_costs,
                "reason": np.asarray(REASONS, dtype=object)[self.reasons],
                "order": self.orders,
            }
        )
