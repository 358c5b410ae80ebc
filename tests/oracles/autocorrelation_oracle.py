"""The slow, obvious twin of Autoformer: one Fourier transform a head and channel, rolled and gathered copies, convolutions.

Written from the description of the published program; heads are there although they change nothing.
"""

import math

import torch
from torch import nn

HEADS = 2


def correlations(queries, keys):
    """Circular cross-correlation of each head and channel, (B, H, E, L), from (B, H, E, L) each."""
    spectrum = torch.fft.rfft(queries, dim=-1) * torch.conj(torch.fft.rfft(keys, dim=-1))
    return torch.fft.irfft(spectrum, n=queries.shape[-1], dim=-1)


def aggregated_in_training(values, correlation, factor, sign):
    """Roll the values by the best lags of the batch's mean correlation; ``sign`` -1 is the published direction."""
    count = int(factor * math.log(values.shape[-1]))
    mean = correlation.mean(dim=1).mean(dim=1)
    lags = torch.topk(mean.mean(dim=0), count)[1]
    weights = torch.softmax(torch.stack([mean[:, lag] for lag in lags], dim=-1), dim=-1)
    total = torch.zeros_like(values)
    for i, lag in enumerate(lags):
        total = total + torch.roll(values, sign * int(lag), -1) * weights[:, i].view(-1, 1, 1, 1)
    return total


def aggregated_in_inference(values, correlation, factor, sign):
    """Gather the values at each sample's own best lags from two copies side by side."""
    length = values.shape[-1]
    mean = correlation.mean(dim=1).mean(dim=1)
    weights, lags = torch.topk(mean, int(factor * math.log(length)), dim=-1)
    weights = torch.softmax(weights, dim=-1)
    twice, steps = values.repeat(1, 1, 1, 2), torch.arange(length).view(1, 1, 1, -1)
    total = torch.zeros_like(values)
    for i in range(lags.shape[1]):
        lag = lags[:, i].view(-1, 1, 1, 1)
        place = steps + (lag if sign < 0 else length - lag)
        total = total + torch.gather(twice, -1, place.expand_as(values)) * weights[:, i].view(-1, 1, 1, 1)
    return total


def mixed(queries, keys, values, *, factor, sign, training):
    """Auto-Correlation of (B, L, D) sequences, keys and values cut or filled with zeros to the length of the queries."""
    batch, length, width = queries.shape
    zeros = torch.zeros(batch, max(0, length - keys.shape[1]), width, dtype=queries.dtype)
    keys, values = (torch.cat([each, zeros], dim=1)[:, :length] for each in (keys, values))
    parts = (each.view(batch, length, HEADS, -1).permute(0, 2, 3, 1) for each in (queries, keys, values))
    queries, keys, values = (each.contiguous() for each in parts)
    aggregated = aggregated_in_training if training else aggregated_in_inference
    total = aggregated(values, correlations(queries, keys), factor, sign)
    return total.permute(0, 3, 1, 2).contiguous().view(batch, length, width)


def decomposed(values, kernel):
    """Season and moving average of (B, L, D)."""
    reach = (kernel - 1) // 2
    padded = torch.cat([values[:, :1].repeat(1, reach, 1), values, values[:, -1:].repeat(1, reach, 1)], dim=1)
    trend = nn.functional.avg_pool1d(padded.permute(0, 2, 1), kernel, stride=1).permute(0, 2, 1)
    return values - trend, trend


def circular(inputs, outputs):
    return nn.Conv1d(inputs, outputs, 3, padding=1, padding_mode="circular", bias=False)


