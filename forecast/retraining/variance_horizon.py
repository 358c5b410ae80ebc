"""Variance horizon: how many of the newest bars a fit needs, by when the spread of distances between rows has settled.

Törnquist, Costa Santos, Pogue, Wingle and Caulk (arXiv 2309.15207, 2023) name the method, but their text is not public. This is
the *datasieve interpretation*: the definition in the package ``datasieve`` (0.1.9, ``find_training_horizon``) of the same
authors, and the variant that FreqAI's users run, in an exact form that costs O(N^2 p) in place of O(N^3 p). It needs no label
and no model, and looks backwards only. It does not notice a change of regime: a window may reach across one.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Literal

import annotated_types as at
import numpy as np

from data.history import History
from data.panel import Floats
from data.registry import spec
from forecast.errors import ForecastError
from forecast.models.empirical import require_form
from forecast.windows import carried, target_values

BLOCK = 64
"""Rows whose distances are measured at once."""


@dataclass(frozen=True)
class StopRule:
    """When the ratio of spreads counts as settled.

    Attributes:
        step: rows between two ratios that are compared.
        values: the ratios whose mean absolute change is looked at.
        first: position of the first ratio at which it may stop.
        tolerance: the mean absolute change below which it stops.
        has_diagonal: whether a row's distance 0 to itself counts in the spread inside the window.
        test_share: share of all rows added to the window, as the library adds its test rows.
        lags: bars whose values make one row.
    """

    step: int
    values: int
    first: int
    tolerance: float
    has_diagonal: bool
    test_share: float
    lags: int


PRESETS: Mapping[str, StopRule] = {
    "datasieve": StopRule(1, 100, 101, 0.25e-3, has_diagonal=True, test_share=0.05, lags=6),
    "freqai": StopRule(20, 5, 5, 0.5e-3, has_diagonal=False, test_share=0.0, lags=1),
}
"""The rule of the authors' library, and of the FreqAI model QuickAdapterV4, which drops lagged columns first."""


