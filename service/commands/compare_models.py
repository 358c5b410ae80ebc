"""``wayfold compare-models``: the models of a configuration on the same folds and seeds, by their forecasts alone."""

import json
from pathlib import Path
from typing import Annotated

import typer

from service.commands.options import Json, Quiet, Set
from service.output import finite, print_json, print_line, print_note, progress_line


def compare_models(
    config: Annotated[
        str, typer.Argument(metavar="CONFIG", help="A YAML file, or the name of a shipped one.")
    ],
    overrides: Set = None,
    seeds: Annotated[
        int, typer.Option("--seeds", help="Seeds of models that depend on them; 3 or more.")
    ] = 3,
    windows: Annotated[
        int, typer.Option("--windows", help="Training windows of the learning curve; 0 leaves it out.")
    ] = 7,
    out: Annotated[
        Path | None, typer.Option("--out", help="Write every table to this JSON file too.")
    ] = None,
    quiet: Quiet = False,
    json_output: Json = False,
) -> None:
    """Compare models by errors with intervals, tests against naive and ridge, learning curve and compute.

    Naive, drift, seasonal naive and ridge always run beside. Nothing is traded, so no trial is counted.

    Raises:
        Exit: with code 130 when it is interrupted.
    """
    from backtest.model_comparison import comparison
    from backtest.spec import load_spec
    from backtest.sweep.grid import require_single
    from service.comparison_view import document, show
    from service.configs import config_path
    from service.settings import read_settings

    spec = load_spec(config_path(config), overrides or [])
    require_single(spec)
    asked = comparison.ComparisonSettings(seeds, windows)
    try:
        with progress_line(f"models of {spec.name}", quiet=quiet or json_output) as progress:
            progress(0, 0, "reading data")
            history = spec.data.load(read_settings().lake)
            found = comparison.compare_models(spec, history, asked, progress)
    except KeyboardInterrupt:
        print_note("interrupted; nothing was stored or counted")
        raise typer.Exit(130) from None
    plain = document(found, spec.name)
    if out is not None:
        out.write_text(json.dumps(finite(plain), indent=2, allow_nan=False) + "\n")
    if json_output:
        print_json(plain)
        return
    show(found, spec.name)
    if out is not None:
        print_line()
        print_line(f"tables  {out}")
