"""``wayfold audit``: does an experiment see the future, depend on its warm-up, or do better than luck?"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from service.commands.options import Json, Quiet, Set
from service.output import (
    p_value,
    percent,
    print_json,
    print_line,
    print_sentences,
    print_table,
    progress_line,
)


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

    A configuration with a ``classifier`` has its split audited instead: do test samples share label bars with training
    ones, and what accuracy is left once none does? Exit code 1 when something leaks. Audits count as no trial.

    Raises:
        Exit: with code 1 when something leaks.
    """
    from backtest.classification import is_classification
    from backtest.configuration import read_config
    from service.configs import config_path

    path = config_path(config)
    if is_classification(read_config(path)):
        document = _split_audit(path, overrides or [], json_output=json_output)
    else:
        numbers = (folds, cuts, worlds)
        document = _run_audit(path, overrides or [], numbers, quiet=quiet, json_output=json_output)
    if document["leaks"]:
        raise typer.Exit(1)


def _run_audit(
    config: Path, overrides: Sequence[str], numbers: tuple[int, int, int], *, quiet: bool, json_output: bool
) -> dict[str, Any]:
    """Audit a walk-forward run, show and store the outcome, and return it."""
    from backtest.audit import outcome
    from backtest.audit.span import make_span
    from backtest.experiment import experiment_id
    from backtest.spec import load_spec
    from service.experiments import report_again
    from service.settings import read_settings

    settings = read_settings()
    folds, cuts, worlds = numbers
    spec = load_spec(config, overrides)
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
    return document


def _split_audit(config: Path, overrides: Sequence[str], *, json_output: bool) -> dict[str, Any]:
    """Audit the split of a classification experiment, show and store the outcome, and return it."""
    from backtest.audit.outcome import save_audit
    from backtest.audit.split import audit_split
    from backtest.classification import load_classification
    from service.settings import read_settings

    settings = read_settings()
    spec = load_classification(config, overrides)
    document = {"name": spec.name, **audit_split(spec, settings.lake).document()}
    path = settings.audits / f"{spec.name}-{spec.split.kind}-split.json"
    save_audit(document, path)
    if json_output:
        print_json({**document, "file": str(path)})
    else:
        _show_split(document, path)
    return document


def _show_split(document: dict[str, Any], path: Path) -> None:
    print_table(
        f"{document['name']}: the split, and what is left once it is purged",
        (
            "split", "train", "test", "overlap", "accuracy", "95 % low", "95 % high", "commonest class",
            "Brier", "base rates", "log loss", "base rates", "p", "ECE", "Balance",
        ),
        [_split_row(row) for row in document["splits"]],
    )  # fmt: skip
    print_line()
    print_table(
        "accuracy lost when a feature is shuffled among the test samples",
        ("split", "first features"),
        [(each["split"], _features(each["accuracy_lost"])) for each in document["features"]],
    )
    print_line()
    print_line("verdict  LEAK" if document["leaks"] else "verdict  no leak found")
    print_sentences(document["sentences"])
    print_line()
    print_line(f"audit    {path}")


def _split_row(row: dict[str, Any]) -> tuple[Any, ...]:
    shown = ("accuracy", "low", "high", "commonest", "brier", "naive_brier", "log_loss", "naive_log_loss")
    return (
        row["split"],
        row["train"],
        row["test"],
        percent(row["overlap"]),
        *(f"{row[name]:.3f}" for name in shown),
        p_value(row["p_value"]),
        f"{row['calibration_error']:.3f}",
        f"{row['balance']:+.3f}",
    )


def _features(lost: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:+.3f}" for name, value in list(lost.items())[:5])


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
