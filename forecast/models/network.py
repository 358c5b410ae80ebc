"""Networks: what all of them share, from windows to a distribution; a family adds its architecture."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

import annotated_types as at
import numpy as np
from pydantic import model_validator

from data.history import History
from data.panel import Floats, Times
from data.registry import spec
from forecast.base import AbstractFitted, AbstractForecaster, Count
from forecast.errors import FitError
from forecast.models.network_fitted import NetworkFitted
from forecast.models.network_outputs import Heads, NetworkLoss
from forecast.models.network_storage import read_network
from forecast.models.network_training import fitted_networks
from forecast.models.network_windows import Target, WindowCut
from forecast.models.univariate import check_quantity
from forecast.randomness import RandomStreams

if TYPE_CHECKING:
    from torch import nn

Rate = Annotated[float, at.Gt(0)]


@dataclass(frozen=True)
class NetworkShape:
    """What goes into a network and what comes out.

    Attributes:
        length: L, rows of the past.
        channels: C, channels of each row; the first ``series`` are those that are forecast.
        horizon: H, steps ahead.
        per_step: P, outputs for one step of one series: 1, one a quantile level, or the 3 of Student's t.
        series: S, series that are forecast at once; above 1 in a joint network only.
        marks: E, facts of each time known in advance; with any, inputs have L + H rows of C + E columns.
    """

    length: int
    channels: int
    horizon: int
    per_step: int
    series: int = 1
    marks: int = 0

    @property
    def outputs(self) -> int:
        """O = H * S * P, flat in that order: the step varies slowest."""
        return self.horizon * self.series * self.per_step


@spec
class AbstractNetwork(AbstractForecaster):
    """A neural network on windows of stride 1, trained by Adam; a subclass says what it is made of.

    Training windows lie inside the history, 80 % observed, gaps carried; series are pooled in the order of their names, so
    the panel's order never matters. The newest ``validation_share`` of the decisions are held out: no label of a training
    window is known later than the first of them. Centres and scales come from the training windows of each fold alone.
    All folds, members and separate series of ``fit_many`` are trained as one stacked model.

    Output is a distribution. ``pinball`` says one value a level, put in order where they cross; ``student_t`` says
    location, scale and degrees of freedom; ``mse`` and ``mae`` say a point, and its spread is that of each series' errors
    on the held-out windows (with ``validation_share`` 0 on the training windows, which is too narrow). Forecasts of several
    ``seeds`` are averaged: points, or quantiles level by level.

    There is no bounded output: a network that cannot leave the range it was trained on fails on any price that does.

    It loses to the last value on most prices: it has many weights to say what one number says, and each adds noise.

    Attributes:
        fields: fields it reads beside ``field``, which always comes first; their values must be there too.
        target: what it sees and says: ``level``, ``log_return`` (values above 0) or ``last_value`` (any sign).
        loss: what it is trained on.
        series: ``pooled`` is one network on the windows of every series, ``separate`` one a series, ``joint`` one that
            sees all series as channels and says all of them.
        seeds: members of the ensemble.
        validation_share: newest part of the decisions that is held out.
        epochs: most passes over the training windows.
        batch: windows a step.
        learning_rate: of Adam.
        patience: epochs without a smaller validation loss before training stops with the best weights; none: all epochs.
        rate_decay: ``half_each_epoch`` halves the rate after each epoch.
        retry_rate: rate of one second try when the loss explodes; none: the fit fails.
        warm_start: a refit starts from the previous weights and not from new ones.
        device: ``auto`` is CUDA where there is one.
        precision: ``auto`` is bfloat16 on CUDA devices that have it.
    """

    fold_tolerance: ClassVar[float] = 1e-4

    fields: tuple[str, ...] = ()
    target: Target = "log_return"
    loss: NetworkLoss = "mse"
    series: Literal["pooled", "separate", "joint"] = "pooled"
    seeds: Count = 1
    validation_share: Annotated[float, at.Ge(0), at.Le(0.5)] = 0.2
    epochs: Count = 30
    batch: Count = 32
    learning_rate: Rate = 1e-3
    patience: Count | None = 5
    rate_decay: Literal["none", "half_each_epoch"] = "none"
    retry_rate: Rate | None = None
    warm_start: bool = False
    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["auto", "float32", "bfloat16"] = "auto"

    @model_validator(mode="after")
    def _check_network(self) -> Self:
        check_quantity(self.quantity, "a network")
        if len(set(self.channels)) != len(self.fields) + 1:
            raise ValueError(
                f"fields were {', '.join(self.fields)}; each may be named once, without '{self.field}'"
            )
        if self.cut.length < 1:
            raise ValueError(f"context {self.context} holds no log return; at least 2 rows are needed")
        if self.patience is not None and not self.validation_share:
            raise ValueError(
                "patience needs held-out windows; set validation_share above 0 or patience to null"
            )
        return self

    @abstractmethod
    def stacked(self, seeds: Sequence[int], shape: NetworkShape) -> "nn.Module":
        """Return freshly drawn networks, one a seed, as one module (K, B, L, C) -> (K, B, O); see ``NetworkShape``."""

    def marks(self, times: Times) -> Floats:
        """Return facts of times (N,) that are known in advance, such as the weekday, (N, E); none by default."""
        return np.empty((len(times), 0))

    @property
    def channels(self) -> tuple[str, ...]:
        """Every field that is read, the one that is forecast first."""
        return (self.field, *self.fields)

    @property
    def cut(self) -> WindowCut:
        """How windows are cut."""
        return WindowCut(self.context, self.horizon, self.target, self.mixes_series, self.marks)

    @property
    def heads(self) -> Heads:
        """How outputs are read."""
        return Heads(self.loss, self.levels)

    @property
    def fits_together(self) -> bool:
        """True, unless each fit starts from the weights of the one before."""
        return not self.warm_start

    @property
    def mixes_series(self) -> bool:
        """Whether the forecast of one series depends on the values of the others."""
        return self.series == "joint"

    def shape(self, series: int = 1) -> NetworkShape:
        """Return the shape of the network that forecasts so many series at once."""
        channels = len(self.channels) * series
        cut = self.cut
        return NetworkShape(cut.length, channels, self.horizon, self.heads.per_step, series, cut.mark_count)

    def parameter_count(self, series: int = 1) -> int:
        """Return how many numbers one network is trained on."""
        return sum(weight.numel() for weight in self.stacked([0], self.shape(series)).parameters())

    def fit(self, train: History, rng: RandomStreams) -> AbstractFitted:
        """Return the network trained on one history."""
        return self.fit_many([train], [rng])[0]

    def try_fit_many(
        self, trains: Sequence[History], rngs: Sequence[RandomStreams]
    ) -> list[AbstractFitted | FitError]:
        """Return one network, or the error of its fit, per history; all are trained together."""
        return list(fitted_networks(self, trains, rngs))

    def fit_again(self, previous: AbstractFitted, train: History, rng: RandomStreams) -> AbstractFitted:
        """Return the network trained on a newer history; with ``warm_start`` from the previous weights.

        Centres and scales are those of the newer history.

        Raises:
            FitError: when the previous model was made by another specification, or the fit fails.
        """
        if not self.warm_start:
            return self.fit(train, rng)
        if not isinstance(previous, NetworkFitted) or previous.spec != self:
            raise FitError("a warm start needs the previous fit of the same specification")
        (made,) = fitted_networks(self, [train], [rng], previous.parts)
        if isinstance(made, FitError):
            raise made
        return made

    def load(self, folder: Path) -> AbstractFitted:
        """Return the fitted network stored there."""
        stored = read_network(folder, self.channels)
        return NetworkFitted(self, stored.parts, stored.offsets, stored.held_out)


@spec
class AbstractTorchNetwork(AbstractNetwork):
    """A network given as an ordinary torch module; this is what a user's own model derives from.

    Folds and members are trained one after the other: an ordinary module has no stacked form.
    """

    @abstractmethod
    def module(self, shape: NetworkShape) -> "nn.Module":
        """Return one freshly drawn network (B, L, C) -> (B, O); see ``NetworkShape``."""

    def stacked(self, seeds: Sequence[int], shape: NetworkShape) -> "nn.Module":
        """Return one module a seed behind the stacked interface."""
        from forecast.training.looped import looped

        return looped(lambda: self.module(shape), seeds)
