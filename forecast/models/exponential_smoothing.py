"""Exponential smoothing with additive errors (ETS) and closed-form normal quantiles."""

import warnings
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

import annotated_types as at
import numpy as np
from pydantic import model_validator

from data.panel import Floats
from data.registry import spec
from forecast.errors import FitError
from forecast.models.normal_quantiles import (
    Scale,
    from_scale,
    normal_quantiles,
    smallest_deviation,
    to_scale,
)
from forecast.models.univariate import (
    AbstractUnivariate,
    Parameters,
    SeriesFit,
    SeriesRows,
    check_quantity,
)

Trend = Literal["none", "additive", "damped"]

FIRST_ROWS = 10
"""Rows whose mean starts the level, as in the initialisation of Hyndman and others (2008, section 2.6.1)."""


@spec
class ExponentialSmoothing(AbstractUnivariate):
    """ETS with additive error, trend and season, by maximum likelihood (statsmodels' ``ETSModel``).

    Equations: Hyndman, Koehler, Ord and Snyder (2008), table 2.2; normal quantiles with the h-step variance of their
    table 6.1: sigma^2 (1 + sum of c_j^2 over j < h). Smoothing weights are held until the next fit; a forecast runs the
    recursion over the last ``context`` rows, starting from their own first rows and from the mean trend of training. A
    constant series is forecast at its value with a spread of 1e-8 of it.

    It loses on series without a level to smooth: on most prices the level weight comes out near 1 and the forecast is
    the last value with a trend that is mostly noise; and when volatility moves, because its spread never does.

    Attributes:
        trend: none, additive, or damped (Gardner and McKenzie 1985).
        season: bars in a season, 0 for none; gaps are carried so that the season keeps its phase.
        scale: whether the logarithm of the value is smoothed, or the value.
    """

    trend: Trend = "damped"
    season: Annotated[int, at.Ge(0), at.Le(366)] = 0
    scale: Scale = "log"

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_quantity(self.quantity, "ets")
        if self.season == 1:
            raise ValueError("season was 1; allowed: 0 (none), or 2 and more bars")
        if self.context < max(2 * self.season, 4):
            raise ValueError(
                f"context {self.context} is too short for season {self.season}; it needs two seasons, and 4 rows"
            )
        return self

    @property
    def needs_positive(self) -> bool:
        """Whether the model takes logarithms of the target."""
        return self.scale == "log"

    @property
    def least_rows(self) -> int:
        """Observed rows a series needs to be fitted."""
        return max(self.context + self.horizon, 4 * self.season, 20)

    def fit_series(self, rows: SeriesRows, rng: np.random.Generator) -> SeriesFit:
        """Return the smoothing weights, the mean trend and the residual deviation."""
        values = self._values(rows)
        unit = float(np.std(np.diff(values)))
        if unit <= smallest_deviation(float(rows.values[-1]), self.scale):
            return SeriesFit(_parameters(SmoothingWeights(1.0, 0.0, 1.0, 0.0), 0.0, 0.0))
        with warnings.catch_warnings():
            # Trouble is read from the optimiser's own flag and from the finiteness of its answer.
            warnings.simplefilter("ignore")
            result = self.ets_model(values / unit).fit(disp=False)
        found = dict(zip(result.model.param_names, np.asarray(result.params).tolist(), strict=True))
        if not np.isfinite(list(found.values())).all():
            raise FitError(f"the likelihood of {rows.name} has no finite maximum; parameters are {found}")
        weights = SmoothingWeights(
            found["smoothing_level"],
            found.get("smoothing_trend", 0.0),
            found.get("damping_trend", 1.0),
            found.get("smoothing_seasonal", 0.0),
        )
        trend = 0.0 if self.trend == "none" else unit * float(np.mean(result.slope))
        deviation = unit * float(np.sqrt(np.mean(np.asarray(result.resid) ** 2)))
        return SeriesFit(_parameters(weights, trend, deviation), bool(result.mle_retvals["converged"]))

    def forecast_series(self, fit: Parameters, rows: SeriesRows, rng: np.random.Generator) -> Floats:
        """Return the quantiles of one series, (H, Q)."""
        values = self._values(rows)
        weights = SmoothingWeights(*(float(weight) for weight in fit["weights"]))
        trend, deviation = (float(number) for number in fit["moments"])
        state = smooth(values, weights, first_state(values, trend, self.season))
        mean = expected_path(state, weights, self.horizon)
        spread = deviation * np.sqrt(variance_growth(weights, self.season, self.horizon))
        floor = smallest_deviation(float(rows.values[-1]), self.scale)
        return from_scale(normal_quantiles(mean, np.maximum(spread, floor), self.levels), self.scale)

    def ets_model(self, values: Floats, **settings: Any) -> Any:
        """Return statsmodels' model of values on the model's scale."""
        from statsmodels.tsa.exponential_smoothing.ets import ETSModel

        return ETSModel(
            values,
            error="add",
            trend=None if self.trend == "none" else "add",
            damped_trend=self.trend == "damped",
            seasonal="add" if self.season else None,
            seasonal_periods=self.season or None,
            **settings,
        )

    def _values(self, rows: SeriesRows) -> Floats:
        return to_scale(rows.values if self.season else rows.seen, self.scale)


