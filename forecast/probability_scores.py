"""Scores of class probabilities: elementwise where the caller averages, and the reliability of the forecast class.

``*_loss``: smaller is better. Brier and log loss are proper: the honest probability has the least expectation. Accuracy, the
expected calibration error and the Balance score are not; they describe, and no model is chosen by them.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import beta

from data.panel import Floats, read_only
from forecast.errors import ForecastError
from forecast.labels import Classes, Rows

BINS = 10
"""Equal bins of confidence between 0 and 1."""

RESAMPLES = 2000


def brier_loss(classes: Classes, probabilities: Floats) -> Floats:
    """Return the sum over classes of (probability - indicator)^2, (N,), 0 to 2; Brier (1950), eq. 2.

    Args:
        classes: (N,) true classes, 0 to K - 1.
        probabilities: (N, K), rows summing to 1.

    Raises:
        ForecastError: when shapes disagree, a class does not exist, or a row is no distribution.

    Example:
        >>> brier_loss(np.array([1]), np.array([[0.25, 0.75]]))
        array([0.125])
    """
    _check(classes, probabilities)
    return np.asarray(((probabilities - np.eye(probabilities.shape[1])[classes]) ** 2).sum(axis=1))


def log_loss(classes: Classes, probabilities: Floats) -> Floats:
    """Return minus the log of the probability given to what happened, (N,), in nats; Good (1952).

    A class called impossible that happens costs infinity.

    Args:
        classes: (N,) true classes, 0 to K - 1.
        probabilities: (N, K), rows summing to 1.

    Raises:
        ForecastError: as ``brier_loss``.
    """
    _check(classes, probabilities)
    with np.errstate(divide="ignore"):
        return np.asarray(-np.log(probabilities[np.arange(len(classes)), classes]), np.float64)


def forecast_classes(probabilities: Floats) -> Classes:
    """Return the most likely class, (N,); of equally likely ones the later, as a probability of 0.5 forecasts class 1."""
    place = probabilities[:, ::-1].argmax(axis=1)
    return np.asarray(probabilities.shape[1] - 1 - place, np.int64)


def hits(classes: Classes, probabilities: Floats) -> Floats:
    """Return 1 where the most likely class happened and 0 elsewhere, (N,); their mean is the accuracy."""
    _check(classes, probabilities)
    return np.asarray((forecast_classes(probabilities) == classes).astype(np.float64))


def balance(classes: Classes, probabilities: Floats) -> Floats:
    """Return hit minus confidence, (N,); their mean is the Balance score: above 0 under-confident, below 0 over-confident.

    Choi and others (arXiv 2309.06248): with y = 1 forecast by p >= 0.5, 1 - p for a hit and -p for a miss, p the confidence. Its
    mean is accuracy minus mean confidence, so it is a calibration error with one bin, and over- and under-confidence cancel.

    Args:
        classes: (N,) true classes, 0 to K - 1.
        probabilities: (N, K), rows summing to 1.
    """
    return np.asarray(hits(classes, probabilities) - probabilities.max(axis=1))


@dataclass(frozen=True, eq=False)
class Reliability:
    """How often events happened that were given a probability, by bins of that probability.

    Attributes:
        low: (B,) lower edges; a probability on an edge belongs to the bin above it.
        high: (B,) upper edges.
        count: (B,) forecasts in the bin.
        forecast: (B,) their mean probability; NaN in an empty bin.
        happened: (B,) share of them that happened; NaN in an empty bin.
        least: (B,) lower end of the exact 95 % interval of that share, as if forecasts were independent (Clopper and
            Pearson 1934); overlapping labels are not, so true intervals are wider.
        most: (B,) its upper end.
    """

    low: Floats
    high: Floats
    count: Floats
    forecast: Floats
    happened: Floats
    least: Floats
    most: Floats

    @property
    def calibration_error(self) -> float:
        """Mean absolute gap between forecast and share, weighted by the forecasts (Naeini, Cooper and Hauskrecht 2015)."""
        held = self.count > 0
        gaps = np.abs(self.happened - self.forecast)[held]
        return float(gaps @ self.count[held] / self.count.sum())


def reliability(probability: Floats, happened: Floats, bins: int = BINS) -> Reliability:
    """Return the reliability table of (N,) probabilities of events that happened (1) or not (0).

    Raises:
        ForecastError: when there is no forecast, or a probability lies outside 0 to 1.
    """
    inside = (probability >= 0) & (probability <= 1)
    if not len(probability) or not inside.all():
        raise ForecastError(
            f"{len(probability)} probabilities were given; one or more, from 0 to 1, are needed"
        )
    place = np.minimum((probability * bins).astype(np.int64), bins - 1)
    count = np.bincount(place, minlength=bins).astype(np.float64)
    right = np.bincount(place, weights=happened, minlength=bins).astype(np.float64)
    total = np.bincount(place, weights=probability, minlength=bins)
    with np.errstate(invalid="ignore"):
        forecast, share = total / count, right / count
    least, most = share_interval(right, count)
    edges = np.linspace(0.0, 1.0, bins + 1)
    columns = (edges[:-1], edges[1:], count, forecast, share, least, most)
    return Reliability(*(read_only(column) for column in columns))


def top_reliability(classes: Classes, probabilities: Floats, bins: int = BINS) -> Reliability:
    """Return the reliability table of the most likely class: is it right as often as its probability says?"""
    return reliability(probabilities.max(axis=1), hits(classes, probabilities), bins)


def expected_calibration_error(classes: Classes, probabilities: Floats, bins: int = BINS) -> float:
    """Return the calibration error of the most likely class, 0 to 1; at least the size of the Balance score."""
    return top_reliability(classes, probabilities, bins).calibration_error


def share_interval(right: Floats, count: Floats, coverage: float = 0.95) -> tuple[Floats, Floats]:
    """Return the exact interval of shares of independent trials; (0, 1) without a trial (Clopper and Pearson 1934)."""
    miss = (1.0 - coverage) / 2
    wrong = count - right
    least = np.where(right > 0, beta.ppf(miss, np.maximum(right, 1e-9), wrong + 1), 0.0)
    most = np.where(wrong > 0, beta.ppf(1 - miss, right + 1, np.maximum(wrong, 1e-9)), 1.0)
    return least, most


def mean_interval(
    values: Floats, decided: Rows, block: int, rng: np.random.Generator, *, coverage: float = 0.95
) -> tuple[float, float]:
    """Return the percentile interval of a mean over samples whose labels overlap.

    Decision rows are drawn in circular blocks (Politis and Romano 1992), each with all its samples: neighbours in time share
    label bars, and series decided together move together.

    Args:
        values: (N,) losses, hits or differences of them.
        decided: (N,) row of each decision.
        block: decision rows a block, at least the horizon of the labels.
        rng: source of the 2,000 resamples.
        coverage: of the interval.

    Raises:
        ForecastError: when the rows are not two blocks long.
    """
    rows, place = np.unique(decided, return_inverse=True)
    if block < 1 or len(rows) < 2 * block:
        raise ForecastError(
            f"{len(rows)} decision rows were scored; an interval with blocks of {block} needs {2 * block} or more"
        )
    sums, counts = np.bincount(place, weights=values), np.bincount(place).astype(np.float64)
    means = np.empty(RESAMPLES)
    for i in range(RESAMPLES):
        starts = rng.integers(len(rows), size=-(-len(rows) // block))
        drawn = (starts[:, None] + np.arange(block)).ravel()[: len(rows)] % len(rows)
        means[i] = sums[drawn].sum() / counts[drawn].sum()
    low, high = np.quantile(means, [(1 - coverage) / 2, (1 + coverage) / 2])
    return float(low), float(high)


def _check(classes: Classes, probabilities: Floats) -> None:
    if probabilities.ndim != 2 or classes.shape != probabilities.shape[:1]:
        raise ForecastError(
            f"classes have shape {classes.shape} and probabilities {probabilities.shape}; (N,) and (N, K) are needed"
        )
    outside = (classes < 0) | (classes >= probabilities.shape[1])
    if outside.any():
        raise ForecastError(
            f"class {classes[outside][0]} was given; probabilities know 0 to {probabilities.shape[1] - 1}"
        )
    wrong = ~((probabilities >= 0).all(axis=1) & (np.abs(probabilities.sum(axis=1) - 1.0) <= 1e-9))
    if wrong.any():
        row: npt.NDArray[np.float64] = probabilities[wrong][0]
        raise ForecastError(f"probabilities were {row.tolist()}; they must be 0 or more and sum to 1")
