"""Series decomposition: a moving average as the trend, and what is left as the season."""

from functools import lru_cache

import torch
import torch.nn.functional as nnf
from torch import nn

from data.errors import SpecError

SHORT = 128
"""Up to this length one constant matrix product is cheaper than sliding a window, above it is dearer (measured)."""


class SeriesDecomposition(nn.Module):
    """Trend and season of (B, L, D) sequences (Wu, Xu, Wang and Long 2021, eq. 1).

    The trend is the centred moving average of ``kernel`` steps over the sequence with its first and last value repeated
    (kernel - 1) / 2 times; the season is the rest. It has no weights.

    Raises:
        SpecError: when the kernel is even, which has no centre, or below 1.
    """

    def __init__(self, kernel: int) -> None:
        super().__init__()
        self.kernel = require_odd(kernel)

    def forward(self, values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return season and trend, (B, L, D) each."""
        trend = moving_average(values, self.kernel)
        return values - trend, trend

    def season(self, values: torch.Tensor) -> torch.Tensor:
        """Return the season alone, (B, L, D), in one product where the sequence is short."""
        if values.shape[1] > SHORT:
            return values - moving_average(values, self.kernel)
        return torch.matmul(_season_matrix(values.shape[1], self.kernel, values.dtype, values.device), values)


def require_odd(kernel: int) -> int:
    """Return the kernel.

    Raises:
        SpecError: when it is even or below 1.
    """
    if kernel < 1 or kernel % 2 == 0:
        raise SpecError(
            f"moving average kernel was {kernel}; allowed: odd numbers from 1 on, so that it has a centre"
        )
    return kernel


def moving_average(values: torch.Tensor, kernel: int) -> torch.Tensor:
    """Return the centred moving average of (B, L, D) over time, ends repeated."""
    if values.shape[1] <= SHORT:
        matrix = moving_average_matrix(values.shape[1], kernel, values.dtype, values.device)
        return torch.matmul(matrix, values)
    reach = (kernel - 1) // 2
    first, last = values[:, :1].expand(-1, reach, -1), values[:, -1:].expand(-1, reach, -1)
    padded = torch.cat([first, values, last], dim=1).transpose(1, 2)
    return nnf.avg_pool1d(padded, kernel, stride=1).transpose(1, 2)


@lru_cache(maxsize=32)
def moving_average_matrix(length: int, kernel: int, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """Return the (L, L) matrix that averages: row t holds 1 / kernel at each step of its window, ends adding up."""
    reach = (kernel - 1) // 2
    steps = torch.arange(length)[:, None] + torch.arange(-reach, reach + 1)[None, :]
    matrix = torch.zeros(length, length, dtype=torch.float64)
    matrix.scatter_add_(
        1, steps.clamp(0, length - 1), torch.full(steps.shape, 1.0 / kernel, dtype=torch.float64)
    )
    return matrix.to(device, dtype)


@lru_cache(maxsize=32)
def _season_matrix(length: int, kernel: int, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    average = moving_average_matrix(length, kernel, dtype, device)
    return torch.eye(length, dtype=dtype, device=device) - average
