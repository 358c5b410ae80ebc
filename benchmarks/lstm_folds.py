"""Training the LSTM of many folds at once, beside a loop over ``nn.LSTM`` and beside neuralforecast.

python benchmarks/lstm_folds.py

Each fold has 500 windows of 10 values, its own seed and its own order; 32 hidden units, 60 Adam steps of 32 samples. The
loops train the same windows with ``torch.nn.LSTM``. neuralforecast runs in an environment of its own
(``build/forecast-peers-venv``, made on first use) on the same series with ``refit=True``: one fit a fold on the rows up to
it, 60 steps of 32 windows. The last table is a walk-forward of the registered ``lstm`` model: 100 stocks, 250 days, a refit
every week. CPU seconds on one thread, the least of several rounds; ratios are of this run; memory is the peak of a process of
its own, beyond what it held before training.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from data.history import History
from data.panel import Panel
from data.sessions import BarClock
from forecast.models.lstm import Lstm
from forecast.randomness import RandomStreams
from forecast.training.fold import TrainedModel, TrainingFold, TrainingSettings
from forecast.training.layers import StackedLinear, initialised
from forecast.training.losses import mse
from forecast.training.lstm import StackedLstm
from forecast.training.trainer import train_many
from forecast.training.windows import WindowTable

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
PEERS = HERE / "peers"
PEERS_VENV = ROOT / "build" / "forecast-peers-venv"

FOLDS, UNITS, CONTEXT, SAMPLES, STEPS, BATCH, RATE = 32, 32, 10, 500, 60, 32, 1e-3

SHIFT = 5
"""Rows between the starts of neighbouring folds: a refit every week."""


class LastState(nn.Module):
    """K LSTMs with a linear head on the last hidden state."""

    def __init__(self, models: int, units: int) -> None:
        super().__init__()
        self.lstm, self.head = StackedLstm(models, 1, units), StackedLinear(models, units, 1)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.head(self.lstm(inputs))


def build(seeds: Sequence[int]) -> nn.Module:
    return initialised(LastState(len(seeds), UNITS), seeds)


def series(folds: int) -> np.ndarray:
    """Return an autoregressive series that is long enough for every fold."""
    rng = np.random.default_rng(1)
    values = np.zeros(SAMPLES + CONTEXT + SHIFT * folds)
    for t in range(2, len(values)):
        values[t] = 0.6 * values[t - 1] - 0.3 * values[t - 2] + rng.normal()
    return values.astype(np.float32)


def rolling_folds(count: int) -> list[TrainingFold]:
    """Return folds of 500 windows each, every one moved by ``SHIFT`` rows, on one table."""
    windows = np.lib.stride_tricks.sliding_window_view(series(count), CONTEXT + 1)
    table = WindowTable(windows[:, :CONTEXT, None].copy(), windows[:, CONTEXT:].copy())
    none = np.empty(0, np.int64)
    starts = [SHIFT * k for k in range(count)]
    return [
        TrainingFold(table, np.arange(at, at + SAMPLES), none, 0.0, 1.0, 0.0, 1.0, seed=k, name=f"fold {k}")
        for k, at in enumerate(starts)
    ]


def settings(batch: int, steps: int) -> TrainingSettings:
    """Return as many epochs as make about that many steps."""
    return TrainingSettings(
        epochs=round(steps * batch / SAMPLES), batch=batch, learning_rate=RATE, device="cpu"
    )


def by_loop(folds: Sequence[TrainingFold], asked: TrainingSettings, *, fused: bool) -> list[float]:
    """Train each fold alone with ``nn.LSTM``, indexing tensors directly; return the last losses."""
    inputs, targets = torch.from_numpy(folds[0].table.inputs), torch.from_numpy(folds[0].table.targets)
    last = []
    for fold in folds:
        torch.manual_seed(fold.seed)
        lstm, head = nn.LSTM(1, UNITS, batch_first=True), nn.Linear(UNITS, 1)
        optimizer = torch.optim.Adam([*lstm.parameters(), *head.parameters()], lr=RATE, fused=fused or None)
        x, y = inputs[fold.train], targets[fold.train]
        for _ in range(asked.epochs):
            for rows in torch.randperm(len(x)).split(asked.batch):
                optimizer.zero_grad()
                loss = (head(lstm(x[rows])[0][:, -1]) - y[rows]).square().mean()
                loss.backward()
                optimizer.step()
        last.append(loss.item())
    return last


def seconds(calls: Sequence[Callable[[], object]], rounds: int) -> list[float]:
    """Return the least CPU time of each call, taken in turns so that a busy machine hits all alike."""
    taken: list[list[float]] = [[] for _ in calls]
    for _ in range(rounds):
        for call, times in zip(calls, taken, strict=True):
            begun = time.process_time()
            call()
            times.append(time.process_time() - begun)
    return [min(times) for times in taken]


def largest_difference(folds: Sequence[TrainingFold], asked: TrainingSettings) -> float:
    """Return the largest difference of any weight between stacked and alone."""
    many = train_many(build, folds, asked, mse)
    alone = [train_many(build, [fold], asked, mse)[0] for fold in folds]
    worst = 0.0
    for one, other in zip(many, alone, strict=True):
        assert isinstance(one, TrainedModel)
        assert isinstance(other, TrainedModel)
        worst = max(worst, *(float(np.abs(one.state[n] - other.state[n]).max()) for n in one.state))
    return worst


def peak_mb() -> float:
    """Return the peak memory of this process so far; ``getrusage`` would count that of the process that started it."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def neuralforecast_seconds(count: int) -> float:
    """Return the CPU seconds of neuralforecast on the same series; its environment is made when it is not there."""
    python = PEERS_VENV / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(PEERS_VENV)], check=True)
        for line in (PEERS / "forecast_requirements.txt").read_text().splitlines():
            if not line.startswith("#"):
                subprocess.run([str(python), "-m", "pip", "install", "-q", line], check=True)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "series.npy"
        np.save(file, series(count))
        command = [str(python), str(PEERS / "neuralforecast_folds.py"), str(file), str(count), str(SHIFT)]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return float(json.loads(done.stdout.splitlines()[-1])["seconds"])


