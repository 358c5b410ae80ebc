"""The Autoformer module (Wu, Xu, Wang and Long, NeurIPS 2021), as its authors' program computes it.

Axis letters: B samples, L steps of the past, N label and H forecast steps, C channels, S of them forecast, P outputs a step,
D width.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as nnf
from torch import nn

from forecast.models.layers.auto_correlation import AutoCorrelation, Roll
from forecast.models.layers.circular_convolution import CircularConvolution
from forecast.models.layers.decomposition import SeriesDecomposition
from forecast.models.layers.heads import restored


@dataclass(frozen=True)
class AutoformerSize:
    """Everything that shapes an Autoformer.

    Attributes:
        length: L.
        label: N, newest steps of the past that the decoder starts from, at most L.
        horizon: H.
        channels: C; the first ``series`` are forecast.
        series: S.
        per_step: P.
        marks: E, time marks a step.
        width: D.
        hidden: width of the feed-forward layers.
        encoder_layers, decoder_layers: how many.
        kernel: steps of the moving average, odd.
        factor: lags of Auto-Correlation as a multiple of the logarithm of the length.
        roll: which way values move by a lag.
        dropout: share of activations left out in training.
        is_density: whether the P outputs are Student's t.
    """

    length: int
    label: int
    horizon: int
    channels: int
    series: int
    per_step: int = 1
    marks: int = 0
    width: int = 512
    hidden: int = 2048
    encoder_layers: int = 2
    decoder_layers: int = 1
    kernel: int = 25
    factor: float = 3.0
    roll: Roll = "as_published"
    dropout: float = 0.05
    is_density: bool = False


class AutoformerModule(nn.Module):
    """(B, L, C) -> (B, H * S * P); with marks (B, L + H, C + E), of which the rows ahead hold marks alone.

    The decoder's season starts from the season of the newest N steps and zeros; its trend from the mean of the past, which
    is all that reaches the forecast steps of the published start (the label steps of the trend are cut away at the end).
    """

    def __init__(self, size: AutoformerSize) -> None:
        super().__init__()
        self.size = size
        self.decomposition = SeriesDecomposition(size.kernel)
        self.past, self.future = Embedding(size), Embedding(size)
        self.encoder = nn.ModuleList(EncoderLayer(size) for _ in range(size.encoder_layers))
        self.decoder = nn.ModuleList(DecoderLayer(size) for _ in range(size.decoder_layers))
        self.encoded, self.decoded = SeasonalNorm(size.width), SeasonalNorm(size.width)
        self.projection = nn.Linear(size.width, size.series * size.per_step)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return the forecast, flat, step before series before output."""
        size = self.size
        values, marks = inputs[:, : size.length, : size.channels], inputs[:, :, size.channels :]
        said = self._said(values, marks[:, : size.length], marks[:, size.length - size.label :])
        said = said.view(*said.shape[:2], size.series, size.per_step)
        mean = values[:, :, : size.series].mean(dim=1, keepdim=True)
        return restored(said, mean, is_density=size.is_density).flatten(1)

    def _said(self, values: torch.Tensor, past_marks: torch.Tensor, next_marks: torch.Tensor) -> torch.Tensor:
        """Return season plus accumulated trend of the forecast steps, about the mean of the past, (B, H, S * P)."""
        size = self.size
        memory = self.past(values, past_marks)
        for layer in self.encoder:
            memory = layer(memory)
        memory = self.encoded(memory)
        season, _ = self.decomposition(values)
        start = nnf.pad(season[:, size.length - size.label :], (0, 0, 0, size.horizon))
        states, trend = self.future(start, next_marks), torch.zeros((), device=values.device)
        for layer in self.decoder:
            states, residual = layer(states, memory)
            trend = trend + residual
        return torch.as_tensor(trend + self.projection(self.decoded(states)))[:, -size.horizon :]


class Embedding(nn.Module):
    """Three neighbouring steps and the time marks, mapped and added; no position, (B, T, C) and (B, T, E) -> (B, T, D)."""

    def __init__(self, size: AutoformerSize) -> None:
        super().__init__()
        self.values = CircularConvolution(size.channels, size.width)
        nn.init.kaiming_normal_(self.values.weight, mode="fan_in", nonlinearity="leaky_relu")
        self.marks = nn.Linear(size.marks, size.width, bias=False) if size.marks else None
        self.dropout = nn.Dropout(size.dropout)

    def forward(self, values: torch.Tensor, marks: torch.Tensor) -> torch.Tensor:
        """Return the embedded steps."""
        embedded = self.values(values)
        return torch.as_tensor(self.dropout(embedded if self.marks is None else embedded + self.marks(marks)))


class FeedForward(nn.Module):
    """Two maps a step with GELU between them, no bias, (B, T, D) -> (B, T, D)."""

    def __init__(self, size: AutoformerSize) -> None:
        super().__init__()
        self.rise = nn.Linear(size.width, size.hidden, bias=False)
        self.fall = nn.Linear(size.hidden, size.width, bias=False)
        self.dropout = nn.Dropout(size.dropout)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Return the mapped steps."""
        risen = self.dropout(nnf.gelu(self.rise(states)))
        return torch.as_tensor(self.dropout(self.fall(risen)))


class EncoderLayer(nn.Module):
    """Auto-Correlation and feed-forward, each followed by a decomposition that keeps the season (eq. 3)."""

    def __init__(self, size: AutoformerSize) -> None:
        super().__init__()
        self.attention = AutoCorrelation(size.width, size.factor, size.roll)
        self.feed_forward = FeedForward(size)
        self.decomposition = SeriesDecomposition(size.kernel)
        self.dropout = nn.Dropout(size.dropout)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Return the season of the states, (B, L, D)."""
        states = self.decomposition.season(states + self.dropout(self.attention(states, states)))
        return self.decomposition.season(states + self.feed_forward(states))


class DecoderLayer(nn.Module):
    """Self- and cross-Auto-Correlation and feed-forward; the trends that their decompositions find are projected (eq. 4)."""

    def __init__(self, size: AutoformerSize) -> None:
        super().__init__()
        self.own = AutoCorrelation(size.width, size.factor, size.roll)
        self.cross = AutoCorrelation(size.width, size.factor, size.roll)
        self.feed_forward = FeedForward(size)
        self.decomposition = SeriesDecomposition(size.kernel)
        self.trend = CircularConvolution(size.width, size.series * size.per_step)
        self.dropout = nn.Dropout(size.dropout)

    def forward(self, states: torch.Tensor, memory: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the season (B, N + H, D) and the trend it was freed of, (B, N + H, S * P)."""
        states, first = self.decomposition(states + self.dropout(self.own(states, states)))
        states, second = self.decomposition(states + self.dropout(self.cross(states, memory)))
        states, third = self.decomposition(states + self.feed_forward(states))
        return states, self.trend(first + second + third)


class SeasonalNorm(nn.Module):
    """Layer normalisation less its mean over time, so that a season stays centred (B, T, D)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Return the normalised season."""
        normal = self.norm(states)
        return torch.as_tensor(normal - normal.mean(dim=1, keepdim=True))
