"""``wayfold backtest`` and ``wayfold demo``: a walk-forward run, its tables and its report."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from service.commands.options import Json, Quiet, Set
from service.output import print_json, print_line, print_note, progress_line
from service.run_view import show_run, summary

if TYPE_CHECKING:  # backtrader's adapter is imported when it is asked for
    from backtest.cross_check import CrossCheck

Fresh = Annotated[bool, typer.Option("--fresh", help="Run again even if this very run is stored already.")]

CrossChecked = Annotated[
    bool,
    typer.Option(
        "--cross-check",
        help="Send the same decisions through backtrader (extra 'backtrader') and say where it first differs.",
    ),
]

DEMO_NOTE = "Wayfold quick start: five US stocks, 2000 to 2013, bundled with the code; nothing is downloaded."


def backtest(
    config: Annotated[
        str, typer.Argument(metavar="CONFIG", help="A YAML file, or the name of a shipped one.")
    ],
    overrides: Set = None,
    fresh: Fresh = False,
    cross_check: CrossChecked = False,
    quiet: Quiet = False,
    json_output: Json = False,
) -> None:
    """Walk a configuration forward through history and write its report.

    An interrupted run goes on from its last finished fold; an identical run that is already stored is shown at once.
    """
    asked = Asked(fresh, cross_check, quiet, json_output)
    run_and_show(config, overrides or [], asked)


def demo(
    overrides: Set = None,
    fresh: Fresh = False,
    cross_check: CrossChecked = False,
    quiet: Quiet = False,
    json_output: Json = False,
) -> None:
    """Run the quick start: five real US stocks, offline, with an honest report at the end."""
    run_and_show("quickstart", overrides or [], Asked(fresh, cross_check, quiet, json_output), DEMO_NOTE)


@dataclass(frozen=True)
class Asked:
    """How a run was asked for: run it again, compare it with backtrader, no progress, JSON."""

    fresh: bool
    cross_check: bool
    quiet: bool
    json_output: bool


def run_and_show(name: str, overrides: list[str], asked: Asked, note: str = "") -> None:
    """Run a configuration and print what came of it, after a note once the configuration is known to be valid.

    Raises:
        Exit: with code 130 when it is interrupted, 1 when backtrader makes something else of the same decisions.
    """
    from backtest.any_spec import load_any_spec
    from backtest.engine.backtrader_package import require_package
    from backtest.spec import RunSpec
    from data.errors import SpecError
    from service.configs import config_path
    from service.experiments import cross_checked, run_experiment
    from service.settings import read_settings

    spec = load_any_spec(config_path(name), overrides)
    if asked.cross_check and not isinstance(spec, RunSpec):
        raise SpecError("--cross-check was asked for a liquidity experiment; backtrader knows no pools")
    if asked.cross_check:
        require_package()
    silent = asked.quiet or asked.json_output
    if note and not silent:
        print_note(note)
    try:
        with progress_line(spec.name, quiet=silent) as progress:
            done = run_experiment(spec, read_settings(), progress, fresh=asked.fresh)
            checks: dict[str, CrossCheck] = {}
            if asked.cross_check and isinstance(spec, RunSpec):
                checks = cross_checked(spec, read_settings(), done, progress)
    except KeyboardInterrupt:
        print_note("interrupted; finished folds are kept, the same command goes on from there")
        raise typer.Exit(130) from None
    if asked.json_output:
        said = {lane: check.sentence() for lane, check in checks.items()}
        print_json(
            {**summary(done.run), "folder": str(done.folder), "report": str(done.report), "cross_check": said}
        )
    else:
        show_run(done.run)
        print_line()
        for lane, check in checks.items():
            print_line(f"cross-check  {lane}: {check.sentence()}")
        print_line(f"report  {done.report}")
        if done.was_stored and not asked.quiet:
            print_note("this very run was stored already; --fresh runs it again")
    if not all(check.is_identical for check in checks.values()):
        raise typer.Exit(1)
