"""Tables of pool files: CSV and Parquet read without losing a digit, and columns taken out by name."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from data.errors import SourceError, nearest
from data.panel import Floats, Times


def read_table(path: Path) -> pd.DataFrame:
    """Return a CSV (``.csv``, ``.csv.gz``) as text, or a Parquet file as it is: amounts of 256 bits fit no float.

    Raises:
        SourceError: when the file is missing, unreadable, empty, or of another kind.
    """
    name = path.name
    try:
        if name.endswith((".csv", ".csv.gz")):
            table = pd.read_csv(path, dtype=str)
        elif name.endswith((".parquet", ".pq")):
            table = pd.read_parquet(path)
        else:
            raise SourceError(f"{path} is no pool file by its name; allowed: .csv, .csv.gz, .parquet, .pq")
    except (OSError, ValueError) as error:
        words = (str(error).splitlines() or [type(error).__name__])[0]
        raise SourceError(f"{path} cannot be read: {words}") from error
    if not len(table):
        raise SourceError(f"{path} has no rows")
    return table


def require(table: pd.DataFrame, columns: Sequence[str]) -> None:
    """Raise SourceError unless the table has these columns."""
    have = [str(name) for name in table.columns]
    for name in columns:
        if name not in have:
            raise SourceError(f"column '{name}' is not there{nearest(name, have)}")


def whole_numbers(table: pd.DataFrame, column: str) -> list[int | None]:
    """Return a column as exact integers, None where it is empty.

    Raises:
        SourceError: when a value is no whole number; names column and row.
    """
    return [_whole(value, column, row) for row, value in enumerate(table[column].tolist())]


def numbers(table: pd.DataFrame, column: str) -> Floats:
    """Return a column as finite floats, (N,).

    Raises:
        SourceError: when a value is missing or no number; names column and row.
    """
    found = np.asarray(pd.to_numeric(table[column], errors="coerce"), np.float64)
    if (wrong := ~np.isfinite(found)).any():
        row = int(np.argmax(wrong))
        raise SourceError(
            f"column '{column}' holds {table[column].tolist()[row]!r} at row {row}; a number is needed"
        )
    return found


def instants(table: pd.DataFrame, column: str) -> Times:
    """Return a column of UTC stamps, (N,) datetime64[ns].

    Raises:
        SourceError: when a stamp cannot be read; names column and row.
    """
    found = pd.to_datetime(table[column], utc=True, errors="coerce", format="ISO8601")
    if found.isna().any():
        row = int(np.argmax(found.isna()))
        raise SourceError(
            f"column '{column}' holds {table[column].iloc[row]!r} at row {row}; a time such as 2024-01-05 00:00:23 is needed"
        )
    return np.asarray(found.dt.tz_convert(None).to_numpy()).astype("datetime64[ns]")


def _whole(value: Any, column: str, row: int) -> int | None:
    if value is None or value is pd.NA or value != value or value == "":  # noqa: PLR0124 (NaN is unequal to itself)
        return None
    try:
        if isinstance(value, float) and not value.is_integer():
            raise ValueError
        return int(value)
    except (ValueError, TypeError) as error:
        raise SourceError(
            f"column '{column}' holds {value!r} at row {row}; a whole number is needed"
        ) from error
