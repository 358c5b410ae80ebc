"""Convolutions that sum a window up for a long short-term memory."""

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
class CnnLstm(AbstractNetwork):
    """Convolutions sum the window up, an LSTM is shown the summary at each step ahead; see ``AbstractNetwork``.

    LSTM_UNIV_CNN_10 of Mehtab and Sen (2021): two convolutions of 64 filters, a pool, 200 units, dense 100, relu. It loses
    to the last value on prices, as ``encoder_decoder`` does.

    Attributes:
        filters: of each block, the filters of each of its convolutions.
        pools: width of the max-pool after each block; 1 for none.
        kernel: rows a filter sees.
        units: of the memory.
        dense: units of each dense layer before the output, the same at every step.
        activation: of all inner layers.
    """

    filters: Annotated[tuple[Annotated[tuple[Count, ...], at.MinLen(1)], ...], at.MinLen(1)] = ((16, 16),)
    pools: tuple[Count, ...] = (2,)
    kernel: Count = 3
    units: Count = 32
    dense: tuple[Count, ...] = (16,)
    activation: Literal["relu", "tanh"] = "tanh"

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

        from forecast.models.network_layers import StackedFilters, decoder_for
        from forecast.training.layers import initialised

        models, summary = len(seeds), self.blocks.length_after(shape.length) * self.filters[-1][-1]
        filters = StackedFilters(models, shape.channels, self.blocks, self.activation)
        decoder = decoder_for(models, summary, self.units, self.dense, shape, self.activation)
        return initialised(nn.Sequential(filters, decoder), seeds)
