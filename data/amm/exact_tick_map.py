"""Exact tick map: the initialized ticks that the swaps of a log give away, where the mints before it are not known.

Every swap says which liquidity is active at the tick it ends on. Less what the log's own mints and burns added there, that is
the liquidity the pool began with on the stretch between two usable ticks. Two neighbouring stretches seen give the net
liquidity of the tick between them; where a stretch between was never seen, only the sum over its ticks is known.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from data.amm.event_log import EventLog, LiquidityEvent, SwapEvent
from data.amm.pool import Pool
from data.amm.tick_table import TickTable
from data.errors import PoolError


@dataclass(frozen=True)
class UnseenStretch:
    """Neighbouring usable ticks of which only the sum of net liquidities is known.

    Attributes:
        first: the lowest of them; the whole sum is put here.
        last: the highest of them.
        net: the sum.
    """

    first: int
    last: int
    net: int


@dataclass(frozen=True)
class Conflict:
    """A swap whose liquidity disagrees with what an earlier one gave away: events are missing between them.

    Attributes:
        block: block of the swap.
        log_index: its place within the block.
        tick: tick it ended on.
        expected: liquidity there by the earlier swap and the events since.
        found: liquidity it says.
    """

    block: int
    log_index: int
    tick: int
    expected: int
    found: int

    @property
    def message(self) -> str:
        """One sentence that says where and what."""
        return (
            f"the swap at block {self.block}, log {self.log_index} ends on tick {self.tick} with liquidity {self.found}, where "
            f"earlier swaps and the events since leave {self.expected}; a mint or burn is missing before it"
        )


@dataclass(frozen=True)
class InferredTicks:
    """The ticks as they stood at the first swap of a log.

    Attributes:
        table: the initialized ticks between the lowest and the highest tick seen; nothing is known of the others.
        solved: ticks whose net liquidity is known, initialized or not.
        unseen: stretches between them, of which only the sum is known.
        conflicts: swaps that disagree with earlier ones, the first of each stretch; empty for a log without a gap.
    """

    table: TickTable
    solved: tuple[int, ...]
    unseen: tuple[UnseenStretch, ...]
    conflicts: tuple[Conflict, ...]


def inferred_ticks(log: EventLog, pool: Pool) -> InferredTicks:
    """Return the ticks that the swaps of a log give away.

    Raises:
        PoolError: when the log has no swap.
    """
    profile, conflicts = _profile(log, pool.spacing)
    if not profile:
        raise PoolError("the log has no swap, so nothing tells the liquidity of its pool")
    nets: dict[int, int] = {}
    solved: list[int] = []
    unseen: list[UnseenStretch] = []
    for below, above in pairwise(sorted(profile)):
        net = profile[above] - profile[below]
        first, last = (below + 1) * pool.spacing, above * pool.spacing
        if first == last:
            solved.append(first)
        else:
            unseen.append(UnseenStretch(first, last, net))
        if net:
            nets[first] = net
    return InferredTicks(
        TickTable.of_nets(pool.spacing, nets), tuple(solved), tuple(unseen), tuple(conflicts)
    )


def _profile(log: EventLog, spacing: int) -> tuple[dict[int, int], list[Conflict]]:
    """Return the liquidity each seen stretch (by compressed tick) began with, and the swaps that disagree."""
    profile: dict[int, int] = {}
    conflicts: dict[int, Conflict] = {}
    for swap, added in _observed(log):
        place = swap.tick // spacing
        began = profile.setdefault(place, swap.liquidity - added)
        if swap.liquidity != began + added:
            found = Conflict(swap.block, swap.log_index, swap.tick, began + added, swap.liquidity)
            conflicts.setdefault(place, found)
    return profile, sorted(conflicts.values(), key=lambda each: (each.block, each.log_index))


def _observed(log: EventLog) -> Iterator[tuple[SwapEvent, int]]:
    """Yield each swap with what mints and burns since the first swap added at the tick it ended on."""
    nets: dict[int, int] = {}
    is_begun = False
    for event in log.events:
        if isinstance(event, SwapEvent):
            is_begun = True
            yield event, sum(net for tick, net in nets.items() if tick <= event.tick)
        elif isinstance(event, LiquidityEvent) and is_begun:
            nets[event.tick_lower] = nets.get(event.tick_lower, 0) + event.liquidity
            nets[event.tick_upper] = nets.get(event.tick_upper, 0) - event.liquidity
