"""Environment, slowly: one account at a time, brought from decision to decision with ``advance``, bar after bar."""

import numpy as np

from backtest.amm.advance import advance, place, start
from backtest.amm.policies.base import RangeDecision, WantedRange
from backtest.amm.ranges import range_of_width


class SlowSeat:
    """An account in a history's past; see ``Environment``."""

    def __init__(self, history, terms, capital, opening, bars, every):
        self.history, self.terms, self.every = history, terms, every
        self.bar = self.opening = opening
        self.end = min(opening + bars, len(history.times) - 1)
        price = float(history.panel.field("sqrt_price")[opening, 0])
        self.account = start(terms, capital, price, history.times[opening])
        self.capital, self.net, self.actions = capital, 0.0, []

    def step(self, choice):
        """Take (width, shift), or None to leave everything as it is; return the reward up to the next decision."""
        if self.bar == self.end:
            return 0.0
        ranges = None
        if choice is not None:
            ranges = (WantedRange(*range_of_width(self.terms.pool, self.account.sqrt_price, *choice)),)
        self.account = place(self.account, RangeDecision(self.account.time, ranges))
        while self._pass_a_bar():
            pass
        reward = (self.account.net - self.net) / self.capital * 1e4
        self.net = self.account.net
        return reward

    def _pass_a_bar(self):
        """Go on by a bar; return whether the next decision is still to come."""
        before = self.account
        self.bar += 1
        done = advance(
            before, self.history.pool.swaps, self.history.times[self.bar : self.bar + 1], self.terms
        )
        self.account, moved = done.account, [each for each in done.actions if each.kind != "refused"]
        self.actions += done.actions
        has_left = (
            bool(self.account.positions) and not self.account.in_range and (before.in_range or bool(moved))
        )
        regular = (self.bar - self.opening) % self.every == 0
        waits = self.account.pending is not None
        return self.bar < self.end and (waits or not (regular or has_left))


def played(history, grid, terms, life, openings, actions):
    """Return the rewards (K, B) of K actions for each of B accounts, (K, B) rows of the grid, and the accounts.

    ``life`` is the capital, the bars between regular decisions, and the bars an account lives.
    """
    capital, every, bars = life
    seats = [SlowSeat(history, terms, capital, int(opening), bars, every) for opening in openings]
    choices = [None, *grid.choices]
    rewards = [
        [seat.step(choices[a]) for seat, a in zip(seats, row, strict=True)] for row in np.asarray(actions)
    ]
    return np.array(rewards), seats
