"""The PatchTST module (Nie, Nguyen, Sinthong and Kalagnanam, ICLR 2023): patches of one channel are the tokens.

Axis letters: B samples, L steps of the past, H forecast steps, C channels, S of them forecast, P outputs a step, N patches,
D width.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as nnf
from torch import nn

from forecast.models.layers.attention import MultiHeadAttention
from forecast.models.layers.reversible_normalisation import ReversibleNormalisation


@dataclass(frozen=True)
class PatchTstSize:
    """Everything that shapes a PatchTST.

    Attributes:
        length: L.
        horizon: H.
        series: S.
        per_step: P.
        patch: steps of a patch.
        stride: steps between the starts of two patches.
        width: D.
        hidden: width of the feed-forward layers.
        heads: of the attention.
        layers: how many.
        dropout: share of activations left out in training.
        is_density: whether the P outputs are Student's t.
    """

    length: int
    horizon: int
    series: int
    per_step: int
    patch: int
    stride: int
    width: int
    hidden: int
    heads: int
    layers: int
    dropout: float
    is_density: bool

    @property
    def patches(self) -> int:
        """N: those of the window with its last value repeated ``stride`` times."""
        return (self.length - self.patch) // self.stride + 2


class PatchTstModule(nn.Module):
    """(B, L, C) -> (B, H * S * P); every channel goes through the same network alone, and only forecast channels do."""

    def __init__(self, size: PatchTstSize) -> None:
        super().__init__()
        self.size = size
        self.normalisation = ReversibleNormalisation(size.series, is_density=size.is_density)
        self.patch = nn.Linear(size.patch, size.width)
        self.position = nn.Parameter(torch.empty(size.patches, size.width).uniform_(-0.02, 0.02))
        self.dropout = nn.Dropout(size.dropout)
        self.layers = nn.ModuleList(PatchLayer(size) for _ in range(size.layers))
        self.head = nn.Linear(size.width * size.patches, size.horizon * size.per_step)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return the forecast, flat, step before series before output."""
        size = self.size
        normal, centre, scale = self.normalisation(inputs[..., : size.series])
        filled = nnf.pad(normal.transpose(1, 2), (0, size.stride), mode="replicate")  # (B, S, L + stride)
        patches = filled.unfold(2, size.patch, size.stride).flatten(0, 1)  # (B * S, N, patch)
        tokens, scores = self.dropout(self.patch(patches) + self.position), None
        for layer in self.layers:
            tokens, scores = layer(tokens, scores)
        said = self.head(tokens.transpose(1, 2).flatten(1))  # (B * S, H * P)
        said = said.view(-1, size.series, size.horizon, size.per_step).transpose(1, 2)
        return torch.as_tensor(self.normalisation.undo(said, centre, scale).flatten(1))


class PatchLayer(nn.Module):
    """Attention and feed-forward, each added to what came in and batch-normalised; scores are carried on to the next layer."""

    def __init__(self, size: PatchTstSize) -> None:
        super().__init__()
        self.attention = MultiHeadAttention(size.width, size.heads)
        self.rise, self.fall = nn.Linear(size.width, size.hidden), nn.Linear(size.hidden, size.width)
        self.attended, self.mapped = TokenNorm(size.width), TokenNorm(size.width)
        self.dropout = nn.Dropout(size.dropout)

    def forward(self, tokens: torch.Tensor, before: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
        """Return tokens (B * S, N, D) and scores."""
        mixed, scores = self.attention(tokens, before)
        # Dropout once in the attention's output and once on the way in, as published.
        tokens = self.attended(tokens + self.dropout(self.dropout(mixed)))
        risen = self.dropout(nnf.gelu(self.rise(tokens)))
        return self.mapped(tokens + self.dropout(self.fall(risen))), scores


class TokenNorm(nn.Module):
    """Batch normalisation of each channel over samples and tokens, (B, N, D)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(width)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return the normalised tokens."""
        return torch.as_tensor(self.norm(tokens.flatten(0, 1)).view_as(tokens))
