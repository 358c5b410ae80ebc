"""Historical bootstrap: paths made of blocks of past changes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Self

import annotated_types as at
import numpy as np
import numpy.typing as npt
from pydantic import model_validator

from data.history import History
from data.panel import Floats
from data.registry import spec
from forecast.base import AbstractFitted, AbstractForecaster, Count
from forecast.distribution import QuantileForecast, SampleForecast
from forecast.errors import FitError
from forecast.models.empirical import LEAST_ERRORS, Changes, require_form, training_rows
from forecast.randomness import RandomStreams
from forecast.storage import read_state, write_state
from forecast.windows import context_window


@spec
class HistoricalBootstrap(AbstractForecaster):
    """Paths of resampled one-bar changes added to the last value.

    ``stationary``: blocks of geometric length with mean ``block``, wrapped around the end of the training history
    (Politis and Romano 1994, section 2); ``circular``: blocks of exactly ``block`` bars, wrapped likewise (Politis and
    Romano 1992). Each series is drawn on its own, by its name: the paths say nothing about how series move together.

    It loses when volatility now differs from its average in training: its spread is always the same.

    Attributes:
        changes: whether log or plain one-bar changes are drawn.
        blocks: kind of block.
        block: mean or exact length of a block in bars; 1 draws single bars.
        paths: how many are drawn.
    """

    changes: Changes = "log"
    blocks: Literal["stationary", "circular"] = "stationary"
    block: Count = 10
    paths: Annotated[int, at.Ge(100), at.Le(100_000)] = 2000

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.quantity != "level":
            raise ValueError(f"quantity was '{self.quantity}'; bootstrap forecasts level")
        return self

    def fit(self, train: History, rng: RandomStreams) -> "BootstrapFitted":
        """Return the one-bar changes of every series with at least 20 of them, from its observed rows."""
        rows, observed = training_rows(train, self.field, self.changes)
        found = {}
        for s, name in enumerate(train.panel.series):
            seen = rows[observed[:, s], s]
            changes = np.diff(np.log(seen) if self.changes == "log" else seen)
            if len(changes) >= LEAST_ERRORS:
                found[name] = changes
        if not found:
            raise FitError(f"history has {len(rows)} rows and no series with {LEAST_ERRORS} changes")
        return BootstrapFitted(self, found)

    def load(self, folder: Path) -> "BootstrapFitted":
        """Return the fitted state stored there."""
        arrays, facts = read_state(folder)
        return BootstrapFitted(self, {name: arrays[str(i)] for i, name in enumerate(facts["series"])})


@dataclass(frozen=True, eq=False)
class BootstrapFitted(AbstractFitted):
    """The changes of each series that paths are made of.

    Attributes:
        spec: the hyper-parameters.
        changes: name -> (N,) one-bar changes, oldest first.
    """

    spec: HistoricalBootstrap
    changes: dict[str, Floats]

    def predict(self, history: History, rng: RandomStreams) -> QuantileForecast:
        """Return the quantiles of the paths, step by step."""
        return self.sample(history, rng).to_quantiles(self.spec.levels)

    def sample(self, history: History, rng: RandomStreams) -> SampleForecast:
        """Return the paths themselves, (S, H, N)."""
        asked = self.spec
        window = context_window(history, asked.field, asked.context)
        require_form(window.values, window.series, asked.field, asked.changes)
        kept = [i for i, name in enumerate(window.series) if name in self.changes]
        names, last = tuple(window.series[i] for i in kept), window.last[kept]
        paths = [self._paths(name, start, rng.of(name)) for name, start in zip(names, last, strict=True)]
        samples = np.reshape(paths, (len(kept), asked.horizon, asked.paths))
        times = history.clock.next(history.cutoff, asked.horizon)
        return SampleForecast(history.cutoff, times, names, samples, "level", last)

    def save(self, folder: Path) -> None:
        """Write the changes of each series."""
        arrays = {str(i): changes for i, changes in enumerate(self.changes.values())}
        write_state(folder, arrays, {"series": list(self.changes)})

    def _paths(self, name: str, last: float, rng: np.random.Generator) -> Floats:
        changes = self.changes[name]
        drawn = changes[block_rows(len(changes), self.spec, rng)]
        moved = np.cumsum(drawn, axis=0)
        return np.asarray(last * np.exp(moved) if self.spec.changes == "log" else last + moved)


def block_rows(count: int, asked: HistoricalBootstrap, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Return which past change each step of each path takes, (H, N), in [0, count)."""
    shape = (asked.horizon, asked.paths)
    steps = np.arange(asked.horizon)[:, None]
    starts = rng.integers(0, count, shape)
    if asked.blocks == "circular":
        begins = np.broadcast_to(steps - steps % asked.block, shape)
    else:
        fresh = rng.random(shape) < 1.0 / asked.block
        begins = np.maximum.accumulate(np.where(fresh, steps, 0), axis=0)
    return np.asarray((np.take_along_axis(starts, begins, axis=0) + steps - begins) % count)
