"""Point forecasts turned into distributions by the errors the same model made in training."""

from typing import Literal

import numpy as np
import numpy.typing as npt

from data.errors import SpecError
from data.history import History
from data.panel import Floats
from forecast.windows import carried, target_values

Changes = Literal["log", "difference"]
"""How a level moves: ``log`` in ratios (values above 0 only), ``difference`` in its own unit (any sign)."""

Form = Literal["log", "difference", "variance"]
"""What is modelled: a level by one of its changes, or squared one-bar log returns."""

LEAST_ERRORS = 20
"""Errors a step needs before their quantiles mean anything; a series with fewer is left out."""


def form_of(quantity: str, changes: Changes) -> Form:
    """Return what is modelled when a quantity is asked."""
    return "variance" if quantity == "variance" else changes


def require_form(values: Floats, series: tuple[str, ...], field: str, form: Form) -> None:
    """Raise when a value has no logarithm though the form needs one.

    Args:
        values: (T, S) target field, NaN where not observed.
        series: S names.
        field: its name, for the message.
        form: what is modelled.

    Raises:
        SpecError: naming the first such value and what to set instead.
    """
    bad = np.nan_to_num(values, nan=1.0) <= 0
    if form == "difference" or not bad.any():
        return
    t, s = np.argwhere(bad)[0]
    hint = "set 'changes: difference'" if form == "log" else "a variance of log returns does not exist"
    raise SpecError(
        f"{field} of {series[s]} is {values[t, s]:g} at row {t}; log changes need values above 0: {hint}"
    )


def rows_of(values: Floats, form: Form) -> Floats:
    """Return what is modelled at each row, (T, S).

    Args:
        values: (T, S) target field, gaps carried, leading NaN.
        form: a level stays as it is; ``variance`` gives the squared log return of each bar, NaN at its first.
    """
    if form != "variance":
        return values
    squares = np.full_like(values, np.nan)
    squares[1:] = np.diff(np.log(values), axis=0) ** 2
    return squares


def training_rows(history: History, field: str, form: Form) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Return what is modelled, (T, S) with gaps carried, and where the bar was observed, (T, S).

    Raises:
        SpecError: when a value has no logarithm though the form needs one.
    """
    values = target_values(history, field)
    require_form(values, history.panel.series, field, form)
    return rows_of(carried(values), form), ~np.isnan(values)


def forecast_errors(truth: Floats, points: Floats, form: Form) -> Floats:
    """Return truth minus point, or the log of their ratio; NaN where either is missing or has no logarithm.

    A bar that did not move has a squared return of 0 and so no ratio error.
    """
    if form == "difference":
        return np.asarray(truth - points)
    usable = (truth > 0) & (points > 0)
    ratio = np.divide(truth, points, out=np.full(truth.shape, np.nan), where=usable)
    return np.asarray(np.log(ratio))


def error_quantiles(errors: Floats, levels: tuple[float, ...], *, centred: bool = True) -> Floats | None:
    """Return the empirical quantiles of each step's errors, (H, Q), or None when a step has fewer than 20.

    Linear interpolation between order statistics (Hyndman and Fan 1996, type 7).

    Args:
        errors: (N, H), NaN where there is none.
        levels: Q levels.
        centred: subtract each step's median, so that the median of the forecast is the point forecast exactly.
    """
    counts = (~np.isnan(errors)).sum(axis=0)
    if not errors.shape[1] or counts.min() < LEAST_ERRORS:
        return None
    ordered = np.sort(np.ascontiguousarray(errors.T), axis=1)
    every = np.array(sorted({*levels, 0.5}))
    place = (counts - 1)[:, None] * every
    low = np.floor(place).astype(np.int64)
    below = np.take_along_axis(ordered, low, axis=1)
    above = np.take_along_axis(ordered, np.minimum(low + 1, (counts - 1)[:, None]), axis=1)
    # Two neighbouring levels may differ by one rounding in the wrong direction.
    found = np.maximum.accumulate(below + (above - below) * (place - low), axis=1)
    if centred:
        found = found - found[:, np.searchsorted(every, [0.5])]
    return np.asarray(found[:, np.searchsorted(every, np.array(levels))])


def around(points: Floats, offsets: Floats, form: Form) -> Floats:
    """Return the quantiles about point forecasts, (H, Q), from points (H,) and error quantiles (H, Q).

    An offset of 0 gives the point itself, to the bit.
    """
    if form == "difference":
        return np.asarray(points[:, None] + offsets)
    return np.maximum.accumulate(points[:, None] * np.exp(offsets), axis=1)
