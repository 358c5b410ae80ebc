"""Lagged features and scaled labels: what boosting sees of a window and is asked about it."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from data.history import History
from data.panel import Floats
from forecast.models.normal_quantiles import MIN_SPREAD
from forecast.windows import carried, target_values

Rows = npt.NDArray[np.int64]

SPANS: tuple[int, ...] = (3, 5, 10, 21, 63, 126, 252)
"""Bars over which moves and volatility are summed up, where the context is long enough."""


def window_features(windows: Floats, lags: int) -> tuple[Floats, Floats]:
    """Return features (N, F) and the volatility each window is scaled by (N,), positive.

    With sigma the root mean squared one-bar change of the window, the features are the last ``lags`` changes over sigma,
    newest first; the move over each span n over sigma sqrt(n); the log of the volatility over each span over sigma; and
    the last value's distance from the window's mean over sigma sqrt(C). Nothing in them has a unit, so series pool.

    Args:
        windows: (N, C) log values, oldest first, no NaN.
        lags: one-bar changes kept, below C.
    """
    changes = np.diff(windows, axis=1)
    scale = np.maximum(np.sqrt(np.mean(changes**2, axis=1)), MIN_SPREAD)
    unit = changes / scale[:, None]
    spans = [span for span in SPANS if span < windows.shape[1]]
    moves = [unit[:, -span:].sum(axis=1) / np.sqrt(span) for span in spans]
    sizes = [np.log(np.maximum(np.sqrt(np.mean(unit[:, -span:] ** 2, axis=1)), 0.01)) for span in spans]
    place = (windows[:, -1] - windows.mean(axis=1)) / (scale * np.sqrt(windows.shape[1]))
    return np.column_stack([unit[:, : -lags - 1 : -1], *moves, *sizes, place]), scale


@dataclass(frozen=True, eq=False)
class Samples:
    """Pooled training samples, ordered by series name, step, then time.

    Attributes:
        features: (N, F + 1), the step ahead last.
        labels: (N,) change of the log value over ``step`` bars, over sigma sqrt(step).
        decided: (N,) panel row of the window's last bar.
        known: (N,) panel row at which the label is known: ``decided`` + step.
        scale: (N,) volatility of the window, sigma above.
    """

    features: Floats
    labels: Floats
    decided: Rows
    known: Rows
    scale: Floats

    def where(self, kept: npt.NDArray[np.bool_]) -> "Samples":
        """Return the samples at which ``kept`` is True."""
        return Samples(
            self.features[kept], self.labels[kept], self.decided[kept], self.known[kept], self.scale[kept]
        )


def with_step(features: Floats, step: int) -> Floats:
    """Return the features with the step ahead as a last column, (N, F + 1)."""
    return np.column_stack([features, np.full(len(features), float(step))])


def pooled_samples(train: History, field: str, context: int, lags: int, steps: tuple[int, ...]) -> Samples:
    """Return every stride-1 sample of every series; windows and labels lie inside ``train``.

    A sample needs an observed last bar, an observed label bar, and a window that is 80 % observed. Series are pooled in
    the order of their names, so the panel's order never matters.
    """
    values = target_values(train, field)
    order = np.argsort(np.array(train.panel.series))
    return joined([_samples(values[:, s], context, lags, step) for s in order for step in steps])


def joined(parts: Sequence[Samples]) -> Samples:
    """Return the samples of every part, in the order given."""
    columns = ([getattr(part, each.name) for part in parts] for each in fields(Samples))
    return Samples(*map(np.concatenate, columns))


def _samples(values: Floats, context: int, lags: int, step: int) -> Samples:
    observed = ~np.isnan(values)
    first = int(np.argmax(observed)) if observed.any() else len(values)
    decided = np.arange(first + context - 1, len(values) - step)
    counts = np.concatenate([[0], np.cumsum(observed)])
    full = counts[decided + 1] - counts[decided + 1 - context] >= 0.8 * context
    decided = decided[full & observed[decided] & observed[decided + step]]
    logs = np.log(carried(values[:, None])[:, 0])
    if not len(decided):
        width = lags + 2 * sum(span < context for span in SPANS) + 2
        return Samples(np.empty((0, width)), np.empty(0), decided, decided, np.empty(0))
    windows = np.lib.stride_tricks.sliding_window_view(logs, context)[decided + 1 - context]
    features, scale = window_features(windows, lags)
    labels = (logs[decided + step] - logs[decided]) / (scale * np.sqrt(step))
    return Samples(with_step(features, step), labels, decided, decided + step, scale)


def split_samples(samples: Samples, share: float) -> tuple[Samples, Samples]:
    """Return training and validation samples: the last ``share`` of the decision rows validate.

    A training label is known at or before the first validation decision, so no validation sample shares a label bar
    with training.
    """
    rows = np.unique(samples.decided)
    start = rows[int(np.floor(len(rows) * (1.0 - share)))]
    return samples.where(samples.known <= start), samples.where(samples.decided >= start)


def thinned(samples: Samples, most: int) -> Samples:
    """Return at most about ``most`` samples: every k-th decision row, counted back from the newest."""
    stride = -(-len(samples.labels) // most)
    if stride <= 1:
        return samples
    return samples.where((samples.decided.max() - samples.decided) % stride == 0)
