"""Numeraire file: what one quote token was worth in US dollars, hour by hour, joined to bars as it became known."""

import numpy as np
import pandas as pd

from data.amm.tables import numbers, require
from data.errors import SourceError
from data.panel import Floats, Times

HOUR = np.timedelta64(3_600_000_000_000, "ns")
OLDEST = np.timedelta64(86_400_000_000_000, "ns")
"""A price older than a day says nothing about a bar."""

_FORMATS = ("ISO8601", "%m/%d/%Y %H:%M", "%d/%m/%Y %H:%M")


def hourly_prices(table: pd.DataFrame) -> tuple[Times, Floats]:
    """Return when each price became known, (N,) UTC, and the prices, (N,) US dollars.

    Timing: ``timestamp`` marks the beginning of an hour within which ``price`` was seen, so it is known when the hour is over.

    Raises:
        SourceError: when a column is missing, stamps cannot be read, fit two calendars, repeat or fall, or a price is not above 0.
    """
    require(table, ("timestamp", "price"))
    starts, prices = _starts(table["timestamp"]), numbers(table, "price")
    if (wrong := prices <= 0).any():
        row = int(np.argmax(wrong))
        raise SourceError(f"price at {starts[row]} was {prices[row]:g}; allowed: above 0")
    return starts + HOUR, prices


def known_prices(known: Times, prices: Floats, times: Times) -> Floats:
    """Return the newest price known at each instant, (T,); NaN where there is none or it is older than a day."""
    row = np.searchsorted(known, times, side="right") - 1
    newest = np.maximum(row, 0)
    is_fresh = (row >= 0) & (times - known[newest] <= OLDEST)
    return np.where(is_fresh, prices[newest], np.nan)


def _starts(column: "pd.Series[str]") -> Times:
    """Return the stamps under the one calendar in which they can be read and rise."""
    found = []
    for form in _FORMATS:
        stamps = pd.to_datetime(column, format=form, errors="coerce", utc=True)
        if not stamps.isna().any() and stamps.is_monotonic_increasing and stamps.is_unique:
            found.append(np.asarray(stamps.dt.tz_convert(None).to_numpy()).astype("datetime64[ns]"))
    if len(found) != 1:
        raise SourceError(
            f"stamps such as '{column.iloc[0]}' rise in {len(found)} of the known spellings; exactly one is needed: "
            "2021-05-05 01:00, 5/31/2021 1:00 or 31/5/2021 1:00, each hour once"
        )
    return found[0]
