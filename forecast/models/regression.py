"""Regressions as forecasters: a table of lagged features in, a point forecast and the spread of held-out errors out."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Self

import annotated_types as at
import numpy as np
from pydantic import model_validator

from data.history import History
from data.panel import Floats
from data.registry import spec
from forecast.base import AbstractFitted, AbstractForecaster, Count
from forecast.distribution import QuantileForecast
from forecast.errors import FitError, ForecastError
from forecast.models.boosting import LEAST_SAMPLES, interpolated_steps
from forecast.models.empirical import LEAST_ERRORS, error_quantiles
from forecast.models.lagged_features import (
    Samples,
    joined,
    pooled_samples,
    split_samples,
    thinned,
    window_features,
    with_step,
)
from forecast.models.normal_quantiles import from_scale
from forecast.models.scaling import Scaler, scaler_of
from forecast.models.univariate import check_quantity
from forecast.randomness import RandomStreams
from forecast.storage import read_state, write_state
from forecast.windows import carried, context_window, require_positive, target_values


@spec
class AbstractRegressor(AbstractForecaster):
    """A regression of scaled changes on lagged features, one pooled fit for all series.

    Features and labels are log changes over each window's own volatility, so they have no unit and no bound is put on the
    level. Labels are known for a few steps ahead (the step is a feature); the steps between are interpolated. Both are
    standardised by the mean and deviation of the training samples alone. The distribution is the point forecast plus the
    quantiles of the errors on the last part of the training rows, in units of volatility and over all series; their median
    is taken off, so that the median is the point forecast. A series that was not there to be fitted is forecast all the
    same once it fills a context.

    The learner itself is ``fit_table``: any table of numbers can be given to it.

    Attributes:
        fields: other prices of the same bar; the log of each over the forecast field, at the window's last bar, is one
            more feature. A series without such a price in its window is left out.
        lags: one-bar changes among the features.
        trained_steps: how many steps ahead have labels: the first, the last, and some between.
        validation: share of the training rows, at their end, whose errors give the spread; no training label is known
            later than the first decision there.
        all_rows: fit once more to all rows after the errors are known; they are then those of the fit before.
        most_samples: more samples than this are thinned evenly in time.
    """

    fields: tuple[str, ...] = ()
    lags: Count = 5
    trained_steps: Annotated[int, at.Ge(1), at.Le(20)] = 3
    validation: Annotated[float, at.Ge(0.05), at.Le(0.5)] = 0.2
    all_rows: bool = False
    most_samples: Annotated[int, at.Ge(1000)] = 20_000

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_quantity(self.quantity, "a regression")
        if self.lags >= self.context:
            raise ValueError(f"lags were {self.lags}; they must be fewer than context {self.context}")
        if self.field in self.fields or len(set(self.fields)) < len(self.fields):
            raise ValueError(f"fields were {self.fields}; they must be distinct and other than {self.field}")
        return self

    @abstractmethod
    def learn(self, features: Floats, labels: Floats, seed: int) -> Any:
        """Return the model fitted to standardised features (N, F) and labels (N,); one thread, the seed decides chance."""

    @abstractmethod
    def answer(self, model: Any, features: Floats) -> Floats:
        """Return the model's labels (N,) for features (N, F); each row's bits are its own, whatever stands beside it."""

    @abstractmethod
    def store(self, model: Any, folder: Path) -> None:
        """Write a model into a folder; never pickle."""

    @abstractmethod
    def restore(self, folder: Path) -> Any:
        """Return the model ``store`` wrote there.

        Raises:
            ForecastError: when a file is missing, damaged or of another version.
        """

    def steps(self) -> tuple[int, ...]:
        """Return the steps that have labels, increasing."""
        return tuple(
            np.unique(np.rint(np.linspace(1, self.horizon, self.trained_steps)).astype(int)).tolist()
        )

    def fit_table(self, features: Floats, labels: Floats, seed: int) -> "TableFit":
        """Return the learner fitted to any table; both sides are standardised by its own rows.

        Args:
            features: (N, F) finite; what was known when each row was decided. Nothing here can tell: see
                ``backtest.lint``.
            labels: (N,) finite, in any unit.
            seed: decides chance.

        Raises:
            FitError: when shapes disagree, a value is not finite, or there are fewer than 50 rows.
        """
        _check_table(features, labels)
        inputs, outputs = scaler_of(features), scaler_of(labels)
        model = self.learn(inputs.apply(features), outputs.apply(labels), seed)
        return TableFit(self, model, inputs, outputs)

    def fit(self, train: History, rng: RandomStreams) -> "RegressorFitted":
        """Return the model fitted to every series of ``train``."""
        for field in (self.field, *self.fields):
            require_positive(target_values(train, field), train.panel.series, field)
        parts = {name: _series_samples(train.select((name,)), self) for name in sorted(train.panel.series)}
        samples = joined(list(parts.values()))
        if len(samples.labels) < 2 * LEAST_SAMPLES:
            raise FitError(
                f"history has {len(train.panel)} rows, which make {len(samples.labels)} samples of context "
                f"{self.context} and horizon {self.horizon}; {2 * LEAST_SAMPLES} are needed"
            )
        grown, held = split_samples(samples, self.validation)
        grown = thinned(grown, self.most_samples) if len(grown.labels) else grown
        seed = int(rng.of("regressor").integers(2**31 - 1))
        table = self.fit_table(grown.features, grown.labels, seed)
        errors = _held_out(train, table, parts, int(held.decided.min()))
        offsets = error_quantiles(
            np.concatenate([each.scaled for each in errors.values()]), self.levels, centred=True
        )
        if offsets is None:
            raise FitError(
                f"the last {self.validation:g} of {len(train.panel)} rows hold fewer than {LEAST_ERRORS} errors of a step "
                f"up to horizon {self.horizon}; give it more rows or a larger validation share"
            )
        if self.all_rows:
            whole = thinned(samples, self.most_samples)
            table = self.fit_table(whole.features, whole.labels, seed)
        known = {name: each.mean_absolute for name, each in errors.items() if each.is_known}
        return RegressorFitted(self, table, offsets, known)

    def load(self, folder: Path) -> "RegressorFitted":
        """Return the fitted state stored there."""
        arrays, facts = read_state(folder)
        inputs = Scaler(arrays["input_centre"], arrays["input_scale"])
        outputs = Scaler(arrays["label_centre"], arrays["label_scale"])
        known = dict(zip(facts["series"], arrays["errors"], strict=True))
        table = TableFit(self, self.restore(folder), inputs, outputs)
        return RegressorFitted(self, table, arrays["offsets"], known)


@dataclass(frozen=True, eq=False)
class TableFit:
    """A learner fitted to a table.

    Attributes:
        regressor: its hyper-parameters.
        model: what ``learn`` made.
        inputs: scaler of the features (F,).
        outputs: scaler of the labels ().
    """

    regressor: AbstractRegressor
    model: Any
    inputs: Scaler
    outputs: Scaler

    def answer(self, features: Floats) -> Floats:
        """Return the labels (N,) for features (N, F) in their own unit.

        Raises:
            ForecastError: when there are other than F features, one is not finite, or an answer is not.
        """
        width = len(self.inputs.centre)
        if features.ndim != 2 or features.shape[1] != width:
            raise ForecastError(f"features have shape {features.shape}; the fit had {width} features")
        if not np.isfinite(features).all():
            row, column = np.argwhere(~np.isfinite(features))[0]
            raise ForecastError(
                f"feature {column} of row {row} is {features[row, column]}; it must be finite"
            )
        answers = self.outputs.undo(self.regressor.answer(self.model, self.inputs.apply(features)))
        if not np.isfinite(answers).all():
            row = int(np.flatnonzero(~np.isfinite(answers))[0])
            raise ForecastError(
                f"{type(self.regressor).__name__} answered {answers[row]} to row {row}; it must be finite"
            )
        return answers


@dataclass(frozen=True, eq=False)
class RegressorFitted(AbstractFitted):
    """A fitted table and the spread about it.

    Attributes:
        spec: the hyper-parameters.
        table: the fitted learner.
        offsets: (H, Q) quantiles of held-out errors, in units of volatility times the root of the step.
        errors: series -> (H,) mean absolute held-out error in the unit of the field.
    """

    spec: AbstractRegressor
    table: TableFit
    offsets: Floats
    errors: Mapping[str, Floats]

    @property
    def validation_errors(self) -> Mapping[str, Floats]:
        """Mean absolute error of the median on the held-out rows, (H,) by series; a series with none is left out."""
        return self.errors

    def predict(self, history: History, rng: RandomStreams) -> QuantileForecast:
        """Return the quantiles of every series that can be forecast from its last ``context`` rows."""
        return self._forecasts([history])[0]

    def predict_many(
        self, history: History, cutoffs: Sequence[np.datetime64], rngs: Sequence[RandomStreams]
    ) -> list[QuantileForecast]:
        """Return one forecast per cutoff; the learner is asked once, as each row's bits are its own."""
        return self._forecasts([history.until(cutoff) for cutoff in cutoffs])

    def _forecasts(self, histories: Sequence[History]) -> list[QuantileForecast]:
        asked = self.spec
        seen = [_seen_rows(history, asked) for history in histories]
        if not seen:
            return []
        logs, beside = (np.concatenate([getattr(each, name) for each in seen]) for name in ("logs", "beside"))
        values = np.empty((0, asked.horizon, len(asked.levels)))
        if len(logs):
            values = self._quantiles(logs, beside)
        ends = np.cumsum([len(each.series) for each in seen])
        return [
            QuantileForecast(
                history.cutoff,
                history.clock.next(history.cutoff, asked.horizon),
                each.series,
                np.asarray(asked.levels),
                values[end - len(each.series) : end],
                asked.quantity,
                each.last,
            )
            for history, each, end in zip(histories, seen, ends, strict=True)
        ]

    def _quantiles(self, logs: Floats, beside: Floats) -> Floats:
        """Return the quantiles (S, H, Q) from windows of logs (S, C) and log ratios of other fields (S, K)."""
        features, scale = window_features(logs, self.spec.lags)
        unit = _answers(self.table, np.column_stack([features, beside / scale[:, None]]))
        spread = scale[:, None] * np.sqrt(np.arange(1, self.spec.horizon + 1))
        moved = (unit[:, :, None] + self.offsets) * spread[:, :, None]
        return from_scale(logs[:, -1, None, None] + moved, "log")

    def save(self, folder: Path) -> None:
        """Write the model in its own form, and scalers, error quantiles and errors as arrays."""
        arrays = {
            "offsets": self.offsets,
            "input_centre": self.table.inputs.centre,
            "input_scale": self.table.inputs.scale,
            "label_centre": self.table.outputs.centre,
            "label_scale": self.table.outputs.scale,
            "errors": np.reshape(list(self.errors.values()), (len(self.errors), self.spec.horizon)),
        }
        write_state(folder, arrays, {"series": list(self.errors)})
        self.spec.store(self.table.model, folder)


