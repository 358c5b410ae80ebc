"""PatchTST: a transformer whose tokens are patches of one series."""

from typing import TYPE_CHECKING, Annotated, Self

import annotated_types as at
from pydantic import model_validator

from data.registry import spec
from forecast.base import Count
from forecast.models.attention_networks import require_divided
from forecast.models.network import AbstractTorchNetwork, NetworkShape
from forecast.models.network_windows import Target

if TYPE_CHECKING:
    from torch import nn


@spec
class PatchTst(AbstractTorchNetwork):
    """PatchTST (Nie, Nguyen, Sinthong and Kalagnanam 2023): attention among overlapping patches of one series.

    Supervised form with reversible normalisation of each window, batch normalisation in the layers and attention scores
    carried from layer to layer; sizes are those the authors use for small data (ETTh). Each series by itself, also with
    ``series: joint``, where only the normalisation has weights of its own for each.

    It loses to the last value on prices and exchange rates, and to ridge where a linear map is all there is to learn.

    Attributes:
        patch: steps of a patch.
        stride: steps between the starts of two patches.
        width: of the states.
        hidden: width of the feed-forward layers.
        attention_heads: they divide the width.
        layers: how many.
        dropout: share of activations left out in training.
    """

    context: Count = 96
    horizon: Count = 24
    target: Target = "level"
    learning_rate: Annotated[float, at.Gt(0)] = 1e-4
    batch: Count = 128
    patch: Count = 16
    stride: Count = 8
    width: Count = 16
    hidden: Count = 128
    attention_heads: Count = 4
    layers: Count = 3
    dropout: Annotated[float, at.Ge(0), at.Lt(1)] = 0.3

    @model_validator(mode="after")
    def _check_patch_tst(self) -> Self:
        if self.fields:
            raise ValueError(
                f"fields were {', '.join(self.fields)}; it reads the forecast field alone, allowed: none"
            )
        if self.patch > self.cut.length:
            raise ValueError(f"patch was {self.patch}; the window has {self.cut.length} steps")
        require_divided(self.width, self.attention_heads)
        return self

    def module(self, shape: NetworkShape) -> "nn.Module":
        """Return one freshly drawn network."""
        from forecast.models.architectures.patch_tst import PatchTstModule, PatchTstSize

        size = PatchTstSize(
            length=shape.length,
            horizon=shape.horizon,
            series=shape.series,
            per_step=shape.per_step,
            patch=self.patch,
            stride=self.stride,
            width=self.width,
            hidden=self.hidden,
            heads=self.attention_heads,
            layers=self.layers,
            dropout=self.dropout,
            is_density=self.loss == "student_t",
        )
        return PatchTstModule(size)
