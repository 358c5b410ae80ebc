"""The stacked modules of DLinear and NLinear (Zeng, Chen, Zhang and Xu, AAAI 2023).

Axis letters: K models, B samples, L steps of the past, H forecast steps, C channels, S of them forecast, P outputs a step.
"""

from collections.abc import Sequence

import torch
from torch import nn

from forecast.models.layers.decomposition import moving_average, require_odd
from forecast.models.layers.heads import restored
from forecast.training.layers import AbstractStackedLayer


class StackedTimeMap(AbstractStackedLayer):
    """One linear map over time in each model, the same for every channel, (K, B, S, L) -> (K, B, S, H * P).

    First weights and biases are uniform inside +-1 / sqrt(L), as those of ``nn.Linear``.
    """

    def __init__(self, models: int, length: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(models, length, outputs))
        self.bias = nn.Parameter(torch.empty(models, 1, outputs))

    def reset(self, generators: Sequence[torch.Generator]) -> None:
        """Draw first weights."""
        limit = self.weight.shape[1] ** -0.5
        with torch.no_grad():
            for weight, bias, generator in zip(self.weight, self.bias, generators, strict=True):
                weight.uniform_(-limit, limit, generator=generator)
                bias.uniform_(-limit, limit, generator=generator)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Return the mapped channels."""
        mapped = torch.baddbmm(self.bias, rows.flatten(1, 2), self.weight)
        return mapped.view(*rows.shape[:3], -1)


class DLinearModule(nn.Module):
    """Season and trend of the window, each mapped on its own, and added; (K, B, L, C) -> (K, B, H * S * P).

    Args:
        models: K.
        length: L.
        sizes: S, H and P.
        kernel: steps of the moving average, odd.
    """

    def __init__(self, models: int, length: int, sizes: tuple[int, int, int], kernel: int) -> None:
        super().__init__()
        self.series, self.horizon, self.per_step = sizes
        self.kernel = require_odd(kernel)
        self.season = StackedTimeMap(models, length, self.horizon * self.per_step)
        self.trend = StackedTimeMap(models, length, self.horizon * self.per_step)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return the forecast."""
        values = inputs[..., : self.series]
        trend = moving_average(values.flatten(0, 1), self.kernel).view_as(values)
        said = self.season((values - trend).transpose(2, 3)) + self.trend(trend.transpose(2, 3))
        return by_step(said, self.per_step)


class NLinearModule(nn.Module):
    """The window less its last value, mapped, and the last value added again; (K, B, L, C) -> (K, B, H * S * P).

    Args:
        models: K.
        length: L.
        sizes: S, H and P.
        is_density: whether the P outputs are Student's t.
    """

    def __init__(self, models: int, length: int, sizes: tuple[int, int, int], *, is_density: bool) -> None:
        super().__init__()
        self.series, self.horizon, self.per_step = sizes
        self.is_density = is_density
        self.map = StackedTimeMap(models, length, self.horizon * self.per_step)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return the forecast."""
        values = inputs[..., : self.series]
        last = values[:, :, -1:]  # (K, B, 1, S)
        said = by_step(self.map((values - last).transpose(2, 3)), self.per_step)
        said = said.view(-1, self.horizon, self.series, self.per_step)
        moved = restored(said, last.flatten(0, 1), is_density=self.is_density)
        return moved.view(*inputs.shape[:2], -1)


def by_step(said: torch.Tensor, per_step: int) -> torch.Tensor:
    """Return (K, B, H * S * P), step before series before output, from (K, B, S, H * P)."""
    return said.view(*said.shape[:3], -1, per_step).transpose(2, 3).flatten(2)
