"""The iTransformer module (Liu, Hu, Zhang, Wu, Wang, Ma and Long, ICLR 2024): whole channels are the tokens.

Axis letters: B samples, L steps of the past, H forecast steps, C channels, S of them forecast, E time marks, P outputs a step,
D width.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as nnf
from torch import nn

from forecast.models.layers.attention import MultiHeadAttention
from forecast.models.layers.reversible_normalisation import ReversibleNormalisation


@dataclass(frozen=True)
class ITransformerSize:
    """Everything that shapes an iTransformer.

    Attributes:
        length: L.
        horizon: H.
        channels: C; the first ``series`` are forecast.
        series: S.
        per_step: P.
        width: D.
        hidden: width of the feed-forward layers.
        heads: of the attention.
        layers: how many.
        dropout: share of activations left out in training.
        is_density: whether the P outputs are Student's t.
    """

    length: int
    horizon: int
    channels: int
    series: int
    per_step: int
    width: int
    hidden: int
    heads: int
    layers: int
    dropout: float
    is_density: bool


class ITransformerModule(nn.Module):
    """(B, L, C) -> (B, H * S * P); with marks (B, L + H, C + E), of which the past is E more tokens."""

    def __init__(self, size: ITransformerSize) -> None:
        super().__init__()
        self.size = size
        self.normalisation = ReversibleNormalisation(
            size.channels, is_density=size.is_density, is_affine=False
        )
        self.embedding = nn.Linear(size.length, size.width)
        self.dropout = nn.Dropout(size.dropout)
        self.layers = nn.ModuleList(ChannelLayer(size) for _ in range(size.layers))
        self.norm = nn.LayerNorm(size.width)
        self.projection = nn.Linear(size.width, size.horizon * size.per_step)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return the forecast, flat, step before series before output."""
        size = self.size
        past = inputs[:, : size.length]
        normal, centre, scale = self.normalisation(past[..., : size.channels])
        rows = torch.cat([normal, past[..., size.channels :]], dim=2).transpose(1, 2)  # (B, C + E, L)
        tokens = self.dropout(self.embedding(rows))
        for layer in self.layers:
            tokens = layer(tokens)
        said = self.projection(self.norm(tokens[:, : size.series]))  # (B, S, H * P)
        said = said.unflatten(2, (size.horizon, size.per_step)).transpose(1, 2)
        centre, scale = centre[..., : size.series], scale[..., : size.series]
        return torch.as_tensor(self.normalisation.undo(said, centre, scale).flatten(1))


class ChannelLayer(nn.Module):
    """Attention among channels and feed-forward, each added to what came in and layer-normalised, (B, C + E, D)."""

    def __init__(self, size: ITransformerSize) -> None:
        super().__init__()
        self.attention = MultiHeadAttention(size.width, size.heads, size.dropout)
        self.rise, self.fall = nn.Linear(size.width, size.hidden), nn.Linear(size.hidden, size.width)
        self.attended, self.mapped = nn.LayerNorm(size.width), nn.LayerNorm(size.width)
        self.dropout = nn.Dropout(size.dropout)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return the tokens after one layer."""
        tokens = self.attended(tokens + self.dropout(self.attention(tokens)[0]))
        risen = self.dropout(nnf.gelu(self.rise(tokens)))
        return torch.as_tensor(self.mapped(tokens + self.dropout(self.fall(risen))))
