"""A stacked LSTM with one bias a gate."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import nn

from forecast.training.layers import AbstractStackedLayer, draw_glorot, draw_orthogonal

Activation = Literal["relu", "tanh"]


class StackedLstm(AbstractStackedLayer):
    """K long short-term memories (Hochreiter and Schmidhuber 1997, with the forget gate of Gers and others 2000).

    With z = x W + h V + b split into i, f, g, o: c' = sigmoid(f) c + sigmoid(i) phi(g), h' = sigmoid(o) phi(c'), where phi is
    ``activation``; both states start at 0. Kernels are Glorot uniform, recurrent kernels orthogonal, biases 0 and those of
    the forget gate 1, as in Keras.
    """

    def __init__(
        self,
        models: int,
        inputs: int,
        units: int,
        activation: Activation = "tanh",
        *,
        sequences: bool = False,
    ) -> None:
        super().__init__()
        self.units, self.activation, self.sequences = units, activation, sequences
        self.kernel = nn.Parameter(torch.empty(models, inputs, 4 * units))
        self.recurrent = nn.Parameter(torch.empty(models, units, 4 * units))
        self.bias = nn.Parameter(torch.zeros(models, 1, 4 * units))

    def reset(self, generators: Sequence[torch.Generator]) -> None:
        """Draw first weights."""
        draw_glorot(self.kernel, (self.kernel.shape[1], self.kernel.shape[2]), generators)
        draw_orthogonal(self.recurrent, generators)
        with torch.no_grad():
            self.bias.zero_()[..., self.units : 2 * self.units] = 1.0

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return the hidden states, (K, B, L, C) -> (K, B, L, U) with ``sequences``, else the last one, (K, B, U)."""
        phi = torch.relu if self.activation == "relu" else torch.tanh
        cell = hidden = inputs.new_zeros(*inputs.shape[:2], self.units)
        states = []
        for step in range(inputs.shape[2]):
            gates = torch.baddbmm(self.bias, inputs[:, :, step], self.kernel) + torch.bmm(
                hidden, self.recurrent
            )
            entry, forget, fresh, output = gates.chunk(4, dim=2)
            cell = torch.sigmoid(forget) * cell + torch.sigmoid(entry) * phi(fresh)
            hidden = torch.sigmoid(output) * phi(cell)
            states.append(hidden)
        return torch.stack(states, dim=2) if self.sequences else hidden
