"""``wayfold reproduce``: a published claim, run again."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from service.commands.options import Json
from service.output import print_json, print_line, print_table


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
    columns = ("row", "naive", "ours", "95 % low", "95 % high", "known figure")
    rows = [
        (
            r.name,
            r.is_naive,
            f"{r.value:.5f}",
            f"{r.low:.5f}",
            f"{r.high:.5f}",
            "" if r.published is None else f"{r.published:.5f}",
        )
        for r in done.rows
    ]
    print_table(f"{name}: RMSE over mean", columns, rows)
    print_line(f"verdict  {done.verdict}")
