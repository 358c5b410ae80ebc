"""Drift: refit when a detector finds that known losses have grown."""

import math
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

import annotated_types as at
import numpy as np
import numpy.typing as npt

from data.panel import Floats, as_time
from data.registry import spec
from forecast.errors import ForecastError
from forecast.randomness import RandomStreams
from forecast.retraining.base import AbstractRetraining, Bars, KnownLoss, Moment, RetrainingState, Verdict
from forecast.retraining.run_length import calibrated_threshold, scaled
from forecast.retraining.schedule import FIRST

FLOOR = 1e-6
"""Added to losses before their logarithm, so that a perfect forecast has one."""

DECAY = 0.94
"""Weight of the past in the average naive loss (the daily decay of RiskMetrics 1996)."""

_DETECTOR = "detector."
_NUMBERS = ("usual", "centre", "spread", "threshold", "seen", "score", "alarmed")


@dataclass(frozen=True, eq=False)
class Watch(RetrainingState):
    """What a drift policy remembers of the newest fit.

    Attributes:
        fit: cutoff of that fit; NaT before the first.
        usual: average past naive loss; NaN before the first loss.
        reference: (n,) relative losses against which later ones are judged, still growing until it is full.
        centre: mean of the reference; NaN until it is full.
        spread: its standard deviation; NaN until it is full.
        threshold: score of an alarm; NaN until the reference is full.
        seen: losses since then.
        score: the latest.
        alarmed: whether the threshold was passed; then nothing more is read until the next fit.
        detector: the detector's own state, a NamedTuple of arrays; None until the reference is full.
    """

    fit: np.datetime64
    usual: float = math.nan
    reference: tuple[float, ...] = ()
    centre: float = math.nan
    spread: float = math.nan
    threshold: float = math.nan
    seen: int = 0
    score: float = 0.0
    alarmed: bool = False
    detector: Any = None

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return the numbers, the reference, and the arrays of the detector by name."""
        detector = {} if self.detector is None else self.detector._asdict()
        return {
            "fit": np.array([self.fit], "datetime64[ns]"),
            "reference": np.array(self.reference, np.float64),
            "numbers": np.array([getattr(self, name) for name in _NUMBERS], np.float64),
            **{f"{_DETECTOR}{name}": np.asarray(value) for name, value in detector.items()},
        }


@spec
class AbstractDrift(AbstractRetraining):
    """Feeds a detector the relative losses of the newest fit and refits on its alarm.

    The first ``reference`` known losses after each fit are the reference: no alarm is possible while they are collected,
    and they alone set the threshold, by the bootstrap of ``run_length``. A change that began in them is seen late or
    not at all; with bars of a day the default is most of a year. After an alarm everything restarts at the next fit. Losses are read one
    by one as they become known, never earlier, so all of it is a function of known rows. Where the reference is constant
    (the model is the naive one) there is no alarm.

    Attributes:
        relative_to: ``naive``: log of the loss over the naive loss of the same bars, which shares the market's volatility;
            ``volatility``: log of the loss over the average of past naive losses, decay .94; ``none``: log of the loss.
        target_run_length: wanted known losses between false alarms.
        reference: losses in the reference.
        least: losses after the reference before the first alarm.
        cooldown: bars after a fit in which none is asked for; an alarm is kept until they are over.
    """

    relative_to: Literal["naive", "volatility", "none"] = "naive"
    target_run_length: Annotated[int, at.Ge(100)] = 10_000
    reference: Annotated[int, at.Ge(50)] = 200
    least: Annotated[int, at.Ge(1)] = 10
    cooldown: Bars = 0

    @property
    def uses_losses(self) -> bool:
        """True."""
        return True

    @abstractmethod
    def begin(self, reference: Floats) -> Any:
        """Return the detector's state, a NamedTuple of arrays, after standardised reference losses (..., n)."""

    @abstractmethod
    def step(self, state: Any, value: Floats) -> tuple[Any, Floats]:
        """Return the state after one more standardised loss (...) of each stream, and the score (...), at least 0."""

    def start(self) -> Watch:
        """Return no losses."""
        return Watch(np.datetime64("NaT", "ns"))

    def decide(self, state: Watch, moment: Moment) -> tuple[Watch, Verdict]:
        """Return what is remembered, and a refit after an alarm.

        Raises:
            ForecastError: when a loss is negative or not finite.
        """
        if moment.fit is None:
            return state, FIRST
        if moment.fit.cutoff != state.fit:
            state = Watch(moment.fit.cutoff)
        for loss in moment.losses:
            state = self._after(state, loss)
        return state, self._verdict(state, moment.fit.bars)

    def from_arrays(self, arrays: Mapping[str, npt.NDArray[Any]]) -> Watch:
        """Return what is stored there."""
        numbers = dict(zip(_NUMBERS, arrays["numbers"].tolist(), strict=True))
        numbers |= {"seen": int(numbers["seen"]), "alarmed": bool(numbers["alarmed"])}
        found = {
            name.removeprefix(_DETECTOR): value
            for name, value in arrays.items()
            if name.startswith(_DETECTOR)
        }
        detector = type(self.begin(np.zeros(0)))(**found) if found else None
        return Watch(
            as_time(arrays["fit"][0]),
            reference=tuple(arrays["reference"].tolist()),
            detector=detector,
            **numbers,
        )

    def _after(self, state: Watch, loss: KnownLoss) -> Watch:
        if not (0 <= loss.loss < math.inf and 0 <= loss.naive < math.inf):
            raise ForecastError(
                f"the forecast issued at {loss.issued} has the losses {loss.loss} and {loss.naive}; "
                "both must be finite and at least 0"
            )
        usual = loss.naive if math.isnan(state.usual) else state.usual
        next_usual = DECAY * usual + (1 - DECAY) * loss.naive
        against = {"naive": loss.naive, "volatility": state.usual, "none": 1.0 - FLOOR}[self.relative_to]
        state = replace(state, usual=next_usual)
        if state.alarmed or math.isnan(against):
            return state
        value = math.log((loss.loss + FLOOR) / (against + FLOOR))
        return self._collected(state, value) if state.detector is None else self._judged(state, value)

    def _collected(self, state: Watch, value: float) -> Watch:
        """Return the state with one more loss in the reference; a full one sets the threshold and begins the detector."""
        state = replace(state, reference=(*state.reference, value))
        if len(state.reference) < self.reference:
            return state
        reference = np.array(state.reference)
        rng = RandomStreams(0, state.fit).of("run length")
        threshold = calibrated_threshold(self, reference, self.target_run_length, self.least, rng)
        centre, spread = float(reference.mean()), float(reference.std())
        detector = self.begin(scaled(reference, centre, spread))
        return replace(state, centre=centre, spread=spread, threshold=threshold, detector=detector)

    def _judged(self, state: Watch, value: float) -> Watch:
        """Return the state after one loss beyond the reference."""
        found = scaled(np.array(value), state.centre, state.spread)
        detector, score = self.step(state.detector, found)
        seen = state.seen + 1
        alarmed = seen >= self.least and float(score) > state.threshold
        return replace(state, detector=detector, score=float(score), seen=seen, alarmed=alarmed)

    def _verdict(self, state: Watch, bars: int) -> Verdict:
        if state.detector is None:
            return Verdict(None, {"reference": float(len(state.reference))})
        facts = {"score": state.score, "threshold": state.threshold, "losses": float(state.seen)}
        if not state.alarmed or bars < self.cooldown:
            return Verdict(None, facts)
        return Verdict(f"drift: score {state.score:.4g} is above {state.threshold:.4g}", facts)