class Attention(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.size = size
        self.query, self.key, self.value, self.output = (nn.Linear(size.width, size.width) for _ in range(4))

    def forward(self, asked, given):
        sign = -1 if self.size.roll == "as_published" else 1
        parts = self.query(asked), self.key(given), self.value(given)
        return self.output(mixed(*parts, factor=self.size.factor, sign=sign, training=self.training))


class Layer(nn.Module):
    """An encoder layer, or with ``cross`` a decoder layer."""

    def __init__(self, size, *, is_decoder):
        super().__init__()
        self.kernel = size.kernel
        self.own = Attention(size)
        self.rise = nn.Conv1d(size.width, size.hidden, 1, bias=False)
        self.fall = nn.Conv1d(size.hidden, size.width, 1, bias=False)
        self.dropout = nn.Dropout(size.dropout)
        if is_decoder:
            self.cross = Attention(size)
            self.trend = circular(size.width, size.series * size.per_step)

    def fed(self, states):
        risen = self.dropout(nn.functional.gelu(self.rise(states.transpose(-1, 1))))
        return self.dropout(self.fall(risen)).transpose(-1, 1)

    def forward(self, states, memory=None):
        states, first = decomposed(states + self.dropout(self.own(states, states)), self.kernel)
        if memory is None:
            return decomposed(states + self.fed(states), self.kernel)[0]
        states, second = decomposed(states + self.dropout(self.cross(states, memory)), self.kernel)
        states, third = decomposed(states + self.fed(states), self.kernel)
        return states, self.trend((first + second + third).permute(0, 2, 1)).transpose(1, 2)


class PublishedAutoformer(nn.Module):
    """The whole model of one output a step, all channels forecast; inputs as ``AutoformerModule`` takes them."""

    def __init__(self, size):
        super().__init__()
        self.size = size
        self.past_values, self.next_values = (circular(size.channels, size.width) for _ in range(2))
        self.past_marks, self.next_marks = (
            nn.Linear(size.marks, size.width, bias=False) if size.marks else None for _ in range(2)
        )
        self.encoder = nn.ModuleList(Layer(size, is_decoder=False) for _ in range(size.encoder_layers))
        self.decoder = nn.ModuleList(Layer(size, is_decoder=True) for _ in range(size.decoder_layers))
        self.past_norm, self.next_norm = nn.LayerNorm(size.width), nn.LayerNorm(size.width)
        self.projection = nn.Linear(size.width, size.series)
        self.dropout = nn.Dropout(size.dropout)

    def embedded(self, values, marks, convolution, linear):
        made = convolution(values.permute(0, 2, 1)).transpose(1, 2)
        return self.dropout(made if linear is None else made + linear(marks))

    def forward(self, inputs):
        size = self.size
        values, marks = inputs[:, : size.length, : size.channels], inputs[:, :, size.channels :]
        mean = values.mean(dim=1).unsqueeze(1).repeat(1, size.horizon, 1)
        zeros = torch.zeros(len(values), size.horizon, size.channels, dtype=values.dtype)
        season, trend = decomposed(values, size.kernel)
        trend = torch.cat([trend[:, size.length - size.label :], mean], dim=1)
        season = torch.cat([season[:, size.length - size.label :], zeros], dim=1)
        memory = self.embedded(values, marks[:, : size.length], self.past_values, self.past_marks)
        for layer in self.encoder:
            memory = layer(memory)
        memory = centred(self.past_norm(memory))
        states = self.embedded(
            season, marks[:, size.length - size.label :], self.next_values, self.next_marks
        )
        for layer in self.decoder:
            states, residual = layer(states, memory)
            trend = trend + residual
        said = trend + self.projection(centred(self.next_norm(states)))
        return said[:, -size.horizon :].flatten(1)


def centred(states):
    return states - states.mean(dim=1, keepdim=True)


NAMES = (
    ("past.values", "past_values"),
    ("future.values", "next_values"),
    ("past.marks", "past_marks"),
    ("future.marks", "next_marks"),
    ("encoded.norm", "past_norm"),
    ("decoded.norm", "next_norm"),
    (".attention.", ".own."),
    (".feed_forward.", "."),
)


def published(model):
    """Return the twin of an ``AutoformerModule`` with the same weights, in the same mode."""
    twin = PublishedAutoformer(model.size).to(next(model.parameters()).dtype)
    twin.load_state_dict(
        {
            twin_name(name): value.unsqueeze(-1) if "feed_forward" in name else value
            for name, value in model.state_dict().items()
        }
    )
    return twin.train(model.training)


def twin_name(name):
    for ours, theirs in NAMES:
        name = name.replace(ours, theirs)
    return name
