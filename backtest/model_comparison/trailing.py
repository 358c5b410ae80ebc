"""Trailing windows: a retraining policy whose fits read only the last rows they might."""

from typing import Annotated, Any

import annotated_types as at

from data.history import History
from data.registry import spec
from forecast.retraining.base import AbstractRetraining, Arrays, Moment, Verdict


@spec
class Trailing(AbstractRetraining):
    """Another policy, asked in every respect, whose fits read the last ``rows`` of what it would give them.

    Attributes:
        inner: the policy.
        rows: bars a fit reads at most.
    """

    inner: AbstractRetraining
    rows: Annotated[int, at.Ge(2)]

    @property
    def uses_losses(self) -> bool:
        """As the policy."""
        return self.inner.uses_losses

    @property
    def needs_reference(self) -> bool:
        """As the policy."""
        return self.inner.needs_reference

    def start(self) -> Any:
        """Return the policy's state."""
        return self.inner.start()

    def decide(self, state: Any, moment: Moment) -> tuple[Any, Verdict]:
        """Return what the policy says."""
        return self.inner.decide(state, moment)

    def training(self, train: History, horizon: int) -> History:
        """Return the last rows of what the policy's fit would read."""
        return self.inner.training(train, horizon).last(self.rows)

    def from_arrays(self, arrays: Arrays) -> Any:
        """Return the policy's state."""
        return self.inner.from_arrays(arrays)


def trailing(policy: AbstractRetraining, rows: int) -> Trailing:
    """Return a policy with its fits cut to their last rows."""
    return Trailing(inner=policy, rows=rows, latency=policy.latency, truth_delay=policy.truth_delay)
