"""Times neuralforecast's LSTM refitted on every fold: neuralforecast_folds.py SERIES.npy FOLDS SHIFT.

The series is one column of float32 values; refits are SHIFT rows apart and forecast one step. Everything that costs time and
teaches nothing (progress bar, logger, checkpoints, summary) is off. CPU seconds on one thread, printed as one JSON line.
"""

import json
import logging
import resource
import sys
import time
import warnings

import numpy as np
import pandas as pd
import torch
from neuralforecast import NeuralForecast
from neuralforecast.losses.pytorch import MSE
from neuralforecast.models import LSTM

CONTEXT, UNITS, STEPS, BATCH, RATE = 10, 32, 60, 32, 1e-3


def model() -> LSTM:
    """Return the network: 32 units, a linear output, 60 steps of 32 windows."""
    quiet = dict.fromkeys(
        ("enable_progress_bar", "logger", "enable_checkpointing", "enable_model_summary"), False
    )
    return LSTM(
        h=1,
        input_size=CONTEXT,
        encoder_n_layers=1,
        encoder_hidden_size=UNITS,
        decoder_layers=1,
        decoder_hidden_size=UNITS,
        loss=MSE(),
        learning_rate=RATE,
        max_steps=STEPS,
        batch_size=1,
        windows_batch_size=BATCH,
        scaler_type="identity",
        accelerator="cpu",
        random_seed=1,
        **quiet,
    )


def main() -> None:
    """Print one measurement."""
    values, folds, shift = np.load(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    torch.set_num_threads(1)
    times = pd.date_range("2000-01-01", periods=len(values), freq="D")
    frame = pd.DataFrame({"unique_id": "a", "ds": times, "y": values})
    forecaster = NeuralForecast([model()], freq="D")
    taken = []
    for count in (2, folds):
        begun = time.process_time()
        made = forecaster.cross_validation(frame, n_windows=count, step_size=shift, refit=True)
        taken.append(time.process_time() - begun)
    if made["cutoff"].nunique() != folds:
        raise SystemExit(f"{made['cutoff'].nunique()} refits were made, not {folds}")
    error = float(np.mean((made["LSTM"] - made["y"]) ** 2))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": taken[-1], "error": error, "peak_mb": peak}))


if __name__ == "__main__":
    main()
