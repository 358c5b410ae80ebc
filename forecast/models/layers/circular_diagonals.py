"""Sums over the circular diagonals of square matrices, and the circulant matrices that are their transpose.

For a vector a and a matrix M of size L: ``circulant(a)[t, s] = a[(s - t) mod L]`` and
``diagonal_sums(M)[d] = sum over t of M[t, (t + d) mod L]``. The gradient of each is the other.
"""

from typing import Any, cast

import torch


def diagonal_sums(matrices: torch.Tensor) -> torch.Tensor:
    """Return the sum over each circular diagonal, (B, L, L) -> (B, L)."""
    return cast(torch.Tensor, _DiagonalSums.apply(matrices))  # type: ignore[no-untyped-call]


def circulant(vectors: torch.Tensor) -> torch.Tensor:
    """Return matrices that are constant along each circular diagonal, (B, L) -> (B, L, L)."""
    return cast(torch.Tensor, _Circulant.apply(vectors))  # type: ignore[no-untyped-call]


def _summed(matrices: torch.Tensor) -> torch.Tensor:
    count, length = matrices.shape[0], matrices.shape[2]
    # Beside itself a matrix holds every circular diagonal in one piece: element (t, t + d) is 2L + 1 after (t - 1, t - 1 + d).
    doubled = torch.cat([matrices, matrices], dim=2)
    diagonals = doubled.as_strided((count, length, length), (2 * length * length, 2 * length + 1, 1))
    return diagonals.sum(dim=1)


def _spread(vectors: torch.Tensor) -> torch.Tensor:
    length = vectors.shape[1]
    windows = torch.cat([vectors, vectors], dim=1).unfold(1, length, 1)  # (B, L + 1, L), row j starts at j
    return windows[:, 1:].flip(1)


class _DiagonalSums(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, matrices: torch.Tensor) -> torch.Tensor:
        return _summed(matrices)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        return circulant(gradient)


class _Circulant(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, vectors: torch.Tensor) -> torch.Tensor:
        return _spread(vectors)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        return diagonal_sums(gradient)
