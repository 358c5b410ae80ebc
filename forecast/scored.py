"""Scored forecasts: the forecasts of several models as flat arrays beside what happened, one row a cell."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from data.history import History
from data.panel import Floats, Times
from forecast.distribution import QuantileForecast, Quantity
from forecast.errors import ForecastError
from forecast.truth import rows_ending

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Frame:
    """What the forecasts of all models share.

    Attributes:
        cutoffs: (N,) every cutoff at which any model forecast, increasing.
        series: S names, those of the panel.
        levels: (Q,) quantile levels.
        horizon: H steps.
        quantity: what is forecast.
    """

    cutoffs: Times
    series: tuple[str, ...]
    levels: Floats
    horizon: int
    quantity: Quantity


@dataclass(frozen=True, eq=False)
class ScoredRows:
    """The forecasts of one model: R rows, ordered by cutoff, series and step.

    Attributes:
        cutoff: (R,) position in ``Frame.cutoffs``.
        series: (R,) position in ``Frame.series``.
        step: (R,) 1 to H.
        time: (R,) end of the bar forecast.
        last: (R,) last known value at the cutoff.
        truth: (R,) what happened, NaN where not known.
        unbounded: (R,) whether either side of the calibrated set is infinite.
        values: (R, Q) quantiles.
        point: (R,) the median.
    """

    cutoff: Indices
    series: Indices
    step: Indices
    time: Times
    last: Floats
    truth: Floats
    unbounded: npt.NDArray[np.bool_]
    values: Floats
    point: Floats


def frame_of(forecasts: Mapping[str, Sequence[QuantileForecast]], history: History) -> Frame:
    """Return what the forecasts share.

    Raises:
        ForecastError: when there is none, or when horizons, levels or quantities differ.
    """
    every = [forecast for many in forecasts.values() for forecast in many]
    if not every:
        raise ForecastError("there is no forecast to evaluate; at least one is needed")
    first = every[0]
    for label, many in forecasts.items():
        for other in many:
            if (other.horizon, other.quantity) != (first.horizon, first.quantity) or not np.array_equal(
                other.levels, first.levels
            ):
                raise ForecastError(
                    f"a forecast of {label} has horizon {other.horizon}, quantity {other.quantity} and "
                    f"{len(other.levels)} levels; others have {first.horizon}, {first.quantity} and "
                    f"{len(first.levels)}: only equal ones can be compared"
                )
    cutoffs = np.unique(np.array([forecast.cutoff for forecast in every]))
    return Frame(cutoffs, history.panel.series, first.levels, first.horizon, first.quantity)


def scored_rows(
    forecasts: Sequence[QuantileForecast], frame: Frame, history: History, truths: Floats
) -> ScoredRows:
    """Return the rows of one model.

    Args:
        forecasts: of one model, one per cutoff.
        frame: what they share with the other models.
        history: bars known by now.
        truths: (T, S) ``truth_panel`` of that history.
    """
    ordered = sorted(forecasts, key=lambda forecast: forecast.cutoff)
    position = {name: i for i, name in enumerate(frame.series)}
    counts = np.array([len(forecast.series) for forecast in ordered], np.int64)
    columns = np.array([position[name] for forecast in ordered for name in forecast.series], np.int64)
    cutoffs = np.searchsorted(frame.cutoffs, np.array([f.cutoff for f in ordered], "datetime64[ns]"))
    steps = frame.horizon
    times = np.array([f.times for f in ordered], "datetime64[ns]").reshape(len(ordered), steps)
    time = np.repeat(times, counts, axis=0).ravel()
    series = np.repeat(columns, steps)
    last = np.repeat(_joined([f.last for f in ordered], ()), steps)
    values = _joined([f.values.reshape(-1, len(frame.levels)) for f in ordered], (len(frame.levels),))
    flags = [np.asarray(f.unbounded).any(axis=2).ravel() for f in ordered]
    return ScoredRows(
        cutoff=np.repeat(cutoffs, counts * steps),
        series=series,
        step=np.tile(np.arange(1, steps + 1), int(counts.sum())),
        time=time,
        last=last,
        truth=_truth(time, series, last, truths, history, frame.quantity),
        unbounded=np.concatenate([np.zeros(0, bool), *flags]),
        values=values,
        point=values[:, _median_index(frame.levels)],
    )


def in_samples(
    truths: Floats, history: History, frame: Frame, folds: Indices, train_rows: int | None
) -> list[Floats]:
    """Return for each fold the rows of a truth panel known at its first cutoff, (T', S), the last ``train_rows`` of them.

    Args:
        truths: (T, S) of the whole history.
        history: where the times stand.
        frame: whose cutoffs are numbered.
        folds: (N,) fold of each cutoff, not decreasing.
        train_rows: rows that count as in-sample; None for all.
    """
    firsts = frame.cutoffs[np.unique(folds, return_index=True)[1]]
    stops = np.searchsorted(history.times, firsts, side="right")
    return [truths[0 if train_rows is None else max(0, stop - train_rows) : stop] for stop in stops]


def _truth(
    time: Times, series: Indices, last: Floats, truths: Floats, history: History, quantity: Quantity
) -> Floats:
    rows = rows_ending(history, time)
    found = np.where(rows >= 0, truths[rows, series], np.nan)
    return np.log(found / last) if quantity == "log_return" else found


def _median_index(levels: Floats) -> int:
    hits = np.flatnonzero(np.isclose(levels, 0.5, rtol=0, atol=1e-9))
    if not len(hits):
        raise ForecastError(f"levels are {levels.tolist()}; the point forecast needs level 0.5")
    return int(hits[0])


def _joined(parts: Sequence[Floats], tail: tuple[int, ...]) -> Floats:
    return np.concatenate([np.zeros((0, *tail)), *parts])
