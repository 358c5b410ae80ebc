"""Conformal scores: how far past truths fell outside each pair of quantiles, and the shift that would have held them.

A pair is a level l below .5 and its partner 1 - l; it should miss with rate alpha = 2 l. The score of a pair is
max(lower - truth, truth - upper) over the scale of the forecast, negative inside (Romano, Patterson and Candès 2019, eq. 6).
The scale is the last value for a level, 1 for a log return and the forecast median for a variance: scores of prices are
relative, so a doubled price leaves them as they are.
"""

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from data.panel import Floats, read_only
from forecast.calibration import Arrays, CalibrationState
from forecast.distribution import QuantileForecast
from forecast.errors import ForecastError, LevelError

Scale = Literal["relative", "absolute"]
"""``relative``: scores are shares of the forecast's scale. ``absolute``: in the unit of the forecast, for values that may
be 0 or below."""


@dataclass(frozen=True, eq=False)
class ConformalScores(CalibrationState):
    """The latest scores of every series, step and pair.

    Attributes:
        series: S names, in the order first seen.
        levels: (P,) lower levels of the pairs, outermost first.
        scores: (S, H, P, N) oldest first, NaN where the truth was not known.
    """

    series: tuple[str, ...]
    levels: Floats
    scores: Floats

    def __post_init__(self) -> None:
        object.__setattr__(self, "levels", read_only(np.asarray(self.levels, np.float64)))
        object.__setattr__(self, "scores", read_only(np.asarray(self.scores, np.float64)))

    @property
    def is_empty(self) -> bool:
        """Whether nothing was learnt yet, so that horizon and levels are still open."""
        return not self.series

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return names, levels and scores."""
        return {"series": np.asarray(self.series, np.str_), "levels": self.levels, "scores": self.scores}


def no_scores() -> ConformalScores:
    """Return the memory before any feedback."""
    return ConformalScores((), np.zeros(0), np.zeros((0, 0, 0, 0)))


def stored_scores(arrays: Arrays) -> ConformalScores:
    """Return the memory that ``ConformalScores.to_arrays`` wrote."""
    return ConformalScores(tuple(arrays["series"].tolist()), arrays["levels"], arrays["scores"])


def lower_levels(forecast: QuantileForecast) -> Floats:
    """Return the levels below .5, (P,), outermost first.

    Raises:
        LevelError: when a level has no partner.
    """
    levels = forecast.levels
    lonely = np.abs(levels + levels[::-1] - 1.0) > 1e-9
    if lonely.any():
        level = float(levels[lonely][0])
        known = ", ".join(f"{value:g}" for value in levels)
        raise LevelError(
            f"level {level:g} has no partner {1 - level:g} to calibrate it with; levels are {known}"
        )
    return np.asarray(levels[: len(levels) // 2])


def conformal_scores(forecast: QuantileForecast, truth: Floats, scale: Scale) -> Floats:
    """Return the score of every pair, (S, H, P), NaN where the truth is not known; positive outside the pair.

    Raises:
        ForecastError: when the truth is not (S, H), or a relative scale is not above 0.
    """
    pairs = len(lower_levels(forecast))
    lower, upper = forecast.values[..., :pairs], forecast.values[..., ::-1][..., :pairs]
    if truth.shape != forecast.values.shape[:2]:
        raise ForecastError(f"truth has shape {truth.shape}; the forecast is {forecast.values.shape[:2]}")
    y = truth[..., None]
    return np.asarray(np.maximum(lower - y, y - upper) / scale_of(forecast, scale)[..., None])


def scale_of(forecast: QuantileForecast, scale: Scale) -> Floats:
    """Return what scores are divided by, (S, H), above 0.

    Raises:
        ForecastError: when a relative scale is not above 0.
    """
    shape = forecast.values.shape[:2]
    if scale == "absolute" or forecast.quantity == "log_return":
        return np.ones(shape)
    found = (
        forecast.median if forecast.quantity == "variance" else np.broadcast_to(forecast.last[:, None], shape)
    )
    if (found <= 0).any():
        s, h = np.argwhere(found <= 0)[0]
        raise ForecastError(
            f"scale of {forecast.series[s]} is {found[s, h]:g} at {forecast.cutoff}; relative scores need one above 0: "
            "set 'scale: absolute'"
        )
    return np.asarray(found)


def remember(
    memory: ConformalScores, forecast: QuantileForecast, scores: Floats, window: int
) -> ConformalScores:
    """Return the memory with one more forecast's scores, (S, H, P), and at most ``window`` of them."""
    memory = with_series(memory, forecast)
    column = np.full(memory.scores.shape[:3], np.nan)
    column[positions(memory, forecast)] = scores
    kept = memory.scores[..., max(0, memory.scores.shape[3] - window + 1) :]
    return replace(memory, scores=np.concatenate([kept, column[..., None]], axis=3))


