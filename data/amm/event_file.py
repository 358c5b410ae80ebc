"""Event file: the raw logs of a pool as rows, one column a field, turned into exact events.

One row a log, the integers as text: ``block_number``, ``log_index``, ``block_timestamp`` (UTC), ``tx_type``, ``amount0``,
``amount1``, ``sqrtPriceX96``, ``current_tick``, ``total_liquidity`` (active after a swap), ``tick_lower``, ``tick_upper``,
``liquidity`` (of the mint or burn, never below 0), and ``owner`` where it is known. Other columns are not read. A row
``SET_FEE_PROTOCOL`` holds the new shares 1 / n in ``amount0`` and ``amount1``, a row ``FLASH`` what was paid for a flash loan.
"""

from bisect import bisect_right, insort
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from data.amm.event_log import CollectEvent, EventLog, LiquidityEvent, PoolEvent, SwapEvent
from data.amm.pool import Pool
from data.amm.tables import instants, require, whole_numbers
from data.errors import EventOrderError, PoolError, SourceError

SWAP, MINT, BURN, COLLECT, START = "SWAP", "MINT", "BURN", "COLLECT", "INITIALIZE"
"""Kinds of rows that become events; ``INITIALIZE`` holds the price a pool was made with."""

OTHERS = ("FLASH", "SET_FEE_PROTOCOL", "COLLECT_PROTOCOL", "INCREASE_OBSERVATIONS")
"""Kinds of rows that move neither price nor ranges."""

COLUMNS: tuple[str, ...] = (
    "block_number",
    "block_timestamp",
    "tx_type",
    "log_index",
    "amount0",
    "amount1",
    "total_liquidity",
    "sqrtPriceX96",
    "current_tick",
    "tick_lower",
    "tick_upper",
    "liquidity",
)

Row = dict[str, int | None]


def event_log(table: pd.DataFrame, *, is_whole: bool = False) -> EventLog:
    """Return the events of a table of raw logs.

    Args:
        table: the columns of ``COLUMNS``, in the order of block and log index.
        is_whole: whether the table begins where the pool does; the ranges are then held against every swap.

    Raises:
        SourceError: when a column is missing or a value is not what it must be; names the row.
        EventOrderError: when rows are unsorted or repeated, or the pool is made anew.
        PoolError: when an event is one that no pool could have had, or mints are missing from a whole history.
    """
    require(table, COLUMNS)
    kinds = [str(kind).upper() for kind in table["tx_type"]]
    owners = _owners(table)
    columns = {
        name: whole_numbers(table, name) for name in COLUMNS if name not in ("block_timestamp", "tx_type")
    }
    times = instants(table, "block_timestamp")
    events, kept, start = [], [], None
    for row, kind in enumerate(kinds):
        values = {name: column[row] for name, column in columns.items()}
        if kind in _MAKERS:
            events.append(_made(kind, values, owners[row], row))
            kept.append(row)
        elif kind == START:
            if events or start is not None:
                raise EventOrderError(
                    f"{START} at row {row} stands after other events; a pool is made once, before all else"
                )
            start = _needed(values, "sqrtPriceX96", row)
        elif kind not in OTHERS:
            raise SourceError(
                f"tx_type '{kind}' at row {row} is unknown; allowed: {', '.join([*_MAKERS, START, *OTHERS])}"
            )
    log = EventLog(times[kept], tuple(events), start, is_whole or start is not None)
    if log.is_whole:
        _check_whole(log)
    return log


def _check_whole(log: EventLog) -> None:
    """Raise unless the mints and burns so far hold exactly the liquidity of every swap.

    Raises:
        PoolError: when they do not: mints are missing before that swap.
    """
    net: dict[int, int] = defaultdict(int)
    ticks: list[int] = []
    tick, active = 0, 0
    for event in log.events:
        if isinstance(event, LiquidityEvent):
            for edge, change in ((event.tick_lower, event.liquidity), (event.tick_upper, -event.liquidity)):
                if edge not in net:
                    insort(ticks, edge)
                net[edge] += change
                active += change if edge <= tick else 0
        elif isinstance(event, SwapEvent):
            low, high = sorted((tick, event.tick))
            crossed = sum(net[edge] for edge in ticks[bisect_right(ticks, low) : bisect_right(ticks, high)])
            active += crossed if event.tick > tick else -crossed
            tick = event.tick
            if active != event.liquidity:
                raise PoolError(
                    f"the swap at {event.where} has liquidity {event.liquidity}, the mints and burns before it leave {active}; "
                    "a history from the pool's making lacks some of them"
                )


