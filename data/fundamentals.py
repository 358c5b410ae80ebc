"""Fundamentals: numbers about a period that ended, known only when they were published.

Tables of fundamentals often carry period ends alone. A company files weeks to months later (a yearly report on form 10-K is due
60 to 90 days after the year's end), so a model that reads a number at its period's end has seen the future. Here every number
waits for a stated lag. What a lag cannot undo: a table made later holds restated figures, not those first published.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from data.errors import SourceError, SpecError, nearest
from data.events import ReleasedFacts
from data.panel import Floats, Times, as_time

PERIOD_END, SYMBOL = "Period Ending", "Ticker Symbol"
"""Columns of the public yearly table of New York Stock Exchange companies."""


def released(
    period_ends: Times,
    series: npt.NDArray[np.str_],
    names: npt.NDArray[np.str_],
    values: Floats,
    lag_days: int,
) -> ReleasedFacts:
    """Return period-end numbers as facts that are available ``lag_days`` after their period, ordered by that.

    Args:
        period_ends: (N,) end of the period each number is about, UTC.
        series: (N,) series names.
        names: (N,) fact names.
        values: (N,) numbers; NaN ones are left out.
        lag_days: days from the period's end to the assumed publication, not negative; there is no default because every
            result depends on it.

    Raises:
        SpecError: when the lag is negative.
    """
    if lag_days < 0:
        raise SpecError(
            f"lag_days was {lag_days}; a number is published after its period, so 0 or more are allowed"
        )
    kept = ~np.isnan(values)
    ends = np.asarray(period_ends).astype("datetime64[ns]")[kept]
    order = np.argsort(ends, kind="stable")
    lag = np.timedelta64(lag_days, "D")
    return ReleasedFacts(
        ends[order],
        (ends[order] + lag).astype("datetime64[ns]"),
        np.asarray(series)[kept][order],
        np.asarray(names)[kept][order],
        values[kept][order],
    )


def read_fundamentals(path: Path, names: Sequence[str], lag_days: int) -> ReleasedFacts:
    """Return columns of the yearly table of New York Stock Exchange companies as facts with a publication lag.

    Args:
        path: the CSV file, used where it lies; dates are month/day/year.
        names: columns to read, for example ``Earnings Per Share``.
        lag_days: see ``released``.

    Raises:
        SourceError: when the file cannot be read or a column is missing.
        SpecError: when the lag is negative.
    """
    try:
        table = pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise SourceError(f"fundamentals in {path} cannot be read: {error}") from error
    for name in (PERIOD_END, SYMBOL, *names):
        if name not in table.columns:
            raise SourceError(
                f"fundamentals in {path} have no column '{name}'{nearest(name, list(table.columns))}"
            )
    ends = pd.to_datetime(table[PERIOD_END], format="%m/%d/%Y").to_numpy().astype("datetime64[ns]")
    symbols = table[SYMBOL].to_numpy().astype(str)
    return released(
        np.tile(ends, len(names)),
        np.tile(symbols, len(names)),
        np.repeat(np.array(names, dtype=str), len(table)),
        np.concatenate([table[name].to_numpy(np.float64) for name in names]),
        lag_days,
    )


def known_values(facts: ReleasedFacts, name: str, series: Sequence[str], times: Times) -> Floats:
    """Return the newest value of a fact known at each time, (T, S); NaN before the first release.

    Newest is the latest period, and of one period the latest release; only facts with ``available_time`` at or before the
    time are looked at. A number about an older period that comes late never replaces one about a newer period.

    Args:
        facts: released facts.
        name: which fact.
        series: S names.
        times: (T,) cutoffs, increasing.
    """
    table = np.full((len(times), len(series)), np.nan)
    for s, own in enumerate(series):
        rows = np.flatnonzero((facts.series == own) & (facts.names == name))
        newest = np.datetime64("NaT")
        for row in rows:
            if np.isnat(newest) or facts.event_times[row] >= newest:
                newest = facts.event_times[row]
                first = int(np.searchsorted(times, as_time(facts.available_times[row]), side="left"))
                table[first:, s] = facts.values[row]
    return table