@dataclass(frozen=True)
class SmoothingWeights:
    """Weights of the error in each state: level (alpha), trend (beta), season (gamma); and the damping phi."""

    level: float
    trend: float
    damping: float
    season: float


@dataclass(frozen=True)
class SmoothingState:
    """What is known after a bar: its level and trend, and the last season's effects, oldest first."""

    level: float
    trend: float
    effects: tuple[float, ...]


def first_state(values: Floats, trend: float, season: int) -> SmoothingState:
    """Return the state before the first value.

    Seasonal effects are the mean distance of each phase from the window's straight line; the level is the mean of the
    first rows less trend and season.
    """
    ahead = np.arange(1, len(values) + 1)
    effects: tuple[float, ...] = ()
    flat = values
    if season:
        line = np.polynomial.Polynomial.fit(ahead, values, 1)(ahead)
        phases = np.array([np.mean((values - line)[i::season]) for i in range(season)])
        phases = phases - phases.mean()
        effects = tuple(phases.tolist())
        flat = values - np.resize(phases, len(values))
    first = max(FIRST_ROWS, season)
    return SmoothingState(float(np.mean((flat - trend * ahead)[:first])), trend, effects)


def smooth(values: Floats, weights: SmoothingWeights, state: SmoothingState) -> SmoothingState:
    """Return the state after the last value."""
    level, trend, effects = state.level, state.trend, list(state.effects)
    for value in values.tolist():
        slope = weights.damping * trend
        error = value - level - slope - (effects[0] if effects else 0.0)
        level = level + slope + weights.level * error
        trend = slope + weights.trend * error
        if effects:
            effects.append(effects.pop(0) + weights.season * error)
    return SmoothingState(level, trend, tuple(effects))


def expected_path(state: SmoothingState, weights: SmoothingWeights, horizon: int) -> Floats:
    """Return the expected next values, (H,)."""
    damped = np.cumsum(weights.damping ** np.arange(1, horizon + 1))
    path = state.level + state.trend * damped
    return path + np.resize(state.effects, horizon) if state.effects else path


def variance_growth(weights: SmoothingWeights, season: int, horizon: int) -> Floats:
    """Return the h-step variance over the one-step variance, (H,), 1 at h = 1."""
    steps = np.arange(1, horizon)
    impact = weights.level + weights.trend * np.cumsum(weights.damping**steps)
    if season:
        impact = impact + weights.season * (steps % season == 0)
    return np.concatenate([[1.0], 1.0 + np.cumsum(impact**2)])


def _parameters(weights: SmoothingWeights, trend: float, deviation: float) -> Parameters:
    return {
        "weights": np.array([weights.level, weights.trend, weights.damping, weights.season]),
        "moments": np.array([trend, deviation]),
    }
