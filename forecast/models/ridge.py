"""Closed-form ridge regression on last-value-normalised windows, with exact incremental refits."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import annotated_types as at
import numpy as np
from pydantic import model_validator

from data.history import History
from data.panel import Floats
from data.registry import spec
from forecast.base import AbstractFitted, AbstractForecaster
from forecast.distribution import QuantileForecast
from forecast.errors import FitError
from forecast.models.empirical import (
    LEAST_ERRORS,
    Changes,
    Form,
    around,
    error_quantiles,
    forecast_errors,
    form_of,
    require_form,
    rows_of,
)
from forecast.models.gram import Gram, WindowShape, ridge_weights
from forecast.models.ridge_sums import (
    SeenRows,
    Sums,
    SumsByGroup,
    WindowPlan,
    fresh_sums,
    moved_sums,
    seen_rows,
    span_gram,
)
from forecast.randomness import RandomStreams
from forecast.storage import read_state, write_state
from forecast.windows import context_window

LEAST_RATIO = 0.05
"""A variance forecast is never below this share of the mean squared return in its context."""

ALL = "all series"
"""Name of the one group of a shared fit."""

Penalty = Annotated[float, at.Gt(0)]


@spec
class Ridge(AbstractForecaster):
    """One linear map from the last ``context`` rows to the next ``horizon`` rows, all steps at once.

    Windows have stride 1 and are freed of their level: x - x_last for inputs and targets alike (log x for ``log``), so
    there is no intercept and weights of 0 are the naive forecast; this is NLinear (Zeng, Chen, Zhang and Xu 2023) in
    closed form (Toner and Darlow 2024). The penalty is the one of ``penalties`` with the least squared error on the last
    ``validation_share`` of the training rows. A window belongs to the part that holds all its targets; inputs of
    validation windows reach back into the fitted part, its targets end before the first validation row. For ``variance``
    rows are squared one-bar log returns, each window divided by its mean, less 1; forecasts are kept above 5 % of it.

    Quantiles are the point forecast plus the quantiles of each series' own validation errors (log ratios for ``log`` and
    ``variance``). With ``refit`` these errors are those of the weights before the refit.

    It loses when nothing linear is to be learnt: then the largest penalty wins and it is the naive forecast plus noise.

    Attributes:
        changes: how levels are freed of their last value; ``difference`` for data of any sign.
        shared: one map for all series, or one for each.
        validation_share: part of the training rows, at their end, that chooses the penalty.
        penalties: candidates, multiplied by the number of windows.
        penalty_scale: ``inputs`` multiplies them by the mean squared input too, so that the unit of the data does not
            matter; ``none`` takes them as they are, for data scaled to unit variance.
        refit: fit the chosen penalty once more to all windows.
        centred: subtract the median of the errors, so that the median is the point forecast.
    """

    changes: Changes = "log"
    shared: bool = True
    validation_share: Annotated[float, at.Gt(0), at.Lt(1)] = 0.2
    penalties: Annotated[tuple[Penalty, ...], at.MinLen(1)] = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
    penalty_scale: Literal["inputs", "none"] = "inputs"
    refit: bool = False
    centred: bool = True

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.quantity == "variance" and self.context < 2:
            raise ValueError(f"context {self.context} holds no return; a variance needs at least 2 rows")
        return self

    @property
    def form(self) -> Form:
        """What is modelled."""
        return form_of(self.quantity, self.changes)

    @property
    def plan(self) -> WindowPlan:
        """Which windows are fitted and validate; the first row of a context has no return."""
        shape = WindowShape(self.context - (self.form == "variance"), self.horizon, self.form)
        return WindowPlan(shape, self.shared, self.validation_share)

    def fit(self, train: History, rng: RandomStreams) -> "RidgeFitted":
        """Return the map fitted to the training rows; no chance is involved."""
        seen = seen_rows(train, self.field, self.form)
        return solved(self, seen, fresh_sums(seen, self.plan))

    def load(self, folder: Path) -> "RidgeFitted":
        """Return the fitted state stored there."""
        arrays, facts = read_state(folder)
        series = tuple(facts["series"])
        seen = SeenRows(
            arrays["times"].astype("datetime64[ns]"), series, arrays["rows"], arrays["observed"].astype(bool)
        )
        sums = {
            group: Sums(*(_unpack(arrays, f"{i}.{part}") for part in ("train", "valid")))
            for i, group in enumerate(self.plan.groups(series))
        }
        fits = {
            group: GroupFit(
                arrays[f"{i}.weights"], float(arrays[f"{i}.penalty"]), arrays.get(f"{i}.before_refit")
            )
            for i, group in facts["fits"]
        }
        offsets = dict(zip(facts["forecast"], arrays["offsets"], strict=True))
        return RidgeFitted(self, seen, sums, fits, offsets)


@dataclass(frozen=True, eq=False)
class GroupFit:
    """The map of one group.

    Attributes:
        weights: (L, H).
        penalty: the chosen entry of ``penalties``.
        before_refit: the weights fitted without the validation rows, (L, H), where ``refit`` replaced them.
    """

    weights: Floats
    penalty: float
    before_refit: Floats | None = None

    @property
    def blind(self) -> Floats:
        """(L, H) the weights that saw no validation target."""
        return self.weights if self.before_refit is None else self.before_refit


@dataclass(frozen=True, eq=False)
class RidgeFitted(AbstractFitted):
    """A fitted map with all that is needed to move it in time.

    Attributes:
        spec: the hyper-parameters.
        seen: the training rows.
        sums: Gram matrices by group.
        fits: maps by group; a group without usable windows has none.
        offsets: error quantiles (H, Q) by series; a series with too few errors has none.
    """

    spec: Ridge
    seen: SeenRows
    sums: SumsByGroup
    fits: Mapping[str, GroupFit]
    offsets: Mapping[str, Floats]

    @property
    def validation_errors(self) -> Mapping[str, Floats] | None:
        """Mean absolute error of the median on the validation rows, (H,) by series, of the weights before a refit.

        These rows chose the penalty too, so the errors are a little too small. None when the median is not among the
        levels of a model whose errors are not centred.
        """
        asked = self.spec
        if not asked.centred and 0.5 not in asked.levels:
            return None
        moved = {
            name: np.zeros(asked.horizon) if asked.centred else offsets[:, asked.levels.index(0.5)]
            for name, offsets in self.offsets.items()
        }
        return {name: _median_errors(self, name, bias) for name, bias in moved.items()}

    def predict(self, history: History, rng: RandomStreams) -> QuantileForecast:
        """Return the point forecast of each series with its error quantiles around it."""
        asked = self.spec
        window = context_window(history, asked.field, asked.context)
        require_form(window.values, window.series, asked.field, asked.form)
        kept = [i for i, name in enumerate(window.series) if name in self.offsets]
        values = [self._quantiles(window.series[i], window.values[:, i]) for i in kept]
        return QuantileForecast(
            history.cutoff,
            history.clock.next(history.cutoff, asked.horizon),
            tuple(window.series[i] for i in kept),
            np.array(asked.levels),
            np.reshape(values, (len(kept), asked.horizon, len(asked.levels))),
            asked.quantity,
            window.last[kept],
        )

    def update(self, history: History) -> "RidgeFitted":
        """Return the model refitted to another training history, most of which it has already seen.

        Equal to ``spec.fit(history)`` but for rounding: Gram matrices add the windows that entered and subtract those
        that left, so an expanding or rolling refit costs the new rows only. Sums in another order differ in their last
        bits; forecasts agree to about 1e-12, unless two penalties tie that closely on validation. A history that does
        not overlap, changed what it said before, or has other series is fitted from scratch.
        """
        seen = seen_rows(history, self.spec.field, self.spec.form)
        return solved(self.spec, seen, moved_sums(self.sums, self.seen, seen, self.spec.plan))

    def save(self, folder: Path) -> None:
        """Write rows, Gram matrices, maps and error quantiles."""
        position = {group: i for i, group in enumerate(self.sums)}
        arrays: dict[str, Any] = {
            "times": self.seen.times.astype(np.int64),
            "rows": self.seen.rows,
            "observed": self.seen.observed,
            "offsets": np.stack(list(self.offsets.values())),
        }
        for group, sums in self.sums.items():
            arrays |= _pack(sums.train, f"{position[group]}.train")
            arrays |= _pack(sums.valid, f"{position[group]}.valid")
        for group, fit in self.fits.items():
            arrays[f"{position[group]}.weights"] = fit.weights
            arrays[f"{position[group]}.penalty"] = np.asarray(fit.penalty)
            if fit.before_refit is not None:
                arrays[f"{position[group]}.before_refit"] = fit.before_refit
        facts = {
            "series": list(self.seen.series),
            "fits": [[position[group], group] for group in self.fits],
            "forecast": list(self.offsets),
        }
        write_state(folder, arrays, facts)

    def _quantiles(self, name: str, values: Floats) -> Floats:
        asked = self.spec
        weights = self.fits[asked.plan.group_of(name)].weights
        points = point_forecast(values, weights, asked.plan.shape)
        return around(points, self.offsets[name], asked.form)


def point_forecast(values: Floats, weights: Floats, shape: WindowShape) -> Floats:
    """Return the point forecast (H,) in the unit of the quantity from one context of values (C,)."""
    if shape.form == "variance":
        squares = rows_of(values[:, None], shape.form)[1:, 0]
        mean = squares.mean()
        if mean == 0.0:
            return np.zeros(shape.horizon)
        return np.asarray(mean * np.maximum(1.0 + (squares / mean - 1.0) @ weights, LEAST_RATIO))
    rows = np.log(values) if shape.form == "log" else values
    moved = (rows - rows[-1]) @ weights
    return np.asarray(values[-1] * np.exp(moved) if shape.form == "log" else values[-1] + moved)


def solved(asked: Ridge, seen: SeenRows, sums: SumsByGroup) -> RidgeFitted:
    """Return the fitted model of these sums.

    Raises:
        FitError: when no series has the windows to be fitted and validated.
    """
    members = asked.plan.groups(seen.series)
    fits = {
        group: _solve(asked, seen, each, members[group])
        for group, each in sums.items()
        if min(each.train.count, each.valid.count) > 0
    }
    offsets = {}
    for name in seen.series:
        group = asked.plan.group_of(name)
        found = _offsets(asked, seen, name, fits[group].blind) if group in fits else None
        if found is not None:
            offsets[name] = found
    if not offsets:
        raise FitError(
            f"history has {len(seen.times)} rows; no series has windows of context {asked.context} + horizon "
            f"{asked.horizon} to fit and {LEAST_ERRORS} more to validate on the last {asked.validation_share:g} of them"
        )
    return RidgeFitted(asked, seen, sums, fits, offsets)


def _solve(asked: Ridge, seen: SeenRows, sums: Sums, names: tuple[str, ...]) -> GroupFit:
    penalties = np.array(sorted(asked.penalties, reverse=True))
    weights, best, _ = ridge_weights(sums.train, sums.valid, penalties * _penalty_unit(sums.train, asked))
    if not asked.refit:
        return GroupFit(weights, float(penalties[best]))
    train, valid = asked.plan.spans(len(seen.times))
    whole = sums.train + sums.valid + span_gram(seen, names, asked.plan.shape, (train[1], valid[0]))
    penalty = penalties[best] * _penalty_unit(whole, asked)
    again = np.linalg.solve(whole.inputs + penalty * np.eye(len(whole.inputs)), whole.cross)
    return GroupFit(np.asarray(again), float(penalties[best]), weights)


def _penalty_unit(gram: Gram, asked: Ridge) -> float:
    mean_square = float(np.trace(gram.inputs)) / (gram.count * len(gram.inputs))
    # Rows that never moved have no scale; any penalty then gives weights of 0.
    return gram.count * (mean_square if asked.penalty_scale == "inputs" and mean_square > 0 else 1.0)


def _offsets(asked: Ridge, seen: SeenRows, name: str, weights: Floats) -> Floats | None:
    windows = seen.windows(name, asked.plan.shape)
    span = asked.plan.spans(len(seen.times))[1]
    parts = [_errors(targets, inputs @ weights, asked.form) for inputs, targets in windows.chunks(span)]
    if not parts:
        return None
    errors = np.concatenate(parts)
    errors[windows.unobserved_targets(span)] = np.nan
    return error_quantiles(errors, asked.levels, centred=asked.centred)


def _errors(targets: Floats, points: Floats, form: Form) -> Floats:
    if form != "variance":
        return targets - points
    return forecast_errors(targets + 1.0, np.maximum(points + 1.0, LEAST_RATIO), form)


def _median_errors(fitted: RidgeFitted, name: str, bias: Floats) -> Floats:
    """Return the mean absolute error of the median on the validation rows, (H,), in the unit of the quantity.

    Args:
        fitted: the model.
        name: a series with error quantiles.
        bias: (H,) what the median adds to the point forecast.
    """
    plan = fitted.spec.plan
    windows, span = fitted.seen.windows(name, plan.shape), plan.spans(len(fitted.seen.times))[1]
    weights = fitted.fits[plan.group_of(name)].blind
    parts = [(targets, inputs @ weights) for inputs, targets in windows.chunks(span)]
    targets, points = (np.concatenate(each) for each in zip(*parts, strict=True))
    inputs = np.lib.stride_tricks.sliding_window_view(windows.rows, plan.shape.length)[
        span[0] : span[1], : plan.shape.inputs
    ][windows.usable(span)]
    if plan.shape.form == "variance":
        median = np.maximum(points + 1.0, LEAST_RATIO) * np.exp(bias)
        errors = (targets + 1.0 - median) * inputs.mean(axis=1, keepdims=True)
    elif plan.shape.form == "log":
        errors = (np.exp(targets) - np.exp(points + bias)) * np.exp(inputs[:, -1:])
    else:
        errors = targets - points - bias
    errors[windows.unobserved_targets(span)] = np.nan
    return np.asarray(np.nanmean(np.abs(errors), axis=0))


def _pack(gram: Gram, name: str) -> dict[str, Any]:
    scalars = {"targets": np.asarray(gram.targets), "count": np.asarray(gram.count)}
    return {
        f"{name}.{key}": array
        for key, array in {"inputs": gram.inputs, "cross": gram.cross, **scalars}.items()
    }


def _unpack(arrays: Mapping[str, Any], name: str) -> Gram:
    inputs, cross, targets, count = (
        arrays[f"{name}.{key}"] for key in ("inputs", "cross", "targets", "count")
    )
    return Gram(inputs, cross, float(targets), int(count))
