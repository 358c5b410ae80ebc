"""Autoformer: a decomposing transformer whose attention is over time lags."""

from typing import TYPE_CHECKING, Annotated, Literal, Self

import annotated_types as at
from pydantic import model_validator

from data.registry import spec
from forecast.base import Count
from forecast.models.attention_networks import AbstractMarkedNetwork
from forecast.models.network import NetworkShape
from forecast.models.network_windows import Target

if TYPE_CHECKING:
    from torch import nn


@spec
class Autoformer(AbstractMarkedNetwork):
    """Autoformer (Wu, Xu, Wang and Long 2021): moving averages part season and trend, attention is over time lags.

    As the authors' program computes it: lags are shared by a batch in training and each sample's own in inference; the
    future enters as time marks only. The defaults are the paper's, but for ``series: joint``, in which all series are the
    channels of one network; here each series is one channel unless asked. Attention is exact in a faster form, see
    ``forecast.models.layers.auto_correlation``.

    It loses on prices and exchange rates to the last value, which it does not see as such: its forecast starts from the
    mean of the window. It has a chance where there is a season of a few dozen steps, and data to learn it from.

    Attributes:
        label: newest steps of the window that the decoder starts from.
        width: of the states.
        hidden: width of the feed-forward layers.
        encoder_layers: how many.
        decoder_layers: how many.
        kernel: steps of the moving average, odd.
        factor: how many lags are used, as a multiple of the logarithm of the length.
        roll: ``as_published`` moves values against the lag of their correlation, ``to_correlation`` with it.
        dropout: share of activations left out in training.
        time_marks: finest calendar fact of each step that is told: ``hour`` as published, also for daily bars; with ``none``
            the steps ahead start alike, so that some lags correlate equally and rounding chooses among them.
    """

    context: Count = 96
    horizon: Count = 24
    target: Target = "level"
    epochs: Count = 10
    learning_rate: Annotated[float, at.Gt(0)] = 1e-4
    patience: Count | None = 3
    rate_decay: Literal["none", "half_each_epoch"] = "half_each_epoch"
    label: Count = 48
    width: Count = 512
    hidden: Count = 2048
    encoder_layers: Count = 2
    decoder_layers: Count = 1
    kernel: Count = 25
    factor: Annotated[float, at.Gt(0)] = 3.0
    roll: Literal["as_published", "to_correlation"] = "as_published"
    dropout: Annotated[float, at.Ge(0), at.Lt(1)] = 0.05

    @model_validator(mode="after")
    def _check_autoformer(self) -> Self:
        if self.kernel % 2 == 0:
            raise ValueError(
                f"kernel {self.kernel} is even, so the moving average has no centre; allowed: odd numbers"
            )
        if self.label > self.cut.length:
            raise ValueError(f"label was {self.label}; the window has {self.cut.length} steps to start from")
        return self

    def module(self, shape: NetworkShape) -> "nn.Module":
        """Return one freshly drawn network."""
        from forecast.models.architectures.autoformer import AutoformerModule, AutoformerSize

        size = AutoformerSize(
            length=shape.length,
            label=self.label,
            horizon=shape.horizon,
            channels=shape.channels,
            series=shape.series,
            per_step=shape.per_step,
            marks=shape.marks,
            width=self.width,
            hidden=self.hidden,
            encoder_layers=self.encoder_layers,
            decoder_layers=self.decoder_layers,
            kernel=self.kernel,
            factor=self.factor,
            roll=self.roll,
            dropout=self.dropout,
            is_density=self.loss == "student_t",
        )
        return AutoformerModule(size)
