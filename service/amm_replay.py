"""An exact replay as a document: what was reproduced, where it first was not, and what positions really collected."""

from collections import Counter
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from data.amm.event_log import EventLog, LiquidityEvent
from data.amm.exact_replay import Replay, replay
from data.amm.exact_tick_map import inferred_ticks
from data.amm.pool import Pool
from data.amm.trip_fees import TripFees, trip_fees
from data.errors import SpecError
from data.sources.base import SOURCES, AbstractSource

KINDS = {"SwapEvent": "swaps", "CollectEvent": "collects"}


@runtime_checkable
class ExactSource(Protocol):
    """A source that knows a pool's events to the last unit."""

    pool: Pool

    def event_log(self, lake: Path) -> EventLog:
        """Return the events."""


def replayed(source: AbstractSource, lake: Path) -> dict[str, Any]:
    """Return what a replay of a source's events came to.

    Raises:
        SpecError: when the source has no exact events.
        PoolError: when the events contradict the pool.
    """
    if not isinstance(source, ExactSource):
        raise SpecError(
            f"data of kind '{SOURCES.kind_of(source)}' has no exact events; allowed: pool_events or pool_rpc"
        )
    log, pool = source.event_log(lake), source.pool
    ticks = None if log.is_whole else inferred_ticks(log, pool)
    fees = trip_fees(log, pool)
    done = replay(log, pool, None if ticks is None else ticks.table)
    return {
        "pool": pool.name,
        "token0": pool.token0,
        "token1": pool.token1,
        "numeraire": pool.numeraire,
        "is_whole": log.is_whole,
        "events": _counts(log),
        "first_block": log.events[0].block,
        "last_block": log.events[-1].block,
        "ticks_solved": None if ticks is None else len(ticks.solved),
        "stretches_unseen": None if ticks is None else len(ticks.unseen),
        "conflicts": [] if ticks is None else [conflict.message for conflict in ticks.conflicts],
        **_reproduced(done),
        "positions": [_position(pool, each) for each in fees],
        **_errors(fees),
    }


def _counts(log: EventLog) -> dict[str, int]:
    kinds = Counter(
        ("mints" if event.is_mint else "burns")
        if isinstance(event, LiquidityEvent)
        else KINDS[type(event).__name__]
        for event in log.events
    )
    return {kind: kinds[kind] for kind in ("swaps", "mints", "burns", "collects")}


def _reproduced(done: Replay) -> dict[str, Any]:
    return {
        "swaps_replayed": done.swaps,
        "swaps_reproduced": done.reproduced,
        "modes": {str(mode): count for mode, count in done.modes.items()},
        "ranges_wrong": sum(finding.kind in ("mint", "burn") for finding in done.findings),
        "findings": [finding.message for finding in done.findings],
    }


def _position(pool: Pool, fees: TripFees) -> dict[str, Any]:
    trip = fees.trip
    return {
        "opened": fees.opened,
        "closed": fees.closed,
        "tick_lower": trip.tick_lower,
        "tick_upper": trip.tick_upper,
        "collected0": trip.fees0 * 10.0**-pool.decimals0,
        "collected1": trip.fees1 * 10.0**-pool.decimals1,
        "computed0": fees.fees0 * 10.0**-pool.decimals0,
        "computed1": fees.fees1 * 10.0**-pool.decimals1,
        "collected": fees.collected,
        "error": fees.error,
    }


def _errors(fees: tuple[TripFees, ...]) -> dict[str, float | None]:
    errors = np.abs([each.error for each in fees if each.trip.fees0 or each.trip.fees1])
    known = len(errors) > 0
    return {
        "largest_error": float(errors.max()) if known else None,
        "median_error": float(np.median(errors)) if known else None,
    }
