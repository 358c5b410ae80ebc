"""``wayfold select``: which strategies to promote, chosen on what was known and judged by what came after."""

from typing import Annotated, Any

import typer

from service.commands.options import Json, Quiet, Set
from service.output import (
    fixed,
    p_value,
    percent,
    print_json,
    print_line,
    print_sentences,
    print_table,
    progress_line,
)

COLUMNS = ("estimator", "k", "n", "SR@k", "low", "high", "luck", "p", "p over k", "best", "mean", "regret", "unsafe", "SR time")  # fmt: skip
WORDS = {"cash": "cash", "benchmark": "the benchmark at the same volatility target"}
MEANING = (
    """SR@k: what the best of k deployed strategies earned over the baseline, per unit of spread among the k; median over the
    closed deployments, with the 95 % interval of resampled deployments.""",
    """luck: its median when candidates change places at random. It grows with k, so SR@k says nothing without it. p: share of
    random rankings that do as well at this k; p over k: corrected for having looked at all k shown.""",
    """n: closed deployments at which k could be deployed. best, mean, regret: annual log growth over cash at 10 % volatility.
    unsafe: share of the k worth less than the baseline. SR time: annual Sharpe ratio over time of the k at equal risk.""",
)


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
    from backtest.configuration import apply_overrides, read_config
    from backtest.selection.candidates import candidate_count
    from backtest.selection.settings import MANY, SelectionSettings, parse_ks
    from data.errors import SpecError
    from data.registry import validated
    from data.sources.selection import instant
    from service.configs import config_path
    from service.selections import Request, entries_of, run_selection
    from service.settings import read_settings

    if open_seal and sealed is None:
        raise SpecError("--open-seal was given without --sealed DATE; say which period is to be opened")
    entries = entries_of(apply_overrides(read_config(config_path(config)), overrides or []))
    count = candidate_count(entries, references=references)
    choices: dict[str, Any] = {
        "ks": list(parse_ks(k) if k else range(1, min(10, count) + 1)),
        "estimators": [name.strip() for name in estimators.split(",")] if estimators else list(MANY),
        "promote_by": by,
        "baseline": against,
        "convention": convention,
        "warm_up": warm_up,
        "every": every,
        "outcome": outcome,
        "alpha": alpha,
        "seed": entries[0].spec.seed,
    }
    settings = validated(SelectionSettings, choices, "select")
    if settings.ks[-1] > count:
        raise SpecError(f"k was {settings.ks[-1]}; {count} candidates allow 1 to {count}")
    seal = None if sealed is None else instant(sealed)
    request = Request(entries, settings, references, seal, open_seal)
    with progress_line(f"select from {count}", quiet=quiet or json_output) as progress:
        done = run_selection(request, read_settings(), progress)
    if json_output:
        print_json(document(done, settings))
    else:
        show(done, settings)


def document(done: Any, settings: Any) -> dict[str, Any]:
    """Return a selection as plain values."""
    found = done.selection
    tables = ("table", "differences", "deployments", "rankings")
    return {
        "first": done.first,
        "last": done.last,
        "tried": done.tried,
        "seal": done.seal,
        "candidates": found.candidates,
        "convention": settings.convention,
        "promotion": {**vars(found.promotion)},
        "ranking_now": list(found.ranking_now),
        **{name: getattr(found, name).to_dict("records") for name in tables},
    }


def show(done: Any, settings: Any) -> None:
    """Print the tables of a selection, what they mean, and the verdict."""
    found = done.selection
    closed = int(found.deployments["is_closed"].sum())
    print_line(
        f"select  {found.candidates} candidates on {done.first} to {done.last}; {len(found.deployments)} deployments, "
        f"{closed} with a closed outcome window; {found.draws:,} {'(all)' if found.is_exact else 'random'} orders"
    )
    print_line(f"seal    {done.seal}")
    for baseline in dict.fromkeys([settings.baseline, *WORDS]):
        rows = found.table[found.table["baseline"] == baseline].to_dict("records")
        print_line()
        print_table(f"SharpeRatio@k against {WORDS[baseline]}", COLUMNS, [_cells(row) for row in rows])
    print_line()
    print_sentences(
        [
            *(" ".join(text.split()) for text in MEANING),
            *refusals(found),
            f"Strategies tried on these data so far: {done.tried:,}; each candidate but the naive models is one.",
        ]
    )
    print_line()
    print_line(f"ranking now, by {settings.promote_by}: {', '.join(found.ranking_now) or 'none'}")
    print_line(f"verdict  {found.promotion.reason}")
    if found.promotion.candidates:
        print_line(f"promoted {', '.join(found.promotion.candidates)}")


def refusals(found: Any) -> list[str]:
    """Return one sentence an estimator that could not tell, with how often and one of its reasons."""
    told = found.rankings
    sentences = []
    for name, rows in told[told["flag"] != ""].groupby("estimator", sort=False):
        total = int((told["estimator"] == name).sum())
        sentences.append(
            f"{name}: {len(rows)} of {total} estimates are missing, such as: {rows['flag'].iloc[0]}"
        )
    return sentences


def _cells(row: dict[str, Any]) -> tuple[Any, ...]:
    ratios = [fixed(row[name]) for name in ("sharpe_ratio_at_k", "low", "high", "null_median")]
    chances = [p_value(row[name]) for name in ("p_value", "p_value_over_k")]
    values = [fixed(row[name], 3) for name in ("best", "mean", "regret")]
    unsafe = percent(row["violation_rate"], 0)
    return (
        row["estimator"],
        row["k"],
        row["deployments"],
        *ratios,
        *chances,
        *values,
        unsafe,
        fixed(row["portfolio_sharpe_at_k"]),
    )