def _owners(table: pd.DataFrame) -> list[str]:
    if "owner" not in table.columns:
        return [""] * len(table)
    return ["" if pd.isna(owner) else str(owner) for owner in table["owner"].tolist()]


def check_protocol(table: pd.DataFrame, pool: Pool) -> None:
    """Raise unless every protocol share that was set is the one the pool is said to have.

    Raises:
        SourceError: when a column is missing or a share is no whole number.
        PoolError: naming block and log where it became another.
    """
    require(table, ("block_number", "log_index", "amount0", "amount1"))
    is_set = _is_kind(table, "SET_FEE_PROTOCOL").tolist()
    if not any(is_set):
        return
    columns = (whole_numbers(table, name) for name in ("block_number", "log_index", "amount0", "amount1"))
    for is_one, block, place, *shares in zip(is_set, *columns, strict=True):
        if is_one and shares != [pool.protocol0, pool.protocol1]:
            raise PoolError(
                f"the protocol's share of fees became 1/{shares[0]} and 1/{shares[1]} (0: none) at block {block}, "
                f"log {place}; the pool is said to have {pool.protocol0} and {pool.protocol1}: read another span, or "
                "say protocol0 and protocol1"
            )


def flash_note(table: pd.DataFrame) -> tuple[str, ...]:
    """Return the sentence about flash loans, whose fees are no part of any figure; nothing where there was none."""
    count = int(_is_kind(table, "FLASH").sum())
    return (f"Fees of {count} flash loans are not part of any figure.",) if count else ()


def _is_kind(table: pd.DataFrame, kind: str) -> "pd.Series[bool]":
    require(table, ("tx_type",))
    return table["tx_type"].astype(str).str.upper() == kind


def _made(kind: str, values: Row, owner: str, row: int) -> PoolEvent:
    needed = {name: _needed(values, name, row) for name in _NEEDED[kind]}
    if needed.get("liquidity", 0) < 0:
        raise PoolError(
            f"the {kind.lower()} at block {needed['block_number']}, log {needed['log_index']} has liquidity "
            f"{needed['liquidity']}; allowed: 0 or more, the kind of row says which way"
        )
    return _MAKERS[kind](needed, owner)


def _needed(values: Row, name: str, row: int) -> int:
    value = values[name]
    if value is None:
        raise SourceError(f"column '{name}' is empty at row {row}; a whole number is needed")
    return value


def _swap(values: Mapping[str, int], owner: str) -> SwapEvent:
    return SwapEvent(
        values["block_number"],
        values["log_index"],
        amount0=values["amount0"],
        amount1=values["amount1"],
        sqrt_x96=values["sqrtPriceX96"],
        liquidity=values["total_liquidity"],
        tick=values["current_tick"],
    )


def _range(values: Mapping[str, int], owner: str) -> dict[str, Any]:
    return {
        "block": values["block_number"],
        "log_index": values["log_index"],
        "tick_lower": values["tick_lower"],
        "tick_upper": values["tick_upper"],
        "amount0": values["amount0"],
        "amount1": values["amount1"],
        "owner": owner,
    }


def _mint(values: Mapping[str, int], owner: str) -> LiquidityEvent:
    return LiquidityEvent(**_range(values, owner), liquidity=values["liquidity"])


def _burn(values: Mapping[str, int], owner: str) -> LiquidityEvent:
    return LiquidityEvent(**_range(values, owner), liquidity=-values["liquidity"])


def _collect(values: Mapping[str, int], owner: str) -> CollectEvent:
    return CollectEvent(**_range(values, owner))


_PLACE = ("block_number", "log_index", "amount0", "amount1")
_NEEDED: dict[str, tuple[str, ...]] = {
    SWAP: (*_PLACE, "sqrtPriceX96", "total_liquidity", "current_tick"),
    MINT: (*_PLACE, "tick_lower", "tick_upper", "liquidity"),
    BURN: (*_PLACE, "tick_lower", "tick_upper", "liquidity"),
    COLLECT: (*_PLACE, "tick_lower", "tick_upper"),
}
_MAKERS: dict[str, Callable[[Mapping[str, int], str], PoolEvent]] = {
    SWAP: _swap,
    MINT: _mint,
    BURN: _burn,
    COLLECT: _collect,
}
