"""A stacked convolutional LSTM over sequences of rows, with one bias a gate."""

from collections.abc import Sequence

import torch
from torch import nn

from forecast.training.layers import AbstractStackedLayer, draw_glorot, draw_orthogonal, time_patches
from forecast.training.lstm import Activation


class StackedConvLstm(AbstractStackedLayer):
    """K convolutional LSTMs (Shi and others 2015, eq. 3, without peepholes) over images of one row.

    As ``StackedLstm`` with both products replaced by convolutions along the row: of the input without padding, of the
    hidden state padded with zeros to keep its width (Keras' ``ConvLSTM2D``, kernel (1, k), logistic gates).
    """

    def __init__(
        self, models: int, inputs: int, units: int, kernel: int, activation: Activation = "tanh"
    ) -> None:
        super().__init__()
        self.units, self.width, self.activation = units, kernel, activation
        self.kernel = nn.Parameter(torch.empty(models, kernel * inputs, 4 * units))
        self.recurrent = nn.Parameter(torch.empty(models, kernel * units, 4 * units))
        self.bias = nn.Parameter(torch.zeros(models, 1, 4 * units))

    def reset(self, generators: Sequence[torch.Generator]) -> None:
        """Draw first weights; fans count the kernel's width, as in Keras."""
        fans = self.kernel.shape[1], self.kernel.shape[2] * self.width
        draw_glorot(self.kernel, fans, generators)
        draw_orthogonal(self.recurrent, generators)
        with torch.no_grad():
            self.bias.zero_()[..., self.units : 2 * self.units] = 1.0

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return the last hidden state, (K, B, T, W, C) -> (K, B, W - kernel + 1, U), T steps of rows of width W."""
        models, samples, steps = inputs.shape[:3]
        patches = time_patches(inputs.flatten(1, 2), self.width)  # (K, B * T, W', kernel * C)
        width = patches.shape[2]
        entering = torch.baddbmm(self.bias, patches.flatten(1, 2), self.kernel)
        gates = entering.reshape(models, samples, steps, width, 4 * self.units)
        phi = torch.relu if self.activation == "relu" else torch.tanh
        cell = hidden = inputs.new_zeros(models, samples, width, self.units)
        before = (self.width - 1) // 2
        for step in range(steps):
            padded = nn.functional.pad(hidden, (0, 0, before, self.width - 1 - before))
            moved = time_patches(padded, self.width).flatten(1, 2)  # (K, B * W', kernel * U)
            summed = gates[:, :, step] + torch.bmm(moved, self.recurrent).reshape(*cell.shape[:3], -1)
            entry, forget, output, fresh = summed.chunk(4, dim=3)
            cell = torch.sigmoid(forget) * cell + torch.sigmoid(entry) * phi(fresh)
            hidden = torch.sigmoid(output) * phi(cell)
        return hidden
