"""Autoregression of a series' changes with closed-form normal quantiles."""

from typing import Annotated, Literal, Self

import annotated_types as at
import numpy as np
from pydantic import model_validator

from data.panel import Floats
from data.registry import spec
from forecast.models.normal_quantiles import (
    Scale,
    from_scale,
    normal_quantiles,
    smallest_deviation,
    to_scale,
)
from forecast.models.univariate import AbstractUnivariate, Parameters, SeriesFit, SeriesRows, check_quantity

Changes = Literal["log", "difference", "none"]
"""What is autoregressed: one-bar log changes, one-bar differences, or the values themselves."""


@spec
class AutoRegression(AbstractUnivariate):
    """AR(p) with an intercept, by least squares (Box, Jenkins, Reinsel and Ljung 2015, chapters 3 and 5).

    The conditional least-squares fit is that of statsmodels' ``AutoReg``. Quantiles are normal: the h-step variance is
    sigma^2 times the sum of the first h squared psi weights, which are cumulated when changes are autoregressed.
    Parameters are held until the next fit; a forecast reads the last ``context`` rows only. A constant series is
    forecast at its value with a spread of 1e-8 of it.

    It loses when returns are unpredictable, where its few coefficients are noise around the naive forecast, and when
    volatility moves, because its spread never does.

    Attributes:
        lags: order p, or the largest order tried.
        selection: ``aic`` picks the order from 0 to ``lags`` on one common sample; ``fixed`` takes ``lags``.
        changes: what is autoregressed.
    """

    lags: Annotated[int, at.Ge(0), at.Le(250)] = 5
    selection: Literal["aic", "fixed"] = "aic"
    changes: Changes = "log"

    @model_validator(mode="after")
    def _check_lags(self) -> Self:
        check_quantity(self.quantity, "ar")
        if self.lags >= self.least_seen:
            raise ValueError(
                f"lags {self.lags} need a context of which 80 % is longer; context {self.context} is too short"
            )
        return self

    @property
    def needs_positive(self) -> bool:
        """Whether the model takes logarithms of the target."""
        return self.changes == "log"

    @property
    def least_rows(self) -> int:
        """Observed rows a series needs to be fitted."""
        return max(self.context + self.horizon, 3 * self.lags + 10)

    def fit_series(self, rows: SeriesRows, rng: np.random.Generator) -> SeriesFit:
        """Return intercept, coefficients (padded with zeros to ``lags``) and residual deviation."""
        changes = self._changes(rows.seen)
        order = best_order(changes, self.lags) if self.selection == "aic" else self.lags
        weights, residuals = least_squares(changes, order, order)
        padded = np.zeros(self.lags + 1)
        padded[: order + 1] = weights
        return SeriesFit({"weights": padded, "deviation": np.sqrt(np.mean(residuals**2, keepdims=True))})

    def forecast_series(self, fit: Parameters, rows: SeriesRows, rng: np.random.Generator) -> Floats:
        """Return the quantiles of one series, (H, Q)."""
        seen = rows.seen
        mean = forecast_changes(fit["weights"], self._changes(seen), self.horizon)
        weights = psi_weights(fit["weights"][1:], self.horizon)
        scale: Scale = "log" if self.changes == "log" else "none"
        if self.changes != "none":
            mean = to_scale(seen[-1:], scale)[0] + np.cumsum(mean)
            weights = np.cumsum(weights)
        deviation = fit["deviation"][0] * np.sqrt(np.cumsum(weights**2))
        floor = smallest_deviation(float(seen[-1]), scale)
        return from_scale(normal_quantiles(mean, np.maximum(deviation, floor), self.levels), scale)

    def _changes(self, values: Floats) -> Floats:
        if self.changes == "none":
            return values
        return np.diff(np.log(values) if self.changes == "log" else values)


def least_squares(changes: Floats, order: int, skip: int) -> tuple[Floats, Floats]:
    """Return intercept and coefficients (1 + order,), and the residuals from row ``skip`` on."""
    lagged = [changes[skip - k : len(changes) - k] for k in range(1, order + 1)]
    design = np.column_stack([np.ones(len(changes) - skip), *lagged])
    weights = np.asarray(np.linalg.lstsq(design, changes[skip:], rcond=None)[0], np.float64)
    return weights, np.asarray(changes[skip:] - design @ weights)


def best_order(changes: Floats, most: int) -> int:
    """Return the order from 0 to ``most`` with the least AIC (Akaike 1974), all judged on the same rows.

    The first minimum wins, so a constant series gets order 0.
    """
    rows = len(changes) - most
    losses = [np.sum(least_squares(changes, order, most)[1] ** 2) / rows for order in range(most + 1)]
    floor = np.finfo(np.float64).tiny
    scores = [rows * np.log(max(loss, floor)) + 2 * order for order, loss in enumerate(losses)]
    return int(np.argmin(scores))


def forecast_changes(weights: Floats, changes: Floats, horizon: int) -> Floats:
    """Return the expected next changes, (H,), each fed back as the next one's lag."""
    order = len(weights) - 1
    path = list(changes[len(changes) - order :])
    for _ in range(horizon):
        lagged = np.array(path[len(path) - order :][::-1])
        path.append(float(weights[0] + weights[1:] @ lagged))
    return np.array(path[order:])


def psi_weights(coefficients: Floats, count: int) -> Floats:
    """Return the first ``count`` weights of the moving-average form, (count,), psi_0 = 1."""
    psi = np.zeros(count)
    psi[0] = 1.0
    for j in range(1, count):
        past = min(j, len(coefficients))
        psi[j] = coefficients[:past] @ psi[j - past : j][::-1]
    return psi
