"""The reference loss of a fit: what its losses should be while nothing has changed, measured when it was made."""

from collections.abc import Mapping

import numpy as np

from data.history import History
from forecast.base import AbstractFitted, AbstractForecaster
from forecast.errors import FitError
from forecast.randomness import RandomStreams
from forecast.retraining.losses import known_loss
from forecast.truth import truth_of


def reference_loss(fitted: AbstractFitted, scales: Mapping[str, float]) -> float | None:
    """Return the mean validation error over steps and series, in the unit of ``KnownLoss.loss``.

    None when the model kept no validation errors, or none of a series that has a scale. Errors on rows that also chose a
    penalty or a number of rounds are a little too small.

    Args:
        fitted: the model.
        scales: ``losses.loss_scales`` of the same training rows.
    """
    errors = fitted.validation_errors or {}
    units = [np.asarray(each) / scales[name] for name, each in errors.items() if name in scales]
    known = np.concatenate(units) if units else np.empty(0)
    known = known[~np.isnan(known)]
    return float(known.mean()) if known.size else None


def held_out_loss(
    forecaster: AbstractForecaster,
    train: History,
    rng: RandomStreams,
    scales: Mapping[str, float],
    share: float,
) -> float | None:
    """Return the mean loss of a second fit, on the older rows, over forecasts of the newest ``share`` of the rows.

    For models that keep no validation errors; it costs one more fit. Forecasts are made every ``horizon`` bars, so each
    bar is forecast once; all their truth lies in ``train``. None when nothing of it is known.

    Args:
        forecaster: the model.
        train: what the fit itself reads.
        rng: streams of the fit.
        scales: ``losses.loss_scales`` of ``train``.
        share: part of the rows, at their end, that is forecast; more than 0 and less than 1.

    Raises:
        FitError: when the older rows are too few for the model, or the newest for one forecast.
    """
    last, horizon = len(train.panel) - 1, forecaster.horizon
    first = last - round(share * len(train.panel))
    if first < 0 or first + horizon > last:
        raise FitError(
            f"history has {len(train.panel)} rows; the last {share:g} of them are too few to hold out a forecast of horizon {horizon}"
        )
    fitted = forecaster.fit(train.until(train.times[first]), rng)
    cutoffs = train.times[first : last - horizon + 1 : horizon]
    made = fitted.predict_many(train, list(cutoffs), [RandomStreams(rng.seed, cutoff) for cutoff in cutoffs])
    losses = [known_loss(each, truth_of(each, train, forecaster.field), scales) for each in made]
    known = [loss.loss for loss in losses if loss is not None]
    return float(np.mean(known)) if known else None
