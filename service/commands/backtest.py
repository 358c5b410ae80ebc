"""``wayfold backtest`` and ``wayfold demo``: a walk-forward run, its tables and its report."""

from typing import Annotated

import typer

from service.commands.options import Json, Quiet, Set
from service.output import print_json, print_line, print_note, progress_line
from service.run_view import show_run, summary

Fresh = Annotated[bool, typer.Option("--fresh", help="Run again even if this very run is stored already.")]

DEMO_NOTE = "Wayfold quick start: five US stocks, 2000 to 2013, bundled with the code; nothing is downloaded."


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


def demo(
    overrides: Set = None, fresh: Fresh = False, quiet: Quiet = False, json_output: Json = False
) -> None:
    """Run the quick start: five real US stocks, offline, with an honest report at the end."""
    run_and_show("quickstart", overrides or [], DEMO_NOTE, fresh=fresh, quiet=quiet, json_output=json_output)


def run_and_show(
    name: str, overrides: list[str], note: str = "", *, fresh: bool, quiet: bool, json_output: bool
) -> None:
    """Run a configuration and print what came of it, after a note once the configuration is known to be valid.

    Raises:
        Exit: with code 130 when it is interrupted.
    """
    from backtest.spec import load_spec
    from service.configs import config_path
    from service.experiments import run_experiment
    from service.settings import read_settings

    spec = load_spec(config_path(name), overrides)
    if note and not (quiet or json_output):
        print_note(note)
    try:
        with progress_line(spec.name, quiet=quiet or json_output) as progress:
            done = run_experiment(spec, read_settings(), progress, fresh=fresh)
    except KeyboardInterrupt:
        print_note("interrupted; finished folds are kept, the same command goes on from there")
        raise typer.Exit(130) from None
    if json_output:
        print_json({**summary(done.run), "folder": str(done.folder), "report": str(done.report)})
        return
    show_run(done.run)
    print_line()
    print_line(f"report  {done.report}")
    if done.was_stored and not quiet:
        print_note("this very run was stored already; --fresh runs it again")