def variance_horizon(features: Floats, horizon: int, rule: StopRule = PRESETS["datasieve"]) -> int:
    """Return how many of the newest rows to train on.

    With H the last ``horizon`` rows and W(t) the last ``horizon + t``, s_W(t) is the standard deviation of all distances
    inside W(t) and s_H(t) that of all distances from W(t) to H. It stops at the first t at which the mean absolute change
    of s_H / s_W over the last ratios is below the tolerance, and returns t plus the test rows; all rows when it never
    does. With ``horizon`` 1 the ratio at t = 0 does not exist, and no stop looks at it.

    Timing: rows are known at the cutoff; of rows older than the returned window none can change the answer.

    Args:
        features: (N, p) finite, scaled by the caller, oldest first.
        horizon: bars ahead that will be forecast, 1 or more.
        rule: a preset, or one like it.

    Raises:
        ForecastError: when a feature is not finite.
    """
    if not np.isfinite(features).all():
        row, column = np.argwhere(~np.isfinite(features))[0]
        raise ForecastError(f"feature {column} of row {row} is {features[row, column]}; it must be finite")
    count = len(features)
    ratios = np.empty(0)
    for block in _spread_ratios(np.ascontiguousarray(features[::-1]), horizon, rule):
        begin = max(rule.first, -(-len(ratios) // rule.step))
        ratios = np.concatenate([ratios, block])
        place = _settled(ratios[:: rule.step], begin, rule)
        if place is not None:
            return min(place * rule.step + int(rule.test_share * count), count)
    return count


def _spread_ratios(newest_first: Floats, horizon: int, rule: StopRule) -> Iterator[Floats]:
    """Yield s_H(t) / s_W(t) for t = 0, 1, ..., some at a time; NaN where a window has no spread.

    An older row adds its distances to the newer ones, once in each direction, so four running sums (of distances and
    their squares, inside W and from W to H) are all there is to carry. As in the library the oldest row never enters.
    """
    from scipy.spatial.distance import cdist

    stop = len(newest_first) - 1
    if horizon > stop:
        return
    start = cdist(newest_first[:horizon], newest_first[:horizon])
    sums = np.tile([start.sum(), np.vdot(start, start)], 2)
    yield _ratio(sums[:, None], np.array([horizon]), horizon, rule)
    for begin in range(horizon, stop, BLOCK):
        end = min(begin + BLOCK, stop)
        newer = np.tril(cdist(newest_first[begin:end], newest_first[:end]), begin - 1)
        near = newer[:, :horizon]
        added = [2.0 * newer.sum(axis=1), 2.0 * _squares(newer), near.sum(axis=1), _squares(near)]
        grown = sums[:, None] + np.cumsum(added, axis=1)
        sums = grown[:, -1]
        yield _ratio(grown, np.arange(begin, end) + 1, horizon, rule)


def _squares(distances: Floats) -> Floats:
    return np.asarray(np.einsum("ij,ij->i", distances, distances))


def _ratio(sums: Floats, rows: np.ndarray, horizon: int, rule: StopRule) -> Floats:
    inside = np.maximum(rows * (rows - (not rule.has_diagonal)), 1)
    across = rows * horizon
    within = sums[1] / inside - (sums[0] / inside) ** 2
    to_horizon = np.maximum(sums[3] / across - (sums[2] / across) ** 2, 0.0)
    has_spread = within > 0
    squared = np.divide(to_horizon, within, out=np.full(len(rows), np.nan), where=has_spread)
    return np.asarray(np.sqrt(squared))


def _settled(ratios: Floats, begin: int, rule: StopRule) -> int | None:
    """Return the first position from ``begin`` on at which the ratios have settled."""
    if len(ratios) <= begin:
        return None
    moves = np.abs(np.diff(ratios[begin - rule.values + 1 :]))
    means = np.lib.stride_tricks.sliding_window_view(moves, rule.values - 1).mean(axis=1)
    hits = np.flatnonzero(means < rule.tolerance)
    return begin + int(hits[0]) if len(hits) else None


@spec
class VarianceHorizon:
    """The window of each fit chosen by ``variance_horizon`` (the datasieve interpretation; the paper's text is not public).

    A row holds, for every series and each of the ``fields``, the value at the bar and at the ``lags - 1`` bars before it,
    gaps carried. Rows begin where half of these columns, of those ever observed, have a value; one that begins later is
    left out of the comparison, and of nothing else. Columns are scaled over all rows and constant ones dropped. The scaler is fixed here
    because the answer depends on it. The fit reads the chosen rows and the bars before them which only their lags need.

    Everything is computed from the training history alone. ``median_of``, ``least`` and ``most`` are our extensions
    against windows that jump from fit to fit; they are off by default.

    Attributes:
        preset: ``datasieve`` (step 1, 100 ratios, tolerance 0.25e-3, diagonal counted, 5 % of the rows added) or
            ``freqai`` (step 20, 5 ratios, tolerance 0.5e-3, no diagonal, nothing added, no lags).
        tolerance: another tolerance than the preset's.
        fields: panel fields compared; prices are adjusted by ``factor`` where there is one.
        values: ``level`` as it is, ``change`` from bar to bar, or ``log_change`` (values above 0 only).
        lags: another number of lags than the preset's, 6 or 1.
        scaler: each column to -1 ... 1, or to mean 0 and deviation 1.
        median_of: take the middle of the windows at the last so many bars (the upper of two); costs as many searches.
        least: never fewer rows than this.
        most: look at this many of the newest rows only.
    """

    preset: Literal["datasieve", "freqai"] = "datasieve"
    tolerance: Annotated[float, at.Gt(0)] | None = None
    fields: Annotated[tuple[str, ...], at.MinLen(1)] = ("close",)
    values: Literal["level", "change", "log_change"] = "level"
    lags: Annotated[int, at.Ge(1)] | None = None
    scaler: Literal["minmax", "standard"] = "minmax"
    median_of: Annotated[int, at.Ge(1)] = 1
    least: Annotated[int, at.Ge(1)] | None = None
    most: Annotated[int, at.Ge(2)] | None = None

    @property
    def rule(self) -> StopRule:
        """The preset with what was set instead."""
        preset = PRESETS[self.preset]
        return replace(preset, tolerance=self.tolerance or preset.tolerance, lags=self.lags or preset.lags)

    @property
    def reach(self) -> int:
        """Bars before a row that it is made of."""
        return self.rule.lags - 1 + (self.values != "level")

    def training(self, train: History, horizon: int) -> History:
        """Return the newest bars of a training history that its fit needs.

        Raises:
            SpecError: when ``log_change`` meets a value that has no logarithm.
        """
        raw = self.features(train)
        windows = [self._window(raw[: len(raw) - back], horizon) for back in range(self.median_of)]
        rows = max(sorted(windows)[len(windows) // 2], self.least or 0)
        return train if rows >= len(raw) else train.last(rows + self.reach)

    def features(self, train: History) -> Floats:
        """Return the rows that are compared, unscaled, (N, p), oldest first; the last one is the last bar."""
        columns = [target_values(train, field) for field in self.fields]
        if self.values == "log_change":
            for field, values in zip(self.fields, columns, strict=True):
                require_form(values, train.panel.series, field, "log")
            columns = [np.log(values) for values in columns]
        values = _observed(np.concatenate(columns, axis=1))
        rows = values if self.values == "level" else np.diff(values, axis=0)
        lags = min(self.rule.lags, len(rows))
        if not lags:
            return np.empty((0, 0))
        lagged = np.lib.stride_tricks.sliding_window_view(rows, lags, axis=0)
        return lagged.reshape(len(lagged), -1)

    def _window(self, raw: Floats, horizon: int) -> int:
        recent = raw if self.most is None else raw[-self.most :]
        return variance_horizon(scaled(recent, self.scaler), horizon, self.rule)


def _observed(values: Floats) -> Floats:
    """Return the rows and columns of (T, C) values that can be compared, gaps carried, no NaN."""
    seen = ~np.isnan(values)
    firsts = np.argmax(seen, axis=0)
    begun = np.sort(firsts[seen.any(axis=0)])
    if not len(begun):
        return np.empty((0, 0))
    begin = begun[(len(begun) - 1) // 2]
    return carried(values)[begin:, seen.any(axis=0) & (firsts <= begin)]


def scaled(raw: Floats, scaler: Literal["minmax", "standard"]) -> Floats:
    """Return the columns that are not constant, scaled over their rows, (N, p')."""
    if not len(raw):
        return raw
    low, high = raw.min(axis=0), raw.max(axis=0)
    kept = high > low
    rows = raw[:, kept]
    if scaler == "minmax":
        return np.asarray(2.0 * (rows - low[kept]) / (high - low)[kept] - 1.0)
    return np.asarray((rows - rows.mean(axis=0)) / rows.std(axis=0))
