"""A run as a person reads it: the accounts, the forecasts beside the naive ones, and the verdict."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from backtest.amm.spec import is_liquidity
from service.liquidity_view import liquidity_summary, show_liquidity
from service.output import cell, fixed, p_value, percent, print_line, print_sentences, print_table

MOST_ERRORS = 4
"""Errors of the data that are named on the terminal; the report has all."""

Table = tuple[tuple[str, ...], list[tuple[str, ...]]]


def summary(run: Any) -> dict[str, Any]:
    """Return what a script wants to know of a run."""
    manifest = run.manifest
    if is_liquidity(manifest):
        return liquidity_summary(run)
    return {
        "id": manifest["id"],
        "name": manifest["name"],
        "verdict": manifest["verdict"],
        "trials": manifest["trials"],
        "findings": run.tables["findings"][["series", "kind", "severity", "message"]].to_dict("records"),
        "primary": manifest["primary"],
        "metrics": run.tables["metrics"].to_dict("records"),
        "scores": run.tables["scores"].to_dict("records"),
    }


def show_run(run: Any) -> None:
    """Print the accounts, the forecast skill and the verdict of a run; the naive rows stand beside the models."""
    manifest = run.manifest
    if is_liquidity(manifest):
        show_liquidity(run)
        return
    print_line(f"run     {manifest['id'][:12]}  {manifest['name']}")
    print_line(f"data    {_span(manifest['data'])}")
    for line in findings_lines(run.tables["findings"].to_dict("records")):
        print_line(line)
    print_line()
    print_table("accounts, net of costs", *accounts_table(run))
    print_line()
    print_table(
        f"forecasts, all steps; skill against the best naive forecast, in {loss_name(run)}", *skill_table(run)
    )
    print_line()
    verdict = f"{manifest['verdict']['status']} {manifest['verdict']['scope']}".strip()
    print_line(f"verdict on the forecasts  {verdict}")
    print_sentences([*manifest["verdict"]["sentences"], manifest["trials"]["sentence"]])


def findings_lines(findings: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what was found wrong with the data: errors by series and kind, the number of warnings; nothing when sound."""
    wrong = list(
        dict.fromkeys(f"{each['series']} {each['kind']}" for each in findings if each["severity"] == "error")
    )
    warnings = sum(each["severity"] == "warning" for each in findings)
    more = f" and {len(wrong) - MOST_ERRORS} more" if len(wrong) > MOST_ERRORS else ""
    named = f"errors in the data: {', '.join(wrong[:MOST_ERRORS])}{more}" if wrong else ""
    warned = f"{warnings} warning{'s' if warnings > 1 else ''}" if warnings else ""
    told = "; ".join(part for part in (named, warned) if part)
    return [f"found   {told} (the report's data findings)"] if told else []


def loss_name(run: Any) -> str:
    """Return the loss that skill is measured in: QLIKE for variances, else CRPS."""
    return "QLIKE" if run.manifest["spec"]["forecaster"][0]["quantity"] == "variance" else "CRPS"


def accounts_table(run: Any) -> Table:
    """Return columns and rows: one lane a row with its role, the Sharpe ratio with its interval."""
    metrics = run.tables["metrics"].set_index(["lane", "metric"])
    lanes = list(dict.fromkeys(run.tables["metrics"]["lane"]))
    asked = len(run.manifest["spec"]["forecaster"])
    columns = ("account", "role", "return", "CAGR", "volatility", "Sharpe", "95 % interval", "max drawdown")
    rows: list[tuple[str, ...]] = []
    for place, lane in enumerate(lanes):
        own = metrics.loc[lane]
        value = own["value"]
        low, high = (float(own.loc["sharpe", end]) for end in ("low", "high"))
        rows.append(
            (
                lane,
                _role(lane, place, asked, len(lanes)),
                percent(value["total_return"], signed=True),
                percent(value["cagr"], signed=True),
                percent(value["volatility"]),
                fixed(value["sharpe"]),
                "n/a" if math.isnan(low) else f"{fixed(low)} to {fixed(high)}",
                percent(value["max_drawdown"]),
            )
        )
    return columns, rows


def _role(lane: str, place: int, asked: int, lanes: int) -> str:
    from forecast.skill import is_naive

    if place == lanes - 1:
        return "benchmark"
    if is_naive(lane):
        return "naive"
    return "model" if place < asked else "reference"


SKILL_COLUMNS = (
    ("model", "model", str),
    ("n", "n", cell),
    ("crps", "CRPS", cell),
    ("mase", "MASE", fixed),
    ("coverage_90", "in 90 %", percent),
    ("direction_accuracy", "up/down", percent),
    ("direction_base_rate", "base", percent),
    ("skill", "skill", lambda value: percent(value, signed=True)),
    ("holm_p_value", "p", p_value),
    ("verdict", "verdict", str),
)
"""Column of the table ``scores``, its short name, and how its values read."""


def skill_table(run: Any) -> Table:
    """Return columns and rows: one model a row, over all steps, naive models included; columns without a value are left out."""
    scores = run.tables["scores"]
    overall = scores.loc[scores["step"] == 0].to_dict("records")
    shown = [(name, title, text) for name, title, text in SKILL_COLUMNS if _known(overall, name)]
    best = next((row["best_naive"] for row in overall if row["best_naive"]), None)
    rows = [
        tuple(
            "best naive" if name == "verdict" and row["model"] == best else text(row[name])
            for name, _, text in shown
        )
        for row in overall
    ]
    return tuple(title for _, title, _ in shown), rows


def _known(rows: Sequence[Mapping[str, Any]], name: str) -> bool:
    return any(not (isinstance(row[name], float) and math.isnan(row[name])) for row in rows)


def _span(facts: Mapping[str, Any]) -> str:
    return (
        f"{', '.join(facts['series'])}; {facts['bars']:,} bars, {facts['first'][:10]} to {facts['last'][:10]}"
    )
