"""``wayfold reproduce``: a published claim, run again."""

import math
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from service.commands.options import Json
from service.output import p_value, print_json, print_line, print_table


def reproduce(
    name: Annotated[str, typer.Argument(help="A reproduction; without --data it says what it needs.")],
    data_folder: Annotated[
        Path, typer.Option("--data", help="Folder of data that may not be redistributed.", show_default=False)
    ] = Path(),
    json_output: Json = False,
) -> None:
    """Re-run a published claim and print it beside our number, its interval, the naive row and the verdict."""
    from backtest.configuration import read_config
    from backtest.reproductions.base import REPRODUCTIONS
    from data.errors import SpecError, nearest
    from service.configs import configs_folder

    known = {path.stem: path for path in (configs_folder() / "reproduce").glob("*.yaml")}
    if name not in known:
        raise SpecError(f"reproduction '{name}' is unknown{nearest(name, known)}")
    done = REPRODUCTIONS.build(read_config(known[name]), name).run(data_folder)
    if json_output:
        print_json(asdict(done))
        return
    print_line(f"claim    {done.claim.strip()}")
    print_line(f"public   {done.public.strip()}")
    print_table(f"{name}: {done.measure}", *_table(done))
    print_line(f"verdict  {done.verdict}")


def _table(done: Any) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    """Return the columns and rows; chance has a column where some row was compared with it."""
    has_chance = any(row.p_value is not None for row in done.rows)
    columns = (
        "row",
        "naive",
        "ours",
        "95 % low",
        "95 % high",
        "known figure",
        *(("p",) if has_chance else ()),
    )
    rows = [
        (
            row.name,
            row.is_naive,
            *(_shown(value, done.digits) for value in (row.value, row.low, row.high, row.published)),
            *((_chance(row.p_value),) if has_chance else ()),
        )
        for row in done.rows
    ]
    return columns, rows


def _shown(value: float | None, digits: int) -> str:
    return "" if value is None or math.isnan(value) else f"{value:.{digits}f}"


def _chance(value: float | None) -> str:
    return "" if value is None else p_value(value)
