"""Environment: accounts in a pool's past that act on a grid of ranges, for a policy that learns by trying.

One step of an account goes from one decision to the next: a regular one every so many bars, or the first bar's end that sees the
price outside the range. So it is a semi-Markov decision process (Sutton, Precup and Singh 1999). The reward is the change of
the equity less that of the basket of the start, which is never re-based, in basis points of the capital; costs leave the
account once, when a range is moved. Rewards of an account add up to its equity less that basket's worth at the end.
"""

from dataclasses import dataclass

import numpy as np

from backtest.amm import environment_kernel as kernel
from backtest.amm.account import PoolAccount
from backtest.amm.action_grid import ActionGrid
from backtest.amm.environment_kernel import Flags, Integers, Rules, Seats, Tape
from backtest.amm.terms import PoolTerms
from backtest.errors import EngineError
from data.amm.pool import MAX_TICK, sqrts_of
from data.amm.pool_log import SwapPath
from data.history import History
from data.panel import Floats, read_only

DAY_BARS = 24
"""Hourly bars over which the standard deviation of a day is taken."""


@dataclass(frozen=True)
class Due:
    """When accounts decide.

    Attributes:
        every: bars between two regular decisions, counted from an account's opening.
        on_exit: whether the first bar's end that sees the price outside the range is a reason as well.
    """

    every: int = 24
    on_exit: bool = True


@dataclass(frozen=True, eq=False)
class Environment:
    """A pool's past, a grid of actions and the terms.

    Attributes:
        tape: what happened.
        grid: actions.
        rules: terms and capital.
    """

    tape: Tape
    grid: ActionGrid
    rules: Rules

    def seats(self, opening: Integers, bars: int) -> Seats:
        """Return B accounts opened at the ends of bars ``opening`` (B,), half in each token, that live for so many bars."""
        count = len(opening)
        places = np.zeros((count, 6), np.int64)
        places[:, kernel.BAR] = places[:, kernel.OPENING] = opening
        places[:, kernel.END] = np.minimum(opening + bars, len(self.tape.ends) - 1)
        money = np.zeros((count, 10))
        worth0, worth1 = token_worth(self.rules, self.tape.prices[opening])
        money[:, kernel.IDLE0] = money[:, kernel.HOLD0] = self.rules.capital / 2.0 / worth0
        money[:, kernel.IDLE1] = money[:, kernel.HOLD1] = self.rules.capital / 2.0 / worth1
        return Seats(places, money)

    def step(self, seats: Seats, actions: Integers) -> tuple[Floats, Floats]:
        """Carry out one action an account (B,), in place, and return what came of it up to their next decisions.

        Returns:
            Rewards (B,), and the part of each that is tilt (B,): what the price's move brought to tokens held other than the
            basket's. Both in basis points of the capital.
        """
        rewards, tilts = np.empty(len(actions)), np.empty(len(actions))
        kernel.step(self.tape, seats, actions, self.grid.offsets, self.rules, rewards, tilts)
        return rewards, tilts

    def legal(self, seats: Seats) -> Flags:
        """Return which actions each account may take, (B, A)."""
        return legal_ranges(self.tape.prices[seats.places[:, kernel.BAR]], seats, self.grid, self.rules)[1]

    def observe(self, seats: Seats) -> Floats:
        """Return what is seen of each account beside the market, (B, 11); see the kernel."""
        bars = seats.places[:, kernel.BAR]
        return observed(
            (self.tape.prices[bars], self.tape.sigmas[bars], self.tape.ends[bars]),
            seats.places[:, kernel.END] - bars,
            seats,
            self.rules,
        )


def environment_of(
    history: History, grid: ActionGrid, terms: PoolTerms, capital: float, due: Due
) -> Environment:
    """Return the environment of a history; a decision at a bar's end is executed as ``backtest.amm.advance`` does it.

    Args:
        history: bars and swaps of a pool; opening bars must have a price and a day of bars before them.
        grid: actions.
        terms: costs, latency and dilution.
        capital: worth of an account at its start, in quote tokens.
        due: when accounts decide.

    Raises:
        EngineError: when the history has no pool, or a swap's liquidity is not known.
    """
    return Environment(tape_of(history, terms.costs.latency_seconds), grid, rules_of(terms, capital, due))


def tape_of(history: History, latency_seconds: float) -> Tape:
    """Return a history as the kernel reads it.

    Raises:
        EngineError: when it has no pool, or a swap's liquidity is not known.
    """
    if history.pool is None:
        raise EngineError("the history has no pool; an environment needs its swaps")
    swaps = history.pool.swaps
    if (wrong := ~(np.isfinite(swaps.liquidity) & (swaps.liquidity >= 0))).any():
        row = int(np.flatnonzero(wrong)[0])
        raise EngineError(
            f"active liquidity after the swap at {swaps.where(row)} was {swaps.liquidity[row]}; it must be 0 or more"
        )
    ends = history.times
    stops = np.searchsorted(swaps.times, ends, side="right").astype(np.int64)
    latency = np.timedelta64(round(latency_seconds * 1e9), "ns")
    due = np.searchsorted(swaps.times, ends + latency, side="left").astype(np.int64)
    prices = history.panel.field("sqrt_price")[:, 0]
    lows, highs = _extremes(swaps, stops, prices)
    up = np.maximum(swaps.sqrt_after - swaps.sqrt_before, 0.0)
    down = np.maximum(swaps.sqrt_before - swaps.sqrt_after, 0.0) / (swaps.sqrt_before * swaps.sqrt_after)
    return Tape(
        _whole(swaps.times.astype(np.int64)), _real(swaps.sqrt_before), _real(swaps.sqrt_after), _real(swaps.liquidity),
        _running(up), _running(down), _whole(ends.astype(np.int64)), _whole(stops), _whole(np.maximum(due, stops)),
        _real(prices), lows, highs, read_only(np.sqrt(rolling_sums(history.panel.field("variance")[:, 0], DAY_BARS))),
    )  # fmt: skip


