"""Autoformer: does it forecast exchange rates better than repeating the last value?

Wu, Xu, Wang and Long (NeurIPS 2021, table 1) report the best errors of their time on eight exchange rates, without a row
for the last value. This is that row beside Autoformer, DLinear, NLinear and ridge, with every test window scored.
"""

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from backtest.reproductions.base import AbstractReproduction, Reproduction, Row
from backtest.reproductions.long_horizon import (
    BenchmarkSplit,
    WindowErrors,
    errors_of_seeds,
    mean_interval,
)
from data.panel import Floats
from data.registry import spec, validated
from forecast.base import AbstractForecaster, Count
from forecast.comparison import diebold_mariano
from forecast.models.autoformer import Autoformer
from forecast.models.dlinear import DLinear
from forecast.models.naive import Naive
from forecast.models.nlinear import NLinear
from forecast.models.ridge import Ridge
from forecast.skill import ALPHA


@spec
class AutoformerReproduction(AbstractReproduction):
    """Mean squared errors on one benchmark file, scaled by its fitted rows, at each horizon.

    Attributes:
        split: the file and its parts.
        context: rows a network looks at.
        label: of Autoformer.
        ridge_context: rows ridge looks at.
        horizons: steps ahead.
        width: of Autoformer's states; 512 in the paper.
        hidden: of its feed-forward layers; four times the width in the paper.
        epochs: most passes of every network.
        seeds: first weights and orders that are tried; errors are averaged over them.
        published: name of a row -> the published figure.
    """

    split: BenchmarkSplit
    context: Count
    label: Count
    ridge_context: Count
    horizons: tuple[Count, ...]
    width: Count
    hidden: Count
    epochs: Count
    seeds: tuple[int, ...]
    published: dict[str, float]

    def run(self, folder: Path) -> Reproduction:
        """Return the rows of every horizon and the verdict."""
        history = self.split.history(folder)
        rows, verdicts = [], []
        for horizon in self.horizons:
            errors = {
                name: errors_of_seeds(asked, history, self.split, self.seeds if name in NETWORKS else (0,))
                for name, asked in self.models(horizon).items()
            }
            rows += [self._row(name, errors, horizon) for name in errors]
            verdicts.append(_verdict(errors, horizon))
        measure = (
            f"MSE in the unit of the fitted rows; Autoformer of width {self.width}, mean of {len(self.seeds)} seeds; "
            f"every test window: {', '.join(f'{self._windows(h)} at {h}' for h in self.horizons)}"
        )
        return Reproduction(self.claim, self.public, measure, tuple(rows), " ".join(verdicts), 4)

    def models(self, horizon: int) -> dict[str, AbstractForecaster]:
        """Return what is compared at a horizon, the last value first."""
        common = {"horizon": horizon, "levels": [0.5]}
        linear = {**common, "changes": "difference"}
        network = {
            **common,
            "context": self.context,
            "series": "joint",
            "validation_share": self.split.validation_share(self.context, horizon),
            "epochs": self.epochs,
        }
        own = {"label": self.label, "width": self.width, "hidden": self.hidden}
        ridge = {
            **linear,
            "context": self.ridge_context,
            "validation_share": (self.split.train - self.split.fitted) / self.split.train,
            "penalty_scale": "none",
        }
        return {
            "last value": validated(Naive, {**linear, "context": 5}, "last value"),
            "ridge": validated(Ridge, ridge, "ridge"),
            "NLinear": validated(NLinear, network, "NLinear"),
            "DLinear": validated(DLinear, network, "DLinear"),
            "Autoformer": validated(Autoformer, {**network, **own}, "Autoformer"),
        }

    def _windows(self, horizon: int) -> int:
        return self.split.stop - self.split.train - horizon + 1

    def _row(self, name: str, errors: Mapping[str, list[WindowErrors]], horizon: int) -> Row:
        mean = mean_squared(errors[name])
        low, high = mean_interval(mean, horizon, seed=0)
        label = f"{name}, {horizon} steps"
        is_naive = name == "last value"
        chance = None if is_naive else _chance(errors, name, horizon)
        return Row(label, float(mean.mean()), low, high, self.published.get(label), is_naive, chance)


NETWORKS = ("NLinear", "DLinear", "Autoformer")
"""What chance has a part in."""


def mean_squared(errors: list[WindowErrors]) -> Floats:
    """Return each window's squared error averaged over seeds, (N,)."""
    return np.asarray(np.mean([each.squared for each in errors], axis=0))


def _chance(errors: Mapping[str, list[WindowErrors]], name: str, horizon: int) -> float:
    """Return the one-sided p-value of being better than the last value; windows overlap by all steps but one."""
    own, naive = (mean_squared(errors[each]) for each in (name, "last value"))
    if len(own) <= 2 * horizon:
        return math.nan
    return diebold_mariano(own, naive, horizon - 1).p_value


def _verdict(errors: Mapping[str, list[WindowErrors]], horizon: int) -> str:
    naive = errors["last value"][0].mse
    autoformer = [each.mse for each in errors["Autoformer"]]
    ratio = float(np.mean(autoformer)) / naive
    spread = f" +- {np.std(autoformer, ddof=1):.4f}" if len(autoformer) > 1 else ""
    shown = [name for name in errors if name != "last value" and _chance(errors, name, horizon) < ALPHA]
    skill = f"skill shown by {', '.join(shown)}" if shown else "no skill shown by any model"
    return (
        f"At {horizon} steps Autoformer's error is {np.mean(autoformer):.4f}{spread}, {ratio:.2f} times that of repeating the "
        f"last value ({naive:.4f}); {skill}."
    )
