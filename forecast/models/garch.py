"""The GARCH family: conditional variance, and prices simulated with it."""

import warnings
from functools import lru_cache
from typing import Annotated, Any, Literal, Self

import annotated_types as at
import numpy as np
from pydantic import model_validator

from data.panel import Floats, read_only
from data.registry import spec
from forecast.base import Count
from forecast.models.conditional_variance import (
    VarianceOf,
    VarianceRecursion,
    Volatility,
    filter_variance,
    path_quantiles,
    simulate,
)
from forecast.models.normal_quantiles import MIN_SPREAD, from_scale
from forecast.models.univariate import (
    AbstractUnivariate,
    Parameters,
    SeriesFit,
    SeriesRows,
    check_quantity,
)

Shocks = Literal["normal", "t", "skewt"]

MOST_RATIO = 100.0
"""A fit whose mean variance differs from the training variance by more than this factor has failed."""

Lags = Annotated[int, at.Ge(0), at.Le(10)]


@spec
class Garch(AbstractUnivariate):
    """GARCH, GJR-GARCH or EGARCH of one-bar log returns, by maximum likelihood (package ``arch``).

    Returns are divided by their training standard deviation before fitting and the variances multiplied back. Parameters
    are held until the next fit; a forecast filters the variance over the last ``context`` rows and simulates ``paths``
    paths whose shocks at each step are the ``paths`` midpoint quantiles of the fitted distribution in random order
    (Latin hypercube, McKay, Beckman and Conover 1979). ``level`` gives the quantiles of the price on these paths;
    ``variance`` those named by ``variance_of``. Equations: ``VarianceRecursion``. Where the optimiser
    fails or its answer is no description of the returns (mean beyond one deviation, mean variance off by a factor of 100),
    shocks are normal with the training variance and no mean, and the fit says ``converged: False``. A constant
    series is given a deviation of 1e-8.

    It loses when volatility is constant or jumps once, when fewer than about 500 bars are there to fit it, and it
    never says anything about direction beyond the mean.

    Attributes:
        volatility: the member of the family.
        distribution: of the standardised shocks; ``t`` Bollerslev (1987), ``skewt`` Hansen (1994).
        p: lags of the shock's size.
        o: lags of its sign; by default 1 for ``gjr`` and ``egarch``, and 0 for ``garch``, which allows no other.
        q: lags of the variance.
        mean: of the returns, a fitted constant or zero.
        variance_of: what a variance forecast is about.
        paths: how many are simulated.
    """

    context: Count = 250
    volatility: Volatility = "garch"
    distribution: Shocks = "t"
    p: Lags = 1
    o: Lags | None = None
    q: Lags = 1
    mean: Literal["constant", "zero"] = "constant"
    variance_of: VarianceOf = "conditional"
    paths: Annotated[int, at.Ge(100), at.Le(100_000)] = 2000

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_quantity(self.quantity, "garch", ("level", "variance"))
        if self.volatility == "garch" and self.o:
            raise ValueError(
                f"o was {self.o}; volatility garch has no sign lags, allowed: 0 (or gjr, egarch)"
            )
        if self.volatility != "garch" and self.o == 0:
            raise ValueError(f"o was 0; volatility {self.volatility} needs at least 1 sign lag")
        if self.p + self.sign_lags == 0:
            raise ValueError("p was 0; a recursion without shocks needs p or o of at least 1")
        if max(self.p, self.sign_lags, self.q) + 1 >= self.least_seen:
            raise ValueError(f"context {self.context} is too short for lags {self.p}, {self.o}, {self.q}")
        return self

    @property
    def sign_lags(self) -> int:
        """Lags of the shock's sign, the default resolved."""
        return (0 if self.volatility == "garch" else 1) if self.o is None else self.o

    @property
    def least_rows(self) -> int:
        """Observed rows a series needs to be fitted."""
        return max(self.context + self.horizon, 100)

    def fit_series(self, rows: SeriesRows, rng: np.random.Generator) -> SeriesFit:
        """Return the scale of the returns and the parameters in arch's order: mean, variance, distribution."""
        returns = np.diff(np.log(rows.seen))
        scale = float(np.std(returns))
        if scale <= MIN_SPREAD:
            return SeriesFit(_parameters(MIN_SPREAD, self._constant_parameters()))
        with warnings.catch_warnings():
            # Trouble is read from the optimiser's own flag.
            warnings.simplefilter("ignore")
            result = self.arch_model(returns / scale).fit(disp="off", show_warning=False)
        values = np.asarray(result.params, np.float64)
        if int(result.convergence_flag) != 0 or not self._is_plausible(values, returns / scale):
            return SeriesFit(_parameters(scale, self._constant_parameters()), converged=False)
        return SeriesFit(_parameters(scale, values))

    def forecast_series(self, fit: Parameters, rows: SeriesRows, rng: np.random.Generator) -> Floats:
        """Return the quantiles of one series, (H, Q)."""
        scale = float(fit["scale"])
        mean, recursion, shape = self._split(fit["values"])
        residuals = np.diff(np.log(rows.seen)) / scale - mean
        _, trail = filter_variance(recursion, residuals)
        grid = shock_grid(self.distribution, shape, self.paths)
        shocks = [rng.permutation(grid) for _ in range(self.horizon)]
        variances, simulated = simulate(recursion, trail, shocks)
        if self.quantity == "variance":
            asked = variances if self.variance_of == "conditional" else (simulated + mean) ** 2
            return path_quantiles(asked * scale**2, self.levels)
        changes = np.cumsum((simulated + mean) * scale, axis=0)
        return from_scale(np.log(rows.seen[-1]) + path_quantiles(changes, self.levels), "log")

    def arch_model(self, returns: Floats) -> Any:
        """Return arch's model of scaled returns."""
        from arch import arch_model

        return arch_model(
            returns,
            mean="Constant" if self.mean == "constant" else "Zero",
            vol="EGARCH" if self.volatility == "egarch" else "GARCH",
            p=self.p,
            o=self.sign_lags,
            q=self.q,
            dist=self.distribution,
            rescale=False,
        )

    def _is_plausible(self, values: Floats, returns: Floats) -> bool:
        """Return whether parameters describe returns of variance 1.

        Likelihoods of returns with many zeros have spikes without bound, which the optimiser reports as success.
        """
        if not np.isfinite(values).all():
            return False
        mean, recursion, _ = self._split(values)
        if abs(mean) > 1.0:
            return False
        typical = float(np.mean(filter_variance(recursion, returns - mean)[0]))
        return 1.0 / MOST_RATIO <= typical <= MOST_RATIO

    def _split(self, values: Floats) -> tuple[float, VarianceRecursion, tuple[float, ...]]:
        numbers = [float(value) for value in values]
        mean = numbers.pop(0) if self.mean == "constant" else 0.0
        constant, rest = numbers[0], numbers[1:]
        a, g, b = self.p, self.p + self.sign_lags, self.p + self.sign_lags + self.q
        recursion = VarianceRecursion(
            self.volatility, constant, tuple(rest[:a]), tuple(rest[a:g]), tuple(rest[g:b])
        )
        return mean, recursion, tuple(rest[b:])

    def _constant_parameters(self) -> Floats:
        """Return parameters under which the scaled variance is always 1."""
        mean = [0.0] if self.mean == "constant" else []
        constant = 0.0 if self.volatility == "egarch" else 1.0
        shape = {"normal": [], "t": [500.0], "skewt": [300.0, 0.0]}[self.distribution]
        return np.array([*mean, constant, *[0.0] * (self.p + self.sign_lags + self.q), *shape])


def _parameters(scale: float, values: Floats) -> Parameters:
    return {"scale": np.asarray(scale), "values": values}


@lru_cache(maxsize=64)
def shock_grid(distribution: Shocks, shape: tuple[float, ...], count: int) -> Floats:
    """Return the quantiles of a standardised distribution at levels (i - 1/2) / count, (count,), read-only."""
    from arch.univariate.distribution import Normal, SkewStudent, StudentsT

    kinds: dict[str, Any] = {"normal": Normal, "t": StudentsT, "skewt": SkewStudent}
    levels = (np.arange(count) + 0.5) / count
    return read_only(np.asarray(kinds[distribution]().ppf(levels, np.array(shape)), np.float64))
