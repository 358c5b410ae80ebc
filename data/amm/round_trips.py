"""Round trips: positions that a log sees opened, closed and paid, and so the fees that were really collected on chain."""

from dataclasses import dataclass

from data.amm.event_log import CollectEvent, EventLog, LiquidityEvent, PoolEvent, RangeEvent


@dataclass(frozen=True)
class RoundTrip:
    """A mint, the burn that took back the same liquidity, and the collect that followed it.

    Attributes:
        opened: the mint's place in the log.
        closed: the burn's place in the log.
        tick_lower: lower tick.
        tick_upper: upper tick.
        liquidity: raw liquidity.
        fees0: raw token0 collected beyond what the burn paid.
        fees1: raw token1 collected beyond what the burn paid.
    """

    opened: int
    closed: int
    tick_lower: int
    tick_upper: int
    liquidity: int
    fees0: int
    fees1: int


def round_trips(log: EventLog) -> tuple[RoundTrip, ...]:
    """Return the positions opened, closed and collected within a log, by the time they were closed.

    A burn belongs to the latest open mint of the same owner, range and liquidity. A collect belongs to the burn right before
    it in the same range and block; where it pays less than the burn, it was not the whole of it and the trip is left out.
    """
    open_mints: dict[tuple[str, int, int, int], list[int]] = {}
    found: list[RoundTrip] = []
    for row, event in enumerate(log.events):
        if not isinstance(event, LiquidityEvent) or not event.liquidity:
            continue
        key = (event.owner, event.tick_lower, event.tick_upper, abs(event.liquidity))
        if event.is_mint:
            open_mints.setdefault(key, []).append(row)
        elif open_mints.get(key):
            opened, paid = open_mints[key].pop(), _collected(log, row, event)
            if paid is not None and paid.amount0 >= event.amount0 and paid.amount1 >= event.amount1:
                fees = paid.amount0 - event.amount0, paid.amount1 - event.amount1
                found.append(RoundTrip(opened, row, *key[1:], *fees))
    return tuple(found)


def _collected(log: EventLog, row: int, burn: LiquidityEvent) -> CollectEvent | None:
    for event in log.events[row + 1 :]:
        if event.block != burn.block:
            break
        if _is_same_range(event, burn):
            return event if isinstance(event, CollectEvent) else None
    return None


def _is_same_range(event: PoolEvent, burn: LiquidityEvent) -> bool:
    return isinstance(event, RangeEvent) and (event.owner, event.tick_lower, event.tick_upper) == (
        burn.owner,
        burn.tick_lower,
        burn.tick_upper,
    )
