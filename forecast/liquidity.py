"""The roles of a liquidity forecaster, its spec and its fitted state, what they say, and every kind by name."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Self

import annotated_types as at
import numpy as np
from pydantic import model_validator

from data.history import History
from data.panel import Floats
from data.registry import Registry, spec
from forecast.base import Count, Levels
from forecast.distribution import DEFAULT_LEVELS, ProfileForecast, QuantileForecast
from forecast.errors import ForecastError
from forecast.randomness import RandomStreams


@dataclass(frozen=True, eq=False)
class LiquidityForecast:
    """Where a pool will trade over the next h bars, as one step: the whole span from the cutoff to its end.

    Attributes:
        profile: path length in each bin, (1, 1, bins, 2); ``edges`` are offsets in ticks from the tick at the cutoff. Column 0
            is the way up, the sum of s' - s over s(cutoff); column 1 the way down, the sum of 1/s' - 1/s times s(cutoff).
            So fees per unit of liquidity are rate1 * s(cutoff) * up in token1 and rate0 / s(cutoff) * down in token0.
        offset: log of the price (token1 per token0) at the end over that at the cutoff, (1, 1, Q); ``quantity`` is
            ``log_return`` and ``last`` the raw price s(cutoff)**2.
        variance: variance of the log price over the whole span.
    """

    profile: ProfileForecast
    offset: QuantileForecast
    variance: float

    def __post_init__(self) -> None:
        if self.profile.values.shape[:2] != (1, 1) or self.offset.values.shape[:2] != (1, 1):
            raise ForecastError(
                f"a liquidity forecast is about one pool and one span; profile and offset had shapes "
                f"{self.profile.values.shape} and {self.offset.values.shape}"
            )
        if not (np.isfinite(self.variance) and self.variance >= 0):
            raise ForecastError(f"variance was {self.variance}; it must be finite and 0 or more")
        if self.profile.cutoff != self.offset.cutoff:
            raise ForecastError(f"cutoffs differ: {self.profile.cutoff} and {self.offset.cutoff}")

    @property
    def cutoff(self) -> np.datetime64:
        """What was known when the forecast was made."""
        return self.profile.cutoff


@spec
class AbstractLiquidityForecaster(ABC):
    """Hyper-parameters of a model of where a pool will trade: frozen, hashable, round-trips through YAML.

    Attributes:
        context: bars of history that ``predict`` may look at; it uses no earlier row and no earlier swap.
        horizon: bars ahead; the forecast is about all of them together.
        bins: bins of the profile, an odd number; the middle one is centred at the tick of the cutoff.
        bin_ticks: width of a bin in ticks; what is travelled beyond the outermost bins counts in them.
        levels: quantile levels of the price's change.
    """

    context: Count = 720
    horizon: Count = 24
    bins: Annotated[int, at.Ge(3)] = 61
    bin_ticks: Annotated[float, at.Gt(0)] = 120.0
    levels: Levels = DEFAULT_LEVELS

    @model_validator(mode="after")
    def _one_bin_holds_the_price(self) -> Self:
        if self.bins % 2 == 0:
            raise ValueError(
                f"bins was {self.bins}; an odd number is needed, so that one bin holds the price"
            )
        return self

    @property
    def edges(self) -> Floats:
        """(bins + 1,) offsets in ticks from the tick of the cutoff."""
        return np.asarray((np.arange(self.bins + 1) - self.bins / 2.0) * self.bin_ticks)

    @abstractmethod
    def fit(self, train: History, rng: RandomStreams) -> "AbstractFittedLiquidity":
        """Return the model fitted to a history that ends at the fit's cutoff; labels are cut inside it.

        Raises:
            FitError: when the history has no pool or is too short.
        """

    @abstractmethod
    def load(self, folder: Path) -> "AbstractFittedLiquidity":
        """Return the fitted state that ``AbstractFittedLiquidity.save`` wrote there; it forecasts the same bits."""


class AbstractFittedLiquidity(ABC):
    """What one fit learnt; frozen by convention, never changed in place."""

    spec: AbstractLiquidityForecaster

    @abstractmethod
    def predict(self, history: History, rng: RandomStreams) -> LiquidityForecast:
        """Return the forecast made at the end of ``history``; reads at most its last ``spec.context`` bars."""

    def predict_many(
        self, history: History, cutoffs: Sequence[np.datetime64], rngs: Sequence[RandomStreams]
    ) -> list[LiquidityForecast]:
        """Return one forecast per cutoff; the same bits as calling ``predict`` in a loop."""
        return [self.predict(history.until(t), rng) for t, rng in zip(cutoffs, rngs, strict=True)]

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write the fitted state into an existing empty folder; never pickle."""


LIQUIDITY_FORECASTERS: Registry[AbstractLiquidityForecaster] = Registry(
    "liquidity forecaster",
    {
        "last_value": "forecast.models.liquidity.averages:LastValue",
        "weekly_mean": "forecast.models.liquidity.averages:WeeklyMean",
        "har": "forecast.models.liquidity.har:HarProfile",
        "garch_normal": "forecast.models.liquidity.garch_normal:GarchNormal",
        "lightgbm": "forecast.models.liquidity.boosting:BoostedProfile",
        "lstm": "forecast.models.liquidity.lstm:LstmProfile",
    },
    "wayfold.liquidity_forecasters",
)
