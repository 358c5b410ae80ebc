"""The network of ``LstmProfile``: a stacked LSTM with one dense output, and its loss. Needs torch.

Axis letters: K models, B samples, L steps, C channels, Z standardised bins, Q levels.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from data.panel import Floats
from forecast.models.liquidity.lstm import SIZES
from forecast.training.layers import StackedLinear, initialised
from forecast.training.losses import Loss, averaged
from forecast.training.lstm import StackedLstm


def profile_network(seeds: Sequence[int], channels: int, units: int, start: Floats) -> nn.Module:
    """Return freshly drawn networks, one a seed: (K, B, L, C) -> (K, B, O).

    Args:
        seeds: K.
        channels: C.
        units: of the memory.
        start: (O,) outputs that training begins at, whatever the input: what is right in the mean.
    """
    models = len(seeds)
    memory, head = StackedLstm(models, channels, units), StackedLinear(models, units, len(start))
    module = initialised(nn.Sequential(memory, head), seeds)
    with torch.no_grad():
        head.bias[:] = torch.from_numpy(start.astype(np.float32))
    return module


def profile_loss(shares: int, levels: Sequence[float]) -> Loss:
    """Return squared errors of log path and log variance + cross entropy of the shape + pinball of the change.

    Outputs are log path and log variance, ``shares`` logits and Q quantiles; targets log path and log variance, ``shares``
    shares adding up to 1 (or all 0: nobody traded) and the change. Pinball: Koenker and Bassett (1978), eq. 2.1.

    Args:
        shares: bins of the shape, both ways.
        levels: Q quantile levels.
    """
    asked = torch.tensor(levels, dtype=torch.float32)

    def loss(output: torch.Tensor, target: torch.Tensor, weights: torch.Tensor | None = None) -> torch.Tensor:
        at, end = asked.to(output.device), SIZES + shares
        errors = (output[..., :SIZES] - target[..., :SIZES]).square().mean(2)
        surprise = -(target[..., SIZES:end] * output[..., SIZES:end].log_softmax(2)).sum(2)
        short = target[..., end:] - output[..., end:]  # (K, B, Q)
        pinball = torch.maximum(at * short, (at - 1.0) * short).mean(2)
        return averaged((errors + surprise + pinball).unsqueeze(2), weights)

    return loss
