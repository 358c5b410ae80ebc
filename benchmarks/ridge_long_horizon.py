"""Closed-form ridge on the long-horizon benchmarks, every window scored, beside the naive forecast; and its refits.

    python benchmarks/ridge_long_horizon.py --data FOLDER

FOLDER holds ``benchmarks/ETTh1.csv`` and ``benchmarks/exchange_rate.csv``. Protocol: values are standardised with the mean
and deviation of the fitted rows; the map is fitted to those rows, its penalty chosen on the rows that follow, and it is
never refitted; a test window is any whose whole forecast range lies in the test rows. Errors are means over windows,
steps and channels, in the standardised unit.
"""

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from data.history import History
from data.panel import Panel
from data.sessions import BarClock
from forecast.base import AbstractFitted
from forecast.models.naive import Naive
from forecast.models.ridge import Ridge
from forecast.models.ridge_sums import fresh_sums, moved_sums, seen_rows
from forecast.randomness import RandomStreams

HORIZONS = (96, 192, 336, 720)


@dataclass(frozen=True)
class Split:
    """A benchmark file and its rows: fitted [0, fitted), validation [fitted, train), test [train, stop)."""

    file: str
    bar: str
    fitted: int
    train: int
    stop: int
    context: int


SPLITS = {
    "ETTh1": Split("ETTh1.csv", "1h", 8640, 11520, 14400, 720),
    "Exchange": Split("exchange_rate.csv", "session", 5311, 6071, 7588, 36),
}


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    windows: int
    naive: tuple[float, float]
    ridge: tuple[float, float]
    penalties: tuple[float, ...]
    seconds: float


def scaled_history(folder: Path, split: Split) -> History:
    """Return the rows of a file, standardised by its fitted rows, on a regular clock."""
    values = pd.read_csv(folder / "benchmarks" / split.file).iloc[: split.stop, 1:].to_numpy(float)
    fitted = values[: split.fitted]
    values = (values - fitted.mean(axis=0)) / fitted.std(axis=0)
    clock = BarClock(bar=split.bar)
    times = clock.next(np.datetime64("2016-06-30T23:00", "ns"), len(values))
    names = tuple(f"c{i}" for i in range(values.shape[1]))
    return History(Panel(times, names, ("close",), values[:, :, None]), clock)


def window_errors(fitted: AbstractFitted, history: History, split: Split) -> tuple[float, float, int]:
    """Return MSE and MAE of the medians over every test window, and their number."""
    truth, horizon = history.panel.field("close"), fitted.spec.horizon
    squared = absolute = 0.0
    rows = range(split.train - 1, split.stop - horizon)
    for row in rows:
        known = history.until(history.times[row]).last(fitted.spec.context)
        made = fitted.predict(known, RandomStreams(0, known.cutoff))
        error = made.median.T - truth[row + 1 : row + 1 + horizon]
        squared += float(np.mean(error**2))
        absolute += float(np.mean(np.abs(error)))
    return squared / len(rows), absolute / len(rows), len(rows)


def score(folder: Path, name: str, horizon: int, *, shared: bool, context: int | None = None) -> Row:
    """Return the errors of ridge and naive on one benchmark and horizon."""
    split = SPLITS[name]
    history = scaled_history(folder, split)
    train = history.until(history.times[split.train - 1])
    rng = RandomStreams(0, train.cutoff)
    settings = {"horizon": horizon, "changes": "difference", "levels": (0.5,)}
    ridge = Ridge(
        context=context or split.context,
        shared=shared,
        validation_share=(split.train - split.fitted) / split.train,
        penalty_scale="none",
        **settings,
    )
    begun = time.process_time()
    fitted = ridge.fit(train, rng)
    seconds = time.process_time() - begun
    ridge_errors = window_errors(fitted, history, split)
    naive_errors = window_errors(Naive(context=5, **settings).fit(train, rng), history, split)
    chosen = tuple(fit.penalty for fit in fitted.fits.values())
    return Row(ridge_errors[2], naive_errors[:2], ridge_errors[:2], chosen, seconds)


