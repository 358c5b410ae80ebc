"""Warm-up: how much outputs at the same times depend on where history starts; never called a leak."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from backtest.audit.recording import recorded
from backtest.audit.span import Span, rows_until
from data.history import History
from data.panel import Floats
from forecast.lookahead import Outputs

TOLERANCE = 1e-6
"""Largest relative difference that counts as the same: exponential averages forget, but never wholly."""

ASKED: tuple[str, ...] = ("features", "forecasts", "targets")
SHARES: tuple[float, ...] = (0.25, 0.5, 1.0)
"""How much later history starts, as shares of the bars that can be spared."""


@dataclass(frozen=True)
class Shift:
    """How outputs differ when history starts later.

    Attributes:
        artefact: features, forecasts or targets.
        bars: how many bars later history starts.
        difference: largest difference over the largest size of the same place, 0 when equal; infinite when an output is
            there from one start only.
        place: series and field or model where it is largest; empty when nothing differs.
        time: when it is largest, NaT when nothing differs.
        share: share of the outputs that differ by more than ``TOLERANCE``.
    """

    artefact: str
    bars: int
    difference: float
    place: str
    time: np.datetime64
    share: float

    @property
    def settled(self) -> bool:
        """Whether the difference is within tolerance."""
        return self.difference <= TOLERANCE


@dataclass(frozen=True)
class WarmUp:
    """Shifts of each artefact, and why there are none when there are none."""

    shifts: tuple[Shift, ...]
    refused: str = ""

    def sentences(self) -> list[str]:
        """Return what was found, in words."""
        if self.refused:
            return [f"Warm-up was not measured: {self.refused}"]
        moved = sorted({shift.artefact for shift in self.shifts if not shift.settled}, key=ASKED.index)
        if not moved:
            return [f"Warm-up: a later start of history changes nothing by more than {TOLERANCE:g}."]
        sentence = (
            f"Warm-up: {' and '.join(moved)} depend on where history starts. That is no leak, but a paper account must "
            "start from the same bar to repeat the backtest."
        )
        return [sentence]


def measure_warm_up(span: Span) -> WarmUp:
    """Return how features, forecasts and targets of the last fold change when history starts later.

    Every start leaves the fits of that fold the bars they ask for. Each start walks that fold alone, from an empty
    account, so that nothing but the start of history differs.
    """
    fold = span.folds[-1]
    spare = rows_until(span.raw, fold.cutoffs[0]) - span.spec.folds.least_rows
    later = sorted({int(spare * share) for share in SHARES} - {0}) if spare > 0 else []
    if not later:
        return WarmUp(
            (), f"the last fold needs all {len(span.raw.panel)} bars, so history cannot start later."
        )
    before = _outputs(span, span.raw)
    return WarmUp(
        tuple(
            shift
            for bars in later
            for shift in _shifts(before, _outputs(span, span.raw.last(len(span.raw.panel) - bars)), bars)
        )
    )


def _outputs(span: Span, raw: History) -> Outputs:
    fold, history = span.folds[-1], span.derive(raw)
    done = recorded(span.plan(history), [fold], history, history.cutoff)
    if done.failure is not None:
        raise done.failure
    return {"features": _fields(history, fold.cutoffs[0]), **done.outputs}


def _fields(history: History, since: np.datetime64) -> dict[np.datetime64, dict[str, Any]]:
    """Return the fields from a time on, by time and place."""
    panel = history.panel.between(since, history.cutoff)
    places = [f"{name} {field}" for name in panel.series for field in panel.fields]
    rows = panel.values.reshape(len(panel), -1)
    return {
        np.datetime64(time): dict(zip(places, row, strict=True))
        for time, row in zip(panel.times, rows, strict=True)
    }


def _shifts(before: Outputs, after: Outputs, bars: int) -> list[Shift]:
    return [_shift(artefact, before[artefact], after[artefact], bars) for artefact in ASKED]


def _shift(
    artefact: str, before: Mapping[np.datetime64, Any], after: Mapping[np.datetime64, Any], bars: int
) -> Shift:
    differences = {
        (time, place): _difference(before.get(time, {}).get(place), after.get(time, {}).get(place))
        for time in sorted({*before, *after})
        for place in dict.fromkeys((*before.get(time, {}), *after.get(time, {})))
    }
    (time, place), largest = max(
        differences.items(), key=lambda item: item[1], default=((np.datetime64("NaT"), ""), 0.0)
    )
    if largest == 0:
        time, place = np.datetime64("NaT"), ""
    over = np.array(list(differences.values())) > TOLERANCE
    return Shift(artefact, bars, largest, place, time, float(over.mean()) if len(over) else 0.0)


def _difference(first: Floats | None, second: Floats | None) -> float:
    """Return the largest difference over the largest size; NaN equals NaN only."""
    if first is None or second is None or np.shape(first) != np.shape(second):
        return float("inf")
    left, right = np.atleast_1d(first), np.atleast_1d(second)
    if (np.isnan(left) != np.isnan(right)).any():
        return float("inf")
    largest = float(np.nanmax(np.abs([left, right]), initial=0.0))
    gap = float(np.nanmax(np.abs(left - right), initial=0.0))
    return gap / largest if largest else 0.0
