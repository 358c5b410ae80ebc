"""``wayfold select``: which strategies to promote, chosen on what was known and judged by what came after."""

from typing import Annotated

import typer

from service.commands.options import Json, Quiet, Set
from service.output import print_json, progress_line


def select(
    config: Annotated[
        str, typer.Argument(metavar="CONFIG", help="A YAML file, or the name of a shipped one.")
    ],
    k: Annotated[
        str | None,
        typer.Option(
            "--k",
            help="Strategies deployed: 3 is fixed beforehand, 2,3,5 or 1..10 is a search; default: 1..10.",
        ),
    ] = None,
    by: Annotated[
        str, typer.Option("--by", help="The one estimator whose ranking may promote.")
    ] = "lower_bound",
    estimators: Annotated[
        str | None, typer.Option("--estimators", help="Those to compare, separated by commas; default: all.")
    ] = None,
    against: Annotated[
        str, typer.Option("--against", help="Baseline of the promotion rule: benchmark or cash.")
    ] = "benchmark",
    convention: Annotated[
        str, typer.Option("--convention", help="code, paper_text, or trading (code with a noise floor).")
    ] = "trading",
    warm_up: Annotated[int, typer.Option("--warm-up", help="Folds before the first deployment.")] = 4,
    every: Annotated[int, typer.Option("--every", help="Deploy at every so many fold starts.")] = 1,
    outcome: Annotated[
        int | None, typer.Option("--outcome", help="Bars that judge a deployment; default: up to the next.")
    ] = None,
    alpha: Annotated[float, typer.Option("--alpha", help="Largest p-value that promotes.")] = 0.05,
    references: Annotated[
        bool, typer.Option("--references/--no-references", help="Reference models are candidates too.")
    ] = True,
    sealed: Annotated[
        str | None,
        typer.Option("--sealed", metavar="DATE", help="No choice reads anything from this day on."),
    ] = None,
    open_seal: Annotated[
        bool, typer.Option("--open-seal", help="Judge on the sealed period, once; the opening is recorded.")
    ] = False,
    overrides: Set = None,
    quiet: Quiet = False,
    json_output: Json = False,
) -> None:
    """Rank candidates at each deployment date on what was known, deploy the top k, and judge the rankings afterwards."""
    from service.selection_view import document, show
    from service.selections import make_request, run_selection
    from service.settings import read_settings

    choices = {
        "estimators": [name.strip() for name in estimators.split(",")] if estimators else None,
        "promote_by": by,
        "baseline": against,
        "convention": convention,
        "warm_up": warm_up,
        "every": every,
        "outcome": outcome,
        "alpha": alpha,
    }
    request = make_request(
        config, overrides or [], k, choices, references=references, seal=(sealed, open_seal)
    )
    with progress_line(f"select from {request.candidates}", quiet=quiet or json_output) as progress:
        done = run_selection(request, read_settings(), progress)
    if json_output:
        print_json(document(done, request.settings))
    else:
        show(done, request.settings)
