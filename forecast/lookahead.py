"""Future perturbation and truncation: does anything computed for a time move when only later rows change?"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from data.history import History
from data.panel import as_time
from forecast.errors import CheckFailure

Outputs = Mapping[str, Mapping[np.datetime64, Any]]
"""What a pipeline made: artefact -> time -> array. A value at time t may use only what was complete at t."""

Pipeline = Callable[[History], Outputs]

PERTURBATIONS: tuple[str, ...] = ("raised", "lowered", "missing", "truncated")
"""How later rows are changed: times 1.5 and 0.6 with 10 % noise, all NaN, or cut off."""

_FACTORS = {"raised": 1.5, "lowered": 0.6, "missing": np.nan}


def perturbed(history: History, cutoff: np.datetime64, how: str) -> History:
    """Return the history with every row after the cutoff changed, and with no action or fact after it.

    Rows up to the cutoff keep their bits. The noise is seeded by nothing but the shape, so equal calls agree.
    """
    past = history.until(cutoff)
    if how == "truncated":
        return past
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
    that cutoff differ. Outputs at times up to the cutoff must be
    present in both and equal. Nothing is assumed about the inside: features, scalers, fits and decisions are alike.

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
            moved = first_moved(whole, pipeline(perturbed(history, cutoff, how)), cutoff)
            if moved is not None:
                time, artefact = moved
                raise CheckFailure(
                    f"{named}: {artefact} at {time} moved when rows after {cutoff} were {how}; it saw the future"
                )


def first_moved(before: Outputs, after: Outputs, cutoff: np.datetime64) -> tuple[np.datetime64, str] | None:
    """Return the earliest time up to the cutoff, and its artefact, where two outputs differ by a bit; or None."""
    moved = [
        (time, artefact)
        for artefact in sorted({*before, *after})
        for time in _times_until(cutoff, before.get(artefact, {}), after.get(artefact, {}))
        if not _same_at(time, before.get(artefact, {}), after.get(artefact, {}))
    ]
    return min(moved, default=None)


def same_bits(first: Any, second: Any) -> bool:
    """Return whether two arrays have equal shape, type and bits; NaN equals NaN of the same bits."""
    left, right = np.ascontiguousarray(first), np.ascontiguousarray(second)
    return left.shape == right.shape and left.dtype == right.dtype and left.tobytes() == right.tobytes()


def _times_until(cutoff: np.datetime64, *outputs: Mapping[np.datetime64, Any]) -> list[np.datetime64]:
    return sorted({time for output in outputs for time in output if as_time(time) <= as_time(cutoff)})


def _same_at(
    time: np.datetime64, before: Mapping[np.datetime64, Any], after: Mapping[np.datetime64, Any]
) -> bool:
    return time in before and time in after and same_bits(before[time], after[time])
