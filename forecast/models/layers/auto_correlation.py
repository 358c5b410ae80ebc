"""Auto-Correlation: attention over time lags, exact, without a Fourier transform a channel and without rolled copies."""

import math
from typing import Literal

import torch
import torch.nn.functional as nnf
from torch import nn

from forecast.models.layers.circular_diagonals import circulant, diagonal_sums

Roll = Literal["as_published", "to_correlation"]
"""Which way values move by a lag: ``as_published`` to earlier steps, ``to_correlation`` to later ones, where queries
correlate with keys."""

SHORT = 160
"""Up to this length the Gram matrix of the steps is cheaper than a Fourier transform a channel (measured)."""


class AutoCorrelation(nn.Module):
    """Attention over the lags at which queries correlate most with keys (Wu, Xu, Wang and Long 2021, eqs. 5 to 7).

    The correlation at lag d is the mean over channels of sum over t of q[t + d] k[t], circular. In training the lags are
    those of the largest correlation averaged over the batch, in inference each sample has its own; weights are always the
    softmax of the sample's own correlations at its lags. Heads are left out: correlations are averaged over heads and
    channels alike, so their number has no effect.

    Args:
        width: channels D of queries, keys, values and output.
        factor: how many lags are used, as a multiple of the logarithm of the length.
        roll: which way values move by a lag.
    """

    def __init__(self, width: int, factor: float, roll: Roll) -> None:
        super().__init__()
        self.factor, self.roll = factor, roll
        self.query, self.key, self.value, self.output = (nn.Linear(width, width) for _ in range(4))

    def forward(self, asked: torch.Tensor, given: torch.Tensor) -> torch.Tensor:
        """Return (B, L, D) for sequences ``asked`` (B, L, D); ``given`` (B, M, D) is cut or filled with 0 to L steps."""
        queries, keys, values = self.query(asked), self.key(given), self.value(given)
        mixed = self.mix(queries, _fitted(keys, asked.shape[1]), _fitted(values, asked.shape[1]))
        return torch.as_tensor(self.output(mixed))

    def mix(self, queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        """Return the values moved by the best lags and added up by weight, (B, L, D)."""
        correlation = mean_correlation(queries, keys)
        count = lag_count(self.factor, queries.shape[1])
        shares = shared_lags(correlation, count) if self.training else own_lags(correlation, count)
        moved = circulant(shares.to(values.dtype))
        return torch.bmm(moved if self.roll == "as_published" else moved.transpose(1, 2), values)


def lag_count(factor: float, length: int) -> int:
    """Return how many lags are used: the whole part of factor * ln(length), between 1 and length."""
    return min(max(int(factor * math.log(length)), 1), length)


def mean_correlation(queries: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
    """Return the circular cross-correlation averaged over channels, (B, L) at lags 0 .. L - 1, from (B, L, D) each.

    The sums over the circular diagonals of the Gram matrix of keys and queries are the sums over t of q[t + d] k[t] of all
    channels together; for long sequences one inverse transform of the spectrum summed over channels gives the same.
    """
    length, width = queries.shape[1:]
    if length <= SHORT:
        return diagonal_sums(_single(torch.bmm(keys, queries.transpose(1, 2)))) / width
    return spectral_correlation(_single(queries), _single(keys))


def spectral_correlation(queries: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
    """Return the circular cross-correlation averaged over channels by Fourier transforms over time, (B, L)."""
    length, width = queries.shape[1:]
    spectrum = torch.fft.rfft(queries, dim=1) * torch.fft.rfft(keys, dim=1).conj()
    return torch.as_tensor(torch.fft.irfft(spectrum.sum(dim=2), n=length, dim=1) / width)


def shared_lags(correlation: torch.Tensor, count: int) -> torch.Tensor:
    """Return each sample's weight at every lag, (B, L), 0 but at the best lags of the batch's mean correlation."""
    lags = correlation.mean(dim=0).topk(count).indices.expand(len(correlation), -1)
    return _weights(correlation, lags)


def own_lags(correlation: torch.Tensor, count: int) -> torch.Tensor:
    """Return each sample's weight at every lag, (B, L), 0 but at its own best lags."""
    return _weights(correlation, correlation.topk(count, dim=1).indices)


def _weights(correlation: torch.Tensor, lags: torch.Tensor) -> torch.Tensor:
    chosen = torch.softmax(correlation.gather(1, lags), dim=1)
    return torch.zeros_like(correlation).scatter(1, lags, chosen)


def _single(values: torch.Tensor) -> torch.Tensor:
    """Return the values in single precision or better: sums over many steps need more than 16 bits."""
    return values.float() if values.dtype in (torch.bfloat16, torch.float16) else values


def _fitted(values: torch.Tensor, length: int) -> torch.Tensor:
    """Return (B, length, D): the first steps, or all and then 0."""
    return nnf.pad(values[:, :length], (0, 0, 0, max(0, length - values.shape[1])))
