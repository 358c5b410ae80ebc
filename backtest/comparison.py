"""Comparison of runs: their traded accounts and every setting that differs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from backtest.run import Run


@dataclass(frozen=True)
class Compared:
    """Runs side by side: one account row a run, one row a setting that differs, and what to beware of."""

    accounts: list[dict[str, Any]]
    settings: list[dict[str, Any]]
    notes: list[str]


def compare_runs(runs: Sequence[Run]) -> Compared:
    """Return the runs' primary accounts beside each other, and the settings in which they differ."""
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
    return Compared([_account(run) for run in runs], settings, _notes(runs))


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


def _notes(runs: Sequence[Run]) -> list[str]:
    notes = []
    if len({run.manifest["data"]["fingerprint"] for run in runs}) > 1:
        notes.append("The runs saw different data, so their numbers are not comparable one to one.")
    if len({run.manifest["code_version"] for run in runs}) > 1:
        notes.append("The runs were made by different versions of the code.")
    return notes


def _shown(value: Any) -> str:
    return "-" if value is None else str(value)