@dataclass(frozen=True, eq=False)
class SeenRows:
    """What a forecast is made from, of the series that can be forecast.

    Attributes:
        series: S names.
        logs: (S, C) logs of the context.
        beside: (S, K) log of each other field over the forecast field at the last bar.
        last: (S,) the last value.
    """

    series: tuple[str, ...]
    logs: Floats
    beside: Floats
    last: Floats


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Errors of one series on the held-out rows.

    Attributes:
        scaled: (N, H) log truth minus log point over sigma sqrt(step), NaN where the truth is not known.
        absolute: (N, H) in the unit of the field.
    """

    scaled: Floats
    absolute: Floats

    @property
    def is_known(self) -> bool:
        """Whether every step has an error."""
        return bool((~np.isnan(self.absolute)).any(axis=0).all())

    @property
    def mean_absolute(self) -> Floats:
        """(H,) mean over the rows."""
        return np.asarray(np.nanmean(self.absolute, axis=0))


def _answers(table: TableFit, windows: Floats) -> Floats:
    """Return the unit answer at every step (N, H) from window features without a step (N, F - 1)."""
    steps = table.regressor.steps()
    rows = np.concatenate([with_step(windows, step) for step in steps])
    known = table.answer(rows).reshape(len(steps), len(windows), 1)
    return interpolated_steps(known, steps, np.arange(1, table.regressor.horizon + 1))[:, :, 0]


def _series_samples(train: History, asked: AbstractRegressor) -> Samples:
    """Return the samples of a history of one series, the other fields among the features."""
    samples = pooled_samples(train, asked.field, asked.context, asked.lags, asked.steps())
    if not asked.fields:
        return samples
    extra = _log_ratios(train, asked)[samples.decided] / samples.scale[:, None]
    features = np.column_stack([samples.features[:, :-1], extra, samples.features[:, -1]])
    return replace(samples, features=features).where(np.asarray(~np.isnan(extra).any(axis=1)))


def _log_ratios(history: History, asked: AbstractRegressor) -> Floats:
    """Return the log of each other field over the forecast field, gaps of both carried, (T, K), of one series."""
    own = np.log(carried(target_values(history, asked.field)))
    others = [np.log(carried(target_values(history, name))) - own for name in asked.fields]
    return np.concatenate([np.empty((len(own), 0)), *others], axis=1)


def _seen_rows(history: History, asked: AbstractRegressor) -> SeenRows:
    window = context_window(history, asked.field, asked.context)
    require_positive(window.values, window.series, asked.field)
    logs = np.log(np.ascontiguousarray(window.values.T)).reshape(-1, asked.context)
    beside = np.reshape(
        [_beside_last(history, asked, name) for name in window.series], (len(logs), len(asked.fields))
    )
    kept = np.flatnonzero(~np.isnan(beside).any(axis=1))
    return SeenRows(tuple(window.series[i] for i in kept), logs[kept], beside[kept], window.last[kept])


def _beside_last(history: History, asked: AbstractRegressor, name: str) -> Floats:
    """Return the log ratios of one series at the last bar (K,), from the last ``context`` rows; NaN without any."""
    if not asked.fields:
        return np.empty(0)
    recent = history.select((name,)).last(asked.context)
    for field in asked.fields:
        require_positive(target_values(recent, field), (name,), field)
    return np.asarray(_log_ratios(recent, asked)[-1])


def _held_out(
    train: History, table: TableFit, parts: Mapping[str, Samples], start: int
) -> dict[str, HeldOut]:
    """Return the errors of every series at the decisions from row ``start`` on, thinned to ``most_samples`` in all."""
    asked = table.regressor
    most = max(LEAST_SAMPLES, asked.most_samples // len(parts))
    held = {}
    for name, samples in parts.items():
        mine = samples.where((samples.decided >= start) & (samples.features[:, -1] == 1.0))
        if len(mine.labels):
            truth = target_values(train.select((name,)), asked.field)[:, 0]
            held[name] = _errors(table, thinned(mine, most), truth)
    return held


def _errors(table: TableFit, samples: Samples, truth: Floats) -> HeldOut:
    """Return the errors at one-step samples of one series whose values are ``truth`` (T,), NaN where not observed."""
    ahead = np.arange(1, table.regressor.horizon + 1)
    known = np.concatenate([truth, np.full(len(ahead), np.nan)])
    real = known[samples.decided[:, None] + ahead]
    last = known[samples.decided][:, None]
    spread = samples.scale[:, None] * np.sqrt(ahead)
    unit = _answers(table, samples.features[:, :-1])
    points = last * np.exp(unit * spread)
    return HeldOut(np.log(real / last) / spread - unit, np.abs(real - points))


def _check_table(features: Floats, labels: Floats) -> None:
    if features.ndim != 2 or labels.shape != features.shape[:1]:
        raise FitError(
            f"features have shape {features.shape} and labels {labels.shape}; (N, F) and (N,) are needed"
        )
    if len(labels) < LEAST_SAMPLES or not features.shape[1]:
        raise FitError(
            f"the table has {len(labels)} rows of {features.shape[1]} features; {LEAST_SAMPLES} and 1 are needed"
        )
    for what, values in (("feature", features), ("label", labels)):
        if not np.isfinite(values).all():
            place = tuple(int(i) for i in np.argwhere(~np.isfinite(values))[0])
            raise FitError(f"{what} at {place} is {values[place]}; every value must be finite")
