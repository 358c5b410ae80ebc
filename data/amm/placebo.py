"""Placebo: logs in which nothing can be foreseen, made of a real or simulated one, for tests that must find nothing.

Neither invents a swap: the mirror keeps every step, random signs keep the size and the instant of every step.
"""

from dataclasses import dataclass, replace

import numpy as np

from data.amm.bars import pool_bars
from data.amm.hourly_streams import stream
from data.amm.pool_log import Counts, EventTable, PoolLog, RangeChanges, SwapPath
from data.amm.reference import HOUR
from data.errors import PoolError
from data.history import History
from data.panel import Floats, Times

_ROUNDING = 1e-12
"""A range whose openings and closings cancel up to this share of their sizes is closed."""


def reversed_time(log: PoolLog) -> PoolLog:
    """Return the log run backwards: the last swap first, each from its end to its start, instants and blocks mirrored.

    Ranges open at the end are opened at the beginning, and each opening becomes a closing. What a swap paid in comes out
    without the fee, and what came out is paid in with it. A swap's liquidity is what the swap before it had left, or where
    liquidity changed between the two, what it left itself.

    Raises:
        PoolError: when the log holds no swap.
    """
    swaps, fee = _some_swaps(log), log.pool.fee
    mirror = _mirror_of([swaps] if log.changes is None else [swaps, log.changes])
    amount0, amount1 = (
        np.where(paid > 0, -paid * (1 - fee), -paid / (1 - fee)) for paid in (swaps.amount0, swaps.amount1)
    )
    columns = (swaps.sqrt_after, swaps.sqrt_before, amount0, amount1, _liquidity_before(log))
    turned = SwapPath(*mirror.places(swaps), *(column[::-1] for column in columns))
    return replace(log, swaps=turned, changes=None if log.changes is None else _undone(log.changes, mirror))


def random_signs(log: PoolLog, seed: int, together: np.timedelta64 | None = HOUR) -> PoolLog:
    """Return a log whose steps go up or down at random: same sizes of log steps, same blocks and instants.

    A step of the log price by m keeps its sign with probability 1 / (1 + exp(m)), so that the price in quote tokens is a
    martingale and its direction cannot be foreseen. Amounts are those of the new moves in the liquidity of their swaps;
    liquidity changes are left out, as they were made around another price.

    Args:
        log: a real or simulated log.
        seed: seed of the signs; a longer log changes no earlier one.
        together: steps of one span of this length turn together, so that what happens within (orders that follow each
            other, an arbitrageur undoing a noise trade) stays as it was; None turns each step alone. On a real pool whose
            full-range fees were 1.11 times the loss versus rebalancing at hour ends, turning each step alone made it 3.2;
            turning hours together left it at 1.11.

    Raises:
        PoolError: when the log holds no swap.
    """
    swaps = _some_swaps(log)
    steps = np.log(swaps.sqrt_after / swaps.sqrt_before)
    spans = np.arange(len(swaps)) if together is None else _spans(swaps.times, together)
    moves = np.bincount(spans, weights=steps) * (2.0 if log.pool.quote == "token1" else -2.0)
    keeps = stream(seed, "signs", 0).random(len(moves)) * (1.0 + np.exp(moves)) < 1.0
    after = swaps.sqrt_before[0] * np.exp(np.cumsum(np.where(keeps[spans], steps, -steps)))
    before = np.concatenate([swaps.sqrt_before[:1], after[:-1]])
    amounts = _amounts(before, after, swaps.liquidity, log.pool.fee)
    moved = replace(swaps, sqrt_before=before, sqrt_after=after, amount0=amounts[0], amount1=amounts[1])
    return replace(log, swaps=moved, changes=None)


def placebo_history(history: History, log: PoolLog, what: str) -> History:
    """Return the history of a placebo made of the pool's log, over the same bars as far as its swaps reach.

    Args:
        history: of the pool.
        log: the placebo.
        what: what was done, for the notes.
    """
    panel = pool_bars(log, history.clock, history.times[0], history.times[-1])
    return replace(history, panel=panel, pool=log, notes=(*history.notes, f"Placebo: {what}."))


