"""A convolution of width three over time whose ends meet."""

import torch
from torch import nn


class CircularConvolution(nn.Module):
    """y[t] = sum over j of W_j x[t - 1 + j], j = 0 .. 2, time taken as a circle; no bias, (B, L, C) -> (B, L, O).

    The weights have the shape and the first values of a ``Conv1d`` of kernel size 3.

    Args:
        inputs: channels C.
        outputs: channels O.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs, 3))
        nn.init.kaiming_uniform_(self.weight, a=5**0.5)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Return one product of all three neighbours; the narrower side is the one that is moved in time."""
        outputs, inputs, _ = self.weight.shape
        if inputs <= outputs:
            neighbours = torch.stack([values.roll(1, 1), values, values.roll(-1, 1)], dim=3)  # (B, L, C, 3)
            return neighbours.flatten(2) @ self.weight.flatten(1).T
        kernel = self.weight.permute(2, 0, 1).flatten(0, 1)  # (3 * O, C)
        before, now, after = (values @ kernel.T).chunk(3, dim=2)
        return before.roll(1, 1) + now + after.roll(-1, 1)
