"""A stacked LSTM with one bias a gate."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import nn

from forecast.training.layers import AbstractStackedLayer, draw_glorot, draw_orthogonal
from forecast.training.recurrence import Recurrence

Activation = Literal["relu", "tanh"]


class StackedLstm(AbstractStackedLayer):
    """K long short-term memories (Hochreiter and Schmidhuber 1997, with the forget gate of Gers and others 2000).

    With z = x W + h V + b split into i, f, o, g: c' = sigmoid(f) c + sigmoid(i) phi(g), h' = sigmoid(o) phi(c'), where phi is
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
        weights = torch.cat([self.kernel, self.bias, self.recurrent], dim=1)
        is_relu, is_training = self.activation == "relu", torch.is_grad_enabled()
        asked = inputs.to(weights.dtype), weights, is_relu, self.sequences, is_training
        hidden: torch.Tensor = Recurrence.apply(*asked)  # type: ignore[no-untyped-call]
        return hidden.permute(1, 3, 0, 2) if self.sequences else hidden.transpose(1, 2)
