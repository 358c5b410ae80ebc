"""What a person sees: tables on a terminal, plain text in a pipe, JSON when asked."""

import json
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any


def print_json(value: Any) -> None:
    """Write one JSON document to standard output; NaN and infinity become null."""
    sys.stdout.write(json.dumps(finite(value), indent=2, default=str) + "\n")


def finite(value: Any) -> Any:
    """Return the value with every non-finite number replaced by None, ready for JSON."""
    if hasattr(value, "item") and not isinstance(value, (str, bytes)):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    return value


def print_line(text: str = "") -> None:
    """Write one line to standard output."""
    sys.stdout.write(text + "\n")


def print_note(text: str) -> None:
    """Write one line to standard error, beside the result."""
    sys.stderr.write(text + "\n")


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Write a table: drawn on a terminal, aligned text in a pipe."""
    cells = [[cell(value) for value in row] for row in rows]
    numeric = [all(_is_number(row[i]) for row in rows) and bool(rows) for i in range(len(columns))]
    if sys.stdout.isatty():
        _draw(title, columns, cells, numeric)
        return
    widths = [max([len(name), *(len(row[i]) for row in cells)]) for i, name in enumerate(columns)]
    print_line(title)
    for row in [list(columns), *cells]:
        parts = [
            text.rjust(w) if n else text.ljust(w) for text, w, n in zip(row, widths, numeric, strict=True)
        ]
        print_line("  ".join(parts).rstrip())


def _draw(
    title: str, columns: Sequence[str], cells: Sequence[Sequence[str]], numeric: Sequence[bool]
) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for name, is_number in zip(columns, numeric, strict=True):
        table.add_column(name, justify="right" if is_number else "left")
    for row in cells:
        table.add_row(*(Text(text) for text in row))
    Console().print(table)


def cell(value: Any) -> str:
    """Return a value as table text: four significant digits, ``n/a`` for what is not known."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "n/a"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1e5 else f"{value:.4g}"
    return str(value)


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, (int, float)) and not isinstance(value, bool))


Progress = Callable[[int, int, str], None]
"""Called with steps done, steps in all, and a short state."""


class progress_line:  # noqa: N801 (reads as a verb in a with statement)
    """A progress bar on a terminal's standard error; silent in a pipe or when quiet."""

    def __init__(self, title: str, *, quiet: bool = False) -> None:
        """Prepare a bar with this title."""
        self._title = title
        self._shown = not quiet and sys.stderr.isatty()
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Progress:
        """Return the function that reports progress."""
        if self._shown:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as RichProgress

            self._bar = RichProgress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
                TextColumn("{task.fields[state]}"),
                console=Console(stderr=True),
                transient=True,
            )
            self._bar.start()
            self._task = self._bar.add_task(self._title, total=None, state="")
        return self._update

    def __exit__(self, *_: object) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.stop()

    def _update(self, done: int, total: int, state: str) -> None:
        if self._bar is not None:
            self._bar.update(self._task, completed=done, total=total, state=state)
