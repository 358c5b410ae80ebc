"""ARIMA by maximum likelihood with exact normal quantiles."""

import warnings
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

Order = Annotated[int, at.Ge(0), at.Le(10)]


@spec
class Arima(AbstractUnivariate):
    """ARIMA(p, d, q) (Box, Jenkins, Reinsel and Ljung 2015, chapters 4 to 7), fitted and filtered by statsmodels.

    Parameters are held until the next fit; a forecast runs the Kalman filter over the last ``context`` rows with them.
    Quantiles are normal with the filter's h-step variance. A constant series is forecast at its value with a spread
    of 1e-8 of it.

    It loses when returns are unpredictable: AR and MA roots then nearly cancel and say nothing, at a hundred times the
    cost of the naive forecast; and when volatility moves, because its spread never does.

    Attributes:
        p: autoregressive order.
        d: times the values are differenced.
        q: moving-average order.
        drift: whether the first differences have a mean other than 0; for d 1. With d 0 a mean is always fitted.
        scale: whether the logarithm of the value is modelled, or the value.
        iterations: most steps of the optimiser.
    """

    p: Order = 1
    d: Annotated[int, at.Ge(0), at.Le(2)] = 1
    q: Order = 1
    drift: bool = False
    scale: Scale = "log"
    iterations: Annotated[int, at.Ge(1), at.Le(1000)] = 50

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_quantity(self.quantity, "arima")
        if self.drift and self.d == 2:
            raise ValueError(
                "drift was true with d 2; a mean second difference is no drift, allowed: d 0 or 1"
            )
        if self.p + self.d + self.q + 1 >= self.least_seen:
            raise ValueError(f"context {self.context} is too short for orders ({self.p}, {self.d}, {self.q})")
        return self

    @property
    def needs_positive(self) -> bool:
        """Whether the model takes logarithms of the target."""
        return self.scale == "log"

    @property
    def least_rows(self) -> int:
        """Observed rows a series needs to be fitted."""
        return max(self.context + self.horizon, 3 * (self.p + self.d + self.q) + 20)

    def fit_series(self, rows: SeriesRows, rng: np.random.Generator) -> SeriesFit:
        """Return the parameters in statsmodels' order: trend, AR, MA, variance; none for a constant series."""
        values = to_scale(rows.seen, self.scale)
        if np.std(np.diff(values)) <= smallest_deviation(float(rows.values[-1]), self.scale):
            return SeriesFit({"values": np.empty(0), "unit": np.asarray(1.0)})
        unit = float(np.std(np.diff(values)))
        with warnings.catch_warnings():
            # Trouble is read from the optimiser's own flag and from the finiteness of its answer.
            warnings.simplefilter("ignore")
            result = self.arima_model(values / unit).fit(
                cov_type="none", method_kwargs={"maxiter": self.iterations}
            )
        found = np.asarray(result.params, np.float64)
        if not np.isfinite(found).all():
            raise FitError(f"the likelihood of {rows.name} has no finite maximum; parameters are {found}")
        return SeriesFit({"values": found, "unit": np.asarray(unit)}, bool(result.mle_retvals["converged"]))

    def forecast_series(self, fit: Parameters, rows: SeriesRows, rng: np.random.Generator) -> Floats:
        """Return the quantiles of one series, (H, Q)."""
        values, unit = to_scale(rows.seen, self.scale), float(fit["unit"])
        mean, spread = np.full(self.horizon, values[-1]), np.zeros(self.horizon)
        if len(fit["values"]):
            ahead = (
                self.arima_model(values / unit)
                .filter(fit["values"], cov_type="none")
                .get_forecast(self.horizon)
            )
            mean, spread = np.asarray(ahead.predicted_mean) * unit, np.asarray(ahead.se_mean) * unit
        floor = smallest_deviation(float(rows.values[-1]), self.scale)
        return from_scale(normal_quantiles(mean, np.maximum(spread, floor), self.levels), self.scale)

    def arima_model(self, values: Floats) -> Any:
        """Return statsmodels' model of values on the model's scale."""
        from statsmodels.tsa.arima.model import ARIMA

        return ARIMA(values, order=(self.p, self.d, self.q), trend=self._trend())

    def _trend(self) -> Literal["n", "c", "t"]:
        if self.d == 0:
            return "c"
        return "t" if self.drift else "n"
