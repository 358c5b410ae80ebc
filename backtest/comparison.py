"""Comparison of runs: their traded accounts, what their errors cost, and every setting that differs."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from backtest.amm.spec import is_liquidity
from backtest.compute import compute_table, error_compute
from backtest.run import Run
from backtest.table_rows import rows_by
from data.errors import SpecError

COMPUTED = ("fits", "predictions", "scores")
"""Tables of a run without which its compute is not known; old runs lack them."""


@dataclass(frozen=True)
class Compared:
    """Runs side by side: one account row a run, one compute row a run, one row a setting that differs, what to beware of."""

    accounts: list[dict[str, Any]]
    compute: list[dict[str, Any]]
    settings: list[dict[str, Any]]
    notes: list[str]


def compare_runs(runs: Sequence[Run]) -> Compared:
    """Return the runs' primary accounts beside each other, and the settings in which they differ.

    Raises:
        SpecError: when some are liquidity experiments and others are not: their accounts have no measure in common.
    """
    pools = [run.id[:8] for run in runs if is_liquidity(run.manifest)]
    if 0 < len(pools) < len(runs):
        raise SpecError(
            f"liquidity experiments are compared with their own kind only; here they are {', '.join(pools)}"
        )
    account = _liquidity_account if pools else _account
    flat = [flattened(run.manifest["spec"]) for run in runs]
    keys = sorted({key for settings in flat for key in settings})
    differing = [key for key in keys if len({repr(settings.get(key)) for settings in flat}) > 1]
    settings = [
        {
            "setting": key,
            **{run.id[:8]: _shown(values.get(key)) for run, values in zip(runs, flat, strict=True)},
        }
        for key in differing
    ]
    return Compared([account(run) for run in runs], compute_rows(runs), settings, _notes(runs))


def compute_rows(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Return error, compute and their product for the judged model of each run that stored them.

    Runs are configurations of one model on one execution path when data, model, calibration, folds, seed, code and packages
    are the same; their retraining may differ. CPU seconds are those of the machine each run was made on.
    """
    known = [run for run in runs if set(COMPUTED) <= set(run.tables)]
    if not known:
        return []
    table = error_compute(pd.DataFrame([_spent(run) for run in known]))
    columns = {
        "run": "run", "model": "model", "retraining": "retraining", "fits": "fits", "error": "error",
        "cpu_seconds": "CPU s", "cost_proxy": "cost proxy", "error_x_cpu": "error x CPU", "cpu_ratio": "of baseline",
        "error_x_proxy": "error x proxy", "proxy_ratio": "proxy of baseline",
    }  # fmt: skip
    notes = [
        "baseline" if row["is_baseline"] and not row["flag"] else row["flag"]
        for row in table.to_dict("records")
    ]
    shown = table[list(columns)].rename(columns=columns).assign(note=notes)
    return [{str(key): value for key, value in row.items()} for row in shown.to_dict("records")]


def _spent(run: Run) -> dict[str, Any]:
    manifest, spec = run.manifest, run.manifest["spec"]
    table = compute_table(run.tables["fits"], run.tables["predictions"], run.tables["scores"])
    path = [
        manifest["data"]["fingerprint"],
        manifest["code_version"],
        manifest.get("python"),
        manifest.get("packages"),
    ]
    asked = [spec["forecaster"][0], *(spec.get(name) for name in ("calibration", "folds", "seed"))]
    return {
        **table.set_index("model").loc[manifest["primary"]].to_dict(),
        "run": run.id[:8],
        "model": manifest["primary"],
        "retraining": _retraining(spec.get("retraining") or {}),
        "path": json.dumps([*path, *asked], sort_keys=True),
    }


def _retraining(section: Mapping[str, Any]) -> str:
    """Return a policy by its kind and the settings that are not off."""
    settings = [
        f"{key} {value}"
        for key, value in flattened(section).items()
        if key != "kind" and value not in (None, 0)
    ]
    return ", ".join([str(section.get("kind", "-")), *settings])


def flattened(value: Any, path: str = "") -> dict[str, Any]:
    """Return nested settings as one mapping from ``a.b.c`` to the value."""
    if isinstance(value, Mapping) and value:
        return {
            k: v
            for key, item in value.items()
            for k, v in flattened(item, f"{path}.{key}" if path else key).items()
        }
    if isinstance(value, list) and value and isinstance(value[0], Mapping):
        return {k: v for i, item in enumerate(value) for k, v in flattened(item, f"{path}.{i}").items()}
    return {path: value}


def _account(run: Run) -> dict[str, Any]:
    lane = run.manifest["primary"]
    metrics = run.tables["metrics"]
    own = metrics[metrics["lane"] == lane].set_index("metric")["value"]
    names = ("total_return", "cagr", "volatility", "sharpe", "max_drawdown")
    return {
        "run": run.id[:8],
        "name": run.manifest["name"],
        "model": lane,
        **{name.replace("_", " "): float(own[name]) for name in names},
        "forecast skill": run.manifest["verdict"]["status"],
    }


def _liquidity_account(run: Run) -> dict[str, Any]:
    lane = run.manifest["primary"]
    row = rows_by(run.tables["policies"], "lane")[lane,]
    shown = {
        "windows": "windows", "net_bps": "net bp", "standard_error": "s.e.", "low": "95 % low", "high": "95 % high",
        "holm_p": "p", "minimum_detectable_bps": "detectable bp", "verdict": "verdict",
    }  # fmt: skip
    return {
        "run": run.id[:8],
        "name": run.manifest["name"],
        "policy": lane,
        **{title: row[name] for name, title in shown.items()},
    }


def _notes(runs: Sequence[Run]) -> list[str]:
    notes = []
    if len({run.manifest["data"]["fingerprint"] for run in runs}) > 1:
        notes.append("The runs saw different data, so their numbers are not comparable one to one.")
    if len({run.manifest["code_version"] for run in runs}) > 1:
        notes.append("The runs were made by different versions of the code.")
    return notes


def _shown(value: Any) -> str:
    return "-" if value is None else str(value)
