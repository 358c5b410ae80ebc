"""Rows of a table, by key: plain values where a data frame's own look-ups have no type."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

Row = Mapping[str, Any]


def rows_by(table: pd.DataFrame, *keys: str) -> dict[tuple[Any, ...], Row]:
    """Return the rows of a table by the values of its key columns, in order; of equal keys the last row is kept."""
    names = [str(column) for column in table.columns]
    rows = [dict(zip(names, row, strict=True)) for row in table.itertuples(index=False, name=None)]
    return {tuple(row[key] for key in keys): row for row in rows}
