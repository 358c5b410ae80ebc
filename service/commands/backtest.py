"""``wayfold backtest`` and ``wayfold demo``: a walk-forward run, its tables and its report."""

import math
from typing import Annotated, Any

import typer

from service.commands.options import Json, Quiet, Set
from service.output import print_json, print_line, print_note, print_table, progress_line

Fresh = Annotated[bool, typer.Option("--fresh", help="Run again even if this very run is stored already.")]


def backtest(
    config: Annotated[
        str, typer.Argument(metavar="CONFIG", help="A YAML file, or the name of a shipped one.")
    ],
    overrides: Set = None,
    fresh: Fresh = False,
    quiet: Quiet = False,
    json_output: Json = False,
) -> None:
    """Walk a configuration forward through history and write its report.

    An interrupted run goes on from its last finished fold; an identical run that is already stored is shown at once.
    """
    run_and_show(config, overrides or [], fresh=fresh, quiet=quiet, json_output=json_output)


def demo(fresh: Fresh = False, quiet: Quiet = False, json_output: Json = False) -> None:
    """Run the quick start: five real US stocks, offline, with an honest report at the end."""
    if not json_output:
        print_note(
            "Wayfold quick start: five US stocks, 2000 to 2013, bundled with the code; nothing is downloaded."
        )
    run_and_show("quickstart", [], fresh=fresh, quiet=quiet, json_output=json_output)


def run_and_show(name: str, overrides: list[str], *, fresh: bool, quiet: bool, json_output: bool) -> None:
    """Run a configuration and print what came of it."""
    from backtest.spec import load_spec
    from service.configs import config_path
    from service.experiments import run_experiment
    from service.settings import read_settings

    spec = load_spec(config_path(name), overrides)
    with progress_line(spec.name, quiet=quiet or json_output) as progress:
        done = run_experiment(spec, read_settings(), progress, fresh=fresh)
    if json_output:
        print_json({**summary(done.run), "folder": str(done.folder), "report": str(done.report)})
        return
    show_run(done.run)
    if done.was_stored:
        print_note("this very run was stored already; --fresh runs it again")
    print_line(f"report  {done.report}")


def summary(run: Any) -> dict[str, Any]:
    """Return what a script wants to know of a run."""
    manifest = run.manifest
    return {
        "id": manifest["id"],
        "name": manifest["name"],
        "verdict": manifest["verdict"],
        "trials": manifest["trials"],
        "primary": manifest["primary"],
        "metrics": run.tables["metrics"].to_dict("records"),
        "scores": run.tables["scores"].to_dict("records"),
    }


def show_run(run: Any) -> None:
    """Print the verdict, the accounts and the forecast skill of a run; the naive rows stand beside the models."""
    manifest = run.manifest
    print_line(f"run     {manifest['id'][:12]}  {manifest['name']}")
    print_line(f"data    {_span(manifest['data'])}")
    print_table("\naccounts (net of costs)", *accounts_table(run))
    print_table("\nforecasts (all steps)", *skill_table(run))
    print_line()
    print_line(f"verdict  {manifest['verdict']['status']}")
    for sentence in [*manifest["verdict"]["sentences"], manifest["trials"]["sentence"]]:
        print_line(f"  {sentence}")


def _span(facts: dict[str, Any]) -> str:
    return (
        f"{', '.join(facts['series'])}; {facts['bars']:,} bars, {facts['first'][:10]} to {facts['last'][:10]}"
    )


ACCOUNT_METRICS = ("total_return", "cagr", "volatility", "sharpe", "max_drawdown")


def accounts_table(run: Any) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    """Return columns and rows: one lane a row, the Sharpe ratio with its interval."""
    metrics = run.tables["metrics"].set_index(["lane", "metric"])
    rows = []
    for lane in dict.fromkeys(run.tables["metrics"]["lane"]):
        values = [float(metrics.loc[(lane, name), "value"]) for name in ACCOUNT_METRICS]
        low, high = (float(metrics.loc[(lane, "sharpe"), end]) for end in ("low", "high"))
        rows.append((lane, *values, f"{low:.2f} to {high:.2f}" if not math.isnan(low) else "n/a"))
    return ("account", *(name.replace("_", " ") for name in ACCOUNT_METRICS), "Sharpe 95 %"), rows


SKILL_COLUMNS = ("model", "n", "rmse_over_mean", "mase", "crps", "coverage_90", "direction_accuracy",
                 "direction_base_rate", "skill", "p_value", "holm_p_value", "verdict")  # fmt: skip


def skill_table(run: Any) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    """Return columns and rows: one model a row, over all steps, naive models included."""
    scores = run.tables["scores"]
    rows = scores.loc[scores["step"] == 0, list(SKILL_COLUMNS)].itertuples(index=False, name=None)
    return tuple(name.replace("_", " ") for name in SKILL_COLUMNS), list(rows)
