"""A convolutional long short-term memory that sums a window up for a plain one."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal, Self

import annotated_types as at
from pydantic import model_validator

from data.registry import spec
from forecast.base import Count
from forecast.models.network import AbstractNetwork, NetworkShape

if TYPE_CHECKING:
    from torch import nn


@spec
class ConvLstm(AbstractNetwork):
    """The window is read in pieces by a convolutional LSTM, an LSTM is shown its state at each step; see ``AbstractNetwork``.

    LSTM_UNIV_CONV_10 of Mehtab and Sen (2021): two pieces of five rows, 64 filters of three rows, 200 units, dense 100,
    relu (cell of Shi and others 2015). It loses to the last value on prices, and is the slowest of its family.

    Attributes:
        pieces: parts of equal length that the window is cut into; rows left over, the oldest, are not read.
        filters: of the convolutional memory.
        kernel: rows of a piece that a filter sees.
        units: of the plain memory.
        dense: units of each dense layer before the output, the same at every step.
        activation: of cell inputs, cell outputs and inner dense layers.
    """

    pieces: Annotated[int, at.Ge(2)] = 2
    filters: Count = 16
    kernel: Count = 3
    units: Count = 32
    dense: tuple[Count, ...] = (16,)
    activation: Literal["relu", "tanh"] = "tanh"

    @model_validator(mode="after")
    def _check_pieces(self) -> Self:
        if self.cut.length // self.pieces < self.kernel:
            raise ValueError(
                f"a window of {self.cut.length} rows in {self.pieces} pieces leaves fewer than the {self.kernel} rows a "
                "filter sees"
            )
        return self

    def stacked(self, seeds: Sequence[int], shape: NetworkShape) -> "nn.Module":
        """Return freshly drawn networks, one a seed, as one module."""
        from torch import nn

        from forecast.models.network_layers import StackedPieces, decoder_for
        from forecast.training.conv_lstm import StackedConvLstm
        from forecast.training.layers import initialised

        models, width = len(seeds), shape.length // self.pieces
        memory = StackedConvLstm(models, shape.channels, self.filters, self.kernel, self.activation)
        summary = (width - self.kernel + 1) * self.filters
        decoder = decoder_for(models, summary, self.units, self.dense, shape, self.activation)
        return initialised(nn.Sequential(StackedPieces(self.pieces), memory, nn.Flatten(2), decoder), seeds)
