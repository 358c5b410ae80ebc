"""Scaler: the centre and spread of training rows, taken from every row that comes later."""

from dataclasses import dataclass

import numpy as np

from data.panel import Floats


@dataclass(frozen=True, eq=False)
class Scaler:
    """A linear map that gave its training rows mean 0 and standard deviation 1.

    Attributes:
        centre: (...) what is subtracted.
        scale: (...) what divides, positive; 1 where the training rows never moved.
    """

    centre: Floats
    scale: Floats

    def apply(self, values: Floats) -> Floats:
        """Return the values (N, ...) in standard deviations from the centre."""
        return np.asarray((values - self.centre) / self.scale)

    def undo(self, values: Floats) -> Floats:
        """Return standardised values (N, ...) in their own unit."""
        return np.asarray(values * self.scale + self.centre)


def scaler_of(rows: Floats) -> Scaler:
    """Return the scaler of training rows (N, ...), finite, N at least 1."""
    spread = rows.std(axis=0)
    still = spread <= 1e-12 * np.maximum(np.abs(rows).max(axis=0), 1e-300)
    return Scaler(np.asarray(rows.mean(axis=0)), np.where(still, 1.0, spread))
