"""Feature: a causal pure function of a panel that declares how many rows it looks at."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from data.errors import SpecError, nearest
from data.panel import Floats, Panel

Compute = Callable[..., Floats]


@dataclass(frozen=True)
class Feature:
    """A named feature.

    Attributes:
        name: the name it is asked for by.
        compute: ``compute(panel, **settings) -> (T, S)``; row t uses rows up to t only, NaN where the window is not whole.
        lookback: settings -> rows of the panel, the present one included, that a value depends on.
        defaults: settings and their defaults.
        fields: panel fields it reads.
    """

    name: str
    compute: Compute
    lookback: Callable[..., int]
    defaults: Mapping[str, Any]
    fields: tuple[str, ...]

    def __call__(self, panel: Panel, **settings: Any) -> Floats:
        """Return the feature of every row, (T, S).

        Raises:
            SpecError: when a setting is unknown, not a whole number above 0, or a field is missing.
        """
        chosen = self._settings(settings)
        for field in self.fields:
            if field not in panel.fields:
                raise SpecError(
                    f"feature '{self.name}' needs the field '{field}'; the panel has {', '.join(panel.fields)}"
                )
        return self.compute(panel, **chosen)

    def rows(self, **settings: Any) -> int:
        """Return how many rows, the present one included, a value depends on."""
        return self.lookback(**self._settings(settings))

    def _settings(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        for name, value in settings.items():
            if name not in self.defaults:
                raise SpecError(
                    f"feature '{self.name}' has no setting '{name}'{nearest(name, self.defaults)}"
                )
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise SpecError(f"{self.name}.{name} was {value!r}; a whole number above 0 is needed")
        return {**self.defaults, **settings}


def windows(values: Floats, length: int) -> Floats:
    """Return the trailing windows of one series (T,), (T - length + 1, length), oldest value first; none when too short.

    The copy is contiguous, so the bits of a sum over a window do not depend on how many windows there are.
    """
    if len(values) < length:
        return np.empty((0, length))
    return np.ascontiguousarray(np.lib.stride_tricks.sliding_window_view(values, length))


def leading_nan(values: Floats, rows: int) -> Floats:
    """Return (N, S) values with NaN rows in front, so that the result has ``rows`` rows."""
    return np.concatenate([np.full((rows - len(values), values.shape[1]), np.nan), values])


def over_windows(values: Floats, length: int, reduce: Callable[[Floats], Floats]) -> Floats:
    """Return ``reduce`` ((N, length) -> (N,)) of the trailing window of each row and series, (T, S).

    NaN while the window is not whole, and whatever ``reduce`` makes of NaN inside it (NaN for every feature here).
    """
    columns = [reduce(windows(values[:, s], length)) for s in range(values.shape[1])]
    return leading_nan(np.stack(columns, axis=1), len(values))


def mean_over(values: Floats, length: int) -> Floats:
    """Return the mean of the trailing window of each row, (T, S)."""
    return over_windows(values, length, lambda w: np.asarray(w.mean(axis=1)))


def lagged(values: Floats, rows: int) -> Floats:
    """Return each row's value ``rows`` rows earlier, (T, S), NaN at the start."""
    return leading_nan(values[: max(0, len(values) - rows)], len(values))


TAIL = 6
"""Exponential averages are cut after six times their span: the weight left out is below e^-12."""


def exponential_mean(values: Floats, span: int) -> Floats:
    """Return the exponentially weighted mean with ``alpha = 2 / (span + 1)`` over ``TAIL * span`` rows, (T, S).

    The cut makes the value independent of where history starts.
    """
    length = TAIL * span
    weights = (1.0 - 2.0 / (span + 1.0)) ** np.arange(length - 1, -1, -1)
    weights /= weights.sum()
    return over_windows(values, length, lambda w: np.asarray((w * weights).sum(axis=1)))
