"""Losses of forecasts by which retraining is decided: free of units, and nothing before the truth is known."""

from collections.abc import Mapping

import numpy as np

from data.history import History
from data.panel import Floats
from forecast.distribution import QuantileForecast, Quantity
from forecast.errors import ForecastError
from forecast.retraining.base import KnownLoss
from forecast.truth import truth_panel


def loss_scales(train: History, field: str, quantity: Quantity, horizon: int) -> dict[str, float]:
    """Return the unit in which the errors of each series are counted, by name, all above 0.

    Of a level it is the mean absolute change over ``horizon`` bars of the training rows, the error of the last value
    ``horizon`` steps ahead (Hyndman and Koehler 2006, the scaled error at that step). Of a variance it is the mean
    squared one-bar log return, the forecast that needs no model. A series that never moved, or was not observed
    ``horizon`` bars apart, has none.

    Args:
        train: what the fit read; a scale knows nothing later.
        field: the panel field that is forecast.
        quantity: ``level`` or ``variance``.
        horizon: bars ahead.

    Raises:
        ForecastError: when the quantity has no last value to compare with.
    """
    _require_known(quantity)
    rows = truth_panel(train, field, quantity)
    sizes = rows if quantity == "variance" else np.abs(rows[horizon:] - rows[:-horizon])
    scales = {}
    for name, column in zip(train.panel.series, sizes.T, strict=True):
        known = column[~np.isnan(column)]
        if known.size and known.mean() > 0:
            scales[name] = float(known.mean())
    return scales


def known_loss(forecast: QuantileForecast, truth: Floats, scales: Mapping[str, float]) -> KnownLoss | None:
    """Return the loss of a forecast and of the naive one, or None when nothing of it is known.

    The loss is the mean over steps and series of the absolute error of the median over the series' scale. The naive
    forecast of a level is its last value at the cutoff; that of a variance is the scale itself, the mean of the training
    rows. Both means are over the same cells: those whose truth is known, of series that have a scale.

    Timing: the caller hands over no truth that is not known yet, so a loss enters at the last bar of its forecast or
    later.

    Args:
        forecast: of level or variance, with the level 0.5.
        truth: (S, H) what happened, NaN where it is not known.
        scales: ``loss_scales`` of the fit that made the forecast.

    Raises:
        ForecastError: when the quantity has no last value to compare with.
        LevelError: when the median was not forecast.
    """
    _require_known(forecast.quantity)
    unit = np.array([scales.get(name, np.nan) for name in forecast.series])[:, None]
    errors = np.abs(forecast.median - truth) / unit
    known = ~np.isnan(errors)
    if not known.any():
        return None
    without_model = unit if forecast.quantity == "variance" else forecast.last[:, None]
    naive = np.abs(without_model - truth) / unit
    return KnownLoss(forecast.cutoff, float(errors[known].mean()), float(naive[known].mean()))


def _require_known(quantity: Quantity) -> None:
    if quantity not in ("level", "variance"):
        raise ForecastError(f"a loss of a forecast of {quantity} is not defined; allowed: level, variance")