def stocks(count: int, days: int) -> History:
    """Return random walks with a common factor."""
    rng = np.random.default_rng(2)
    moves = rng.normal(0.0, 0.01, (days, count)) + rng.normal(0.0, 0.008, (days, 1))
    clock = BarClock(bar="session")
    times = clock.next(np.datetime64("2015-01-02T21:00", "ns"), days)
    names = tuple(f"stock {n:03d}" for n in range(count))
    return History(
        Panel(times, names, ("close",), 100.0 * np.exp(np.cumsum(moves, axis=0))[:, :, None]), clock
    )


def walk(count: int, train: int, days: int) -> None:
    """Walk the registered model forward: fit on all rows so far every five days, forecast every day; print what it took."""
    history = stocks(count, train + days)
    model = Lstm(context=10, horizon=5, epochs=5, patience=2, batch=128, levels=(0.05, 0.5, 0.95))
    cutoffs = history.times[train - 1 : train - 1 + days]
    before, begun, wall = peak_mb(), time.process_time(), time.perf_counter()
    refits = cutoffs[::5]
    fits = model.fit_many([history.until(t) for t in refits], [RandomStreams(0, t) for t in refits])
    fitted, trained = time.process_time(), time.perf_counter()
    made = 0
    for k, fit in enumerate(fits):
        asked = cutoffs[5 * k : 5 * k + 5]
        made += len(fit.predict_many(history, asked, [RandomStreams(0, t) for t in asked]))
    print(
        f"{count} stocks, {days} days, {len(fits)} refits on {train} to {train + days} days: fit {fitted - begun:.0f} CPU s "
        f"({trained - wall:.0f} s of wall), {made} forecasts {time.process_time() - fitted:.1f} CPU s, peak memory "
        f"{peak_mb():.0f} MB, {peak_mb() - before:.0f} of it by the walk",
        flush=True,
    )


def memory(way: str, count: int) -> None:
    """Print the memory that training takes, in MB beyond what was held before it."""
    folds, asked = rolling_folds(count), settings(BATCH, STEPS)
    by_loop(folds[:1], asked, fused=True)
    train_many(build, folds[:1], asked, mse)
    before = peak_mb()
    if way == "stacked":
        train_many(build, folds, asked, mse)
    else:
        by_loop(folds, asked, fused=True)
    print(f"{peak_mb() - before:.1f}")


def in_own_process(*arguments: str) -> str:
    """Return what this file prints when run with these arguments."""
    command = [sys.executable, str(Path(__file__).resolve()), *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def compare(rounds: int) -> float:
    """Print the table of the folds; return the CPU seconds of the stacked ones."""
    print(
        f"{'folds':>5}{'batch':>6}{'stacked':>9}{'loop':>8}{'ratio':>7}{'fused loop':>11}{'ratio':>7}{'alone':>8}{'ratio':>7}"
    )
    found = []
    for count, batch in ((FOLDS, BATCH), (FOLDS, 16), (128, BATCH)):
        folds, asked = rolling_folds(count), settings(batch, STEPS * BATCH // batch)
        calls = [
            lambda folds=folds, asked=asked: train_many(build, folds, asked, mse),
            lambda folds=folds, asked=asked: by_loop(folds, asked, fused=False),
            lambda folds=folds, asked=asked: by_loop(folds, asked, fused=True),
            lambda folds=folds, asked=asked: [train_many(build, [fold], asked, mse) for fold in folds],
        ]
        ours, *others = seconds(calls, rounds if count == FOLDS else max(2, rounds // 2))
        text = "".join(
            f"{each:>{width}.3f}{each / ours:>7.2f}" for each, width in zip(others, (8, 11, 8), strict=True)
        )
        print(f"{count:>5}{batch:>6}{ours:>9.3f}{text}", flush=True)
        found.append(ours)
    return found[0]


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="not used; every benchmark takes it")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--memory", nargs=2, metavar=("WAY", "FOLDS"), help="measure the memory of one way, nothing else"
    )
    parser.add_argument("--walk", action="store_true", help="only the walk-forward")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    if asked.memory:
        memory(asked.memory[0], int(asked.memory[1]))
        return
    if asked.walk:
        walk(100, 500, 250)
        return
    ours = compare(asked.rounds)
    difference = largest_difference(rolling_folds(FOLDS), settings(BATCH, STEPS))
    print(f"largest difference of a weight, stacked and alone: {difference:.1e}")
    for way, count in (("stacked", FOLDS), ("loop", FOLDS), ("stacked", 128)):
        print(f"memory of {count} folds, {way}: {in_own_process('--memory', way, str(count))} MB")
    theirs = neuralforecast_seconds(FOLDS)
    print(f"neuralforecast, refit=True, {FOLDS} folds: {theirs:.2f} CPU s, ratio {theirs / ours:.1f}")
    print(in_own_process("--walk"))


if __name__ == "__main__":
    main()
