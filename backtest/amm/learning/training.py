"""Training: a double Q network that learns from accounts in the environment.

The target of a step is its reward plus the discounted value that the target network gives to the action which the learning
network thinks best (van Hasselt, Guez and Silver 2016, Deep Reinforcement Learning with Double Q-learning, eq. 4), over
several decisions, with Huber's loss.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn
from torch.nn.functional import huber_loss

from backtest.amm import environment_kernel as kernel
from backtest.amm.action_grid import HOLD
from backtest.amm.environment import DAY_BARS, Environment
from backtest.amm.environment_kernel import Flags, Integers, Seats
from backtest.amm.learning.features import CONTEXT
from backtest.amm.learning.lesson import (
    ACCOUNTS,
    BATCH,
    CAPACITY,
    HUBER_BPS,
    LEAST_CHANCE,
    LIFE_BARS,
    REWARD_BPS,
    SOFT_UPDATE,
    WAITING,
    Lesson,
)
from backtest.amm.learning.network import DuelingNetwork, Weights, network_with, weights_of
from backtest.amm.learning.replay import Passed, Replay, Seen, replay_for
from data.panel import Floats
from forecast.training.hardware import chosen_device

_GRADIENT_LIMIT = 10.0


@dataclass(frozen=True, eq=False)
class Classroom:
    """Where a network learns.

    Attributes:
        environment: a pool's past.
        features: (T, F) standardised; a week of them is a network's input.
        first: first bar at which an account may open.
        offset: bars of the classrooms before it, when several are taught in turn.
    """

    environment: Environment
    features: Floats
    first: int
    offset: int = 0

    @property
    def life(self) -> int:
        """Bars an account lives: those of a window, or half of what there is."""
        return min(LIFE_BARS, max(1, (len(self.features) - 1 - self.first) // 2))

    def openings(self, count: int, rng: np.random.Generator) -> Integers:
        """Return opening bars drawn by chance, (count,)."""
        return rng.integers(self.first, len(self.features) - self.life, count)

    def seen(self, seats: Seats) -> Seen:
        """Return the states that accounts are in; bars are counted over all classrooms."""
        bars = seats.places[:, kernel.BAR] + self.offset
        return Seen(bars, self.environment.observe(seats), self.environment.legal(seats))


@dataclass(frozen=True, eq=False)
class Student:
    """A network that learns, the one its targets come from, and what moves its weights."""

    lesson: Lesson
    online: DuelingNetwork
    target: DuelingNetwork
    optimiser: torch.optim.Adam
    features: torch.Tensor
    device: torch.device

    def values(self, network: nn.Module, states: Seen) -> torch.Tensor:
        """Return the values of all actions in B states, (B, A)."""
        rows = torch.from_numpy(states.bars[:, None] + np.arange(1 - CONTEXT, 1)).to(self.device)
        accounts = torch.from_numpy(states.accounts.astype(np.float32)).to(self.device)
        found: torch.Tensor = network(self.features[rows], accounts)
        return found


def taught(
    lesson: Lesson,
    weights: Weights,
    rooms: Sequence[Classroom],
    steps: int,
    explored: float,
    rng: np.random.Generator,
) -> Weights:
    """Return a network's weights after so many updates, one each time the accounts of a classroom have acted.

    Args:
        lesson: how it is taught.
        weights: what it begins with.
        rooms: where, in turn; steps of all of them are remembered together.
        steps: updates.
        explored: share of actions taken by chance at first.
        rng: of openings, chance actions and the drawing of remembered steps.
    """
    if not steps:
        return weights
    rooms = _in_a_row(rooms)
    student = _student(lesson, weights, rooms)
    replay = replay_for(lesson.n_steps, len(rooms), max(1, CAPACITY // ACCOUNTS))
    seated = [room.environment.seats(room.openings(ACCOUNTS, rng), room.life) for room in rooms]
    turn, done = 0, 0
    while done < steps:
        group = turn % len(rooms)
        chance = max(LEAST_CHANCE, explored * (1.0 - 2.0 * done / steps))
        replay.add(_acted(student, rooms[group], seated[group], chance, rng), group)
        turn += 1
        if replay.kept:
            _update(student, replay, rng)
            done += 1
    return weights_of(student.online)


def best_actions(values: Floats, allowed: Flags) -> Integers:
    """Return the allowed action of most value in each of B states, (B,)."""
    return np.asarray(np.where(allowed, values, -np.inf).argmax(axis=1))


def _in_a_row(rooms: Sequence[Classroom]) -> list[Classroom]:
    offsets = np.cumsum([0, *(len(room.features) for room in rooms[:-1])])
    return [replace(room, offset=int(offset)) for room, offset in zip(rooms, offsets, strict=True)]


def _student(lesson: Lesson, weights: Weights, rooms: Sequence[Classroom]) -> Student:
    device = chosen_device(lesson.device)
    online, target = (
        network_with(weights, len(lesson.grid), lesson.hidden).to(device).train() for _ in range(2)
    )
    rows = np.concatenate([room.features for room in rooms]).astype(np.float32)
    optimiser = torch.optim.Adam(online.parameters(), lr=lesson.learning_rate)
    return Student(lesson, online, target, optimiser, torch.from_numpy(rows).to(device), device)


def _chosen(student: Student, seen: Seen, chance: float, rng: np.random.Generator) -> Integers:
    """Return the best actions as the network sees them, some replaced by chance: most by waiting, the rest by any allowed one.

    Moving at every chance would drown what a range earns in the cost of the next move.
    """
    with torch.no_grad():
        values = student.values(student.online, seen).cpu().numpy()
    drawn = best_actions(rng.random(seen.allowed.shape), seen.allowed)
    drawn[rng.random(len(drawn)) < WAITING] = HOLD
    is_chance = rng.random(len(seen.bars)) < chance
    return np.where(is_chance, drawn, best_actions(values, seen.allowed))


def _acted(
    student: Student, room: Classroom, seats: Seats, chance: float, rng: np.random.Generator
) -> Passed:
    """Let the accounts of a classroom act once, in place; those whose life is over make room for others."""
    seen = room.seen(seats)
    actions = _chosen(student, seen, chance, rng)
    rewards, tilts = room.environment.step(seats, actions)
    learnt = rewards if student.lesson.learns_from == "net" else rewards - tilts
    after = room.seen(seats)
    days = (after.bars - seen.bars) / DAY_BARS
    is_over = seats.places[:, kernel.BAR] >= seats.places[:, kernel.END]
    _reopen(room, seats, is_over, rng)
    return Passed(seen, actions, learnt / REWARD_BPS, student.lesson.gamma**days, after, is_over)


def _reopen(room: Classroom, seats: Seats, is_over: Flags, rng: np.random.Generator) -> None:
    """Put new accounts in the places of those whose life is over."""
    if is_over.any():
        opened = room.environment.seats(room.openings(int(is_over.sum()), rng), room.life)
        seats.places[is_over], seats.money[is_over] = opened.places, opened.money


def _update(student: Student, replay: Replay, rng: np.random.Generator) -> None:
    batch, device = replay.draw(BATCH, rng), student.device
    goal = _goals(student, batch)
    actions = torch.from_numpy(batch.actions).to(device)
    values = student.values(student.online, batch.before).gather(1, actions[:, None])[:, 0]
    loss = huber_loss(values, goal, delta=HUBER_BPS / REWARD_BPS)
    student.optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(student.online.parameters(), _GRADIENT_LIMIT)
    student.optimiser.step()
    with torch.no_grad():
        for followed, follower in zip(student.online.parameters(), student.target.parameters(), strict=True):
            follower.lerp_(followed, SOFT_UPDATE)


def _goals(student: Student, batch: Passed) -> torch.Tensor:
    """Return what the values of the actions taken should have been, (B,)."""
    device = student.device
    with torch.no_grad():
        allowed = torch.from_numpy(batch.after.allowed).to(device)
        best = student.values(student.online, batch.after).masked_fill(~allowed, -torch.inf).argmax(dim=1)
        later = student.values(student.target, batch.after).gather(1, best[:, None])[:, 0]
        discounts = torch.from_numpy(np.where(batch.is_over, 0.0, batch.discounts).astype(np.float32))
        rewards = torch.from_numpy(batch.rewards.astype(np.float32))
        return rewards.to(device) + discounts.to(device) * later
