"""Attention networks: what the specifications of several of them share."""

from data.panel import Floats, Times
from data.registry import spec
from forecast.models.layers.time_marks import MarkUnit, time_marks
from forecast.models.network import AbstractTorchNetwork


@spec
class AbstractMarkedNetwork(AbstractTorchNetwork):
    """A network that is told the calendar facts of its window and of the steps ahead.

    Attributes:
        time_marks: finest calendar fact of each step that is told: ``hour`` as published, also for daily bars.
    """

    time_marks: MarkUnit = "hour"

    def marks(self, times: Times) -> Floats:
        """Return the calendar facts of times, (N, E)."""
        return time_marks(times, self.time_marks)


def require_divided(width: int, attention_heads: int) -> None:
    """Raise ValueError unless the heads divide the width of the states."""
    if width % attention_heads:
        raise ValueError(f"attention_heads were {attention_heads}; they must divide width {width}")
