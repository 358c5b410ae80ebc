"""A long short-term memory on windows."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from data.registry import spec
from forecast.base import Count
from forecast.models.network import AbstractNetwork, NetworkShape

if TYPE_CHECKING:
    from torch import nn


@spec
class Lstm(AbstractNetwork):
    """One LSTM read at its last step by dense layers (Hochreiter and Schmidhuber 1997); see ``AbstractNetwork``.

    LSTM_UNIV_5 and LSTM_UNIV_10 of Mehtab and Sen (2021): 200 units, dense 100 and 5, relu, one bias a gate. It loses to
    the last value on prices, and to itself with fewer units on histories of a few thousand bars.

    Attributes:
        units: of the memory.
        dense: units of each dense layer before the output.
        activation: of cell input, cell output and inner dense layers; relu is what the papers took and may explode.
    """

    units: Count = 32
    dense: tuple[Count, ...] = (16,)
    activation: Literal["relu", "tanh"] = "tanh"

    def stacked(self, seeds: Sequence[int], shape: NetworkShape) -> "nn.Module":
        """Return freshly drawn networks, one a seed, as one module."""
        from torch import nn

        from forecast.models.network_layers import StackedDense
        from forecast.training.layers import initialised
        from forecast.training.lstm import StackedLstm

        memory = StackedLstm(len(seeds), shape.channels, self.units, self.activation)
        sizes = (self.units, *self.dense, shape.outputs)
        return initialised(nn.Sequential(memory, StackedDense(len(seeds), sizes, self.activation)), seeds)
