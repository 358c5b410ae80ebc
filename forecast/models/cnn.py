"""Convolutional networks on windows, of one column of filters or of one a channel."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal, Self

import annotated_types as at
from pydantic import model_validator

from data.registry import spec
from forecast.base import Count
from forecast.models.network import AbstractNetwork, NetworkShape
from forecast.models.network_filters import FilterBlocks

if TYPE_CHECKING:
    from torch import nn


@spec
class Cnn(AbstractNetwork):
    """Convolutions over time, max-pools, then dense layers; see ``AbstractNetwork``.

    CNN_UNIV_5, CNN_UNIV_10, CNN_MULTV_10 and CNN_MULTH_10 of Mehtab and Sen (2021, "Machine Learning: Algorithms, Models
    and Applications", chapter 2). It loses to the last value on prices, where a pattern of five bars says nothing about
    the next five.

    Attributes:
        filters: of each block, the filters of each of its convolutions.
        pools: width of the max-pool after each block; 1 for none.
        kernel: rows a filter sees.
        columns: ``one`` column of filters sees all channels, or ``each`` channel has its own, joined before the dense
            layers.
        dense: units of each dense layer before the output.
        activation: of all inner layers.
    """

    filters: Annotated[tuple[Annotated[tuple[Count, ...], at.MinLen(1)], ...], at.MinLen(1)] = ((16,),)
    pools: tuple[Count, ...] = (2,)
    kernel: Count = 3
    columns: Literal["one", "each"] = "one"
    dense: tuple[Count, ...] = (10,)
    activation: Literal["relu", "tanh"] = "relu"

    @model_validator(mode="after")
    def _check_blocks(self) -> Self:
        self.blocks.length_after(self.cut.length)
        return self

    @property
    def blocks(self) -> FilterBlocks:
        """The convolutions and pools."""
        return FilterBlocks(self.filters, self.pools, self.kernel)

    def stacked(self, seeds: Sequence[int], shape: NetworkShape) -> "nn.Module":
        """Return freshly drawn networks, one a seed, as one module."""
        from torch import nn

        from forecast.models.network_layers import StackedColumns, StackedDense, StackedFilters
        from forecast.training.layers import initialised

        seen = StackedFilters if self.columns == "one" else StackedColumns
        flat = self.blocks.length_after(shape.length) * self.filters[-1][-1]
        sizes = (flat * (1 if self.columns == "one" else shape.channels), *self.dense, shape.outputs)
        filters = seen(len(seeds), shape.channels, self.blocks, self.activation)
        return initialised(nn.Sequential(filters, StackedDense(len(seeds), sizes, self.activation)), seeds)
