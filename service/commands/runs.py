"""``wayfold runs`` and ``wayfold report``: what was run, and how runs compare."""

from pathlib import Path
from typing import Annotated, Any

import typer

from service.commands.options import Json
from service.output import print_json, print_line, print_table

app = typer.Typer(help="Stored runs: list, show, compare, trials.", no_args_is_help=True)
RunName = Annotated[
    str, typer.Argument(metavar="RUN", help="The beginning of a run's id, 'latest', or a run's folder.")
]


@app.command("ls")
def list_all(json_output: Json = False) -> None:
    """List the stored runs, newest first."""
    from backtest.run import list_runs
    from service.settings import read_settings

    manifests = list_runs(read_settings().runs)
    if json_output:
        print_json(manifests)
        return
    rows = [
        (m["id"][:12], m["name"], str(m["recorded_at"])[:16], m["primary"], m["verdict"]["status"], m["trials"]["count"])
        for m in manifests
    ]  # fmt: skip
    print_table("runs", ("id", "name", "recorded at, UTC", "judged model", "forecasts", "trials"), rows)


@app.command("show")
def show(run: RunName, json_output: Json = False) -> None:
    """Show the verdict, accounts and forecast skill of a run."""
    from service.run_view import show_run, summary

    found = _load(run)
    if json_output:
        print_json(summary(found))
        return
    show_run(found)


@app.command("compare")
def compare(
    runs: Annotated[list[str], typer.Argument(metavar="RUN...", help="Two runs or more.")],
    json_output: Json = False,
) -> None:
    """Compare runs: their traded accounts, what their errors cost, and every setting that differs."""
    from backtest.comparison import compare_runs
    from data.errors import SpecError

    if len(runs) < 2:
        raise SpecError(f"runs to compare were {len(runs)}; name two or more")
    compared = compare_runs([_load(name) for name in runs])
    if json_output:
        print_json(vars(compared))
        return
    print_table("traded accounts", *_rows(compared.accounts))
    if compared.compute:
        print_table("\nerror and compute of the judged models", *_rows(compared.compute))
    print_table("\nsettings that differ", *_rows(compared.settings))
    for note in compared.notes:
        print_line(note)


@app.command("trials")
def trials(json_output: Json = False) -> None:
    """Show how many strategies were tried on each set of data; deleting runs does not lower the count."""
    from backtest.trials import every_summary
    from service.settings import read_settings

    counts = every_summary(read_settings().trials)
    if json_output:
        print_json([{"data": key, **_trial_facts(found)} for key, found in counts.items()])
        return
    rows = [(*_trial_row(found), key) for key, found in counts.items()]
    print_table(
        "trials", ("trials", "worth independent", "mean correlation", "spread of Sharpe, a bar", "data"), rows
    )


def _trial_facts(found: Any) -> dict[str, Any]:
    return {
        "trials": found.count,
        "effective_trials": found.family.effective_count,
        "mean_correlation": found.mean_correlation if found.pairs else None,
        "sharpe_dispersion_a_period": found.dispersion,
    }


def _trial_row(found: Any) -> tuple[str, str, str, str]:
    facts = _trial_facts(found)
    correlation = facts["mean_correlation"]
    return (
        f"{found.count:,}",
        f"{facts['effective_trials']:.1f}",
        "n/a" if correlation is None else f"{correlation:.2f}",
        f"{found.dispersion:.4f}",
    )


def report(
    run: RunName,
    out: Annotated[
        Path | None, typer.Option("--out", help="Where to write it; default: beside the run.")
    ] = None,
    json_output: Json = False,
) -> None:
    """Write the report of a run again and print where it is."""
    from backtest.run import find_run, load_run
    from service.experiments import report_run
    from service.settings import read_settings

    settings = read_settings()
    folder = find_run(settings.runs, run)
    found = load_run(folder)
    path = report_run(found, settings, out or folder / "report.html")
    if json_output:
        print_json({"id": found.id, "report": str(path)})
        return
    print_line(str(path))


def _load(name: str) -> Any:
    from backtest.run import find_run, load_run
    from service.settings import read_settings

    return load_run(find_run(read_settings().runs, name))


def _rows(table: list[dict[str, Any]]) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    columns = tuple(table[0]) if table else ("setting",)
    return columns, [tuple(row.values()) for row in table]