@dataclass
class Refits:
    """CPU seconds of expanding refits, and the largest relative difference of their forecasts.

    ``sums`` are the Gram matrices alone; ``whole`` adds the eigendecomposition, the choice of the penalty and the error
    quantiles, which every refit needs.
    """

    sums_scratch: float = 0.0
    sums_incremental: float = 0.0
    whole_scratch: float = 0.0
    whole_incremental: float = 0.0
    difference: float = 0.0


def refits(folder: Path, *, count: int = 100, rows: int = 24) -> Refits:
    """Return what ``count`` expanding refits cost, from scratch and incremental.

    One series of ETTh1 (17,420 rows), look-back 96, 24 steps, ``rows`` new rows each time.
    """
    history = scaled_history(folder, Split("ETTh1.csv", "1h", 8640, 11520, 17420, 96)).select(("c6",))
    ridge = Ridge(context=96, horizon=24, changes="difference", penalty_scale="none")
    stops = [len(history.times) - 1 - rows * i for i in range(count, -1, -1)]
    trains = [history.until(history.times[stop]) for stop in stops]
    rng = RandomStreams(0, history.cutoff)
    # One after the other: a fit from scratch between two incremental ones would leave them a cold cache.
    updated, found, forecasts = ridge.fit(trains[0], rng), Refits(), []
    for train in trains[1:]:
        seen = seen_rows(train, ridge.field, ridge.form)
        begun = time.process_time()
        moved_sums(updated.sums, updated.seen, seen, ridge.plan)
        moved = time.process_time()
        updated = updated.update(train)
        found.whole_incremental += time.process_time() - moved
        found.sums_incremental += moved - begun
        forecasts.append(updated.predict(train, rng).values)
    for train, incremental in zip(trains[1:], forecasts, strict=True):
        seen = seen_rows(train, ridge.field, ridge.form)
        begun = time.process_time()
        fresh_sums(seen, ridge.plan)
        summed = time.process_time()
        fresh = ridge.fit(train, rng)
        found.whole_scratch += time.process_time() - summed
        found.sums_scratch += summed - begun
        values = fresh.predict(train, rng).values
        found.difference = max(found.difference, float(np.max(np.abs(values - incremental) / np.abs(values))))
    return found


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder that holds benchmarks/")
    folder = parser.parse_args().data
    head = f"{'data':<9}{'L':>4}{'h':>5}{'windows':>9}{'naive MSE':>11}{'MAE':>7}{'ridge MSE':>11}{'MAE':>7}"
    print(f"{head}{'fit CPU s':>11}  maps, penalties")
    for name, split in SPLITS.items():
        for shared in (True, False):
            for horizon in HORIZONS:
                row = score(folder, name, horizon, shared=shared)
                print(
                    f"{name:<9}{split.context:>4}{horizon:>5}{row.windows:>9}{row.naive[0]:>11.4f}{row.naive[1]:>7.3f}"
                    f"{row.ridge[0]:>11.4f}{row.ridge[1]:>7.3f}{row.seconds:>11.2f}"
                    f"  {'shared' if shared else 'own'} {' '.join(f'{p:g}' for p in row.penalties)}",
                    flush=True,
                )
    found = refits(folder)
    print("\n100 expanding refits (17,420 rows, L=96, h=24), CPU s")
    print(f"{'':<24}{'scratch':>9}{'incremental':>13}{'ratio':>7}")
    for label, scratch, incremental in (
        ("Gram matrices", found.sums_scratch, found.sums_incremental),
        ("whole quantile model", found.whole_scratch, found.whole_incremental),
    ):
        print(f"{label:<24}{scratch:>9.2f}{incremental:>13.3f}{scratch / incremental:>7.1f}")
    print(f"largest relative difference of forecasts: {found.difference:.1e}")


if __name__ == "__main__":
    main()
