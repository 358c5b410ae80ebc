"""Random streams that depend on names, never on order, process or where history starts."""

import hashlib
from dataclasses import dataclass

import numpy as np

from data.panel import as_time


@dataclass(frozen=True)
class RandomStreams:
    """A family of generators for one fit or forecast.

    Attributes:
        seed: the run's seed.
        cutoff: the fit's or forecast's cutoff.
    """

    seed: int
    cutoff: np.datetime64

    def of(self, *names: str) -> np.random.Generator:
        """Return the generator of a name, usually a series: equal names give equal streams."""
        key = repr((self.seed, int(as_time(self.cutoff).astype(np.int64)), *names)).encode()
        words = np.frombuffer(hashlib.sha256(key).digest(), dtype=np.uint32)
        return np.random.default_rng(words.tolist())
