"""Adam over all weights of a group as one vector: one call a step, and the same bits in any group."""

from collections.abc import Sequence

import torch
from torch import nn

LANES = 64
"""The vector is padded to a multiple of this, so that no weight falls into the scalar rest of a vectorised loop.

The rest is rounded differently, and which weights are in it would depend on how many models there are.
"""


class FlatAdam:
    """Adam (Kingma and Ba 2015, algorithm 1) of every parameter of a module; parameters and gradients become views of it."""

    def __init__(self, module: nn.Module, rate: float) -> None:
        self.parameters = list(module.parameters())
        self._join(rate)

    def _join(self, rate: float) -> None:
        self._shapes = [parameter.shape for parameter in self.parameters]
        self._flat = joined([parameter.data for parameter in self.parameters])
        self._flat.grad = torch.zeros_like(self._flat)
        values, slopes = (views(flat, self._shapes) for flat in (self._flat, self._flat.grad))
        for parameter, value, slope in zip(self.parameters, values, slopes, strict=True):
            parameter.data, parameter.grad = value, slope
        self._adam = torch.optim.Adam([self._flat], lr=rate, fused=True)

    def step(self) -> None:
        """Move every weight by the gradients that were added up, and forget them."""
        self._adam.step()
        assert self._flat.grad is not None
        self._flat.grad.zero_()

    def set_rate(self, rate: float) -> None:
        """Use this rate from the next step on."""
        self._adam.param_groups[0]["lr"] = rate

    def keep(self, models: torch.Tensor) -> None:
        """Drop all other models; those that stay go on as if nothing had happened."""
        before, shapes = self._adam.state[self._flat], self._shapes
        moments = {
            name: joined([one[models] for one in views(before[name], shapes)])
            for name in ("exp_avg", "exp_avg_sq")
        }
        for parameter in self.parameters:
            parameter.data, parameter.grad = parameter.data[models], None
        self._join(self._adam.param_groups[0]["lr"])
        self._adam.state[self._flat] = {"step": before["step"], **moments}


def joined(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    """Return all values in one vector, padded with zeros."""
    flat = torch.cat([one.reshape(-1) for one in tensors])
    return nn.functional.pad(flat, (0, -len(flat) % LANES))


def views(flat: torch.Tensor, shapes: Sequence[torch.Size]) -> list[torch.Tensor]:
    """Return the parts of a vector as tensors of these shapes."""
    sizes = [shape.numel() for shape in shapes]
    parts = torch.split(flat[: sum(sizes)], sizes)
    return [part.view(shape) for part, shape in zip(parts, shapes, strict=True)]
