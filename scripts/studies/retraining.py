"""Retraining configurations on real hours: error, compute and their product beside hourly refits on everything.

    python scripts/studies/retraining.py --data FOLDER --on ETTh1 BTC --models gradient_boosting lightgbm ridge

FOLDER holds ``benchmarks/ETTh1.csv`` and ``crypto/btcusd_1h_bitfinex.parquet``. Every configuration is a retraining policy in
the walk that a run takes; nothing is tuned on these hours.
"""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from backtest.reproductions.variance_horizon import Outcome, hourly_history, walked_from
from data.history import History
from data.sources.base import SOURCES

WINDOW, HORIZON = 3360, 6
"""140 days of hours and six hours ahead, as in the source."""

MODELS: dict[str, dict[str, Any]] = {
    "gradient_boosting": {"lags": 24, "rounds": 100, "depth": 6},
    "lightgbm": {"lags": 24},
    "ridge": {},
}

WINDOWS: dict[str, dict[str, Any]] = {
    "ETTh1": {"fields": ["HUFL", "HULL", "MUFL", "MULL", "LUFL", "LULL", "OT"]},
    "BTC": {"values": "log_change"},
}
"""What the variance horizon compares: the levels of every channel, and changes of a price."""

STARTS = {"ETTh1": (8640, 11000, 13500, 15000, 16500), "BTC": (9000, 18000, 27000, 36000, 45000)}


def history_of(name: str, folder: Path) -> History:
    if name == "ETTh1":
        return hourly_history(folder / "benchmarks" / "ETTh1.csv", "OT", 273.15)
    config = {
        "kind": "parquet",
        "files": [str(folder / "crypto" / "btcusd_1h_bitfinex.parquet")],
        "calendar": "24/7",
        "bar": "1h",
        "stamps": "start",
        "fields": ["open", "high", "low", "close", "volume"],
        "end": "2024-01-15",
        "repairs": {"off_grid": "drop", "duplicates": "keep_first", "bad_bars": "mask"},
    }
    return SOURCES.build(config).load(Path())


def configurations(name: str) -> dict[str, dict[str, Any]]:
    window = {"variance_horizon": WINDOWS[name]}
    hourly, falling = {"kind": "every", "bars": 1}, {"kind": "performance", "k": 1.5, "window": HORIZON}
    return {
        "always, all rows": hourly,
        "variance horizon": {**hourly, **window},
        "performance": falling,
        "performance + variance horizon": {**falling, **window},
        "every day": {"kind": "every", "bars": 24},
        "never": {"kind": "never"},
    }


def line(name: str, each: Outcome, base: Outcome) -> str:
    error = each.own.mean() / base.own.mean()
    compute, seconds = each.compute / base.compute, each.seconds / base.seconds
    p_value = each.p_value(HORIZON - 1)
    is_judged = base.has_skill(HORIZON - 1) and each.has_skill(HORIZON - 1)
    products = f"{error * compute:9.4f}{error * seconds:9.4f}" if is_judged else f"{'-':>9}{'-':>9}"
    return (
        f"{name:<31}{each.fits:>5}{each.rows:>7.0f}{each.own.mean():>10.4g}{error:>8.3f}{compute:>9.4f}"
        f"{each.seconds:>9.1f}{seconds:>9.4f}{products}{p_value:>8.3f}  {'skill' if each.has_skill(HORIZON - 1) else 'no skill'}"
    )


def table(made: Mapping[str, Outcome]) -> str:
    base = next(iter(made.values()))
    head = (
        f"{'configuration':<31}{'fits':>5}{'rows':>7}{'error':>10}{'ratio':>8}{'compute':>9}{'CPU s':>9}{'ratio':>9}"
        f"{'ExC':>9}{'ExCPU':>9}{'p':>8}"
    )
    naive = [
        f"{label:<43}{errors.mean():>10.4g}{errors.mean() / base.own.mean():>8.3f}"
        for label, errors in list(base.errors.items())[1:]
    ]
    return "\n".join([head, *(line(name, each, base) for name, each in made.items()), *naive])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--on", nargs="+", choices=sorted(STARTS), default=sorted(STARTS))
    parser.add_argument("--models", nargs="+", choices=sorted(MODELS), default=sorted(MODELS))
    parser.add_argument("--steps", type=int, default=96, help="hourly decisions of each of the five walks")
    parser.add_argument("--out", type=Path, help="file for the errors of every decision, as JSON")
    asked = parser.parse_args()
    kept = {}
    for name in asked.on:
        history = history_of(name, asked.data)
        for kind in asked.models:
            model = {"kind": kind, "context": 48, "horizon": HORIZON, **MODELS[kind]}
            made = {
                label: walked_from(history, model, retraining, WINDOW, STARTS[name], asked.steps, 0)
                for label, retraining in configurations(name).items()
            }
            print(f"\n{name}, {kind}: {len(STARTS[name])} walks of {asked.steps} hourly decisions")
            print(table(made), flush=True)
            kept[f"{name}, {kind}"] = {label: each.own.tolist() for label, each in made.items()}
    if asked.out is not None:
        asked.out.write_text(json.dumps(kept))


if __name__ == "__main__":
    main()
