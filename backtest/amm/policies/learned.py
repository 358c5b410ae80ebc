"""Learned policy: a dueling double Q network with an LSTM over the pool's last week, greedy once it is fitted."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import annotated_types as at
import numpy as np
import numpy.typing as npt

from backtest.amm.action_grid import HOLD, ActionGrid
from backtest.amm.policies.base import LIQUIDITY_POLICIES, AbstractLiquidityPolicy, PoolView, RangeDecision
from backtest.amm.policies.wanted import one_range, tried, unchanged
from backtest.errors import EngineError
from data.history import History
from data.panel import Floats
from data.registry import spec
from forecast.models.scaling import Scaler
from forecast.randomness import RandomStreams

if TYPE_CHECKING:  # torch and numba are loaded when something is learnt or decided
    from backtest.amm.account import PoolAccount
    from backtest.amm.learning.lesson import Lesson
    from backtest.amm.learning.network import DuelingNetwork
    from backtest.amm.terms import PoolTerms

INDIFFERENCE_BPS = 10.0
"""Basis points of the capital within which two actions are nearly alike: the temperature of a decision's entropy."""

Width = Annotated[float, at.Gt(0)]
Steps = Annotated[int, at.Ge(0), at.Le(100_000)]
Weights = Mapping[str, npt.NDArray[Any]]


