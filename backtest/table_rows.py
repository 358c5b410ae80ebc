"""Rows of a table: read by key as plain values, marked with the account they belong to, and joined."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

Row = Mapping[str, Any]


def rows_by(table: pd.DataFrame, *keys: str) -> dict[tuple[Any, ...], Row]:
    """Return the rows of a table by the values of its key columns, in order; of equal keys the last row is kept."""
    names = [str(column) for column in table.columns]
    rows = [dict(zip(names, row, strict=True)) for row in table.itertuples(index=False, name=None)]
    return {tuple(row[key] for key in keys): row for row in rows}


def of_lane(lane: str, table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with the lane's label as its first column."""
    marked = table.copy()
    marked.insert(0, "lane", lane)
    return marked


def joined(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return the tables below one another, renumbered; empty ones are left out, so that they change no column's type."""
    return pd.concat([part for part in parts if len(part)] or list(parts[:1]), ignore_index=True)
