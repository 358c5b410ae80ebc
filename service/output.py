"""What a person sees: tables on a terminal, plain text in a pipe, JSON when asked."""

import json
import math
import os
import re
import shutil
import sys
import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import Any

NUMERIC = re.compile(r"(n/a|[<+-]*[\d,]*\.?\d+(e[+-]?\d+)?%?)?")
"""A cell that is aligned to the right; empty cells do not decide."""


def print_json(value: Any) -> None:
    """Write one strict JSON document to standard output; NaN, infinity and missing stamps become null."""
    sys.stdout.write(json.dumps(finite(value), indent=2, allow_nan=False) + "\n")


def finite(value: Any) -> Any:
    """Return the value in JSON's own types: non-finite numbers become None, stamps ISO text, anything else its text."""
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if hasattr(value, "isoformat"):
        return None if value != value else value.isoformat()  # noqa: PLR0124 (NaT is unequal to itself)
    if hasattr(value, "tolist"):
        return finite(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    return str(value)


def print_line(text: str = "") -> None:
    """Write one line to standard output."""
    sys.stdout.write(text + "\n")


def is_terminal() -> bool:
    """Return whether standard output is read by a person at a terminal."""
    return sys.stdout.isatty()


def print_sentences(sentences: Sequence[str]) -> None:
    """Write sentences, indented: one a line in a pipe, wrapped to the width of a terminal."""
    width = shutil.get_terminal_size().columns if is_terminal() else 10_000
    for sentence in sentences:
        print_line(
            textwrap.fill(
                sentence,
                width,
                initial_indent="  ",
                subsequent_indent="    ",
                break_long_words=False,
                break_on_hyphens=False,
            )
        )


def print_note(text: str) -> None:
    """Write one line to standard error, beside the result."""
    sys.stderr.write(text + "\n")


def close_output() -> None:
    """Send what is still to be written nowhere: the reader of our output is gone."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Write a table: drawn on a terminal, aligned text in a pipe; ``none`` stands for no rows."""
    cells = [[cell(value) for value in row] for row in rows]
    if not cells:
        print_line(f"{title}: none")
        return
    numeric = [_is_numeric([row[i] for row in cells]) for i in range(len(columns))]
    if is_terminal():
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

    table = Table(
        title=title,
        title_style="bold",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 0, 0, 1),
        show_edge=False,
    )
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
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1e5 else f"{value:.4g}"
    return str(value)


def percent(value: float, digits: int = 1, *, signed: bool = False) -> str:
    """Return a fraction as a percentage, ``n/a`` when not known; what rounds to nothing has no sign."""
    if math.isnan(value):
        return "n/a"
    text = f"{value:{'+' if signed else ''},.{digits}%}"
    return text if re.search("[1-9]", text) else text.lstrip("+-")


def fixed(value: float, digits: int = 2) -> str:
    """Return a number with so many decimals, ``n/a`` when not known."""
    return "n/a" if math.isnan(value) else f"{value:,.{digits}f}"


def p_value(value: float) -> str:
    """Return a probability with three decimals, ``<0.001`` below them, ``n/a`` when not known."""
    return "<0.001" if value < 0.001 else fixed(value, 3)


def _is_numeric(cells: Sequence[str]) -> bool:
    return all(NUMERIC.fullmatch(text) for text in cells) and any(cells)


Progress = Callable[[int, int, str], None]
"""Called with steps done, steps in all (0 while not known), and a short state."""


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
            self._bar.update(self._task, completed=done, total=total or None, state=state)