@spec
class LearnedPolicy(AbstractLiquidityPolicy):
    """A network that values each range of a grid, and leaving everything as it is, by the net versus hold that follows.

    It is taught in simulated pools, then in the training blocks, by accounts that try: see ``backtest.amm.learning``. Fitted it
    takes the action of most value, averaged over its members, among those that are allowed. It decides every so many bars and
    at the first bar's end that sees the price outside the range, not at every bar the price stays there.

    Attributes:
        widths: of the grid, upper over lower price, less one; the whole pool is always in it.
        shifts: distances of a range's centre from the price, in widths.
        hidden: units of the LSTM and of the layer after it.
        members: networks whose values are averaged, each from its own seed.
        gamma: worth of a reward a day later beside one now, while it learns; it is judged without.
        n_steps: decisions whose rewards are counted before the value of the state reached.
        learning_rate: of Adam.
        pretrain_steps: updates of each member in simulated pools.
        train_steps: updates of each member in the training blocks.
        tried: other numbers of them tried on the validation window; 0 plays what was learnt in the simulator.
        learns_from: ``net`` learns from the change of equity less that of the basket of the start, as it is judged; ``hedged`` from
            that less what the price's move brought to tokens held other than the basket's. Both have the same mean where the
            direction of the price cannot be forecast, and the second is far less noisy: what is left is fees, loss versus
            rebalancing from decision to decision, and costs.
        device: where it is trained; it decides on the CPU.
    """

    widths: Annotated[tuple[Width, ...], at.MinLen(1)] = (0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0)
    shifts: Annotated[tuple[float, ...], at.MinLen(1)] = (-0.5, 0.0, 0.5)
    hidden: Annotated[int, at.Ge(1), at.Le(512)] = 32
    members: Annotated[int, at.Ge(1), at.Le(32)] = 2
    gamma: Annotated[float, at.Gt(0), at.Le(1)] = 0.99
    n_steps: Annotated[int, at.Ge(1), at.Le(20)] = 3
    learning_rate: Annotated[float, at.Gt(0)] = 1e-3
    pretrain_steps: Steps = 600
    train_steps: Steps = 100
    tried: tuple[Steps, ...] = (0, 50, 100, 200)
    learns_from: Literal["net", "hedged"] = "hedged"
    device: Literal["auto", "cpu", "cuda"] = "auto"

    @property
    def grid(self) -> ActionGrid:
        """The actions."""
        return ActionGrid((*self.widths, math.inf), self.shifts)

    @property
    def learns(self) -> bool:
        """Yes: a fit trains networks."""
        return True

    def candidates(self) -> tuple[AbstractLiquidityPolicy, ...]:
        """Return the numbers of updates tried on the validation window."""
        return tried(self, "train_steps", self.tried)

    def fit(self, train: History, terms: "PoolTerms", capital: float, rng: RandomStreams) -> "FittedLearned":
        """Return the policy with what its members learnt; those of the simulator are remembered for the next fit.

        Raises:
            EngineError: when the history has no pool or no week of bars that each have a day before them.
        """
        from backtest.amm.learning.features import feature_scaler, pool_features
        from backtest.amm.learning.school import classroom, finished, pretrained

        lesson = self._lesson()
        room = classroom(train, lesson, terms, capital)
        begun = pretrained(lesson, terms, capital, self.pretrain_steps, self.members, rng.seed)
        return FittedLearned(
            every=self.every,
            on_exit=self.on_exit,
            spec=self,
            weights=finished(lesson, begun, room, self.train_steps, rng),
            scaler=feature_scaler(pool_features(train.panel)),
        )

    def decide(self, view: PoolView, rng: RandomStreams) -> RangeDecision:
        """Refuse: nothing has been learnt yet.

        Raises:
            EngineError: always.
        """
        raise EngineError("policy 'learned' decides once it is fitted; call 'fit' and ask what it returns")

    def _lesson(self) -> "Lesson":
        from backtest.amm.environment import Due
        from backtest.amm.learning.lesson import Lesson

        return Lesson(
            grid=self.grid,
            due=Due(self.every, self.on_exit),
            hidden=self.hidden,
            gamma=self.gamma,
            n_steps=self.n_steps,
            learning_rate=self.learning_rate,
            learns_from=self.learns_from,
            device=self.device,
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class FittedLearned(AbstractLiquidityPolicy):
    """A learned policy after a fit; decides without chance.

    Attributes:
        spec: the settings.
        weights: of each member's network.
        scaler: of the features, from the training bars alone.
    """

    spec: LearnedPolicy
    weights: tuple[Weights, ...]
    scaler: Scaler

    def fit(self, train: History, terms: "PoolTerms", capital: float, rng: RandomStreams) -> "FittedLearned":
        """Return the policy fitted anew."""
        return self.spec.fit(train, terms, capital, rng)

    def decide(self, view: PoolView, rng: RandomStreams) -> RangeDecision:
        """Return the allowed action of most value when a decision is due; reads at most the last 191 bars.

        Raises:
            EngineError: when there are fewer.
        """
        if not self._is_due(view):
            return unchanged(view, "no decision is due")
        values, ticks, allowed = self.action_values(view)
        best = int(np.where(allowed, values, -np.inf).argmax())
        label = self.spec.grid.labels[best]
        made = unchanged(view, label) if best == HOLD else one_range(view, ticks[best], label)
        return replace(made, entropy=_entropy(values[allowed]))

    def action_values(self, view: PoolView) -> tuple[Floats, list[tuple[int, int]], npt.NDArray[np.bool_]]:
        """Return for each action its value in basis points of the capital, its ticks, and whether it is allowed."""
        import torch

        from backtest.amm.environment import (
            DAY_BARS,
            Due,
            legal_ranges,
            observed,
            rolling_sums,
            rules_of,
            seat_of,
        )
        from backtest.amm.learning.features import CONTEXT, last_context, scaled_rows
        from backtest.amm.learning.lesson import REWARD_BPS

        account = view.account
        rules = rules_of(view.terms, account.capital, Due(self.every, self.on_exit))
        seat, price = seat_of(account, view.remaining_bars), np.array([account.sqrt_price])
        variance = view.history.panel.last(DAY_BARS).field("variance")[:, 0]
        market = (
            price,
            np.sqrt(rolling_sums(variance, DAY_BARS)[-1:]),
            np.array([account.time.astype(np.int64)]),
        )
        seen = observed(market, np.array([view.remaining_bars]), seat, rules)
        ticks, allowed = legal_ranges(price, seat, self.spec.grid, rules)
        week = scaled_rows(last_context(view.history), self.scaler).astype(np.float32)
        with torch.no_grad():
            inputs = torch.from_numpy(week).reshape(1, CONTEXT, -1), torch.from_numpy(seen.astype(np.float32))
            said = np.mean([network(*inputs)[0].numpy() for network in self._networks], axis=0)
        return REWARD_BPS * said.astype(np.float64), [(int(a), int(b)) for a, b in ticks[0]], allowed[0]

    def save(self, folder: Path) -> None:
        """Write the policy into an existing folder; ``load_learned`` reads it."""
        from backtest.amm.learning.storage import write_learned

        write_learned(folder, LIQUIDITY_POLICIES.describe(self.spec), self.weights, self.scaler)

    @cached_property
    def _networks(self) -> "list[DuelingNetwork]":
        from backtest.amm.learning.network import network_with

        return [network_with(each, len(self.spec.grid), self.spec.hidden) for each in self.weights]

    def _is_due(self, view: PoolView) -> bool:
        regular = view.account.bars % self.every == 0
        return regular or (self.on_exit and _has_just_left(view.account, view.history))


def load_learned(folder: Path) -> FittedLearned:
    """Return the policy that ``FittedLearned.save`` wrote; it decides the same.

    Raises:
        EngineError: when a file is missing or damaged, or was written by another version.
    """
    from backtest.amm.learning.storage import read_learned

    settings, weights, scaler = read_learned(folder)
    made = LIQUIDITY_POLICIES.build(settings)
    if not isinstance(made, LearnedPolicy):
        raise EngineError(f"policy in {folder} is of kind '{settings['kind']}'; 'learned' is needed")
    return FittedLearned(every=made.every, on_exit=made.on_exit, spec=made, weights=weights, scaler=scaler)


def _has_just_left(account: "PoolAccount", history: History) -> bool:
    """Return whether the price is out of every range and was in one at the last bar's end, or one was opened since."""
    if account.in_range or not account.positions or len(history.times) < 2:
        return False
    before, price = history.times[-2], float(history.panel.field("sqrt_price")[-2, 0])
    return any(each.opened > before or each.holds(price) for each in account.positions)


def _entropy(values: Floats) -> float:
    """Return the entropy in nats of choosing by exp(value / 10 bp): 0 where one action is clearly best."""
    weights = np.exp((values - values.max()) / INDIFFERENCE_BPS)
    chances = weights / weights.sum()
    return float(-(chances[chances > 0] * np.log(chances[chances > 0])).sum())