@dataclass(frozen=True)
class _Mirror:
    """The span that is turned round: its first instant and block, its last ones, and the largest place in a block."""

    first_time: np.datetime64
    last_time: np.datetime64
    first_block: int
    last_block: int
    last_place: int

    def places(self, events: EventTable) -> tuple[Times, Counts, Counts]:
        """Return instants, blocks and places of the events, mirrored and in their new order."""
        times = np.asarray(self.first_time + (self.last_time - events.times))
        blocks = self.first_block + self.last_block - events.blocks
        return times[::-1], blocks[::-1], (self.last_place - events.log_indices)[::-1]


def _mirror_of(tables: list[EventTable]) -> _Mirror:
    filled = [table for table in tables if len(table)]
    return _Mirror(
        np.datetime64(min(table.times[0] for table in filled)),
        np.datetime64(max(table.times[-1] for table in filled)),
        min(int(table.blocks[0]) for table in filled),
        max(int(table.blocks[-1]) for table in filled),
        max(int(table.log_indices.max()) for table in filled),
    )


def _liquidity_before(log: PoolLog) -> Floats:
    """Return the active liquidity before each swap: that after the one before it, unless it was changed in between."""
    swaps, changes = log.swaps, log.changes
    is_new = np.zeros(len(swaps), np.bool_)
    is_new[0] = True
    if changes is not None:
        places = 1 + max(int(table.log_indices.max(initial=0)) for table in (swaps, changes))
        changed, swapped = (table.blocks * places + table.log_indices for table in (changes, swaps))
        is_new[1:] = np.diff(np.searchsorted(changed, swapped)) > 0
    return np.where(is_new, swaps.liquidity, np.roll(swaps.liquidity, 1))


def _undone(changes: RangeChanges, mirror: _Mirror) -> RangeChanges:
    """Return the changes undone in reverse, after the opening, a block earlier, of every range that they leave open."""
    ranges, which = np.unique(np.stack([changes.tick_lower, changes.tick_upper]), axis=1, return_inverse=True)
    left, gross = (np.bincount(which, weights=w) for w in (changes.liquidity, np.abs(changes.liquidity)))
    kept = np.abs(left) > _ROUNDING * gross
    times, blocks, places = mirror.places(changes)
    count = int(kept.sum())
    opening = (
        np.repeat(mirror.first_time, count),
        np.repeat(mirror.first_block - 1, count),
        np.arange(count),
    )
    columns = (
        (*opening, *ranges[:, kept], left[kept]),
        (times, blocks, places, changes.tick_lower[::-1], changes.tick_upper[::-1], -changes.liquidity[::-1]),
    )
    return RangeChanges(*(np.concatenate(pair) for pair in zip(*columns, strict=True)))


def _amounts(before: Floats, after: Floats, liquidity: Floats, fee: float) -> tuple[Floats, Floats]:
    """Return what the pool receives of each token, raw: inputs with the fee, outputs below 0."""
    net0, net1 = liquidity * (1.0 / after - 1.0 / before), liquidity * (after - before)
    gross0, gross1 = (np.where(net > 0, net / (1.0 - fee), net) for net in (net0, net1))
    return gross0, gross1


def _spans(times: Times, length: np.timedelta64) -> Counts:
    """Return the number of the span of each instant, those without any left out; a span ends with its last instant."""
    spans = (times - np.datetime64(0, "ns") - np.timedelta64(1, "ns")) // length
    return np.asarray(np.unique(spans, return_inverse=True)[1], np.int64)


def _some_swaps(log: PoolLog) -> SwapPath:
    if not len(log.swaps):
        raise PoolError(f"the log of {log.pool.name} holds no swap; a placebo needs at least one")
    return log.swaps
