"""Combination: refit when any of several policies asks for it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Self

import numpy.typing as npt
from pydantic import PlainValidator, model_validator

from data.errors import SpecError
from data.registry import Registry, spec
from forecast.retraining.base import RETRAINING, AbstractRetraining, Moment, RetrainingState, Verdict
from forecast.retraining.schedule import FIRST

OUTER = ("latency", "truth_delay", "variance_horizon")
"""Settings of the whole policy; a trigger has none of its own."""


def _built(value: Any) -> tuple[AbstractRetraining, ...]:
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise SpecError(f"retraining.triggers was {value!r}; a list of policies is needed")
    return tuple(
        each if isinstance(each, AbstractRetraining) else RETRAINING.build(each, f"retraining.triggers[{i}]")
        for i, each in enumerate(value)
    )


@dataclass(frozen=True)
class TriggerStates(RetrainingState):
    """One state a trigger, in their order."""

    states: tuple[Any, ...]

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return every trigger's arrays, its number before their names."""
        parts = [(i, state.to_arrays()) for i, state in enumerate(self.states)]
        return {f"{i}.{name}": array for i, arrays in parts for name, array in arrays.items()}


@spec
class AnyOf(AbstractRetraining):
    """Refit when at least one trigger asks for it; the reason names every one that did.

    Every trigger is asked at every decision, so each remembers what it would alone. Latency, delay and window belong to
    the whole: a trigger that sets its own is refused.

    Attributes:
        triggers: the policies, one or more, each a mapping with ``kind`` as under ``retraining``.
    """

    nested: ClassVar[Mapping[str, Registry[AbstractRetraining]]] = {"triggers": RETRAINING}

    triggers: Annotated[tuple[AbstractRetraining, ...], PlainValidator(_built)]

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.triggers:
            raise ValueError("triggers are empty; at least one policy is needed")
        for i, each in enumerate(self.triggers):
            own = [name for name in OUTER if getattr(each, name)]
            if own:
                raise ValueError(f"triggers[{i}] sets {own[0]}; set it beside 'triggers', for all of them")
        return self

    @property
    def uses_losses(self) -> bool:
        """Whether a trigger does."""
        return any(each.uses_losses for each in self.triggers)

    @property
    def needs_reference(self) -> bool:
        """Whether a trigger does."""
        return any(each.needs_reference for each in self.triggers)

    def start(self) -> TriggerStates:
        """Return the first state of each trigger."""
        return TriggerStates(tuple(each.start() for each in self.triggers))

    def decide(self, state: TriggerStates, moment: Moment) -> tuple[TriggerStates, Verdict]:
        """Return the next states, the reasons as ``kind: reason``, and every fact as ``number.name``."""
        done = [each.decide(own, moment) for each, own in zip(self.triggers, state.states, strict=True)]
        after = TriggerStates(tuple(own for own, _ in done))
        facts = {
            f"{i}.{name}": value
            for i, (_, verdict) in enumerate(done)
            for name, value in verdict.facts.items()
        }
        if moment.fit is None:
            return after, FIRST
        reasons = [
            f"{RETRAINING.kind_of(each)}: {verdict.reason}"
            for each, (_, verdict) in zip(self.triggers, done, strict=True)
            if verdict.reason is not None
        ]
        return after, Verdict("; ".join(reasons) or None, facts)

    def from_arrays(self, arrays: Mapping[str, npt.NDArray[Any]]) -> TriggerStates:
        """Return the states stored there."""
        parts = [
            {
                name.partition(".")[2]: array
                for name, array in arrays.items()
                if name.partition(".")[0] == str(i)
            }
            for i in range(len(self.triggers))
        ]
        return TriggerStates(
            tuple(each.from_arrays(part) for each, part in zip(self.triggers, parts, strict=True))
        )
