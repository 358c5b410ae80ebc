"""HAR-RV: variance from its own daily, weekly and monthly means, and prices simulated with it."""

from dataclasses import dataclass
from typing import Annotated, Literal, Self

import annotated_types as at
import numpy as np
from pydantic import model_validator

from data.panel import Floats
from data.registry import spec
from forecast.base import Count
from forecast.models.conditional_variance import VarianceOf, path_quantiles
from forecast.models.normal_quantiles import MIN_SPREAD, from_scale
from forecast.models.univariate import (
    AbstractUnivariate,
    Parameters,
    SeriesFit,
    SeriesRows,
    check_quantity,
)

Proxy = Literal["squared_return", "parkinson"]
Form = Literal["linear", "volatility", "log"]

LEAST_SHARE = 0.01
"""Proxies and forecasts below this share of their training mean are raised to it: a bar without a move has no log."""


@spec
class HeterogeneousAutoregression(AbstractUnivariate):
    """HAR-RV (Corsi 2009, equation 8) on one realised-variance proxy a bar, by least squares.

    With RV the proxy and g the form (identity, square root or logarithm), g(RV_{t+1}) is regressed on an intercept and g
    of the mean RV over each of ``lags`` bars. The conditional variance is the mean of g^-1(fit + residual) over the
    training residuals (Duan 1983), kept within 1 % of the training mean and the largest training proxy (the filter of
    Bollerslev, Patton and Quaedvlieg 2016). Steps ahead are simulated: each path draws a training bar, whose ratio of
    proxy to conditional variance (Engle and Gallo 2006) moves the variance and whose standardised return moves the price
    (filtered historical simulation, Barone-Adesi, Giannopoulos and Vosper 1999). Parameters are held until the next
    fit; a forecast reads the last ``context`` rows only. A constant series is given a deviation of 1e-8.

    It loses when the proxy is noisy (squared returns carry little about one bar's variance), when variance moves faster
    than in months, and after a jump, which lingers in the monthly mean; it says nothing about direction.

    Attributes:
        lags: lengths of the means, in bars.
        proxy: ``squared_return``, or ``parkinson`` (Parkinson 1980): log(high / low)^2 / (4 log 2), scaled to the mean
            squared return in training because a range does not see the gap between bars. It needs the fields high and low;
            a bar where they are missing, or where high < low, counts with its squared return.
        form: g.
        variance_of: what a variance forecast is about.
        paths: how many are simulated.
    """

    lags: tuple[Count, ...] = (1, 5, 22)
    proxy: Proxy = "squared_return"
    form: Form = "volatility"
    variance_of: VarianceOf = "conditional"
    paths: Annotated[int, at.Ge(100), at.Le(100_000)] = 2000

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_quantity(self.quantity, "har", ("level", "variance"))
        if not self.lags or list(self.lags) != sorted(set(self.lags)):
            raise ValueError(f"lags were {self.lags}; they must increase, as in (1, 5, 22)")
        if self.lags[-1] >= self.least_seen:
            raise ValueError(
                f"lag {self.lags[-1]} needs a context of which 80 % is longer; context {self.context} is too short"
            )
        return self

    @property
    def extra_fields(self) -> tuple[str, ...]:
        """Panel fields needed beside the target."""
        return ("high", "low") if self.proxy == "parkinson" else ()

    @property
    def least_rows(self) -> int:
        """Observed rows a series needs to be fitted."""
        return max(self.context + self.horizon, self.lags[-1] + 40)

    def fit_series(self, rows: SeriesRows, rng: np.random.Generator) -> SeriesFit:
        """Return the scale of the proxy, the regression, and what each training bar drew."""
        returns, raw = self._returns_and_proxies(rows)
        variance, mean = float(np.mean(returns**2)), float(np.mean(raw))
        if variance <= MIN_SPREAD**2 or mean <= 0.0:
            return SeriesFit(self._constant_fit())
        scale = variance / mean
        proxies = np.maximum(raw * scale, LEAST_SHARE * variance)
        design = self._design(proxies)
        target = transform(proxies[self.lags[-1] :], self.form)
        weights = np.asarray(np.linalg.lstsq(design, target, rcond=None)[0], np.float64)
        smear = smearing(target - design @ weights, self.form)
        rule = VarianceRule(self.form, weights, smear, LEAST_SHARE * variance, float(proxies.max()))
        fitted = rule.variance(design)
        return SeriesFit(
            {
                "scale": np.asarray(scale),
                "weights": weights,
                "bounds": np.array([rule.smear, rule.least, rule.most]),
                "ratios": proxies[self.lags[-1] :] / fitted,
                "shocks": returns[self.lags[-1] :] / np.sqrt(fitted),
            }
        )

    def forecast_series(self, fit: Parameters, rows: SeriesRows, rng: np.random.Generator) -> Floats:
        """Return the quantiles of one series, (H, Q)."""
        _, raw = self._returns_and_proxies(rows)
        smear, least, most = (float(bound) for bound in fit["bounds"])
        rule = VarianceRule(self.form, fit["weights"], smear, least, most)
        recent = np.maximum(raw[-self.lags[-1] :] * float(fit["scale"]), least)
        variances, draws = self._simulate(rule, recent, fit["ratios"], rng)
        if self.quantity == "variance":
            realised = variances * fit["shocks"][draws] ** 2
            return path_quantiles(variances if self.variance_of == "conditional" else realised, self.levels)
        changes = np.cumsum(np.sqrt(variances) * fit["shocks"][draws], axis=0)
        return from_scale(np.log(rows.seen[-1]) + path_quantiles(changes, self.levels), "log")

    def _simulate(
        self, rule: "VarianceRule", recent: Floats, ratios: Floats, rng: np.random.Generator
    ) -> tuple[Floats, Floats]:
        """Return conditional variances and the training bar drawn, (H, N) each."""
        past = np.tile(recent[:, None], (1, self.paths))
        every = np.arange(self.paths) * len(ratios) // self.paths
        variances, draws = [], []
        for _ in range(self.horizon):
            means = np.array([past[-lag:].mean(axis=0) for lag in self.lags])
            design = np.vstack([np.ones(self.paths), transform(means, self.form)]).T
            variance = rule.variance(design)
            draw = rng.permutation(every)
            past = np.vstack([past[1:], np.maximum(variance * ratios[draw], rule.least)])
            variances.append(variance)
            draws.append(draw)
        return np.array(variances), np.array(draws)

    def _returns_and_proxies(self, rows: SeriesRows) -> tuple[Floats, Floats]:
        """Return log returns between observed rows and the proxy of each, (N - 1,) both; unscaled."""
        returns = np.diff(np.log(rows.seen))
        if self.proxy == "squared_return":
            return returns, returns**2
        high, low = rows.extra[rows.observed][1:].T
        usable = (low > 0.0) & (high >= low)
        ratio = np.where(usable, high, 1.0) / np.where(usable, low, 1.0)
        return returns, np.where(usable, np.log(ratio) ** 2 / (4.0 * np.log(2.0)), returns**2)

    def _design(self, proxies: Floats) -> Floats:
        """Return the regressors of every bar that has all lags before it, (N - longest, 1 + L)."""
        totals = np.concatenate([[0.0], np.cumsum(proxies)])
        rows = np.arange(self.lags[-1], len(proxies))
        means = [(totals[rows] - totals[rows - lag]) / lag for lag in self.lags]
        columns = [transform(np.maximum(mean, np.finfo(float).tiny), self.form) for mean in means]
        return np.column_stack([np.ones(len(rows)), *columns])

    def _constant_fit(self) -> Parameters:
        least = MIN_SPREAD**2
        return {
            "scale": np.asarray(1.0),
            "weights": np.zeros(1 + len(self.lags)),
            "bounds": np.array([1.0, least, least]),
            "ratios": np.ones(2),
            "shocks": np.array([-1.0, 1.0]),
        }


