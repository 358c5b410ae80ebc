"""Windows: what a model sees (context) and what it is asked (target), cut from a History."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from data.errors import SpecError
from data.history import History
from data.panel import Floats
from data.prices import adjusted

MIN_OBSERVED = 0.8
"""Share of context rows that must be observed before a series is forecast."""

MAX_STALE = 5
"""A series whose last value is older than this many bars is not forecast."""


def target_values(history: History, field: str) -> Floats:
    """Return the target field as (T, S), NaN where not observed.

    ``close`` (and open, high, low) is multiplied by the panel's ``factor`` where there is one: a price adjusted
    *forward* by the actions dated so far.
    """
    return adjusted(history.panel, field)


def carried(values: Floats) -> Floats:
    """Return (T, S) values with gaps filled by the last observation; leading gaps stay NaN."""
    row = np.where(np.isnan(values), 0, np.arange(len(values))[:, None])
    return np.take_along_axis(values, np.maximum.accumulate(row, axis=0), axis=0)


@dataclass(frozen=True, eq=False)
class Context:
    """The last rows of the target field, gaps carried.

    Attributes:
        series: names of the series that can be forecast.
        values: (C, S') float64, no NaN; the last row is the last known value of each series.
        observed: (C, S') bool, False where the value was carried.
    """

    series: tuple[str, ...]
    values: Floats
    observed: npt.NDArray[np.bool_]

    @property
    def last(self) -> Floats:
        """(S',) the last known value of each series."""
        return np.asarray(self.values[-1])


def context_window(history: History, field: str, context: int) -> Context:
    """Return the last ``context`` rows of every series that can be forecast from them.

    A series is left out when the history is shorter than ``context``, when fewer than 80 % of the rows are observed,
    or when the last value is more than 5 bars old. A gap at the very start of the window takes the first value
    observed inside it.
    """
    recent = history.last(context)
    values = target_values(recent, field)
    observed = ~np.isnan(values)
    if len(values) < context:
        keep = np.zeros(values.shape[1], bool)
    else:
        fresh = observed[-min(MAX_STALE, len(values)) :].any(axis=0)
        keep = (observed.mean(axis=0) >= MIN_OBSERVED) & fresh
    filled = carried(values[:, keep])
    filled = carried(filled[::-1])[::-1]
    names = tuple(name for name, kept in zip(history.panel.series, keep, strict=True) if kept)
    return Context(names, np.ascontiguousarray(filled), observed[:, keep])


def require_positive(values: Floats, series: tuple[str, ...], field: str) -> None:
    """Raise unless every observed value is above 0, as log returns need.

    Raises:
        SpecError: when a value is 0 or below; names the series and the row.
    """
    bad = np.nan_to_num(values, nan=1.0) <= 0
    if bad.any():
        t, s = np.argwhere(bad)[0]
        raise SpecError(
            f"{field} of {series[s]} is {values[t, s]:g} at row {t}; log returns need values above 0"
        )
