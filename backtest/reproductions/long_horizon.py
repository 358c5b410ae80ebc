"""The long-horizon protocol: one fit, every test window scored, errors in the unit of the fitted rows' deviation.

As the published programs split and scale (Informer, Autoformer, LTSF-Linear), but for one thing: they used to drop the test
windows that did not fill a batch.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from backtest.reproductions.base import require_file
from backtest.reproductions.intervals import Rows, block_interval
from data.history import History
from data.panel import Floats, Panel
from data.registry import spec
from data.sessions import BarClock
from forecast.base import AbstractFitted, AbstractForecaster, Count
from forecast.randomness import RandomStreams

CHUNK = 256
"""Cutoffs that are forecast at once."""


@spec
class BenchmarkSplit:
    """A benchmark file and its rows: fitted [0, fitted), validation [fitted, train), test [train, stop).

    A window belongs to the part that holds all its targets; its inputs may reach back into the part before.

    Attributes:
        file: a CSV with a date column, then one column a series.
        bar: length of a bar, ``session`` for a day.
        fitted: rows that are fitted and give centre and scale.
        train: rows before the first test row.
        stop: rows that are used at all.
    """

    file: str
    bar: str
    fitted: Count
    train: Count
    stop: Count

    def history(self, folder: Path) -> History:
        """Return the rows, each series standardised by its fitted rows; stamps are the file's own, as ends of bars.

        Raises:
            DataError: when the file is not in the folder.
        """
        frame = pd.read_csv(require_file(folder, self.file)).iloc[: self.stop]
        values = frame.iloc[:, 1:].to_numpy(float)
        fitted = values[: self.fitted]
        values = (values - fitted.mean(axis=0)) / fitted.std(axis=0)
        times = pd.to_datetime(frame.iloc[:, 0]).to_numpy().astype("datetime64[ns]")
        panel = Panel(times, tuple(frame.columns[1:]), ("close",), values[:, :, None])
        return History(panel, BarClock(bar=self.bar))

    def known(self, history: History) -> History:
        """Return what a model is fitted to: all rows before the test, the validation rows last."""
        return history.until(history.times[self.train - 1])

    def validation_share(self, context: int, horizon: int) -> float:
        """Return the share of a network's decisions that holds exactly the validation windows."""
        decisions = self.train - horizon - context + 1
        return (self.train - self.fitted - horizon + 0.5) / decisions

    def cutoffs(self, history: History, horizon: int) -> list[np.datetime64]:
        """Return the last row before each test window, (N,)."""
        return [np.datetime64(t) for t in history.times[self.train - 1 : self.stop - horizon]]


@dataclass(frozen=True, eq=False)
class WindowErrors:
    """Errors of the medians in every test window, in order of time.

    Attributes:
        squared: (N,) mean over steps and series.
        absolute: (N,).
    """

    squared: Floats
    absolute: Floats

    @property
    def mse(self) -> float:
        """Mean squared error over all windows, steps and series."""
        return float(self.squared.mean())

    @property
    def mae(self) -> float:
        """Mean absolute error."""
        return float(self.absolute.mean())


def window_errors(fitted: AbstractFitted, history: History, split: BenchmarkSplit) -> WindowErrors:
    """Return the errors of every test window; no window is dropped."""
    truth, horizon = history.panel.field("close"), fitted.spec.horizon
    cutoffs = split.cutoffs(history, horizon)
    squared, absolute = np.empty(len(cutoffs)), np.empty(len(cutoffs))
    for first in range(0, len(cutoffs), CHUNK):
        asked = cutoffs[first : first + CHUNK]
        made = fitted.predict_many(history, asked, [RandomStreams(0, cutoff) for cutoff in asked])
        for i, forecast in enumerate(made, start=first):
            row = split.train + i
            error = forecast.median.T - truth[row : row + horizon]
            squared[i], absolute[i] = np.mean(error**2), np.mean(np.abs(error))
    return WindowErrors(squared, absolute)


def errors_of_seeds(
    asked: AbstractForecaster, history: History, split: BenchmarkSplit, seeds: Sequence[int]
) -> list[WindowErrors]:
    """Return the errors of one fit a seed, all fitted together."""
    known = split.known(history)
    fits = asked.fit_many([known] * len(seeds), [RandomStreams(seed, known.cutoff) for seed in seeds])
    return [window_errors(fitted, history, split) for fitted in fits]


def mean_interval(errors: Floats, horizon: int, seed: int) -> tuple[float, float]:
    """Return the 95 % interval of the mean of window errors (N,); blocks are as long as a window, which overlap."""

    def mean(rows: Rows) -> float:
        return float(errors[rows].mean())

    return block_interval(mean, len(errors), np.random.default_rng(seed), block=min(horizon, len(errors)))
