"""One trained architecture: its weights, its scaling, and what it says of windows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from data.panel import Floats
from forecast.errors import ForecastError
from forecast.models.network_outputs import Scaling

if TYPE_CHECKING:
    from torch import nn

    from forecast.models.network import AbstractNetwork

State = Mapping[str, npt.NDArray[Any]]
EVALUATED = 512
"""Windows that are put through a network at once."""


@dataclass(frozen=True, eq=False)
class NetworkPart:
    """One trained architecture.

    Attributes:
        series: whose windows trained it, sorted; of a joint network its channels.
        states: weights of each member.
        scaling: of its inputs and targets.
    """

    series: tuple[str, ...]
    states: tuple[State, ...]
    scaling: Scaling


def loaded_modules(asked: "AbstractNetwork", part: NetworkPart) -> list["nn.Module"]:
    """Return one network a member, in evaluation mode.

    Raises:
        ForecastError: when the weights do not belong to this architecture.
    """
    import torch

    made = []
    for state in part.states:
        module = asked.stacked([0], asked.shape(len(part.series) if asked.mixes_series else 1))
        try:
            # A copy: stored arrays may be read-only, and a tensor must not share them.
            module.load_state_dict({name: torch.from_numpy(np.array(array)) for name, array in state.items()})
        except RuntimeError as error:
            raise ForecastError(
                f"stored weights do not fit this {type(asked).__name__}; it was changed since the fit: {error}"
            ) from error
        made.append(module.eval())
    return made


def spoken(
    modules: Sequence["nn.Module"], scaled: npt.NDArray[np.float32], shape: tuple[int, int, int]
) -> Floats:
    """Return what each member says of scaled windows (N, L, C): (E, N, H, S, P)."""
    import torch

    with torch.no_grad():
        parts = [
            [
                module(torch.from_numpy(scaled[None, at : at + EVALUATED]))[0].numpy()
                for at in range(0, len(scaled), EVALUATED)
            ]
            for module in modules
        ]
    return np.stack([np.concatenate(each) for each in parts]).reshape(len(modules), len(scaled), *shape)
