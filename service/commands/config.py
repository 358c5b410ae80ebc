"""``wayfold config``: look at and check a configuration."""

from typing import Annotated

import typer

from service.commands.options import Json, Set
from service.configs import config_path
from service.output import print_json, print_line

app = typer.Typer(help="Configurations: show, validate, schema.", no_args_is_help=True)
Name = Annotated[
    str, typer.Argument(metavar="CONFIG", help="A YAML file, or the name of a shipped configuration.")
]


@app.command("show")
def show(config: Name, overrides: Set = None, json_output: Json = False) -> None:
    """Print the resolved configuration, every default written out, and its hash."""
    from backtest.any_spec import load_any_spec
    from backtest.yaml12 import dump_yaml

    spec = load_any_spec(config_path(config), overrides or [])
    if json_output:
        print_json({"digest": spec.digest(), "spec": spec.resolved()})
        return
    print_line(f"# sha256 {spec.digest()}")
    print_line(dump_yaml(spec.resolved()).rstrip())


@app.command("validate")
def validate(config: Name, overrides: Set = None, json_output: Json = False) -> None:
    """Check a configuration, and every point of its grid, without running it; every fault is named."""
    from backtest.any_spec import build_any_spec
    from backtest.configuration import apply_overrides, read_config
    from backtest.spec import RunSpec
    from backtest.sweep.grid import grid_points

    read = apply_overrides(read_config(config_path(config)), overrides or [])
    spec = build_any_spec(read)
    points = len(grid_points(read)) if isinstance(spec, RunSpec) else 1
    if json_output:
        print_json({"valid": True, "digest": spec.digest(), "points": points})
        return
    swept = f", {points} points" if isinstance(spec, RunSpec) and spec.grid else ""
    print_line(f"{config} is valid{swept} (sha256 {spec.digest()[:12]})")


@app.command("schema")
def schema(json_output: Json = False) -> None:
    """Print the JSON Schema of a configuration, for editors."""
    from backtest.schema import json_schema

    print_json(json_schema())
