"""A multilayer perceptron on windows."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from data.registry import spec
from forecast.base import Count
from forecast.models.network import AbstractNetwork, NetworkShape

if TYPE_CHECKING:
    from torch import nn


@spec
class MlpNetwork(AbstractNetwork):
    """Dense layers on the flat window (Rumelhart, Hinton and Williams 1986); see ``AbstractNetwork``.

    It loses to ridge where what is to be learnt is linear, and to naive where nothing is.

    Attributes:
        hidden: units of each hidden layer; none makes it one linear map.
        activation: of the hidden layers.
    """

    hidden: tuple[Count, ...] = (64, 32)
    activation: Literal["relu", "tanh"] = "relu"

    def stacked(self, seeds: Sequence[int], shape: NetworkShape) -> "nn.Module":
        """Return freshly drawn networks, one a seed, as one module."""
        from torch import nn

        from forecast.models.network_layers import StackedDense
        from forecast.training.layers import initialised

        sizes = (shape.length * shape.channels, *self.hidden, shape.outputs)
        dense = StackedDense(len(seeds), sizes, self.activation)
        return initialised(nn.Sequential(nn.Flatten(2), dense), seeds)
