"""What the liquidity forecasters share: bars in, an outlook out, and fitted arrays on disk."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data.amm.pool import LOG_TICK
from data.history import History
from data.panel import Floats
from data.registry import spec
from forecast.distribution import ProfileForecast, QuantileForecast
from forecast.liquidity import AbstractFittedLiquidity, AbstractLiquidityForecaster, LiquidityForecast
from forecast.models.liquidity.rows import PoolRows, context_rows, training_rows
from forecast.randomness import RandomStreams
from forecast.storage import read_state, write_state

Learnt = Mapping[str, Floats]
"""What a fit found, by name."""


@dataclass(frozen=True, eq=False)
class Outlook:
    """What a model expects of the coming span.

    Attributes:
        profile: (B, 2) path in each bin, up and down.
        changes: (Q,) quantiles of the log price's change; put in order where they cross.
        variance: of the log price over the span.
    """

    profile: Floats
    changes: Floats
    variance: float


@spec
class AbstractSpanModel(AbstractLiquidityForecaster):
    """A liquidity forecaster that learns from the spans after every bar that has a context behind it."""

    @property
    def log_edges(self) -> Floats:
        """(bins + 1,) edges of the profile as changes of the log price."""
        return self.edges * LOG_TICK

    @property
    def least_rows(self) -> int:
        """Bars since the first swap that a fit needs."""
        return self.context + self.horizon


@spec
class AbstractPoolModel(AbstractSpanModel):
    """One whose fit is a set of arrays."""

    @abstractmethod
    def learn(self, rows: PoolRows, rng: RandomStreams) -> Learnt:
        """Return what these bars teach; every span looked at ends inside them.

        Raises:
            FitError: when they teach nothing.
        """

    @abstractmethod
    def foresee(self, learnt: Learnt, rows: PoolRows) -> Outlook:
        """Return what is expected after the last of exactly ``context`` bars."""

    def fit(self, train: History, rng: RandomStreams) -> "PoolFitted":
        """Return the model fitted to every bar of the history since its first swap."""
        return PoolFitted(self, self.learn(training_rows(train, self.least_rows), rng))

    def load(self, folder: Path) -> "PoolFitted":
        """Return the fitted state stored there."""
        arrays, _ = read_state(folder)
        return PoolFitted(self, arrays)


@dataclass(frozen=True, eq=False)
class PoolFitted(AbstractFittedLiquidity):
    """Fitted arrays.

    Attributes:
        spec: the hyper-parameters.
        learnt: what the fit found.
    """

    spec: AbstractPoolModel
    learnt: Learnt

    def predict(self, history: History, rng: RandomStreams) -> LiquidityForecast:
        """Return the forecast made at the end of ``history`` from its last ``context`` bars and the swaps inside them.

        Raises:
            ForecastError: when the history has no pool, or fewer bars since its first swap.
        """
        rows = context_rows(history, self.spec.context)
        return liquidity_forecast(self.spec, rows, self.spec.foresee(self.learnt, rows))

    def save(self, folder: Path) -> None:
        """Write the arrays."""
        write_state(folder, self.learnt, {})


def liquidity_forecast(
    asked: AbstractLiquidityForecaster, rows: PoolRows, outlook: Outlook
) -> LiquidityForecast:
    """Return an outlook as the forecast made at the end of the last bar."""
    cutoff = np.datetime64(rows.times[-1])
    times = rows.clock.next(cutoff, asked.horizon)[-1:]
    changes = np.maximum.accumulate(outlook.changes)
    price = rows.field("sqrt_price")[-1:] ** 2
    series = (rows.series,)
    return LiquidityForecast(
        ProfileForecast(cutoff, times, series, asked.edges, outlook.profile[None, None]),
        QuantileForecast(
            cutoff, times, series, np.asarray(asked.levels), changes[None, None], "log_return", price
        ),
        float(outlook.variance),
    )
