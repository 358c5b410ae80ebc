"""Network: an LSTM over a pool's last week and a dueling head over the actions.

Axis letters: B samples, L bars, F features, S numbers about the account, U units, A actions.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from backtest.amm.environment_kernel import OBSERVED
from backtest.amm.learning.features import FEATURES
from backtest.errors import EngineError
from forecast.training.seeds import torch_seed

Weights = Mapping[str, npt.NDArray[np.float32]]
"""Weights of a network by their name."""


class DuelingNetwork(nn.Module):
    """Values of all actions as the worth of a state plus each action's advantage, less the advantages' mean.

    (Wang et al. 2016, Dueling Network Architectures for Deep Reinforcement Learning, eq. 9.)
    """

    def __init__(self, actions: int, hidden: int) -> None:
        super().__init__()
        self.encoder = nn.LSTM(len(FEATURES), hidden, batch_first=True)
        self.shared = nn.Linear(hidden + OBSERVED, hidden)
        self.value = nn.Linear(hidden, 1)
        self.advantage = nn.Linear(hidden, actions)

    def forward(self, bars: torch.Tensor, account: torch.Tensor) -> torch.Tensor:
        """Return the value of every action, (B, A), for features (B, L, F) and accounts (B, S)."""
        encoded = self.encoder(bars)[0][:, -1]  # (B, U)
        shared = torch.relu(self.shared(torch.cat([encoded, account], dim=1)))  # (B, U)
        advantage = self.advantage(shared)  # (B, A)
        found: torch.Tensor = self.value(shared) + advantage - advantage.mean(dim=1, keepdim=True)
        return found


def new_network(actions: int, hidden: int, seed: int) -> DuelingNetwork:
    """Return a network whose first weights depend on the seed alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(torch_seed(seed))
        return DuelingNetwork(actions, hidden)


def network_with(weights: Weights, actions: int, hidden: int) -> DuelingNetwork:
    """Return a network with these weights, ready to be asked.

    Raises:
        EngineError: when they belong to another network.
    """
    network = new_network(actions, hidden, 0)
    try:
        # A copy: stored arrays are read-only, and a tensor must not share them.
        network.load_state_dict({name: torch.from_numpy(np.array(array)) for name, array in weights.items()})
    except RuntimeError as error:
        raise EngineError(
            f"stored weights do not fit a network of {actions} actions and {hidden} units: {error}"
        ) from error
    return network.eval()


def weights_of(network: nn.Module) -> Weights:
    """Return a network's weights as read-only arrays."""
    made: dict[str, npt.NDArray[Any]] = {}
    for name, tensor in network.state_dict().items():
        made[name] = tensor.detach().cpu().numpy().astype(np.float32)
        made[name].flags.writeable = False
    return made
