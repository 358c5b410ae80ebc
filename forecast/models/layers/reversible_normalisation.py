"""Reversible instance normalisation: each window is freed of its own mean and scale, its forecast gets them back."""

import torch
from torch import nn

from forecast.models.layers.heads import restored

LEAST_VARIANCE = 1e-5
"""Added to the variance of a window, so that a constant one has a scale."""


class ReversibleNormalisation(nn.Module):
    """(x - mean) / sd over time, then an affine map a channel, undone on the forecast (Kim and others 2022, eqs. 1 to 4).

    Args:
        channels: S.
        is_density: whether the forecast is Student's t rather than values.
        is_affine: whether there is an affine map a channel; without it this is the normalisation of iTransformer.
    """

    def __init__(self, channels: int, *, is_density: bool, is_affine: bool = True) -> None:
        super().__init__()
        self.is_density = is_density
        self.weight = nn.Parameter(torch.ones(channels)) if is_affine else None
        self.bias = nn.Parameter(torch.zeros(channels)) if is_affine else None

    def forward(self, values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return the normalised window (B, L, S), and centre and scale (B, 1, S) that ``undo`` takes."""
        centre = values.mean(dim=1, keepdim=True).detach()
        scale = (values.var(dim=1, keepdim=True, unbiased=False) + LEAST_VARIANCE).sqrt().detach()
        normal = (values - centre) / scale
        if self.weight is None or self.bias is None:
            return normal, centre, scale
        # A weight may pass through 0 in training; its square keeps the published guard, in the square of 1e-5.
        slope = scale / (self.weight + LEAST_VARIANCE**2)
        return normal * self.weight + self.bias, centre - self.bias * slope, slope

    def undo(self, said: torch.Tensor, centre: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
        """Return outputs (B, H, S, P) in the unit of the window."""
        return restored(said, centre, scale, is_density=self.is_density)
