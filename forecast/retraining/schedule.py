"""Schedules: refits that are known before the walk begins."""

from typing import Annotated, Any

import annotated_types as at

from data.registry import spec
from forecast.retraining.base import AbstractRetraining, Moment, Verdict

FIRST = Verdict("first fit")


@spec
class EveryFold(AbstractRetraining):
    """Refit at the first decision of each fold (the default)."""

    def decide(self, state: Any, moment: Moment) -> tuple[Any, Verdict]:
        """Return ``new fold`` when the newest fit is of an earlier fold."""
        if moment.fit is None:
            return state, FIRST
        return state, Verdict("new fold" if moment.fold != moment.fit.fold else None)


@spec
class EveryBars(AbstractRetraining):
    """Refit when the newest fit is at least ``bars`` old."""

    bars: Annotated[int, at.Ge(1)]

    def decide(self, state: Any, moment: Moment) -> tuple[Any, Verdict]:
        """Return the age that made a refit due."""
        if moment.fit is None:
            return state, FIRST
        return state, Verdict(f"{moment.fit.bars} bars old" if moment.fit.bars >= self.bars else None)


@spec
class Never(AbstractRetraining):
    """Fit once and keep the model for the whole walk."""

    def decide(self, state: Any, moment: Moment) -> tuple[Any, Verdict]:
        """Return a reason only for the first fit."""
        return state, FIRST if moment.fit is None else Verdict(None)
