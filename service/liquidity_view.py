"""A liquidity run as a person reads it: what every policy made against holding, the forecasts, and the verdict."""

from collections.abc import Mapping
from typing import Any

from service.output import cell, fixed, p_value, percent, print_line, print_sentences, print_table

POLICY_COLUMNS = (
    ("lane", "policy", str),
    ("net_bps", "net bp", lambda value: f"{value:+.1f}"),
    ("standard_error", "s.e.", fixed),
    ("fees_bps", "fees", fixed),
    ("divergence_bps", "divergence", fixed),
    ("gas_bps", "gas", fixed),
    ("conversion_bps", "conversion", fixed),
    ("lvr_bps", "LVR", fixed),
    ("in_range_share", "in range", percent),
    ("rebalances", "moves", fixed),
    ("holm_p", "p", p_value),
    ("verdict", "verdict", str),
)
"""Column of the table ``policies``, its short name, and how its values read."""

FORECAST_COLUMNS = (
    ("model", "model", str),
    ("n", "n", cell),
    ("r2_log_fee_growth", "R2 log fees", fixed),
    ("crps", "CRPS, ticks", fixed),
    ("coverage_80", "in 80 %", percent),
    ("coverage_95", "in 95 %", percent),
    ("log_intensity_mae", "log error", fixed),
    ("earth_mover", "shape", fixed),
    ("verdict", "verdict", str),
)
"""Column of the table ``forecast_scores``, its short name, and how its values read."""


def liquidity_summary(run: Any) -> dict[str, Any]:
    """Return what a script wants to know of a liquidity run."""
    manifest = run.manifest
    return {
        **{
            key: manifest[key] for key in ("id", "name", "experiment", "pool", "verdict", "trials", "primary")
        },
        "findings": run.tables["findings"][["series", "kind", "severity", "message"]].to_dict("records"),
        "policies": run.tables["policies"].to_dict("records"),
        "paired": run.tables["paired"].to_dict("records"),
        "forecast_scores": run.tables["forecast_scores"].to_dict("records"),
    }


def show_liquidity(run: Any) -> None:
    """Print what every policy made against holding, the forecast scores and the verdict; losing rows are shown as well."""
    manifest = run.manifest
    print_line(f"run     {manifest['id'][:12]}  {manifest['name']}")
    print_line(f"pool    {manifest['pool']}, {manifest['folds']} windows, {_span(manifest['data'])}")
    print_line()
    print_table(
        "net of holding, basis points of the capital a window", *_rows(run, "policies", POLICY_COLUMNS)
    )
    if len(run.tables["forecast_scores"]):
        print_line()
        print_table("forecasts of where the pool trades", *_rows(run, "forecast_scores", FORECAST_COLUMNS))
    print_line()
    print_line(f"verdict on {manifest['primary']}  {manifest['verdict']['status']}")
    print_sentences([*manifest["verdict"]["sentences"], manifest["trials"]["sentence"]])


def _span(facts: Mapping[str, Any]) -> str:
    return f"{facts['first'][:10]} to {facts['last'][:10]}"


def _rows(run: Any, name: str, columns: Any) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    records = run.tables[name].to_dict("records")
    return tuple(title for _, title, _ in columns), [
        tuple(show(row[key]) for key, _, show in columns) for row in records
    ]
