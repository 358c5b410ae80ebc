"""Lesson: the settings that decide what a network learns, apart from where and for how long."""

from dataclasses import dataclass
from typing import Literal

from backtest.amm.action_grid import ActionGrid
from backtest.amm.environment import Due

REWARD_BPS = 50.0
"""Basis points of the capital that are 1 to a network."""

HUBER_BPS = 200.0
"""Error from which on Huber's loss is no longer square: a surprise that a day seldom brings.

Providing liquidity gains little often and loses much seldom, and a smaller one would let the loss look away from just that.
"""

ACCOUNTS = 32
"""Accounts that act side by side in one classroom."""

LIFE_BARS = 720
"""Bars each of them lives, those of a window."""

BATCH = 64
"""Remembered steps in one update."""

CAPACITY = 20_000
"""Steps that are remembered; the oldest is forgotten first."""

SOFT_UPDATE = 0.01
"""Share of the way the target network follows at each update (Lillicrap et al. 2016, sec. 7)."""

LEAST_CHANCE = 0.05
"""Share of actions taken by chance at the end of learning; it falls to there over the first half."""

WAITING = 0.7
"""Share of the actions taken by chance that leave everything as it is."""


@dataclass(frozen=True)
class Lesson:
    """How a network is taught.

    Attributes:
        grid: actions.
        due: when accounts decide.
        hidden: units of the LSTM and of the layer after it.
        gamma: worth of a reward a day later beside one now.
        n_steps: decisions whose rewards are counted before the target network's value of the state reached.
        learning_rate: of Adam.
        learns_from: rewards as they are, or less their tilt.
        device: where to train.
    """

    grid: ActionGrid
    due: Due
    hidden: int
    gamma: float
    n_steps: int
    learning_rate: float
    learns_from: Literal["net", "hedged"]
    device: Literal["auto", "cpu", "cuda"]
