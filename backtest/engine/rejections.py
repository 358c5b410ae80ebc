"""Rejections: orders that the account did not carry out, with the reason."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from backtest.engine.fills import no_orders
from data.panel import Floats, Times, read_only

REASONS = (
    "cash_at_submission",
    "cash_at_fill",
    "cash",
    "margin",
    "shortable",
    "expired",
    "margin_call",
    "delisted",
)
"""Why an order was refused; the position of a word is its code in the kernels.

- ``cash_at_submission``: at the first bar after the decision, before any fill, the cash would not have paid for it.
- ``cash_at_fill``: at its price the cash did not pay for it; what closed a position was still filled.
- ``cash``: at its price the cash did not pay for all of it; what it paid for was filled.
- ``margin``: equity over the initial margin did not cover all of the position it would have opened.
- ``shortable``: more would have been short than can be borrowed.
- ``expired``: it was not filled by the end of its last bar.
- ``margin_call``: equity fell below the maintenance margin, which ends every resting order.
- ``delisted``: its series was delisted while it rested.
"""


@dataclass(frozen=True, eq=False)
class Rejections:
    """N refused orders in the order they were refused.

    Attributes:
        times: (N,) end of the bar in which it was refused.
        columns: (N,) position of the series.
        series: S names.
        units: (N,) units that were not traded, negative for a sale.
        reasons: (N,) codes of ``REASONS``.
        orders: (N,) ids of the orders refused, 0 for none; left out when there are no orders.
    """

    times: Times
    columns: npt.NDArray[np.int64]
    series: tuple[str, ...]
    units: Floats
    reasons: npt.NDArray[np.int64]
    orders: npt.NDArray[np.int64] = field(default_factory=no_orders)

    def __post_init__(self) -> None:
        if not len(self.orders):
            object.__setattr__(self, "orders", np.zeros(len(self.times), np.int64))
        for name in ("times", "columns", "units", "reasons", "orders"):
            object.__setattr__(self, name, read_only(getattr(self, name)))

    def __len__(self) -> int:
        return len(self.times)

    def count(self, reason: str) -> int:
        """Return how many were refused for a reason of ``REASONS``."""
        return int(np.count_nonzero(self.reasons == REASONS.index(reason)))

    def frame(self) -> pd.DataFrame:
        """Return one row a rejection, times UTC without zone."""
        return pd.DataFrame(
            {
                "time": pd.DatetimeIndex(self.times),
                "series": np.asarray(self.series, dtype=object)[self.columns],
                "units": self.units,
                "reason": np.asarray(REASONS, dtype=object)[self.reasons],
                "order": self.orders,
            }
        )
