"""Gram matrices of sliding windows: all that ridge regression needs to know of its rows, and cheap to move in time."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from data.panel import Floats
from forecast.models.empirical import Form
from forecast.windows import MAX_STALE, MIN_OBSERVED

CHUNK = 1 << 21
"""Numbers copied at once while windows are summed (16 MiB)."""

Span = tuple[int, int]
"""Windows by their first row, from the first to before the second."""


@dataclass(frozen=True, eq=False)
class Gram:
    """Sums over N windows with inputs X (N, L) and targets Y (N, H).

    Attributes:
        inputs: (L, L) X'X.
        cross: (L, H) X'Y.
        targets: sum of the squares of Y.
        count: N.
    """

    inputs: Floats
    cross: Floats
    targets: float
    count: int

    def __add__(self, other: "Gram") -> "Gram":
        return Gram(
            self.inputs + other.inputs,
            self.cross + other.cross,
            self.targets + other.targets,
            self.count + other.count,
        )

    def __sub__(self, other: "Gram") -> "Gram":
        return Gram(
            self.inputs - other.inputs,
            self.cross - other.cross,
            self.targets - other.targets,
            self.count - other.count,
        )


@dataclass(frozen=True)
class WindowShape:
    """How windows are cut and normalised.

    Attributes:
        inputs: L, rows that are seen.
        horizon: H, rows that follow and are forecast.
        form: levels have the last input subtracted; variances are divided by the mean of the inputs, less 1.
    """

    inputs: int
    horizon: int
    form: Form

    @property
    def length(self) -> int:
        """L + H."""
        return self.inputs + self.horizon


@dataclass(frozen=True, eq=False)
class SeriesWindows:
    """Every stride-1 window of one series.

    Attributes:
        rows: (T,) gaps carried; leading NaN where nothing was known yet.
        observed: (T,) bool.
        shape: how windows are cut.
    """

    rows: Floats
    observed: npt.NDArray[np.bool_]
    shape: WindowShape

    def usable(self, span: Span) -> npt.NDArray[np.bool_]:
        """Return which windows of a span may be learnt from, (stop - start,).

        The rule of ``forecast.windows.context_window``: inputs observed on 80 % of their rows, and within the last 5. A
        window of variances that are all 0 has no scale and is not used either.
        """
        start, stop = span
        length = self.shape.inputs
        seen = np.concatenate([[0], np.cumsum(self.observed[start : stop + length])])
        first = np.arange(stop - start)
        share = (seen[first + length] - seen[first]) / length
        fresh = seen[first + length] - seen[first + length - min(MAX_STALE, length)] > 0
        known = ~np.isnan(self.rows[start:stop])
        if self.shape.form == "variance":
            moved = np.concatenate([[0], np.cumsum(self.rows[start : stop + length] > 0)])
            known &= moved[first + length] - moved[first] > 0
        return np.asarray(known & (share >= MIN_OBSERVED) & fresh)

    def chunks(self, span: Span) -> Iterator[tuple[Floats, Floats]]:
        """Yield the normalised inputs (N, L) and targets (N, H) of a span's usable windows, some at a time."""
        start, stop = span
        if stop <= start:
            return
        view = np.lib.stride_tricks.sliding_window_view(self.rows, self.shape.length)
        usable = self.usable(span)
        size = max(1, CHUNK // self.shape.length)
        for begin in range(start, stop, size):
            end = min(begin + size, stop)
            yield normalised(view[begin:end][usable[begin - start : end - start]], self.shape)

    def gram(self, span: Span) -> Gram:
        """Return the sums over a span's usable windows."""
        return summed(
            (
                Gram(inputs.T @ inputs, inputs.T @ targets, float(np.vdot(targets, targets)), len(inputs))
                for inputs, targets in self.chunks(span)
            ),
            self.shape,
        )

    def unobserved_targets(self, span: Span) -> npt.NDArray[np.bool_]:
        """Return where the target of a usable window is a carried value, (N, H)."""
        start, stop = span
        view = np.lib.stride_tricks.sliding_window_view(self.observed, self.shape.length)
        return np.asarray(~view[start:stop][self.usable(span)][:, self.shape.inputs :])


def empty_gram(shape: WindowShape) -> Gram:
    """Return the sums over no window."""
    return Gram(np.zeros((shape.inputs, shape.inputs)), np.zeros((shape.inputs, shape.horizon)), 0.0, 0)


def summed(parts: Iterable[Gram], shape: WindowShape) -> Gram:
    """Return the sum of several sums, in their order; of none, that over no window."""
    rest = iter(parts)
    first = next(rest, None)
    return empty_gram(shape) if first is None else sum(rest, start=first)


def normalised(windows: Floats, shape: WindowShape) -> tuple[Floats, Floats]:
    """Return inputs (N, L) and targets (N, H) of whole windows (N, L + H), each freed of its own level."""
    inputs = windows[:, : shape.inputs]
    if shape.form == "variance":
        free = windows / inputs.mean(axis=1, keepdims=True) - 1.0
    else:
        free = windows - inputs[:, -1:]
    return free[:, : shape.inputs], free[:, shape.inputs :]


def without(span: Span, other: Span) -> list[Span]:
    """Return the parts of a span that lie outside another."""
    parts = [(span[0], min(span[1], other[0])), (max(span[0], other[1]), span[1])]
    return [part for part in parts if part[0] < part[1]]


def ridge_weights(train: Gram, valid: Gram, penalties: Floats) -> tuple[Floats, int, Floats]:
    """Return the weights (L, H) with the least validation error, the position of their penalty, and all errors.

    One eigendecomposition X'X = U diag(e) U' serves every penalty: W = U diag(1 / (e + lambda)) U' X'Y (Hoerl and
    Kennard 1970, equation 2.3, in its eigenbasis). Equal errors go to the larger penalty.

    Args:
        train: what is fitted.
        valid: what chooses.
        penalties: (P,) lambda, all above 0, descending.
    """
    values, vectors = np.linalg.eigh(train.inputs)
    turned = vectors.T @ train.cross
    # Rounding may leave the smallest eigenvalues of a singular X'X just below 0.
    scale = np.maximum(values, 0.0)[:, None]
    candidates = [vectors @ (turned / (scale + penalty)) for penalty in penalties]
    errors = np.array([mean_squared_error(valid, weights) for weights in candidates])
    best = int(np.argmin(errors))
    return candidates[best], best, errors


def mean_squared_error(gram: Gram, weights: Floats) -> float:
    """Return the mean over windows and steps of (Y - XW)^2, from the sums alone."""
    fitted = float(np.vdot(weights, gram.inputs @ weights))
    total = gram.targets - 2.0 * float(np.vdot(weights, gram.cross)) + fitted
    return float(total / (gram.count * weights.shape[1]))
