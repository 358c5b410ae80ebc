"""Forecast values: distributions of the future, never a bare number."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from data.panel import Floats, Times, as_time, read_only
from forecast.errors import ForecastError, LevelError

DEFAULT_LEVELS: tuple[float, ...] = (0.025, *(round(0.05 * i, 2) for i in range(1, 20)), 0.975)
"""Quantile levels of every forecast unless asked otherwise: .025, .05 to .95 by .05, .975."""

Quantity = Literal["level", "log_return", "variance", "class", "tick_traversal"]
"""What a forecast is about.

- ``level``: the value of the target field at each future time, in the field's own unit; prices are forward-adjusted
  (raw price times ``factor``), so ratios of forecast to last value are total returns.
- ``log_return``: log of that value over its last observed value, cumulative from the cutoff.
- ``variance``: variance of the one-bar log return of each future bar, per bar.
- ``class``: probability of each class. ``tick_traversal``: path length in each tick bin.
"""


@dataclass(frozen=True, eq=False)
class QuantileForecast:
    """Quantiles of each series at each future time.

    Attributes:
        cutoff: what was known when the forecast was made.
        times: (H,) ends of the bars forecast, all after the cutoff, UTC.
        series: S names; only series the model could forecast, so it may hold fewer than the panel.
        levels: (Q,) strictly increasing, inside (0, 1).
        values: (S, H, Q) finite, non-decreasing along Q; unit of ``quantity``.
        quantity: what is forecast.
        last: (S,) the last observed (carried, adjusted) value of the target field at the cutoff.
        unbounded: (S, H, 2) bool, True where the lower or upper part of the calibrated set is infinite and the
            stored values are only the uncalibrated ones; such a forecast opens no new position.

    Raises:
        ForecastError: when an invariant is broken.
    """

    cutoff: np.datetime64
    times: Times
    series: tuple[str, ...]
    levels: Floats
    values: Floats
    quantity: Quantity
    last: Floats
    unbounded: npt.NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        levels = np.asarray(self.levels, np.float64)
        values = np.asarray(self.values, np.float64)
        times = np.asarray(self.times).astype("datetime64[ns]")
        last = np.asarray(self.last, np.float64)
        shape = (len(self.series), len(times), len(levels))
        if values.shape != shape:
            raise ForecastError(
                f"forecast values have shape {values.shape}; series, times and levels ask for {shape}"
            )
        _check_levels(levels)
        _check_values(values, self.series)
        if len(times) and times[0] <= as_time(self.cutoff):
            raise ForecastError(f"forecast time {times[0]} is not after the cutoff {self.cutoff}")
        if last.shape != (len(self.series),) or not np.isfinite(last).all():
            raise ForecastError(
                f"last values are {last}; one finite number is needed for each of {len(self.series)}"
            )
        flags = (
            np.zeros((*shape[:2], 2), bool) if self.unbounded is None else np.asarray(self.unbounded, bool)
        )
        if flags.shape != (*shape[:2], 2):
            raise ForecastError(
                f"unbounded flags have shape {flags.shape}; (S, H, 2) = {(*shape[:2], 2)} is needed"
            )
        object.__setattr__(self, "cutoff", as_time(self.cutoff))
        object.__setattr__(self, "series", tuple(self.series))
        for name, array in (("times", times), ("levels", levels), ("values", values), ("last", last)):
            object.__setattr__(self, name, read_only(array))
        object.__setattr__(self, "unbounded", read_only(flags))

    @property
    def horizon(self) -> int:
        """Number of steps ahead."""
        return len(self.times)

    def quantile(self, level: float) -> Floats:
        """Return one forecast level, (S, H).

        Raises:
            LevelError: when the level was not forecast.
        """
        hits = np.flatnonzero(np.isclose(self.levels, level, rtol=0, atol=1e-9))
        if not len(hits):
            known = ", ".join(f"{value:g}" for value in self.levels)
            raise LevelError(f"level {level:g} was not forecast; levels are {known}")
        return np.asarray(self.values[:, :, hits[0]])

    @property
    def median(self) -> Floats:
        """(S, H) the 0.5 quantile, the point forecast of every table."""
        return self.quantile(0.5)

    def returns(self) -> Floats:
        """Return the quantiles as simple returns from the last observed value, cumulative, (S, H, Q).

        Raises:
            ForecastError: when the quantity is neither ``level`` nor ``log_return``.
        """
        if self.quantity == "level":
            return np.asarray(self.values / self.last[:, None, None] - 1.0)
        if self.quantity == "log_return":
            return np.expm1(self.values)
        raise ForecastError(f"a forecast of {self.quantity} has no returns; allowed: level, log_return")


@dataclass(frozen=True, eq=False)
class SampleForecast:
    """Sampled paths, for decisions that depend on the whole path.

    Attributes:
        cutoff: what was known when the forecast was made.
        times: (H,) ends of the bars forecast, UTC.
        series: S names.
        samples: (S, H, N) finite paths; unit of ``quantity``.
        quantity: what is forecast.
        last: (S,) the last observed value at the cutoff.
    """

    cutoff: np.datetime64
    times: Times
    series: tuple[str, ...]
    samples: Floats
    quantity: Quantity
    last: Floats

    def __post_init__(self) -> None:
        samples = np.asarray(self.samples, np.float64)
        if (
            samples.ndim != 3
            or samples.shape[:2] != (len(self.series), len(self.times))
            or samples.shape[2] < 1
        ):
            raise ForecastError(
                f"samples have shape {samples.shape}; (S, H, N) with S, H = {len(self.series)}, {len(self.times)} is needed"
            )
        if not np.isfinite(samples).all():
            s, h, n = np.argwhere(~np.isfinite(samples))[0]
            raise ForecastError(
                f"path {n} of {self.series[s]} at step {h + 1} is {samples[s, h, n]}; it must be finite"
            )
        object.__setattr__(self, "samples", read_only(samples))

    def to_quantiles(self, levels: tuple[float, ...] = DEFAULT_LEVELS) -> QuantileForecast:
        """Return the empirical quantiles of the paths at each time."""
        values = np.moveaxis(np.quantile(self.samples, levels, axis=2), 0, 2)
        return QuantileForecast(
            self.cutoff, self.times, self.series, np.asarray(levels), values, self.quantity, self.last
        )


@dataclass(frozen=True, eq=False)
class CategoricalForecast:
    """Probabilities of K classes, (S, H, K), each row summing to one."""

    cutoff: np.datetime64
    times: Times
    series: tuple[str, ...]
    classes: tuple[str, ...]
    values: Floats

    def __post_init__(self) -> None:
        values = np.asarray(self.values, np.float64)
        wanted = (len(self.series), len(self.times), len(self.classes))
        if values.shape != wanted:
            raise ForecastError(f"probabilities have shape {values.shape}; (S, H, K) = {wanted} is needed")
        wrong = ~((values >= 0).all(axis=2) & (np.abs(values.sum(axis=2) - 1.0) <= 1e-9))
        if wrong.any():
            s, h = np.argwhere(wrong)[0]
            raise ForecastError(
                f"probabilities of {self.series[s]} at step {h + 1} are {values[s, h].tolist()}; they must be 0 or more "
                "and sum to 1"
            )
        object.__setattr__(self, "values", read_only(values))


@dataclass(frozen=True, eq=False)
class ProfileForecast:
    """Expected tick traversal, (S, H, bins, 2): path length in each price bin, upwards and downwards."""

    cutoff: np.datetime64
    times: Times
    series: tuple[str, ...]
    edges: Floats
    values: Floats

    def __post_init__(self) -> None:
        values = np.asarray(self.values, np.float64)
        wanted = (len(self.series), len(self.times), len(self.edges) - 1, 2)
        if values.shape != wanted:
            raise ForecastError(f"profile has shape {values.shape}; (S, H, bins, 2) = {wanted} is needed")
        wrong = ~(np.isfinite(values) & (values >= 0))
        if wrong.any():
            s, h, b, way = np.argwhere(wrong)[0]
            raise ForecastError(
                f"path length of {self.series[s]} at step {h + 1}, bin {b} is {values[s, h, b, way]}; it must be finite "
                "and 0 or more"
            )
        object.__setattr__(self, "values", read_only(values))


Forecast = QuantileForecast | SampleForecast | CategoricalForecast | ProfileForecast


def _check_levels(levels: Floats) -> None:
    if not len(levels) or (np.diff(levels) <= 0).any() or levels[0] <= 0 or levels[-1] >= 1:
        raise ForecastError(f"levels are {levels.tolist()}; they must increase strictly inside (0, 1)")


def _check_values(values: Floats, series: tuple[str, ...]) -> None:
    if not np.isfinite(values).all():
        s, h, q = np.argwhere(~np.isfinite(values))[0]
        raise ForecastError(
            f"forecast of {series[s]} at step {h + 1}, level {q} is {values[s, h, q]}; it must be finite"
        )
    if (np.diff(values, axis=2) < 0).any():
        s, h, _ = np.argwhere(np.diff(values, axis=2) < 0)[0]
        raise ForecastError(
            f"quantiles of {series[s]} cross at step {h + 1}; they must not decrease with the level"
        )
