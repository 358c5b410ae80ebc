"""``wayfold models``: what can forecast."""

from typing import Any

import typer

from service.commands.options import Json
from service.output import print_json, print_table

app = typer.Typer(help="Forecasting models.", no_args_is_help=True)


@app.callback()
def models() -> None:
    """Forecasting models."""


@app.command("ls")
def list_models(json_output: Json = False) -> None:
    """List every registered model with its settings' defaults and what it is."""
    import dataclasses

    from forecast.registry import FORECASTERS, NAIVE_KINDS, REFERENCE_KINDS

    rows = []
    for kind in FORECASTERS.names():
        cls: Any = FORECASTERS.load(kind)
        role = "naive" if kind in NAIVE_KINDS else "always run" if kind in REFERENCE_KINDS else ""
        about = (cls.__doc__ or "").strip().splitlines()[0].replace("`", "")
        rows.append((kind, role, ", ".join(field.name for field in dataclasses.fields(cls)), about))
    if json_output:
        print_json([dict(zip(("kind", "role", "settings", "about"), row, strict=True)) for row in rows])
        return
    print_table("models", ("kind", "role", "about"), [(kind, role, about) for kind, role, _, about in rows])
