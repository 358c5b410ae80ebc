"""Exact replay: a log run through the exact pool, each event reproduced to the last unit or told as a finding.

A swap that no order reproduces is a finding, and the pool is then driven to the price the event says, so that the next swap
begins where it did on chain; it keeps the liquidity that its own ticks give it.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from data.amm.event_log import CollectEvent, EventLog, LiquidityEvent, PoolEvent, RangeEvent, SwapEvent
from data.amm.exact_pool import ExactPool, PositionKey, PositionState, new_pool, pool_at
from data.amm.exact_positions import burn, collect, mint
from data.amm.exact_swap import outcome, settled
from data.amm.input_recovery import Mode, RecoveredOrder, limit_order, recovered_order
from data.amm.liquidity_amounts import amounts
from data.amm.pool import Pool
from data.amm.tick_math import sqrt_at_tick
from data.amm.tick_table import TickTable
from data.errors import PoolError


@dataclass(frozen=True)
class ReplayFinding:
    """An event the exact pool does not reproduce.

    Attributes:
        block: block of the event.
        log_index: its place within the block.
        kind: ``swap``, ``mint``, ``burn`` or ``collect``.
        message: one sentence that says where, what the event says and what the pool did.
    """

    block: int
    log_index: int
    kind: str
    message: str


class ReplayStep(NamedTuple):
    """One event of a replay.

    Attributes:
        event: the event.
        before: the pool right before it.
        after: the pool right after it.
        order: the order recovered from a swap; None for other events and where none was found.
        finding: what was wrong; None where the event was reproduced.
    """

    event: PoolEvent
    before: ExactPool
    after: ExactPool
    order: RecoveredOrder | None = None
    finding: ReplayFinding | None = None


@dataclass(frozen=True)
class Replay:
    """What a replay came to.

    Attributes:
        pool: the pool after the last event.
        swaps: number of swaps replayed.
        modes: how many of them each mode reproduced.
        findings: the events that were not reproduced, in order.
    """

    pool: ExactPool
    swaps: int
    modes: dict[Mode, int]
    findings: tuple[ReplayFinding, ...]

    @property
    def reproduced(self) -> int:
        """Number of swaps reproduced to the last unit."""
        return sum(self.modes.values())


def replay(log: EventLog, pool: Pool, ticks: TickTable | None = None) -> Replay:
    """Return what became of a log run through the exact pool.

    Args:
        log: the events.
        pool: its tokens, fee and protocol cut.
        ticks: the initialized ticks at the first swap, for a log that does not begin with its pool.

    Raises:
        PoolError: what ``replay_steps`` raises.
    """
    swaps, modes, findings, last = 0, Counter[Mode](), [], None
    for step in replay_steps(log, pool, ticks):
        last = step.after
        swaps += isinstance(step.event, SwapEvent)
        if step.order is not None:
            modes[step.order.mode] += 1
        if step.finding is not None:
            findings.append(step.finding)
    if last is None:
        last, _ = _start(log, pool, ticks)
    return Replay(last, swaps, dict(modes), tuple(findings))


def replay_steps(log: EventLog, pool: Pool, ticks: TickTable | None = None) -> Iterator[ReplayStep]:
    """Yield the events of a log one by one with the exact pool before and after each.

    A log that begins with its pool needs no ticks: its mints are all there are. Any other begins after its first swap, which
    only tells price and liquidity; its positions are those minted since.

    Raises:
        TickError: when a range is off the pool's tick spacing.
        PoolError: when the mint history is missing and no ticks are given, ticks are given beside a whole log, or a whole log
            does not say its pool's first price.
    """
    log.check_ranges(pool)
    state, begin = _start(log, pool, ticks)
    for event in log.events[begin:]:
        if isinstance(event, SwapEvent):
            step = _swap_step(state, event)
        elif isinstance(event, LiquidityEvent):
            step = _liquidity_step(state, event, log.is_whole)
        elif isinstance(event, CollectEvent):
            step = _collect_step(state, event, log.is_whole)
        else:
            raise PoolError(f"the event at {event.where} is neither swap, mint, burn nor collect")
        yield step
        state = step.after


def _start(log: EventLog, pool: Pool, ticks: TickTable | None) -> tuple[ExactPool, int]:
    """Return the pool a replay begins with, and the place of the first event it replays."""
    if log.is_whole:
        if ticks is not None:
            raise PoolError("a whole log is replayed from its own mints; ticks do not belong to it")
        if log.start_sqrt_x96 is None:
            raise PoolError("a whole log is replayed from its pool's first price; the log does not say it")
        return new_pool(pool, log.start_sqrt_x96), 0
    if ticks is None:
        raise PoolError(
            f"the mint history before {log.events[0].where if log.events else 'the log'} is missing; a replay needs the "
            "initialized ticks, known or inferred from the swaps"
        )
    for row, event in enumerate(log.events):
        if isinstance(event, SwapEvent):
            return pool_at(pool, event.sqrt_x96, event.liquidity, ticks, event.tick), row + 1
    raise PoolError("the log has no swap, so nothing tells the price and liquidity a replay begins at")


def _swap_step(pool: ExactPool, event: SwapEvent) -> ReplayStep:
    found = recovered_order(pool, event)
    if found is not None:
        return ReplayStep(event, pool, settled(pool, found.order, found.outcome), found)
    after, said = _driven(pool, event)
    return ReplayStep(event, pool, after, None, _finding(event, "swap", said))


def _driven(pool: ExactPool, event: SwapEvent) -> tuple[ExactPool, str]:
    """Return the pool at the price an event says, and how what the pool did on the way differs from it."""
    if event.sqrt_x96 == pool.sqrt_x96:
        return pool, f"leaves the price at {event.sqrt_x96}, with amounts no order has"
    order = limit_order(pool.sqrt_x96, event.sqrt_x96)
    try:
        done = outcome(pool, order)
    except PoolError as error:
        jumped = replace(pool, sqrt_x96=event.sqrt_x96, tick=event.tick, liquidity=event.liquidity)
        return jumped, f"cannot be reached: {error}"
    said = (
        f"has amounts {event.amount0} and {event.amount1} and liquidity {event.liquidity}; the pool, brought to its price, has "
        f"{done.amount0}, {done.amount1} and {done.liquidity}"
    )
    return settled(pool, order, done), said


def _liquidity_step(pool: ExactPool, event: LiquidityEvent, is_whole: bool) -> ReplayStep:
    key = PositionKey(event.owner, event.tick_lower, event.tick_upper)
    held = pool.positions.get(key, PositionState()).liquidity
    if event.is_mint:
        try:
            after, *charged = mint(pool, key, event.liquidity)
        except PoolError as error:
            return ReplayStep(event, pool, pool, None, _finding(event, "mint", f"is refused: {error}"))
    elif held and held >= -event.liquidity:
        after, *charged = burn(pool, key, -event.liquidity)
    elif is_whole:
        said = f"takes {-event.liquidity} from a position that holds {held}"
        return ReplayStep(event, pool, pool, None, _finding(event, "burn", said))
    else:
        low, high = sqrt_at_tick(event.tick_lower), sqrt_at_tick(event.tick_upper)
        charged = list(amounts(pool.sqrt_x96, low, high, -event.liquidity, is_paid_in=False))
        after = _without(pool, event)
    if charged == [event.amount0, event.amount1]:
        return ReplayStep(event, pool, after)
    said = f"has amounts {event.amount0} and {event.amount1}; the pool has {charged[0]} and {charged[1]}"
    return ReplayStep(event, pool, after, None, _finding(event, "mint" if event.is_mint else "burn", said))


def _without(pool: ExactPool, event: LiquidityEvent) -> ExactPool:
    """Return the pool less liquidity that was minted before the log: what else touches those ticks is not known."""
    table = pool.table
    for tick, net in ((event.tick_lower, event.liquidity), (event.tick_upper, -event.liquidity)):
        before = table.ticks.get(tick)
        gross, least = (before.gross, abs(before.net + net)) if before is not None else (0, abs(net))
        table = table.changed(tick, max(gross + event.liquidity, least) - gross, net)
    is_active = event.tick_lower <= pool.tick < event.tick_upper
    return replace(pool, table=table, liquidity=pool.liquidity + event.liquidity * is_active)


def _collect_step(pool: ExactPool, event: CollectEvent, is_whole: bool) -> ReplayStep:
    key = PositionKey(event.owner, event.tick_lower, event.tick_upper)
    owed = pool.positions.get(key, PositionState())
    if key not in pool.positions and not is_whole:
        return ReplayStep(event, pool, pool)
    is_owed = owed.owed0 >= event.amount0 and owed.owed1 >= event.amount1
    after = collect(pool, key, event.amount0, event.amount1).pool if key in pool.positions else pool
    if is_owed or not is_whole:
        return ReplayStep(event, pool, after)
    said = f"pays {event.amount0} and {event.amount1}; the pool owes {owed.owed0} and {owed.owed1}"
    return ReplayStep(event, pool, after, None, _finding(event, "collect", said))


def _finding(event: SwapEvent | RangeEvent, kind: str, said: str) -> ReplayFinding:
    return ReplayFinding(event.block, event.log_index, kind, f"the {kind} at {event.where} {said}")
