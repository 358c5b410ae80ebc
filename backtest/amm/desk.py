"""Desk: the liquidity forecasters of one window, fitted when first asked, with every forecast remembered."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from backtest.amm.walk import Forecast
from data.history import History
from forecast.liquidity import AbstractFittedLiquidity, AbstractLiquidityForecaster, LiquidityForecast
from forecast.randomness import RandomStreams


@dataclass(frozen=True)
class LiquidityFit:
    """One fit: of which forecaster, up to when, on how many bars, and what it cost this process."""

    model: str
    cutoff: np.datetime64
    rows: int
    cpu_seconds: float


@dataclass(eq=False)
class ForecastDesk:
    """Forecasters fitted to one history; lanes that read the same forecaster share its fit and its forecasts.

    It remembers and does not decide: with or without it every forecast has the same bits, since each is seeded by its own
    cutoff.

    Attributes:
        forecasters: by label.
        train: what they learn from.
        seed: the run's seed.
        fits: what was fitted so far, in order.
    """

    forecasters: Mapping[str, AbstractLiquidityForecaster]
    train: History
    seed: int
    fits: list[LiquidityFit] = field(default_factory=list)
    _fitted: dict[str, AbstractFittedLiquidity] = field(default_factory=dict)
    _known: dict[tuple[str, np.datetime64], LiquidityForecast] = field(default_factory=dict)

    def forecast(self, label: str | None) -> Forecast | None:
        """Return the ``predict`` of a forecaster, fitted now if it was not; None for no forecaster."""
        if label is None:
            return None

        def predict(history: History, rng: RandomStreams) -> LiquidityForecast:
            key = (label, history.cutoff)
            if key not in self._known:
                self._known[key] = self._model(label).predict(history, rng)
            return self._known[key]

        return predict

    def _model(self, label: str) -> AbstractFittedLiquidity:
        if label not in self._fitted:
            begun, rng = time.process_time(), RandomStreams(self.seed, self.train.cutoff)
            self._fitted[label] = self.forecasters[label].fit(self.train, rng)
            seconds = time.process_time() - begun
            self.fits.append(LiquidityFit(label, self.train.cutoff, len(self.train.panel), seconds))
        return self._fitted[label]
