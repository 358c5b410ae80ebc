"""The LSTM of a pool: log path times a softmax shape, and quantiles of the price's change."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

import annotated_types as at
import numpy as np
import numpy.typing as npt
from pydantic import model_validator

from data.history import History
from data.panel import Floats
from data.registry import spec
from forecast.base import Count
from forecast.errors import ForecastError
from forecast.liquidity import AbstractFittedLiquidity, LiquidityForecast
from forecast.models.liquidity.base import Learnt, Outlook, liquidity_forecast
from forecast.models.liquidity.features import span_features, usual_levels
from forecast.models.liquidity.labels import (
    MOST_DEPARTURE,
    AbstractDepartureModel,
    TrainingSpans,
    training_spans,
)
from forecast.models.liquidity.rows import PoolRows, context_rows
from forecast.models.liquidity.shapes import UNIT_EDGES, spread_shape
from forecast.models.liquidity.spans import LEAST_SHARE, Origins
from forecast.randomness import RandomStreams

if TYPE_CHECKING:
    from torch import nn

BINS = len(UNIT_EDGES) - 1
SIZES = 2
"""Numbers said before the shape: log path and log variance."""

DAY = 24
"""Hourly bars of a day."""

FORMAT = 1
"""Version of what is written here; a file of another version is refused."""

_ARRAYS, _FACTS = "network.safetensors", "network.json"
_WEIGHT = "weight."

Weights = Mapping[str, npt.NDArray[Any]]


@spec
class LstmProfile(AbstractDepartureModel):
    """One LSTM over steps of bars (Hochreiter and Schmidhuber 1997) with heads for path, variance, shape and change.

    Each step holds the features of its bars, and the levels of path and variance that HAR reads. The heads say the log path and the log variance of the span over the usual
    ones of the last week, a softmax over standardised bins (in usual deviations, both ways together), and quantiles of the
    price's change in usual deviations. The loss adds squared errors, cross entropy and pinball loss. Path and variance are
    bias corrected on the held-out spans (Duan 1983), which stop the training too; what ``seeds`` networks say is averaged. Training
    begins at what is right in the mean.

    It loses to HAR on a few hundred days of one pool, whose memory HAR's three means already hold.

    Attributes:
        step: bars of a step; the steps fill ``context``.
        units: of the memory.
        seeds: networks that are averaged.
        epochs: passes over the training spans, at most.
        batch: spans a step of the optimiser.
        learning_rate: of Adam.
        patience: epochs without a smaller validation loss before training stops.
        device: of the training; ``auto`` is CUDA where there is one. Forecasts are made on the CPU.
    """

    step: Count = 12
    units: Count = 16
    seeds: Annotated[int, at.Ge(1), at.Le(20)] = 3
    epochs: Count = 30
    batch: Count = 64
    learning_rate: Annotated[float, at.Gt(0), at.Le(1)] = 1e-2
    patience: Count = 5
    device: Literal["auto", "cpu", "cuda"] = "auto"

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.steps < 2:
            raise ValueError(f"step was {self.step}; a context of {self.context} must hold two steps or more")
        return self

    @property
    def steps(self) -> int:
        """Steps the network reads; the move of the oldest begins one bar before it."""
        return (self.context - 1) // self.step

    @property
    def others(self) -> tuple[int, int]:
        """Bars of the levels that are told beside the usual one: a day and the context."""
        return min(DAY, self.context), self.context

    @property
    def outputs(self) -> int:
        """Numbers the network says."""
        return SIZES + 2 * BINS + len(self.levels)

    def fit(self, train: History, rng: RandomStreams) -> "LstmFitted":
        """Return the networks trained on every bar of the history since its first swap.

        Raises:
            FitError: when the history is too short or a training fails.
        """
        spans = training_spans(train, self)
        inputs = self.windows(spans.rows, spans.floors, spans.usual, spans.labels.origins)
        seen = inputs[spans.kept].reshape(-1, inputs.shape[2])
        scale = seen.std(axis=0)
        learnt = {
            "floors": spans.floors,
            "centre": seen.mean(axis=0),
            "scale": np.where(scale > 0.0, scale, 1.0),
            "smears": np.ones(2),
        }
        weights = self._train(spans, inputs, learnt, rng)
        plain = LstmFitted(self, learnt, weights)
        sizes = plain.said(inputs[spans.checked])[:, :SIZES]
        return LstmFitted(self, {**learnt, "smears": spans.smears(*sizes.T)}, weights)

    def load(self, folder: Path) -> "LstmFitted":
        """Return the fitted state stored there.

        Raises:
            ForecastError: when a file is missing or damaged, was written by another version, or fits another network.
        """
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            found = json.loads((folder / _FACTS).read_text())["format"]
            arrays = load_file(folder / _ARRAYS)
        except (OSError, ValueError, KeyError, SafetensorError) as error:
            raise ForecastError(f"fitted network in {folder} cannot be read: {error}") from error
        if found != FORMAT:
            raise ForecastError(
                f"fitted network in {folder} has format {found}; format {FORMAT} is read: fit again"
            )
        weights = {
            name.removeprefix(_WEIGHT): array for name, array in arrays.items() if name.startswith(_WEIGHT)
        }
        learnt = {name: array for name, array in arrays.items() if not name.startswith(_WEIGHT)}
        return LstmFitted(self, learnt, weights)

    def windows(self, rows: PoolRows, floors: Floats, usual: Floats, origins: Origins) -> Floats:
        """Return what the network reads at N rows, (N, L, C): the features of each step, oldest first, and the levels.

        Logarithms of path and variance are over the levels usual at the row itself. Those levels, and what the last day and
        the whole context were over them, stand in every step.
        """
        plain = span_features(rows, floors, np.ones((len(rows), 2)), self.step)
        places = origins[:, None] - self.step * np.arange(self.steps)[None, ::-1]
        features = plain[places]
        levels = np.log(usual[origins])
        features[:, :, :2] -= levels[:, None, :]
        others = [np.log(usual_levels(rows, floors, span)[origins]) - levels for span in self.others]
        beside = np.concatenate([levels, *others], axis=1)[:, None, :]
        return np.concatenate([features, np.broadcast_to(beside, (*places.shape, beside.shape[2]))], axis=2)

    def network(self, seeds: list[int], channels: int, start: Floats) -> "nn.Module":
        """Return freshly drawn networks, one a seed, as one module; ``start``: (O,) outputs that training begins at."""
        from forecast.models.liquidity.profile_network import profile_network

        return profile_network(seeds, channels, self.units, start)

    def _train(self, spans: TrainingSpans, inputs: Floats, learnt: Learnt, rng: RandomStreams) -> Weights:
        """Return the weights of all networks, stacked."""
        from forecast.models.liquidity.profile_network import profile_loss
        from forecast.training.fold import TrainedModel, TrainingFold, TrainingSettings
        from forecast.training.trainer import train_many
        from forecast.training.windows import WindowTable

        targets = _targets(spans)
        start = _start(targets[spans.kept], self.levels)
        table = WindowTable(inputs.astype(np.float32), targets.astype(np.float32))
        folds = [
            TrainingFold(
                table,
                spans.kept,
                spans.checked,
                learnt["centre"],
                learnt["scale"],
                0.0,
                1.0,
                int(rng.of("lstm", str(member)).integers(2**63 - 1)),
                f"network {member + 1} (cutoff {rng.cutoff})",
            )
            for member in range(self.seeds)
        ]
        settings = TrainingSettings(
            epochs=self.epochs,
            batch=self.batch,
            learning_rate=self.learning_rate,
            patience=self.patience,
            device=self.device,
        )
        outcomes = train_many(
            lambda seeds: self.network(list(seeds), inputs.shape[2], start),
            folds,
            settings,
            profile_loss(2 * BINS, self.levels),
        )
        states = []
        for outcome in outcomes:
            if not isinstance(outcome, TrainedModel):
                raise outcome.error
            states.append(outcome.state)
        return {name: np.concatenate([state[name] for state in states]) for name in states[0]}


def _targets(spans: TrainingSpans) -> Floats:
    """Return what the network is asked, (N, 2 + 2 Z + 1): log path and variance, shares, and the change."""
    labels = spans.labels
    shares = spans.shares(np.arange(len(labels.origins)))
    return np.column_stack([labels.path, labels.variance, shares.reshape(len(shares), -1), labels.change])


def _start(targets: Floats, levels: Sequence[float]) -> Floats:
    """Return the outputs that are right in the mean of (N, O) targets: means, log mean shares, and quantiles, (2 + 2 Z + Q,)."""
    means = targets.mean(axis=0)
    shares = means[SIZES : SIZES + 2 * BINS]
    logits = np.log(np.maximum(shares, LEAST_SHARE / len(shares)))
    return np.concatenate([means[:SIZES], logits, np.quantile(targets[:, -1], levels)])


@dataclass(frozen=True, eq=False)
class LstmFitted(AbstractFittedLiquidity):
    """Trained networks.

    Attributes:
        spec: the hyper-parameters.
        learnt: floors, centre and scale of the inputs, bias corrections.
        weights: of all networks, stacked.
        module: the networks, ready to answer; made from the weights.
    """

    spec: LstmProfile
    learnt: Learnt
    weights: Weights
    module: "nn.Module" = field(init=False)

    def __post_init__(self) -> None:
        import torch

        empty = np.zeros(self.spec.outputs)
        module = self.spec.network(list(range(self.spec.seeds)), len(self.learnt["centre"]), empty)
        try:
            # A copy: stored arrays may be read-only, and a tensor must not share them.
            module.load_state_dict(
                {name: torch.from_numpy(np.array(array)) for name, array in self.weights.items()}
            )
        except RuntimeError as error:
            raise ForecastError(
                f"stored weights do not fit this {type(self.spec).__name__}: {error}"
            ) from error
        object.__setattr__(self, "module", module.eval())

    def said(self, inputs: Floats) -> Floats:
        """Return what the networks say of windows (N, L, C) in the mean, (N, O): shares instead of logits."""
        import torch

        scaled = ((inputs - self.learnt["centre"]) / self.learnt["scale"]).astype(np.float32)
        windows = torch.from_numpy(scaled).expand(self.spec.seeds, *scaled.shape)
        with torch.no_grad():
            found = self.module(windows)
            found[:, :, SIZES : SIZES + 2 * BINS] = found[:, :, SIZES : SIZES + 2 * BINS].softmax(2)
        return np.asarray(found.double().mean(0).numpy())

    def predict(self, history: History, rng: RandomStreams) -> LiquidityForecast:
        """Return the forecast made at the end of ``history`` from its last ``context`` bars.

        Raises:
            ForecastError: when the history has no pool, or fewer bars since its first swap.
        """
        asked = self.spec
        rows = context_rows(history, asked.context)
        usual = usual_levels(rows, self.learnt["floors"], asked.usual)
        said = self.said(asked.windows(rows, self.learnt["floors"], usual, np.array([len(rows) - 1])))[0]
        departures = np.exp(np.clip(said[:SIZES], -MOST_DEPARTURE, MOST_DEPARTURE)) * self.learnt["smears"]
        path, variance = asked.horizon * usual[-1] * departures
        deviation = float(np.sqrt(asked.horizon * usual[-1, 1]))
        shape = said[SIZES : SIZES + 2 * BINS].reshape(BINS, 2)
        profile = path * spread_shape(shape, deviation, asked.log_edges)
        changes = np.sort(said[SIZES + 2 * BINS :]) * deviation
        return liquidity_forecast(asked, rows, Outlook(profile, changes, float(variance)))

    def save(self, folder: Path) -> None:
        """Write weights and arrays as safetensors, and the version of the format."""
        from safetensors.numpy import save_file

        arrays = {**self.learnt, **{_WEIGHT + name: array for name, array in self.weights.items()}}
        save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, folder / _ARRAYS)
        (folder / _FACTS).write_text(json.dumps({"format": FORMAT}))
