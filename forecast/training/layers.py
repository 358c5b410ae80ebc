"""Stacked layers: K models of one architecture, every parameter with a leading axis K, one batched product a layer.

Axis letters: K models, B samples, L time steps, C channels in, O channels out. Every layer maps models to themselves: no
value of one model ever reaches another.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TypeVar

import torch
from torch import nn

from forecast.training.seeds import weight_generator

Module = TypeVar("Module", bound=nn.Module)


class AbstractStackedLayer(nn.Module, ABC):
    """A layer of K models; parameters have a leading axis K, and nothing else depends on K."""

    @abstractmethod
    def reset(self, generators: Sequence[torch.Generator]) -> None:
        """Draw first weights, one generator a model, so that a model's weights do not depend on K."""


def initialised(module: Module, seeds: Sequence[int]) -> Module:
    """Return the module with every stacked layer in it reset, one seed a model, in the order of registration."""
    generators = [weight_generator(seed) for seed in seeds]
    for part in module.modules():
        if isinstance(part, AbstractStackedLayer):
            part.reset(generators)
    return module


def draw_glorot(weight: torch.Tensor, fans: tuple[int, int], generators: Sequence[torch.Generator]) -> None:
    """Fill (K, ...) weights with uniform draws inside +-sqrt(6 / (fan in + fan out)) (Glorot and Bengio 2010, eq. 16)."""
    limit = math.sqrt(6.0 / sum(fans))
    with torch.no_grad():
        for one, generator in zip(weight, generators, strict=True):
            one.uniform_(-limit, limit, generator=generator)


def draw_orthogonal(weight: torch.Tensor, generators: Sequence[torch.Generator]) -> None:
    """Fill (K, R, C) weights with matrices whose rows are orthonormal (columns, where R > C) (Saxe and others 2014)."""
    with torch.no_grad():
        for one, generator in zip(weight, generators, strict=True):
            nn.init.orthogonal_(one, generator=generator)


def affine(bias: torch.Tensor, rows: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Return rows (K, R, I) times weights (K, I, O) plus biases (K, 1, O), rounded the same way for every K."""
    if len(rows) > 1 or min(rows.shape[1], weight.shape[2]) > 1:
        return torch.baddbmm(bias, rows, weight)
    # One product with one row or column is computed as matrix times vector, which adds up in another order.
    return torch.baddbmm(*(one.expand(2, -1, -1) for one in (bias, rows, weight)))[:1]


class StackedLinear(AbstractStackedLayer):
    """y = x W + b in each model, (K, ..., inputs) -> (K, ..., outputs); Glorot uniform weights, zero bias."""

    def __init__(self, models: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(models, inputs, outputs))
        self.bias = nn.Parameter(torch.zeros(models, 1, outputs))

    def reset(self, generators: Sequence[torch.Generator]) -> None:
        """Draw first weights."""
        draw_glorot(self.weight, (self.weight.shape[1], self.weight.shape[2]), generators)
        nn.init.zeros_(self.bias)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return the outputs; axes between the first and the last are kept."""
        rows = inputs.flatten(1, -2)  # (K, B * ..., inputs)
        return affine(self.bias, rows, self.weight).reshape(*inputs.shape[:-1], -1)


class StackedConv1d(AbstractStackedLayer):
    """A convolution over time without padding, (K, B, L, C) -> (K, B, L - kernel + 1, O); Glorot uniform, zero bias."""

    def __init__(self, models: int, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__()
        self.kernel = kernel
        self.weight = nn.Parameter(torch.empty(models, kernel * inputs, outputs))
        self.bias = nn.Parameter(torch.zeros(models, 1, outputs))

    def reset(self, generators: Sequence[torch.Generator]) -> None:
        """Draw first weights."""
        fans = self.weight.shape[1], self.weight.shape[2] * self.kernel
        draw_glorot(self.weight, fans, generators)
        nn.init.zeros_(self.bias)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return the filtered sequence."""
        patches = time_patches(inputs, self.kernel)
        rows = patches.flatten(1, 2)  # (K, B * L', kernel * C)
        return affine(self.bias, rows, self.weight).reshape(*patches.shape[:3], -1)


def time_patches(inputs: torch.Tensor, kernel: int) -> torch.Tensor:
    """Return ``kernel`` neighbouring steps side by side, (K, B, L, C) -> (K, B, L - kernel + 1, kernel * C), channels fastest."""
    channels = inputs.shape[3]
    return inputs.flatten(2).unfold(2, kernel * channels, channels)


def max_pool(inputs: torch.Tensor, width: int) -> torch.Tensor:
    """Return the maximum of each ``width`` neighbouring steps, (K, B, L, C) -> (K, B, L // width, C); a rest is dropped."""
    models, samples, length, channels = inputs.shape
    whole = inputs[:, :, : length // width * width]
    return whole.reshape(models, samples, length // width, width, channels).amax(3)