def rules_of(terms: PoolTerms, capital: float, due: Due) -> Rules:
    """Return terms and capital as the kernel reads them."""
    pool, costs = terms.pool, terms.costs
    in_token1 = pool.quote == "token1"
    return Rules(
        *pool.rates,
        in_token1,
        10.0 ** -(pool.decimals1 if in_token1 else pool.decimals0),
        terms.own_dilution,
        costs.mint_gas,
        costs.burn_gas,
        costs.swap_gas,
        1.0 - (pool.fee if costs.conversion_fee is None else costs.conversion_fee),
        costs.impact,
        capital,
        due.every,
        due.on_exit,
        pool.spacing,
        MAX_TICK // pool.spacing * pool.spacing,
    )


def seat_of(account: PoolAccount, remaining_bars: int) -> Seats:
    """Return one account as the kernel reads it, at bar 0 of those that remain; of several ranges the first counts.

    What other ranges hold is counted as idle.
    """
    money, places = np.zeros((1, 10)), np.zeros((1, 6), np.int64)
    held0, held1 = account.amounts()
    if account.positions:
        first = account.positions[0]
        ticks = np.array([first.lower, first.upper])
        inside0, inside1 = first.amounts(account.sqrt_price)
        held0, held1 = held0 - inside0 - first.fees0, held1 - inside1 - first.fees1
        places[0, [kernel.LOWER, kernel.UPPER]] = ticks
        places[0, kernel.OPENED] = first.opened.astype("datetime64[ns]").astype(np.int64)
        money[0, :5] = (*sqrts_of(ticks), first.liquidity, first.fees0, first.fees1)
    money[0, [kernel.IDLE0, kernel.IDLE1]] = held0, held1
    money[0, [kernel.HOLD0, kernel.HOLD1]] = account.hold0, account.hold1
    money[0, kernel.NET] = account.net
    places[0, kernel.END] = remaining_bars
    return Seats(places, money)


def legal_ranges(prices: Floats, seats: Seats, grid: ActionGrid, rules: Rules) -> tuple[Integers, Flags]:
    """Return the ticks of every action at (B,) root prices, (B, A, 2), and which each account may take, (B, A)."""
    ticks = np.empty((len(prices), len(grid), 2), np.int64)
    allowed = np.empty((len(prices), len(grid)), np.bool_)
    kernel.legal(prices, seats, grid.offsets, rules, ticks, allowed)
    return ticks, allowed


def observed(
    market: tuple[Floats, Floats, Integers], remaining: Integers, seats: Seats, rules: Rules
) -> Floats:
    """Return what is seen of accounts, (B, 11), at root prices, a day's standard deviations and instants, each (B,)."""
    seen = np.empty((len(remaining), kernel.OBSERVED))
    kernel.observe(*market, remaining, seats, rules, seen)
    return seen


def rolling_sums(values: Floats, bars: int) -> Floats:
    """Return the sum of each of (T,) values and those of the bars before it, so many in all; NaN before there are enough.

    Each sum is taken for itself, so that it does not depend on where the values begin.
    """
    found = np.full(len(values), np.nan)
    if len(values) >= bars:
        found[bars - 1 :] = np.lib.stride_tricks.sliding_window_view(values, bars).sum(axis=1)
    return found


def token_worth(rules: Rules, prices: Floats) -> tuple[Floats, Floats]:
    """Return the worth of one raw token0 and one raw token1 at (B,) root prices, in quote tokens."""
    if rules.in_token1:
        return prices**2 * rules.scale, np.full(len(prices), rules.scale)
    return np.full(len(prices), rules.scale), rules.scale / prices**2


def _extremes(swaps: SwapPath, stops: Integers, prices: Floats) -> tuple[Floats, Floats]:
    """Return the least and the highest root price within each bar, (T,); that of its end where nobody swapped."""
    lows, highs = prices.copy(), prices.copy()
    bars = np.searchsorted(stops, np.arange(len(swaps)), side="right")
    known = bars < len(stops)
    for column in (swaps.sqrt_before, swaps.sqrt_after):
        np.minimum.at(lows, bars[known], column[known])
        np.maximum.at(highs, bars[known], column[known])
    return read_only(lows), read_only(highs)


def _running(steps: Floats) -> Floats:
    return read_only(np.concatenate([[0.0], np.cumsum(steps)]))


def _whole(values: Integers) -> Integers:
    return read_only(np.ascontiguousarray(values, np.int64))


def _real(values: Floats) -> Floats:
    return read_only(np.ascontiguousarray(values, np.float64))
