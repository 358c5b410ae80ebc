"""Losses of stacked models: one number a model, the mean over its samples and steps."""

import math
from collections.abc import Sequence
from typing import Protocol

import torch

MIN_FREEDOM = 2.0
"""The degrees of freedom of a Student-t head are above this, so that its variance exists."""


class Loss(Protocol):
    """Mean loss of each model."""

    def __call__(
        self, output: torch.Tensor, target: torch.Tensor, weights: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Return (K,) losses.

        Args:
            output: (K, B, O) what the models say.
            target: (K, B, H) what happened, scaled.
            weights: (K, B) share of each sample, adding up to 1 in each model; without it every sample counts the same.
        """


def averaged(losses: torch.Tensor, weights: torch.Tensor | None) -> torch.Tensor:
    """Return (K,) weighted means of (K, B, ...) losses; axes after the second are averaged first."""
    samples = losses.flatten(2).mean(2)
    return samples.mean(1) if weights is None else (samples * weights).sum(1)


def mse(output: torch.Tensor, target: torch.Tensor, weights: torch.Tensor | None = None) -> torch.Tensor:
    """Return the mean squared error; O = H."""
    return averaged((output - target).square(), weights)


def mae(output: torch.Tensor, target: torch.Tensor, weights: torch.Tensor | None = None) -> torch.Tensor:
    """Return the mean absolute error; O = H."""
    return averaged((output - target).abs(), weights)


def pinball(levels: Sequence[float]) -> Loss:
    """Return the mean pinball loss over levels (Koenker and Bassett 1978, eq. 2.1); O = H x Q, levels varying fastest."""
    asked = torch.tensor(levels, dtype=torch.float32)

    def loss(output: torch.Tensor, target: torch.Tensor, weights: torch.Tensor | None = None) -> torch.Tensor:
        at = asked.to(output.device)
        short = target.unsqueeze(-1) - output.reshape(*target.shape, len(levels))  # (K, B, H, Q)
        return averaged(torch.maximum(at * short, (at - 1.0) * short), weights)

    return loss


def student_t(
    output: torch.Tensor, target: torch.Tensor, weights: torch.Tensor | None = None
) -> torch.Tensor:
    """Return the mean negative log likelihood of Student's t; O = H x 3, of each step location, log scale, log(df - 2)."""
    location, log_scale, log_excess = output.reshape(*target.shape, 3).unbind(3)  # (K, B, H) each
    freedom = MIN_FREEDOM + log_excess.exp()
    shock = (target - location) * torch.exp(-log_scale)
    norm = torch.lgamma(freedom / 2) - torch.lgamma((freedom + 1) / 2) + 0.5 * torch.log(freedom * math.pi)
    tail = (freedom + 1) / 2 * torch.log1p(shock.square() / freedom)
    return averaged(norm + log_scale + tail, weights)
