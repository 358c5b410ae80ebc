"""What models of one series at a time share: rows in, parameters fitted once, a forecast from the last rows."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from data.history import History
from data.panel import Floats
from data.registry import spec
from forecast.base import AbstractFitted, AbstractForecaster
from forecast.distribution import QuantileForecast
from forecast.errors import FitError, ForecastError
from forecast.randomness import RandomStreams
from forecast.storage import read_state, write_state
from forecast.windows import MIN_OBSERVED, carried, context_window, require_positive, target_values

Parameters = Mapping[str, Floats]
"""What was fitted to one series, by name."""


@dataclass(frozen=True, eq=False)
class SeriesRows:
    """Rows of one series, oldest first.

    Attributes:
        name: the series.
        values: (T,) target field, gaps carried, no NaN.
        observed: (T,) bool, False where the value was carried.
        extra: (T, K) the spec's ``extra_fields``, NaN where not observed.
    """

    name: str
    values: Floats
    observed: npt.NDArray[np.bool_]
    extra: Floats

    @property
    def seen(self) -> Floats:
        """(N,) the observed values only: a missing bar is skipped, its move falls into the next bar."""
        return np.asarray(self.values[self.observed])


@dataclass(frozen=True, eq=False)
class SeriesFit:
    """Parameters of one series, and whether the optimiser that found them reported success."""

    parameters: Parameters
    converged: bool = True


@spec
class AbstractUnivariate(AbstractForecaster):
    """A model that is fitted to each series on its own, so the panel's order and company never matter."""

    @property
    def extra_fields(self) -> tuple[str, ...]:
        """Panel fields needed beside the target."""
        return ()

    @property
    def needs_positive(self) -> bool:
        """Whether the model takes logarithms of the target."""
        return True

    @property
    def least_rows(self) -> int:
        """Observed rows a series needs to be fitted."""
        return self.context + self.horizon

    @property
    def least_seen(self) -> int:
        """Fewest observed rows a context can hold and still be forecast from."""
        return int(np.ceil(MIN_OBSERVED * self.context))

    @abstractmethod
    def fit_series(self, rows: SeriesRows, rng: np.random.Generator) -> SeriesFit:
        """Return the parameters of one series.

        Raises:
            FitError: when this series cannot be fitted.
        """

    @abstractmethod
    def forecast_series(self, fit: Parameters, rows: SeriesRows, rng: np.random.Generator) -> Floats:
        """Return the quantiles of one series, (H, Q), from its last ``context`` rows with fixed parameters."""

    def fit(self, train: History, rng: RandomStreams) -> "UnivariateFitted":
        """Return one set of parameters for each series with enough observed rows."""
        ready = [rows for rows in training_rows(train, self) if len(rows.seen) >= self.least_rows]
        if not ready:
            raise FitError(
                f"history has {len(train.panel)} rows and no series with the {self.least_rows} observed values "
                f"that context {self.context} and horizon {self.horizon} need"
            )
        fits = {rows.name: self.fit_series(rows, rng.of(rows.name)) for rows in ready}
        return UnivariateFitted(self, fits)

    def load(self, folder: Path) -> "UnivariateFitted":
        """Return the fitted state stored there."""
        arrays, facts = read_state(folder)
        fits = {
            name: SeriesFit(
                {key.split(".", 1)[1]: array for key, array in arrays.items() if key.startswith(f"{i}.")},
                converged,
            )
            for i, (name, converged) in enumerate(facts["series"])
        }
        return UnivariateFitted(self, fits)


@dataclass(frozen=True, eq=False)
class UnivariateFitted(AbstractFitted):
    """Fitted parameters by series.

    Attributes:
        spec: the hyper-parameters.
        fits: one fit a series; ``converged`` is False where the optimiser gave up (its best point is used).
    """

    spec: AbstractUnivariate
    fits: Mapping[str, SeriesFit]

    def predict(self, history: History, rng: RandomStreams) -> QuantileForecast:
        """Return the quantiles of every fitted series that can be forecast from its last ``context`` rows."""
        asked = self.spec
        rows = [each for each in context_rows(history, asked) if each.name in self.fits]
        values = np.empty((len(rows), asked.horizon, len(asked.levels)))
        for i, each in enumerate(rows):
            values[i] = asked.forecast_series(self.fits[each.name].parameters, each, rng.of(each.name))
        if not np.isfinite(values).all():
            raise ForecastError(
                f"the forecast of {_first_bad(rows, values)} is not finite; fit it to more rows"
            )
        return QuantileForecast(
            history.cutoff,
            history.clock.next(history.cutoff, asked.horizon),
            tuple(each.name for each in rows),
            np.asarray(asked.levels),
            values,
            asked.quantity,
            np.array([each.values[-1] for each in rows]),
        )

    def save(self, folder: Path) -> None:
        """Write every series' parameters as arrays, and whether it converged."""
        arrays = {
            f"{i}.{key}": np.asarray(array)
            for i, fit in enumerate(self.fits.values())
            for key, array in fit.parameters.items()
        }
        write_state(folder, arrays, {"series": [[name, fit.converged] for name, fit in self.fits.items()]})


def _first_bad(rows: list[SeriesRows], values: Floats) -> str:
    return rows[int(np.argwhere(~np.isfinite(values))[0][0])].name


def training_rows(train: History, asked: AbstractUnivariate) -> list[SeriesRows]:
    """Return the rows of every series from its first observation on, in the panel's order."""
    values = target_values(train, asked.field)
    _check(values, train.panel.series, asked)
    extra = _extra(train, asked)
    found = []
    for s, name in enumerate(train.panel.series):
        observed = ~np.isnan(values[:, s])
        start = int(np.argmax(observed)) if observed.any() else len(values)
        filled = carried(values[start:, s : s + 1])[:, 0]
        found.append(SeriesRows(name, filled, observed[start:], extra[start:, s]))
    return found


def context_rows(history: History, asked: AbstractUnivariate) -> list[SeriesRows]:
    """Return the last ``context`` rows of every series that can be forecast, in the panel's order."""
    window = context_window(history, asked.field, asked.context)
    _check(window.values, window.series, asked)
    extra = _extra(history.last(asked.context), asked)
    return [
        SeriesRows(
            name,
            np.ascontiguousarray(window.values[:, i]),
            window.observed[:, i],
            extra[:, history.panel.series_index(name)],
        )
        for i, name in enumerate(window.series)
    ]


def _check(values: Floats, series: tuple[str, ...], asked: AbstractUnivariate) -> None:
    if asked.needs_positive:
        require_positive(values, series, asked.field)


def _extra(history: History, asked: AbstractUnivariate) -> Floats:
    shape = (*history.panel.values.shape[:2], 0)
    fields = [history.panel.field(name) for name in asked.extra_fields]
    return np.stack(fields, axis=2) if fields else np.empty(shape)


def check_quantity(asked: str, kind: str, allowed: tuple[str, ...] = ("level",)) -> None:
    """Raise ValueError (a SpecError once validated) when a model cannot forecast the quantity asked."""
    if asked not in allowed:
        raise ValueError(f"quantity was '{asked}'; {kind} forecasts {' or '.join(allowed)}")
