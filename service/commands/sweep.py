"""``wayfold sweep``: every point of a configuration's grid, the best beside how much of them is luck."""

from typing import Annotated, Any

import typer

from service.commands.options import Json, Quiet, Set
from service.output import (
    fixed,
    percent,
    print_json,
    print_line,
    print_note,
    print_sentences,
    print_table,
    progress_line,
)


def sweep(
    config: Annotated[
        str, typer.Argument(metavar="CONFIG", help="A YAML file with a 'grid:' section, or a shipped name.")
    ],
    overrides: Set = None,
    threads: Annotated[int, typer.Option("--threads", help="Accounts traded side by side.")] = 1,
    keep_equity: Annotated[
        bool, typer.Option("--keep-equity", help="Store the equity curve of every point.")
    ] = False,
    top: Annotated[int, typer.Option("--top", metavar="N", help="Show the best N points.")] = 10,
    quiet: Quiet = False,
    json_output: Json = False,
) -> None:
    """Trade every point of a grid and show the best beside the number of trials and what luck would show."""
    from backtest.sweep.record import SweepOptions
    from service.settings import read_settings
    from service.sweeps import make_sweep

    options = SweepOptions(threads, top, keep_equity)
    try:
        with progress_line(config, quiet=quiet or json_output) as progress:
            record, folder = make_sweep(config, overrides or [], read_settings(), progress, options)
    except KeyboardInterrupt:
        print_note("interrupted; nothing was shown, stored or counted")
        raise typer.Exit(130) from None
    rows = record.points.to_dict("records")
    best = [{**entry, **rows[entry["point"]], "sharpe": entry["sharpe"]} for entry in record.manifest["best"]]
    if json_output:
        print_json({**record.manifest, "best": best, "folder": str(folder)})
        return
    _show(best, record.manifest)
    print_line()
    print_line(f"points  {folder / 'points.parquet'}")


def _show(best: list[dict[str, Any]], manifest: Any) -> None:
    rows = [
        (
            entry["label"],
            percent(entry["total_return"], signed=True),
            fixed(_known(entry["sharpe"])),
            _interval(entry),
            percent(entry["max_drawdown"]),
            fixed(entry["turnover"], 1),
            fixed(entry["costs"], 0),
            entry["fills"],
        )
        for entry in best
    ]
    columns = ("point", "return", "Sharpe", "95 % interval", "drawdown", "turnover", "costs", "fills")
    print_table(f"best {len(rows)} of {manifest['points']} points", columns, rows)
    print_line()
    print_line("how much of it is luck")
    print_sentences(manifest["sentences"])


def _interval(entry: dict[str, Any]) -> str:
    if entry["low"] is None:
        return "n/a"
    return f"{entry['low']:.2f} to {entry['high']:.2f}"


def _known(value: float | None) -> float:
    return float("nan") if value is None else value
