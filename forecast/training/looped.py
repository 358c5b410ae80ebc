"""Ordinary modules behind the stacked interface: one after the other, for architectures that have no stacked form."""

from collections.abc import Callable, Sequence

import torch
from torch import nn

from forecast.training.seeds import torch_seed


class LoopedStack(nn.Module):
    """K ordinary modules (B, L, C) -> (B, O) as one stacked module (K, B, L, C) -> (K, B, O)."""

    def __init__(self, modules: Sequence[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(modules)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return each module's output on its own inputs."""
        return torch.stack([module(one) for module, one in zip(self.members, inputs, strict=True)])


def looped(factory: Callable[[], nn.Module], seeds: Sequence[int]) -> LoopedStack:
    """Return one module of ``factory`` a seed; its first weights depend on that seed alone."""
    made = []
    for seed in seeds:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(torch_seed(seed))
            made.append(factory())
    return LoopedStack(made)
