"""Forecasts anyone can make: the last value, the last value plus a drift, the value one season ago."""

from abc import abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Self

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
    training_rows,
)
from forecast.randomness import RandomStreams
from forecast.storage import read_state, write_state
from forecast.windows import context_window


@spec
class AbstractNaive(AbstractForecaster):
    """A point forecast from the last rows; its quantiles are those of its own errors in training.

    For each series and step h, the errors of every forecast the rule would have made in the training history are
    collected (log ratios, or differences), centred on their median and put around the point forecast, so the median is
    the point forecast exactly. Overlapping forecasts are all used; errors on bars not observed are not. A series with
    fewer than 20 errors at a step is left out.

    Attributes:
        changes: whether a level's errors are ratios or differences.
    """

    changes: Changes = "log"

    @property
    def form(self) -> Form:
        """What is modelled."""
        return form_of(self.quantity, self.changes)

    @abstractmethod
    def constant(self, rows: Floats) -> float:
        """Return the one number kept from the training rows (T,) of a series."""

    @abstractmethod
    def points(self, rows: Floats, step: int, constant: float) -> Floats:
        """Return the forecast of row t + step made at each row t, (T,); NaN where there are too few rows before."""

    def fit(self, train: History, rng: RandomStreams) -> "NaiveFitted":
        """Return the quantiles of the rule's errors, one set per series and step."""
        rows, observed = training_rows(train, self.field, self.form)
        fits = {}
        for s, name in enumerate(train.panel.series):
            known = ~np.isnan(rows[:, s])
            found = self._fit_series(rows[known, s], observed[known, s])
            if found is not None:
                fits[name] = found
        if not fits:
            raise FitError(
                f"history has {len(rows)} rows and no series with {LEAST_ERRORS} errors {self.horizon} steps ahead"
            )
        names = tuple(fits)
        constants = np.array([fits[name][0] for name in names])
        return NaiveFitted(self, names, constants, np.stack([fits[name][1] for name in names]))

    def load(self, folder: Path) -> "NaiveFitted":
        """Return the fitted state stored there."""
        arrays, facts = read_state(folder)
        return NaiveFitted(self, tuple(facts["series"]), arrays["constants"], arrays["offsets"])

    def _fit_series(self, rows: Floats, observed: Floats) -> tuple[float, Floats] | None:
        if len(rows) < self.horizon + LEAST_ERRORS:
            return None
        constant = self.constant(rows)
        offsets = []
        for step in range(1, self.horizon + 1):
            errors = forecast_errors(rows[step:], self.points(rows, step, constant)[:-step], self.form)
            quantiles = error_quantiles(np.where(observed[step:], errors, np.nan)[:, None], self.levels)
            if quantiles is None:
                return None
            offsets.append(quantiles[0])
        return constant, np.stack(offsets)


@dataclass(frozen=True, eq=False)
class NaiveFitted(AbstractFitted):
    """Error quantiles of a naive rule.

    Attributes:
        spec: the rule.
        series: S names that have enough errors.
        constants: (S,) the number kept from training.
        offsets: (S, H, Q) error quantiles, log ratios or differences.
    """

    spec: AbstractNaive
    series: tuple[str, ...]
    constants: Floats
    offsets: Floats

    def predict(self, history: History, rng: RandomStreams) -> QuantileForecast:
        """Return the rule's forecast with its error quantiles around it."""
        asked = self.spec
        window = context_window(history, asked.field, asked.context)
        require_form(window.values, window.series, asked.field, asked.form)
        kept = [i for i, name in enumerate(window.series) if name in self.series]
        values = [self._quantiles(window.series[i], window.values[:, i : i + 1]) for i in kept]
        shape = (len(kept), asked.horizon, len(asked.levels))
        return QuantileForecast(
            history.cutoff,
            history.clock.next(history.cutoff, asked.horizon),
            tuple(window.series[i] for i in kept),
            np.array(asked.levels),
            np.reshape(values, shape),
            asked.quantity,
            window.last[kept],
        )

    def save(self, folder: Path) -> None:
        """Write names, constants and error quantiles."""
        arrays = {"constants": self.constants, "offsets": self.offsets}
        write_state(folder, arrays, {"series": list(self.series)})

    def _quantiles(self, name: str, values: Floats) -> Floats:
        s = self.series.index(name)
        rows = rows_of(values, self.spec.form)[:, 0]
        known = np.ascontiguousarray(rows[~np.isnan(rows)])
        steps = range(1, self.spec.horizon + 1)
        points = np.array([self.spec.points(known, h, float(self.constants[s]))[-1] for h in steps])
        return around(points, self.offsets[s], self.spec.form)


