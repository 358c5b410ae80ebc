"""Performance: refit when recent known losses are well above the validation loss of the fit in use."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import annotated_types as at
import numpy as np
import numpy.typing as npt

from data.panel import as_time
from data.registry import spec
from forecast.errors import ForecastError
from forecast.retraining.base import AbstractRetraining, Bars, Moment, RetrainingState, Verdict
from forecast.retraining.schedule import FIRST


@dataclass(frozen=True)
class RecentLosses(RetrainingState):
    """The last losses of one fit.

    Attributes:
        fit: cutoff of that fit; NaT before the first.
        losses: oldest first.
    """

    fit: np.datetime64
    losses: tuple[float, ...] = ()

    def after(self, moment: Moment, most: int) -> "RecentLosses":
        """Return the last ``most`` losses of the newest fit; those of an earlier fit are forgotten."""
        if moment.fit is None:
            return self
        kept = self.losses if moment.fit.cutoff == self.fit else ()
        recent = (*kept, *(each.loss for each in moment.losses))
        return RecentLosses(moment.fit.cutoff, recent[-most:])

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return the fit's cutoff in ns and the losses."""
        return {"fit": np.array([self.fit], "datetime64[ns]"), "losses": np.array(self.losses, np.float64)}


@spec
class Performance(AbstractRetraining):
    """Refit when the mean of the last ``window`` known losses is above ``k`` times the validation loss of the fit.

    The rule is inferred from the abstract of Törnquist and others (arXiv 2309.15207, 2023) and the fields ``best_loss`` and
    ``needs_training`` of their published program; its exact form is not public. A loss counts from the decision at which
    all its truth is known, and only for the fit that made the forecast, so no refit follows another in less than
    ``window`` known losses. Losses of overlapping forecasts and of volatile times come in clusters: on unchanged but
    volatile data this rule still asks for refits.

    Attributes:
        k: times the reference loss that is too much.
        window: losses that are averaged.
        cooldown: bars after a fit in which none is asked for.
    """

    k: Annotated[float, at.Gt(0)] = 1.5
    window: Annotated[int, at.Ge(1)] = 24
    cooldown: Bars = 0

    @property
    def uses_losses(self) -> bool:
        """True."""
        return True

    @property
    def needs_reference(self) -> bool:
        """True."""
        return True

    def start(self) -> RecentLosses:
        """Return no losses."""
        return RecentLosses(np.datetime64("NaT", "ns"))

    def decide(self, state: RecentLosses, moment: Moment) -> tuple[RecentLosses, Verdict]:
        """Return the losses kept, and a refit when they are too large.

        Raises:
            ForecastError: when the fit has no reference loss.
        """
        if moment.fit is None:
            return state, FIRST
        reference = moment.fit.reference
        if reference is None:
            raise ForecastError(
                f"the fit made at {moment.fit.cutoff} has no validation loss; the retraining policy 'performance' compares with it"
            )
        state = state.after(moment, self.window)
        if len(state.losses) < self.window:
            return state, Verdict(None, {"losses": float(len(state.losses)), "reference": reference})
        recent = float(np.mean(state.losses))
        facts = {"losses": float(self.window), "loss": recent, "reference": reference}
        if moment.fit.bars < self.cooldown or recent <= self.k * reference:
            return state, Verdict(None, facts)
        return state, Verdict(f"loss {recent:.4g} is above {self.k:g} x {reference:.4g}", facts)

    def from_arrays(self, arrays: Mapping[str, npt.NDArray[Any]]) -> RecentLosses:
        """Return the losses stored there."""
        return RecentLosses(as_time(arrays["fit"][0]), tuple(arrays["losses"].tolist()))
