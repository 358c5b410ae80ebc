"""Run length: the alarm threshold that gives a wanted number of losses between false alarms."""

import math
from typing import Any, Protocol

import numpy as np

from data.panel import Floats
from forecast.resampling import optimal_block, stationary_rows

PATHS = 400
"""Resampled streams by which a threshold is found."""

LONGEST = 2_000
"""Losses in one of them after its reference, at most."""

LIMIT = 4.0
"""Standard deviations at which a loss is cut: one extreme loss is an anomaly, many large ones are drift."""


class Detector(Protocol):
    """Reads standardised losses of many streams at once and scores the evidence that they have grown."""

    def begin(self, reference: Floats) -> Any:
        """Return the state after the reference losses (..., n) of each stream, which raise no score."""

    def step(self, state: Any, value: Floats) -> tuple[Any, Floats]:
        """Return the state after the next loss (...) of each stream and the score (...), at least 0."""


def standardised(values: Floats, count: int) -> Floats:
    """Return values (..., T) in standard deviations from the mean of their first ``count``, cut at 4; 0 where these are equal."""
    reference = values[..., :count]
    return scaled(values, reference.mean(axis=-1, keepdims=True), reference.std(axis=-1, keepdims=True))


def scaled(values: Floats, centre: Floats | float, spread: Floats | float) -> Floats:
    """Return values (...) in spreads from the centre, cut at 4; 0 where there is no spread."""
    units = np.divide(values - centre, spread, out=np.zeros_like(values), where=np.asarray(spread) > 0)
    limited: Floats = np.clip(units, -LIMIT, LIMIT)
    return limited


def calibrated_threshold(
    detector: Detector, reference: Floats, target: int, least: int, rng: np.random.Generator
) -> float:
    """Return the score that unchanged losses pass once in about ``target`` of them; infinite when the reference is constant.

    Streams of ``n + length`` losses are drawn from the reference (n,) by the stationary bootstrap, and each is standardised
    by its own first n, as the real stream is: so the threshold allows for what n losses say badly of their own mean. It is
    the score that a share ``1 - exp(-length / target)`` of the streams pass, the share of an alarm that comes once in
    ``target`` losses at random. It can only know dependence that shows in n losses.

    Args:
        detector: reads all streams at once.
        reference: (n,) relative losses, oldest first, without a change.
        target: wanted losses between false alarms.
        least: losses after the reference before which no alarm is given.
        rng: source of the streams; equal generators give equal thresholds.
    """
    count, length = len(reference), min(target, LONGEST)
    if not np.ptp(reference) > 0:
        return math.inf
    block = min(optimal_block(reference), count / 4)
    rows = stationary_rows(count, count + length, block, PATHS, rng)
    streams = standardised(reference[rows], count)
    highest = highest_scores(detector, streams, count, least)
    return float(np.quantile(highest, math.exp(-length / target)))


def highest_scores(detector: Detector, streams: Floats, count: int, least: int) -> Floats:
    """Return the highest score (P,) of streams (P, T) from ``least`` losses after their first ``count`` on."""
    state = detector.begin(streams[:, :count])
    highest = np.zeros(len(streams))
    for seen, value in enumerate(np.ascontiguousarray(streams[:, count:].T), start=1):
        state, score = detector.step(state, value)
        if seen >= least:
            highest = np.maximum(highest, score)
    return highest
