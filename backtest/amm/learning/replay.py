"""Replay: remembered steps of accounts, and the sums of their rewards over several decisions.

A state is kept as the bar it belongs to and what was seen of the account; the week of features is looked up when needed.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from backtest.amm.environment_kernel import Flags, Integers
from data.panel import Floats


class Seen(NamedTuple):
    """States: (B,) bars, (B, S) numbers about the accounts, (B, A) actions that may be taken."""

    bars: Integers
    accounts: Floats
    allowed: Flags

    def where(self, kept: Flags, other: "Seen") -> "Seen":
        """Return these states where ``kept`` (B,) says so and the other ones elsewhere."""
        return Seen(
            np.where(kept, self.bars, other.bars),
            np.where(kept[:, None], self.accounts, other.accounts),
            np.where(kept[:, None], self.allowed, other.allowed),
        )


class Passed(NamedTuple):
    """Steps of B accounts side by side.

    Attributes:
        before: states at the decisions.
        actions: (B,) taken.
        rewards: (B,) in the network's unit.
        discounts: (B,) worth of what follows beside what was earned on the way.
        after: states at the next decisions.
        is_over: (B,) whether the account's life ended there.
    """

    before: Seen
    actions: Integers
    rewards: Floats
    discounts: Floats
    after: Seen
    is_over: Flags


def joined_steps(steps: Sequence[Passed]) -> Passed:
    """Return consecutive steps of the same accounts as one step from the first state to the last.

    The return is the sum of r_k times the discounts before it (Sutton and Barto 2018, eq. 7.1, on a semi-Markov process). An account
    whose life ends on the way goes no further; what its place did next belongs to another one.
    """
    first, last = steps[0], steps[-1]
    total, discount = np.zeros_like(first.rewards), np.ones_like(first.rewards)
    lives = np.ones(len(total), bool)
    after = last.after
    for step in steps:
        total += np.where(lives, discount * step.rewards, 0.0)
        discount = np.where(lives, discount * step.discounts, discount)
        after = step.after.where(lives, after)
        lives = lives & ~step.is_over
    return Passed(first.before, first.actions, total, discount, after, ~lives)


@dataclass(frozen=True, eq=False)
class Replay:
    """The last joined steps, one batch of accounts after the other.

    Attributes:
        recent: of each group of accounts, the last steps, as many as are joined.
        kept: joined steps, the oldest forgotten first.
    """

    recent: tuple[deque[Passed], ...]
    kept: deque[Passed]

    def add(self, passed: Passed, group: int) -> None:
        """Remember a step of a group of accounts."""
        recent = self.recent[group]
        recent.append(passed)
        if len(recent) == recent.maxlen:
            self.kept.append(joined_steps(tuple(recent)))

    def draw(self, count: int, rng: np.random.Generator) -> Passed:
        """Return so many remembered steps, each as likely as any other."""
        width = len(self.kept[0].actions)
        places = rng.integers(0, len(self.kept) * width, count)
        picked = [(self.kept[place // width], place % width) for place in places]
        actions, rewards, discounts, is_over = (
            np.array([getattr(step, name)[row] for step, row in picked])
            for name in ("actions", "rewards", "discounts", "is_over")
        )
        before = _states([(step.before, row) for step, row in picked])
        after = _states([(step.after, row) for step, row in picked])
        return Passed(before, actions, rewards, discounts, after, is_over)


def _states(picked: Sequence[tuple[Seen, int]]) -> Seen:
    return Seen(
        np.array([seen.bars[row] for seen, row in picked]),
        np.array([seen.accounts[row] for seen, row in picked]),
        np.array([seen.allowed[row] for seen, row in picked]),
    )


def replay_for(n_steps: int, groups: int, steps: int) -> Replay:
    """Return an empty memory of so many joined steps of groups of accounts.

    Args:
        n_steps: decisions that are joined.
        groups: of accounts that act in turn.
        steps: that are remembered, each of one group.
    """
    return Replay(tuple(deque(maxlen=n_steps) for _ in range(groups)), deque(maxlen=steps))
