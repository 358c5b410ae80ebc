"""Logs made by the exact pool itself: what it did with orders, mints, burns and collects, as a chain would have told it."""

from dataclasses import replace

import numpy as np

from data.amm.event_log import CollectEvent, EventLog, LiquidityEvent, SwapEvent
from data.amm.exact_pool import PositionKey, new_pool
from data.amm.exact_positions import burn, collect, mint
from data.amm.exact_swap import SwapOrder, swap
from data.amm.pool import Pool
from data.amm.tick_math import sqrt_at_tick

POOL = Pool(token0="A", token1="B", fee_pips=3000)
WIDE, NARROW = PositionKey("w", -6000, 6000), PositionKey("n", -60, 120)
START = sqrt_at_tick(7) + 12_345

ACTIONS = (
    ("mint", WIDE, 10**21),
    ("swap", 10**17, True, None),
    ("swap", -(10**17), False, None),
    ("mint", NARROW, 10**22),
    ("swap", 3 * 10**19, False, None),
    ("swap", 4 * 10**19, True, None),
    ("swap", 10**25, True, sqrt_at_tick(-100)),
    ("swap", 2 * 10**19, False, None),
    ("burn", NARROW, 10**22),
    ("collect", NARROW),
    ("swap", -(10**18), True, None),
    ("burn", WIDE, 10**20),
    ("swap", 5 * 10**18, False, None),
)


def told(actions=ACTIONS, pool=POOL, start=START):
    """The whole log of a pool, one event a block of 12 seconds."""
    state, events = new_pool(pool, start), []
    for place, action in enumerate(actions):
        state, event = _done(state, 100 + place, action)
        events.append(event)
    times = np.datetime64("2024-01-01", "ns") + np.timedelta64(12, "s") * np.arange(len(events))
    return EventLog(times, tuple(events), start, is_whole=True)


def collected_at_once(actions):
    """The log of some actions, each collect in the block of the burn before it."""
    log = told(actions)
    events, times = list(log.events), log.times.copy()
    for row, event in enumerate(events):
        if isinstance(event, CollectEvent):
            events[row] = replace(event, block=events[row - 1].block, log_index=4)
            times[row] = times[row - 1]
    return EventLog(times, tuple(events), log.start_sqrt_x96, log.is_whole)


def rewritten(log, rows, **changed):
    """The log of some rows, other settings as they were unless changed."""
    settings = {"start_sqrt_x96": log.start_sqrt_x96, "is_whole": log.is_whole} | changed
    return EventLog(log.times[rows], tuple(log.events[row] for row in rows), **settings)


def _done(state, block, action):
    kind, *rest = action
    if kind == "swap":
        state, done = swap(state, SwapOrder(*rest))
        return state, SwapEvent(block, 3, *done[:3], done.liquidity, done.tick)
    key, *liquidity = rest
    state, *amounts = {"mint": mint, "burn": burn, "collect": collect}[kind](state, key, *liquidity)
    where = (block, 3, key.tick_lower, key.tick_upper, *amounts, key.owner)
    if kind == "collect":
        return state, CollectEvent(*where)
    return state, LiquidityEvent(*where, liquidity[0] if kind == "mint" else -liquidity[0])
