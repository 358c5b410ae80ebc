"""Calendar: refit at the first decision of each week, month, quarter or year."""

from typing import Any, Literal

import numpy as np

from data.registry import spec
from forecast.retraining.base import AbstractRetraining, Moment, Verdict
from forecast.retraining.schedule import FIRST

Period = Literal["week", "month", "quarter", "year"]


@spec
class Calendar(AbstractRetraining):
    """Refit when the decision falls in a later period than the newest fit.

    A decision belongs to the period that holds its instant in UTC, the end of its last bar: a day's bar that ends at
    midnight belongs to the next day. Weeks begin on Monday. Only times are read.

    Attributes:
        every: the period.
    """

    every: Period = "month"

    def decide(self, state: Any, moment: Moment) -> tuple[Any, Verdict]:
        """Return ``new month`` at the first decision of a month in which no fit was made, and so for the other periods."""
        if moment.fit is None:
            return state, FIRST
        now, before = (period_of(at, self.every) for at in (moment.history.cutoff, moment.fit.cutoff))
        return state, Verdict(f"new {self.every}" if now > before else None)


def period_of(instant: np.datetime64, period: Period) -> int:
    """Return the number of the period that holds an instant; later periods have larger numbers."""
    if period == "week":
        # Day 0, 1970-01-01, was a Thursday.
        return (int(instant.astype("datetime64[D]").astype(np.int64)) + 3) // 7
    months = int(instant.astype("datetime64[M]").astype(np.int64))
    return months // {"month": 1, "quarter": 3, "year": 12}[period]
