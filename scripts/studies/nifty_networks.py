"""Every network of the NIFTY reproduction: all fitted once with each seed, then all refit weekly; hours on one core.

Usage: python scripts/studies/nifty_networks.py DATA RESULTS

Each finished model is one line of the JSON-lines file RESULTS; a model that stands there is not run again, so the study can
be interrupted. The table of all finished models is printed at the end.
"""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from backtest.configuration import read_config
from backtest.reproductions.base import REPRODUCTIONS
from backtest.reproductions.nifty_cnn_lstm import NiftyCnnLstm, Run
from data.errors import SpecError

CONFIG = Path(__file__).resolve().parents[2] / "configs" / "reproduce" / "nifty_cnn_lstm.yaml"
WEEKLY = ("CNN_UNIV_5", "CNN_UNIV_10", "LSTM_UNIV_CONV_10", "LSTM_UNIV_CNN_10", "LSTM_UNIV_10")


def finished(results: Path) -> dict[str, Run]:
    """Return the models that stand in the file."""
    lines = results.read_text().splitlines() if results.exists() else []
    made = [json.loads(line) for line in lines]
    return {each["name"]: Run(np.array(each["points"]), each["cpu_seconds"], each["fits"]) for each in made}


def main(folder: Path, results: Path) -> None:
    """Run what is not finished and print the table."""
    torch.set_num_threads(1)
    asked = REPRODUCTIONS.build(read_config(CONFIG))
    if not isinstance(asked, NiftyCnnLstm):
        raise SpecError(f"{CONFIG} describes another reproduction")
    asked = replace(asked, fitted_once=tuple(asked.networks), refit_weekly=WEEKLY)
    weeks, made = asked.weeks(folder), finished(results)
    order = sorted(asked.runs(weeks).items(), key=lambda each: ("LSTM" in each[0], "weekly" in each[0]))
    for name, make in order:
        if name in made:
            continue
        run = make()
        line = {"name": name, "points": run.points.tolist(), "cpu_seconds": run.cpu_seconds, "fits": run.fits}
        with results.open("a") as file:
            file.write(json.dumps(line) + "\n")
        made[name] = run
        print(f"{name}: {run.cpu_seconds:.1f} CPU seconds a seed", flush=True)
    told = asked.judged(weeks, made)
    for row in told.rows:
        p_value = "" if row.p_value is None else f"  p {row.p_value:.3f}"
        known = "" if row.published is None else f"  known {row.published:.5f}"
        print(f"{row.name:60s} {row.value:10.5f}  [{row.low:.5f}, {row.high:.5f}]{known}{p_value}")
    print(told.verdict)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
