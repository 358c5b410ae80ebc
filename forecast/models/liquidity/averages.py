"""What happened lately, expected to happen again: the last span, and the mean of a week of spans."""

from abc import abstractmethod
from typing import Self

import numpy as np
from pydantic import model_validator

from data.panel import Floats
from data.registry import spec
from data.sessions import bar_length
from forecast.models.liquidity.base import AbstractPoolModel, Learnt, Outlook
from forecast.models.liquidity.rows import PoolRows
from forecast.models.liquidity.truth import span_profile
from forecast.models.normal_quantiles import normal_quantiles
from forecast.randomness import RandomStreams

WEEK = 168
"""Hourly bars of a week."""


@spec
class AbstractAverage(AbstractPoolModel):
    """The mean profile of the latest spans, each counted from the price it began at, laid around the present price.

    The variance is the mean realised one; the price's change is normal with that variance and no drift. Nothing is
    learnt.
    """

    @property
    @abstractmethod
    def spans(self) -> int:
        """How many of the latest spans are averaged."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.context < self.spans * self.horizon:
            raise ValueError(
                f"context was {self.context}; {self.spans} spans of {self.horizon} bars need {self.spans * self.horizon}"
            )
        return self

    def learn(self, rows: PoolRows, rng: RandomStreams) -> Learnt:
        """Return nothing."""
        return {}

    def foresee(self, learnt: Learnt, rows: PoolRows) -> Outlook:
        """Return the mean of the latest spans."""
        ends = len(rows) - 1 - self.horizon * np.arange(self.spans)
        profile = np.mean([self._profile(rows, int(end)) for end in ends], axis=0)
        variance = float(rows.field("variance")[-self.spans * self.horizon :].sum()) / self.spans
        changes = normal_quantiles(np.zeros(()), np.sqrt(np.asarray(variance)), self.levels)
        return Outlook(profile, changes, variance)

    def _profile(self, rows: PoolRows, end: int) -> Floats:
        """Return the path of the span that ends with a bar, counted from the price it began at."""
        first = end - self.horizon + 1
        opening = rows.times[first] - bar_length(rows.clock.bar)
        swaps = rows.swaps.between(opening, rows.times[end])
        if not len(swaps):
            return np.zeros((self.bins, 2))
        return span_profile(swaps, float(swaps.sqrt_before[0]), self.log_edges)


@spec
class LastValue(AbstractAverage):
    """The last span again; see ``AbstractAverage``.

    It loses wherever activity reverts to its mean, as it does within days.
    """

    @property
    def spans(self) -> int:
        """One."""
        return 1


@spec
class WeeklyMean(AbstractAverage):
    """The mean of the spans of the last 168 bars (a week of hours), or of the last seven where a span is longer than a day; see ``AbstractAverage``.

    It loses when activity changes faster than in a week.
    """

    @property
    def spans(self) -> int:
        """Spans of a week, at least seven."""
        return max(7, WEEK // self.horizon)