@dataclass(frozen=True, eq=False)
class VarianceRule:
    """The fitted regression as a rule for the conditional variance of the coming bar.

    Attributes:
        form: g.
        weights: (1 + L,) intercept and weights of the means.
        smear: what ``smearing`` made of the training residuals.
        least: smallest variance allowed.
        most: largest variance allowed.
    """

    form: Form
    weights: Floats
    smear: float
    least: float
    most: float

    def variance(self, design: Floats) -> Floats:
        """Return the variance for each row of regressors, (N,)."""
        # Summed column by column: a matrix product may round differently with the number of rows.
        fitted = np.zeros(len(design))
        for column, weight in zip(design.T, self.weights, strict=True):
            fitted = fitted + weight * column
        return np.clip(expected_variance(fitted, self.smear, self.form), self.least, self.most)


def transform(variance: Floats, form: Form) -> Floats:
    """Return g(variance), same shape."""
    if form == "log":
        return np.log(variance)
    return np.sqrt(variance) if form == "volatility" else variance


def smearing(residuals: Floats, form: Form) -> float:
    """Return what carries a fitted g(RV) back to the mean of RV: mean exp(u) for log, mean u^2 for volatility."""
    if form == "log":
        return float(np.mean(np.exp(residuals)))
    return float(np.mean(residuals**2)) if form == "volatility" else 0.0


def expected_variance(fitted: Floats, smear: float, form: Form) -> Floats:
    """Return the mean of g^-1(fitted + u) over the training residuals u, whose mean is 0 (Duan 1983)."""
    if form == "log":
        # Far outside what any bound allows, and short of overflow.
        return np.exp(np.clip(fitted, -700.0, 700.0)) * smear
    return np.maximum(fitted, 0.0) ** 2 + smear if form == "volatility" else fitted
