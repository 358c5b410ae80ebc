"""Scaled dot-product attention of several heads, with its scores carried on where asked."""

import torch
from torch import nn

from data.errors import SpecError


class MultiHeadAttention(nn.Module):
    """Self-attention (Vaswani and others 2017, eq. 1), (B, N, D) -> (B, N, D).

    Args:
        width: channels D, a multiple of ``heads``.
        heads: how many.
        dropout: of the attention weights.

    Raises:
        SpecError: when the heads do not divide the width.
    """

    def __init__(self, width: int, heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        if width % heads:
            raise SpecError(f"width was {width} and heads were {heads}; the heads must divide the width")
        self.heads, self.unit = heads, (width // heads) ** -0.5
        self.query, self.key, self.value, self.output = (nn.Linear(width, width) for _ in range(4))
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, tokens: torch.Tensor, before: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the outputs and the scores (B, heads, N, N).

        Args:
            tokens: (B, N, D).
            before: scores of the layer below, added to this layer's own (He and others 2021, RealFormer, eq. 4).
        """
        queries, keys, values = (
            part(tokens).unflatten(2, (self.heads, -1)).transpose(1, 2)  # (B, heads, N, D / heads)
            for part in (self.query, self.key, self.value)
        )
        scores = queries @ keys.transpose(2, 3) * self.unit
        if before is not None:
            scores = scores + before
        mixed = self.dropout(scores.softmax(dim=3)) @ values
        return self.output(mixed.transpose(1, 2).flatten(2)), scores
