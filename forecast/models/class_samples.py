"""Class samples: what a classifier sees of a window, the move that followed, and when that was known."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from data.history import History
from data.panel import Floats
from forecast.labels import UNKNOWN, Classes, Reading, Rows, move_labels
from forecast.models.lagged_features import SPANS, window_features
from forecast.windows import MIN_OBSERVED, carried, target_values


@dataclass(frozen=True, eq=False)
class ClassSamples:
    """Pooled samples, ordered by decision row, then by series name.

    Attributes:
        features: (N, F), see ``class_features``.
        classes: (N,) positions in ``forecast.labels.MOVES``.
        decided: (N,) panel row of the window's last bar.
        known: (N,) panel row at which the label is known. For ``first_touch`` it is the end of the window, as a row
            has no label before that.
        series: (N,) position of the series among the names in alphabetical order.
    """

    features: Floats
    classes: Classes
    decided: Rows
    known: Rows
    series: Rows

    def where(self, kept: npt.NDArray[np.bool_] | Rows) -> "ClassSamples":
        """Return the samples that a mask or row numbers choose."""
        return ClassSamples(
            self.features[kept], self.classes[kept], self.decided[kept], self.known[kept], self.series[kept]
        )

    def __len__(self) -> int:
        return len(self.classes)


def feature_names(context: int, lags: int) -> tuple[str, ...]:
    """Return the names of the columns of ``class_features``."""
    spans = [span for span in SPANS if span < context]
    return (
        *(f"return {lag + 1} bars ago" if lag else "last return" for lag in range(lags)),
        *(f"move over {span} bars" for span in spans),
        *(f"volatility over {span} bars" for span in spans),
        "distance from the mean",
        "volatility",
    )


def class_features(windows: Floats, lags: int) -> Floats:
    """Return the features of windows, (N, F): those of ``window_features``, and the log of the window's volatility.

    The threshold of a move has a unit, so how volatile the series is decides how likely a move is.

    Args:
        windows: (N, C) log values, oldest first, no NaN.
        lags: one-bar changes kept, below C.
    """
    features, scale = window_features(windows, lags)
    return np.column_stack([features, np.log(scale)])


def class_samples(
    train: History, field: str, context: int, lags: int, horizon: int, move: tuple[float, Reading]
) -> ClassSamples:
    """Return every stride-1 sample of every series; windows and labels lie inside ``train``.

    A sample needs an observed last bar and a window that is 80 % observed. The panel's order of series never matters.

    Args:
        train: history that ends at the fit's cutoff.
        field: panel field; values above 0.
        context: rows of a window.
        lags: one-bar changes among the features.
        horizon: rows ahead of the label.
        move: threshold and reading of the label.
    """
    values = target_values(train, field)
    order = np.argsort(np.array(train.panel.series))
    parts = [_samples(values[:, s], place, context, lags, (horizon, *move)) for place, s in enumerate(order)]
    names = ("features", "classes", "decided", "known", "series")
    pooled = ClassSamples(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))
    return pooled.where(np.argsort(pooled.decided, kind="stable"))


def _samples(
    values: Floats, place: int, context: int, lags: int, question: tuple[int, float, Reading]
) -> ClassSamples:
    labels = move_labels(values[:, None], *question)
    observed = ~np.isnan(values)
    counts = np.concatenate([[0], np.cumsum(observed)])
    first = int(np.argmax(observed)) if observed.any() else len(values)
    decided = np.arange(first + context - 1, len(values))
    full = counts[decided + 1] - counts[decided + 1 - context] >= MIN_OBSERVED * context
    decided = decided[full & (labels.classes[decided, 0] != UNKNOWN)]
    if not len(decided):
        width = len(feature_names(context, lags))
        return ClassSamples(np.empty((0, width)), *(np.empty(0, np.int64) for _ in range(4)))
    logs = np.log(carried(values[:, None])[:, 0])
    windows = np.lib.stride_tricks.sliding_window_view(logs, context)[decided + 1 - context]
    return ClassSamples(
        class_features(windows, lags),
        labels.classes[decided, 0],
        decided,
        decided + question[0],
        np.full(len(decided), place),
    )


def split_purged(samples: ClassSamples, share: float) -> tuple[ClassSamples, ClassSamples]:
    """Return an earlier and a later part: the last ``share`` of the decision rows, and what was known before them.

    A label of the earlier part is known at or before the later part's first decision, so the two share no label bar.
    """
    rows = np.unique(samples.decided)
    start = rows[int(np.floor(len(rows) * (1.0 - share)))]
    return samples.where(samples.known <= start), samples.where(samples.decided >= start)


def thinned_rows(samples: ClassSamples, most: int) -> ClassSamples:
    """Return at most about ``most`` samples: every k-th decision row, counted back from the newest."""
    stride = -(-len(samples) // most)
    if stride <= 1:
        return samples
    return samples.where((samples.decided.max() - samples.decided) % stride == 0)
