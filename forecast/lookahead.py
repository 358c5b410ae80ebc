"""Future perturbation and truncation: does anything computed for a time move when only later rows change?"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from data.history import History
from data.panel import Floats, Panel, as_time
from data.prices import ADJUSTED_FIELDS
from forecast.errors import CheckFailure

Outputs = Mapping[str, Mapping[np.datetime64, Any]]
"""What a pipeline made: artefact -> time -> array, or -> place (a series, a model) -> array; artefacts in the order made.

A value at time t may use only what was complete at t.
"""

Pipeline = Callable[[History], Outputs]

PERTURBATIONS: tuple[str, ...] = ("raised", "lowered", "mirrored", "missing", "truncated")
"""How later rows are changed: times 1.5 and 0.6 with 10 % noise, every return with its sign flipped, all NaN, or cut off."""

_FACTORS = {"raised": 1.5, "lowered": 0.6, "missing": np.nan}
_OPPOSITE = {"high": "low", "low": "high"}
_UNSIGNED = ("volume", "factor")


@dataclass(frozen=True)
class Movement:
    """Something that moved although only later rows had changed.

    Attributes:
        artefact: what moved, such as ``forecasts``.
        place: where in it: a series, a model, or both; empty when the artefact has no places.
        time: the earliest time at which it moved.
    """

    artefact: str
    place: str
    time: np.datetime64

    def __str__(self) -> str:
        """Return artefact, place and time in words."""
        where = f" of {self.place}" if self.place else ""
        return f"{self.artefact}{where} at {self.time}"


def perturbed(history: History, cutoff: np.datetime64, how: str) -> History:
    """Return the history with every row after the cutoff changed, and with no action or fact after it.

    Rows up to the cutoff keep their bits. The noise is seeded by nothing but the shape, so equal calls agree.
    """
    past = history.until(cutoff)
    if how == "truncated":
        return past
    if how == "mirrored":
        return replace(past, panel=_mirrored(history.panel, len(past.panel)))
    values = history.panel.values.copy()
    later = values[len(past.panel) :]
    # One factor a bar: a bar whose high was above its low stays a bar.
    noise = np.random.default_rng(later.size).uniform(0.9, 1.1, (*later.shape[:2], 1))
    later *= _FACTORS[how] * noise
    return replace(past, panel=replace(history.panel, values=values))


def check_no_lookahead(
    pipeline: Pipeline, history: History, cutoffs: Sequence[np.datetime64], *, named: str = "pipeline"
) -> None:
    """Raise unless everything a pipeline makes for a time is the same, bit for bit, whatever happens later.

    The pipeline is run on the whole history, then once for each cutoff and perturbation on a history whose rows after
    that cutoff differ. Outputs at times up to the cutoff must be present in both and equal. Nothing is assumed about the inside: features, scalers, fits and decisions are alike.

    Args:
        pipeline: history -> artefact -> time -> array; deterministic.
        history: at least one row after each cutoff.
        cutoffs: where the future begins.
        named: what messages call the pipeline.

    Raises:
        CheckFailure: naming the first time, and there the first artefact, that moved.
    """
    whole = pipeline(history)
    for cutoff in cutoffs:
        if as_time(cutoff) >= history.cutoff:
            raise CheckFailure(
                f"cutoff {cutoff} has no row after it; the history ends at {history.cutoff}, so nothing can be changed"
            )
        for how in PERTURBATIONS:
            moved = movements(whole, pipeline(perturbed(history, cutoff, how)), cutoff)
            if moved:
                raise CheckFailure(
                    f"{named}: {first_of(moved)} moved when rows after {cutoff} were {how}; it saw the future"
                )


def movements(before: Outputs, after: Outputs, cutoff: np.datetime64) -> tuple[Movement, ...]:
    """Return the earliest movement of each artefact that moved up to the cutoff, in the order artefacts are made."""
    found = (
        _earliest(artefact, before.get(artefact, {}), after.get(artefact, {}), cutoff)
        for artefact in dict.fromkeys((*before, *after))
    )
    return tuple(movement for movement in found if movement is not None)


def first_of(moved: Sequence[Movement]) -> Movement:
    """Return the earliest movement; at one time the artefact that is made first, as the others may only follow it."""
    return min(moved, key=lambda movement: movement.time)


def row_moved(artefact: str, before: Panel, after: Panel, cutoff: np.datetime64) -> Movement | None:
    """Return the first row up to the cutoff, with its series and field, in which two panels differ by a bit; or None.

    Two NaN are equal, whatever their bits.
    """
    left, right = before.until(cutoff), after.until(cutoff)
    names = [(panel.series, panel.fields) for panel in (left, right)]
    if len(left) != len(right) or names[0] != names[1] or (left.times != right.times).any():
        shared = min(len(left), len(right))
        same = (left.times[:shared] == right.times[:shared]).all() and names[0] == names[1]
        row = shared if same else 0
        longer = left if len(left) > row else right
        return Movement(artefact, "", np.datetime64(longer.times[min(row, len(longer) - 1)]))
    differs = _bits(left.values) != _bits(right.values)
    differs &= ~(np.isnan(left.values) & np.isnan(right.values))
    if not differs.any():
        return None
    t, s, f = np.unravel_index(int(differs.argmax()), differs.shape)
    return Movement(artefact, f"{left.series[s]} {left.fields[f]}", np.datetime64(left.times[t]))


def same_bits(first: Any, second: Any) -> bool:
    """Return whether two arrays have equal shape, type and bits; NaN equals NaN of the same bits."""
    left, right = np.ascontiguousarray(first), np.ascontiguousarray(second)
    return left.shape == right.shape and left.dtype == right.dtype and left.tobytes() == right.tobytes()


def _bits(values: Floats) -> npt.NDArray[np.int64]:
    return np.ascontiguousarray(values).view(np.int64)


def _mirrored(panel: Panel, past: int) -> Panel:
    """Return the panel with the later moves of every price upside down; other fields change their sign.

    A price p becomes a^2 / p with a the last known close (2 a - p where a series is not positive); the high becomes the
    low. Volumes and factors stay, as they have no sign.
    """
    values = panel.values.copy()
    prices = [f for f, field in enumerate(panel.fields) if field in ADJUSTED_FIELDS]
    others = [f for f, field in enumerate(panel.fields) if field not in (*ADJUSTED_FIELDS, *_UNSIGNED)]
    values[past:, :, others] *= -1.0
    for s in range(len(panel.series)):
        later, anchor = panel.values[past:, s], _last_close(panel, past, s)
        is_positive = anchor > 0 and not (later[:, prices] <= 0).any()
        for f in prices:
            opposite = _OPPOSITE.get(panel.fields[f], "")
            target = panel.fields.index(opposite) if opposite in panel.fields else f
            values[past:, s, target] = anchor**2 / later[:, f] if is_positive else 2 * anchor - later[:, f]
    return replace(panel, values=values)


def _last_close(panel: Panel, past: int, s: int) -> float:
    """Return the last close of a series in the first ``past`` rows, else its first one after; NaN without any."""
    if "close" not in panel.fields:
        return float("nan")
    closes = panel.field("close")[:, s]
    seen = np.flatnonzero(~np.isnan(closes))
    if not len(seen):
        return float("nan")
    return float(closes[seen[max(0, int(np.searchsorted(seen, past)) - 1)]])


def _earliest(
    artefact: str,
    before: Mapping[np.datetime64, Any],
    after: Mapping[np.datetime64, Any],
    cutoff: np.datetime64,
) -> Movement | None:
    for time in sorted({time for time in (*before, *after) if as_time(time) <= as_time(cutoff)}):
        left, right = _places(before, time), _places(after, time)
        for place in dict.fromkeys((*left, *right)):
            if place not in left or place not in right or not same_bits(left[place], right[place]):
                return Movement(artefact, place, time)
    return None


def _places(output: Mapping[np.datetime64, Any], time: np.datetime64) -> Mapping[str, Any]:
    """Return what was made at a time by place; nothing when nothing was made."""
    if time not in output:
        return {}
    value = output[time]
    return value if isinstance(value, Mapping) else {"": value}
