"""iTransformer: a transformer whose tokens are whole series."""

from typing import TYPE_CHECKING, Annotated, Literal, Self

import annotated_types as at
from pydantic import model_validator

from data.registry import spec
from forecast.base import Count
from forecast.models.attention_networks import AbstractMarkedNetwork, require_divided
from forecast.models.network import NetworkShape
from forecast.models.network_windows import Target

if TYPE_CHECKING:
    from torch import nn


@spec
class ITransformer(AbstractMarkedNetwork):
    """iTransformer (Liu, Hu, Zhang, Wu, Wang, Ma and Long 2024): each window of a channel is a token, attention is among them.

    Every window is freed of its mean and scale; sizes are those the authors use for Exchange. The paper's setting is
    ``series: joint``; by default each series is alone, and its tokens are its fields and time marks.

    It loses to the last value on prices and exchange rates, and to ridge where channels say nothing about each other.

    Attributes:
        width: of the states.
        hidden: width of the feed-forward layers.
        attention_heads: they divide the width.
        layers: how many.
        dropout: share of activations left out in training.
    """

    context: Count = 96
    horizon: Count = 24
    target: Target = "level"
    epochs: Count = 10
    learning_rate: Annotated[float, at.Gt(0)] = 1e-4
    patience: Count | None = 3
    rate_decay: Literal["none", "half_each_epoch"] = "half_each_epoch"
    width: Count = 128
    hidden: Count = 128
    attention_heads: Count = 8
    layers: Count = 2
    dropout: Annotated[float, at.Ge(0), at.Lt(1)] = 0.1

    @model_validator(mode="after")
    def _check_i_transformer(self) -> Self:
        require_divided(self.width, self.attention_heads)
        return self

    def module(self, shape: NetworkShape) -> "nn.Module":
        """Return one freshly drawn network."""
        from forecast.models.architectures.i_transformer import ITransformerModule, ITransformerSize

        size = ITransformerSize(
            length=shape.length,
            horizon=shape.horizon,
            channels=shape.channels,
            series=shape.series,
            per_step=shape.per_step,
            width=self.width,
            hidden=self.hidden,
            heads=self.attention_heads,
            layers=self.layers,
            dropout=self.dropout,
            is_density=self.loss == "student_t",
        )
        return ITransformerModule(size)
