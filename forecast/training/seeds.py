"""Generators of one training: every bit of a seed counts, and weights and order never share a stream."""

import numpy as np
import torch


def torch_seed(seed: int) -> int:
    """Return 32 mixed bits of a seed at or above 0; torch's CPU generator looks at no more than 32."""
    return int(np.random.SeedSequence(seed).generate_state(1)[0])


def weight_generator(seed: int) -> torch.Generator:
    """Return the generator of a model's first weights."""
    return torch.Generator().manual_seed(torch_seed(seed))


def order_generator(seed: int) -> np.random.Generator:
    """Return the generator that shuffles a model's training rows."""
    return np.random.default_rng((1, seed))
