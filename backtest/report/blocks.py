"""Blocks: what a report is made of, before it is HTML.

Every text in a block is plain; the template escapes it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import pandas as pd

from backtest.report.formats import MISSING, TEXTUAL, Format, is_missing

MAX_ROWS = 500


@dataclass(frozen=True)
class Cell:
    """One cell: its text, a smaller second line, a CSS class and whether it heads its row."""

    text: str
    detail: str = ""
    tone: str = ""
    is_header: bool = False


@dataclass(frozen=True)
class Heading:
    """One column's title; numbers are set right; ``help`` is its definition."""

    title: str
    is_number: bool = True
    help: str = ""


@dataclass(frozen=True)
class Table:
    """A table with its caption and what was left out of it; folded away when ``is_folded``."""

    kind: ClassVar[str] = "table"
    caption: str
    headings: tuple[Heading, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""
    style: str = ""
    is_folded: bool = False


@dataclass(frozen=True)
class Key:
    """One entry of a chart's legend: a label, a palette role and how the mark is drawn."""

    label: str
    role: str
    mark: str = "line"


@dataclass(frozen=True, eq=False)
class Chart:
    """An interactive figure with what it shows in words; ``alternative`` is the same on a log scale."""

    kind: ClassVar[str] = "chart"
    name: str
    figure: Any
    title: str
    caption: str
    keys: tuple[Key, ...] = ()
    alternative: Any = None
    begins_alternative: bool = False
    is_half: bool = False


@dataclass(frozen=True)
class Prose:
    """Paragraphs; ``tone`` is a CSS class."""

    kind: ClassVar[str] = "prose"
    paragraphs: tuple[str, ...]
    tone: str = ""


@dataclass(frozen=True)
class Listing:
    """Sentences as a list under a heading."""

    kind: ClassVar[str] = "listing"
    title: str
    items: tuple[str, ...]


@dataclass(frozen=True)
class Facts:
    """Pairs of a term and its value."""

    kind: ClassVar[str] = "facts"
    pairs: tuple[tuple[str, str], ...]
    style: str = ""


@dataclass(frozen=True)
class Code:
    """Text to copy, with a title; folded away when ``is_folded``."""

    kind: ClassVar[str] = "code"
    title: str
    code: str
    is_folded: bool = False


@dataclass(frozen=True)
class Absent:
    """A table this run did not store."""

    kind: ClassVar[str] = "absent"
    table: str


Block = Table | Chart | Prose | Listing | Facts | Code | Absent


@dataclass(frozen=True)
class Section:
    """A titled part of the report; ``lede`` says in one sentence what is to be seen."""

    id: str
    title: str
    lede: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Column:
    """How one column of a stored table is shown."""

    name: str
    title: str
    format: Format
    help: str = ""
    is_signed: bool = False
    missing: str = MISSING
    """What is shown where there is no value."""


def table_of(
    frame: pd.DataFrame, columns: Sequence[Column], caption: str, file: str, style: str = ""
) -> Table:
    """Return the first 500 rows of a stored table; columns the run did not store are left out.

    Args:
        frame: rows in the order they are shown.
        columns: what is shown of each row; the first column heads the row.
        caption: what the table is, in words.
        file: name of the Parquet file that holds all rows.
        style: CSS class of the table.
    """
    shown = [column for column in columns if column.name in frame.columns]
    head = frame.head(MAX_ROWS)
    cells = [[_cell(column, value) for value in head[column.name].tolist()] for column in shown]
    rows = tuple(_row(values) for values in zip(*cells, strict=True))
    headings = tuple(Heading(c.title, c.format not in TEXTUAL, c.help) for c in shown)
    return Table(caption, headings, rows, rest_note(len(frame), file), style)


def rest_note(total: int, file: str) -> str:
    """Return where the rows are that a table does not show; empty when it shows all."""
    if total <= MAX_ROWS:
        return ""
    return f"The first {MAX_ROWS} of {total:,} rows; all of them are in {file} beside this report."


def _row(cells: tuple[Cell, ...]) -> tuple[Cell, ...]:
    first = cells[0]
    return (Cell(first.text, first.detail, first.tone, is_header=True), *cells[1:])


def _cell(column: Column, value: Any) -> Cell:
    shown = column.missing if is_missing(value) else column.format(value)
    below = column.is_signed and not is_missing(value) and value < 0
    return Cell(shown, tone="loss" if below else "")