@spec
class Naive(AbstractNaive):
    """The last value; for ``variance`` the mean of the squared one-bar log returns inside the context.

    It is the best point forecast of a random walk, and loses wherever there is a trend, a season or a pull to a mean.
    """

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.quantity == "variance" and self.context < 2:
            raise ValueError(f"context {self.context} holds no return; a variance needs at least 2 rows")
        return self

    def constant(self, rows: Floats) -> float:
        """Return 0; nothing is kept but the errors."""
        return 0.0

    def points(self, rows: Floats, step: int, constant: float) -> Floats:
        """Return the last value, or the trailing mean, whatever the step."""
        return rows if self.form != "variance" else trailing_mean(rows, self.context - 1)


@spec
class Drift(AbstractNaive):
    """The last value plus h times the mean one-bar change of the training history (Hyndman and Athanasopoulos 2021, 5.2).

    Changes are logarithms or differences as ``changes`` says. A variance has no drift: for ``variance`` it is the mean
    squared one-bar log return of the training history, the long-run variance.

    It loses when the training period's trend does not go on.
    """

    def constant(self, rows: Floats) -> float:
        """Return the mean one-bar change, or the long-run variance."""
        if self.form == "variance":
            return float(rows.mean())
        first, last = (np.log(rows[0]), np.log(rows[-1])) if self.form == "log" else (rows[0], rows[-1])
        return float(last - first) / (len(rows) - 1)

    def points(self, rows: Floats, step: int, constant: float) -> Floats:
        """Return the last value moved by ``step`` mean changes, or the long-run variance."""
        if self.form == "variance":
            return np.full(len(rows), constant)
        return np.asarray(
            rows * np.exp(step * constant) if self.form == "log" else rows + step * constant, np.float64
        )


@spec
class SeasonalNaive(AbstractNaive):
    """The last known value of the same season (Hyndman and Athanasopoulos 2021, equation 5.1).

    For ``variance`` the mean of the same season's squared one-bar log returns inside the context. It loses when there is no season
    of that length, because it ignores the newest values.

    Attributes:
        season: bars in a season, for example 5 for a week of sessions or 24 for a day of hours.
    """

    season: Annotated[int, at.Ge(1)] = 5

    @model_validator(mode="after")
    def _check(self) -> Self:
        least = self.season + (self.quantity == "variance")
        if self.context < least:
            raise ValueError(
                f"season {self.season} needs a context of at least {least} rows; context was {self.context}"
            )
        return self

    def constant(self, rows: Floats) -> float:
        """Return 0; nothing is kept but the errors."""
        return 0.0

    def points(self, rows: Floats, step: int, constant: float) -> Floats:
        """Return the value a whole number of seasons before the row forecast, or the mean of all such in the context."""
        back = -step % self.season
        if self.form != "variance":
            return delayed(rows, back)
        backs = range(back, self.context - 1, self.season)
        return np.asarray(np.mean([delayed(rows, lag) for lag in backs], axis=0))


def trailing_mean(rows: Floats, count: int) -> Floats:
    """Return the mean of the last ``count`` rows at each row, (T,); NaN where there are fewer."""
    means = np.full(len(rows), np.nan)
    if len(rows) >= count:
        means[count - 1 :] = np.lib.stride_tricks.sliding_window_view(rows, count).mean(axis=1)
    return means


def delayed(rows: Floats, count: int) -> Floats:
    """Return the value ``count`` rows earlier at each row, (T,); NaN where there is none."""
    return np.concatenate([np.full(min(count, len(rows)), np.nan), rows[: max(0, len(rows) - count)]])