def with_series(memory: ConformalScores, forecast: QuantileForecast) -> ConformalScores:
    """Return the memory with room for every series of the forecast.

    Raises:
        ForecastError: when horizon or levels are not those of the memory.
    """
    levels = lower_levels(forecast)
    if memory.is_empty:
        shape = (len(forecast.series), forecast.horizon, len(levels), 0)
        return ConformalScores(forecast.series, levels, np.zeros(shape))
    if not np.array_equal(levels, memory.levels) or forecast.horizon != memory.scores.shape[1]:
        raise ForecastError(
            f"forecast has horizon {forecast.horizon} and {len(levels)} pairs of levels; the calibration learnt "
            f"{memory.scores.shape[1]} and {len(memory.levels)}, the same ones are needed"
        )
    new = tuple(name for name in forecast.series if name not in memory.series)
    if not new:
        return memory
    room = np.full((len(new), *memory.scores.shape[1:]), np.nan)
    return replace(memory, series=(*memory.series, *new), scores=np.concatenate([memory.scores, room]))


def positions(memory: ConformalScores, forecast: QuantileForecast) -> npt.NDArray[np.int64]:
    """Return where the forecast's series stand in the memory, (S,)."""
    place = {name: i for i, name in enumerate(memory.series)}
    return np.array([place[name] for name in forecast.series], np.int64)


def scores_for(memory: ConformalScores, forecast: QuantileForecast, *, pooled: bool) -> Floats:
    """Return the past scores that count for each series of the forecast, (S, H, P, N); pooled: those of all series."""
    memory = with_series(memory, forecast)
    if not pooled:
        return np.asarray(memory.scores[positions(memory, forecast)])
    every = np.moveaxis(memory.scores, 0, 2).reshape(*memory.scores.shape[1:3], -1)
    return np.broadcast_to(every, (len(forecast.series), *every.shape))


def threshold(scores: Floats, alpha: Floats) -> Floats:
    """Return the score that the next one exceeds with probability at most alpha, (...).

    The ceil((n + 1)(1 - alpha))-th smallest of the n known scores (Vovk, Gammerman and Shafer 2005; Lei et al. 2018). It is
    +inf where that rank is above n, or alpha <= 0 (everything is in the set), and -inf where alpha >= 1 (nothing is).

    Args:
        scores: (..., N), NaN where not known.
        alpha: (...) miss rates.
    """
    ordered = np.sort(scores, axis=-1)
    n = (~np.isnan(scores)).sum(axis=-1)
    # The small term keeps 20 * (1 - 0.05) from being a rank above 19 by rounding.
    rank = np.maximum(np.ceil((n + 1) * (1.0 - alpha) - 1e-9), 1.0)
    is_finite = (rank <= n) & (alpha > 0)
    at = np.where(is_finite, rank - 1, 0).astype(np.int64)
    padded = ordered if scores.shape[-1] else np.zeros((*scores.shape[:-1], 1))
    found = np.take_along_axis(padded, at[..., None], axis=-1)[..., 0]
    return np.where(alpha >= 1, -np.inf, np.where(is_finite, found, np.inf))


def shifted(forecast: QuantileForecast, thresholds: Floats, scale: Scale) -> QuantileForecast:
    """Return the forecast with every pair moved outward by its threshold (inward where negative).

    The median stays. Pairs never cross: from the median outward each one holds those inside it, which only widens sets. An
    empty or inverted pair closes on the median. Where a threshold is infinite, this pair and all outside it are infinite
    sets: they keep the forecast's own values (widened if needed to hold a calibrated pair) and ``unbounded`` is set on
    both sides. A variance stays at or above 0.

    Args:
        forecast: as the model made it.
        thresholds: (S, H, P) in the unit of the scores, outermost first; +inf or -inf where the set is infinite or empty.
        scale: unit of the scores.
    """
    pairs = thresholds.shape[-1]
    values = np.array(forecast.values)
    infinite = np.logical_or.accumulate(np.isposinf(thresholds)[..., ::-1], axis=-1)[..., ::-1]
    moves = np.where(infinite, 0.0, thresholds) * scale_of(forecast, scale)[..., None]
    low, high = values[..., :pairs] - moves, values[..., ::-1][..., :pairs] + moves
    centre = _centre(forecast)[..., None]
    low = np.minimum.accumulate(np.minimum(low, centre)[..., ::-1], axis=-1)[..., ::-1]
    high = np.maximum.accumulate(np.maximum(high, centre)[..., ::-1], axis=-1)[..., ::-1]
    values[..., :pairs] = np.maximum(low, 0.0) if forecast.quantity == "variance" else low
    values[..., ::-1][..., :pairs] = high
    flags = np.asarray(forecast.unbounded) | infinite.any(axis=-1, keepdims=True)
    return replace(forecast, values=values, unbounded=flags)


def _centre(forecast: QuantileForecast) -> Floats:
    """Return the median, or the middle of the innermost pair where no median was forecast, (S, H)."""
    middle = len(forecast.levels) // 2
    if len(forecast.levels) % 2:
        return np.asarray(forecast.values[..., middle])
    return np.asarray((forecast.values[..., middle - 1] + forecast.values[..., middle]) / 2)
