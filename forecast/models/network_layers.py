"""Building blocks of the stock networks, stacked: filters, dense layers, and the decoder that repeats a summary.

Axis letters: K models, B samples, L rows, C channels, U units, F numbers of a flat summary, H steps, O outputs.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn

from forecast.models.network import NetworkShape
from forecast.models.network_filters import FilterBlocks
from forecast.training.layers import StackedConv1d, StackedLinear, max_pool
from forecast.training.lstm import Activation, StackedLstm


def activated(values: torch.Tensor, activation: Activation) -> torch.Tensor:
    """Return relu or tanh of every value."""
    return torch.relu(values) if activation == "relu" else torch.tanh(values)


class StackedDense(nn.Module):
    """Dense layers with an activation between them and none at the end, (K, ..., C) -> (K, ..., O)."""

    def __init__(self, models: int, sizes: Sequence[int], activation: Activation) -> None:
        super().__init__()
        self.activation: Activation = activation
        self.layers = nn.ModuleList(StackedLinear(models, a, b) for a, b in pairwise(sizes))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return the outputs of the last layer."""
        *inner, last = self.layers
        for layer in inner:
            inputs = activated(layer(inputs), self.activation)
        result: torch.Tensor = last(inputs)
        return result


class StackedFilters(nn.Module):
    """Blocks of convolutions, each followed by one max-pool, (K, B, L, C) -> (K, B, F)."""

    def __init__(self, models: int, channels: int, blocks: FilterBlocks, activation: Activation) -> None:
        super().__init__()
        self.activation: Activation = activation
        self.pools = blocks.pools
        self.blocks = nn.ModuleList()
        for filters in blocks.filters:
            sizes = (channels, *filters)
            layers = [StackedConv1d(models, a, b, blocks.kernel) for a, b in pairwise(sizes)]
            self.blocks.append(nn.Sequential(*layers))
            channels = filters[-1]

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return what the filters find, flat."""
        for block, pool in zip(self.blocks.children(), self.pools, strict=True):
            for layer in block.children():
                inputs = activated(layer(inputs), self.activation)
            inputs = max_pool(inputs, pool)
        return inputs.flatten(2)


class StackedColumns(nn.Module):
    """One column of filters a channel, side by side, (K, B, L, C) -> (K, B, C * F)."""

    def __init__(self, models: int, channels: int, blocks: FilterBlocks, activation: Activation) -> None:
        super().__init__()
        self.columns = nn.ModuleList(StackedFilters(models, 1, blocks, activation) for _ in range(channels))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return what the filters of every channel find, flat."""
        each = [column(inputs[..., c : c + 1]) for c, column in enumerate(self.columns)]
        return torch.cat(each, dim=2)


class StackedDecoder(nn.Module):
    """An LSTM that is shown one summary at every step and read by the same dense layers at each, (K, B, F) -> (K, B, O).

    Keras' RepeatVector, LSTM with sequences, and TimeDistributed dense layers (Sutskever, Vinyals and Le 2014, after Cho
    and others 2014).
    """

    def __init__(
        self, models: int, summary: int, units: int, sizes: Sequence[int], steps: int, activation: Activation
    ) -> None:
        super().__init__()
        self.steps = steps
        self.memory = StackedLstm(models, summary, units, activation, sequences=True)
        self.dense = StackedDense(models, (units, *sizes), activation)

    def forward(self, summary: torch.Tensor) -> torch.Tensor:
        """Return the outputs of all steps, flat."""
        repeated = summary.unsqueeze(2).expand(-1, -1, self.steps, -1)  # (K, B, H, F)
        said: torch.Tensor = self.dense(self.memory(repeated))  # (K, B, H, S * P)
        return said.flatten(2)


def decoder_for(
    models: int, summary: int, units: int, dense: Sequence[int], shape: NetworkShape, activation: Activation
) -> StackedDecoder:
    """Return the decoder that says every step of a shape from a summary of so many numbers."""
    sizes = (*dense, shape.series * shape.per_step)
    return StackedDecoder(models, summary, units, sizes, shape.horizon, activation)


class StackedPieces(nn.Module):
    """A window in pieces of equal length, (K, B, L, C) -> (K, B, T, W, C); rows left over, the oldest, are dropped."""

    def __init__(self, pieces: int) -> None:
        super().__init__()
        self.pieces = pieces

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return the pieces, oldest first."""
        width = inputs.shape[2] // self.pieces
        kept = inputs[:, :, -self.pieces * width :]
        return kept.reshape(*inputs.shape[:2], self.pieces, width, -1)
