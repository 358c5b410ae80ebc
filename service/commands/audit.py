"""``wayfold audit``: does an experiment see the future, depend on its warm-up, or do better than luck?"""

from typing import Annotated, Any

import typer

from service.commands.options import Json, Quiet, Set
from service.output import percent, print_json, print_line, print_sentences, print_table, progress_line


def audit(
    config: Annotated[
        str, typer.Argument(metavar="CONFIG", help="A YAML file, or the name of a shipped one.")
    ],
    overrides: Set = None,
    folds: Annotated[
        int, typer.Option(help="Folds that are run again each time, counted from the last.")
    ] = 3,
    cuts: Annotated[int, typer.Option(help="Bars after which the future is changed; 8 or more.")] = 8,
    worlds: Annotated[
        int, typer.Option(help="Null worlds of each of the four kinds; 0 leaves them out.")
    ] = 19,
    quiet: Quiet = False,
    json_output: Json = False,
) -> None:
    """Change the future and compare the past bit by bit; then run the experiment where nothing can be known.

    Exit code 1 when something leaks. Audits count as no trial.

    Raises:
        Exit: with code 1 when something leaks.
    """
    from backtest.audit import outcome
    from backtest.audit.span import make_span
    from backtest.experiment import experiment_id
    from backtest.spec import load_spec
    from service.configs import config_path
    from service.experiments import report_again
    from service.settings import read_settings

    settings = read_settings()
    spec = load_spec(config_path(config), overrides or [])
    with progress_line(f"audit of {spec.name}", quiet=quiet or json_output) as progress:
        progress(0, 0, "reading data")
        run = experiment_id(spec, spec.data.load(settings.lake))
        done = outcome.audit(make_span(spec, settings.lake, folds), cuts, worlds, progress)
    document = {"run": run, "name": spec.name, **done.document()}
    path = settings.audits / f"{run}.json"
    outcome.save_audit(document, path)
    report_again(settings, run)
    if json_output:
        print_json({**document, "file": str(path)})
    else:
        _show(document, path)
    if document["leaks"]:
        raise typer.Exit(1)


def _show(document: dict[str, Any], path: Any) -> None:
    table = document["table"]
    columns = [name for name in table[0] if name != "first" or document["leaks"]]
    print_table(
        "cuts at which the past moved when only the future was changed",
        columns,
        [[row[name] for name in columns] for row in table],
    )
    if document["scan"] is not None:
        print_line()
        scan = document["scan"]
        print_table(
            f"derived fields, the future changed after each of {scan['cuts']} bars",
            ("", *scan["moved"]),
            [["bars whose past moved", *scan["moved"].values()]],
        )
    if document["warm_up"]:
        print_line()
        print_table(
            "warm-up: the last fold with history starting later",
            ("output", "bars later", "largest difference", "over tolerance", "where", "when"),
            [_warm_up_row(shift) for shift in document["warm_up"]],
        )
    if document["null"] is not None:
        print_line()
        null = document["null"]
        print_table(
            "null worlds that did as well or better",
            ("kind", "worlds", "as well"),
            [(kind, len(null["worlds"][kind]), count) for kind, count in null["reached"].items()],
        )
    print_line()
    print_line("verdict  LEAK" if document["leaks"] else "verdict  no leak found")
    print_sentences(document["sentences"])
    print_line()
    print_line(f"audit    {path}")


def _warm_up_row(shift: dict[str, Any]) -> tuple[Any, ...]:
    largest = "one start only" if shift["difference"] is None else f"{shift['difference']:.2g}"
    return (
        shift["artefact"],
        shift["bars"],
        largest,
        percent(shift["share"]),
        shift["place"],
        shift["time"][:16],
    )
