"""Trip fees: what a position really collected on chain beside what the path formula says it earned."""

from dataclasses import dataclass

import numpy as np

from data.amm.event_log import EventLog
from data.amm.path import fee_growth
from data.amm.pool import Pool
from data.amm.round_trips import RoundTrip, round_trips
from data.amm.tick_math import Q96, sqrt_at_tick


@dataclass(frozen=True)
class TripFees:
    """Fees of one position that was opened and closed within a log.

    Attributes:
        trip: the position and what it collected, raw units.
        opened: block and log index of its mint, in words.
        closed: block and log index of its burn, in words.
        fees0: raw token0 by the path formula.
        fees1: raw token1 by the path formula.
        collected: worth of what was collected, whole quote tokens at the price after the last swap before its burn.
        computed: worth of what the formula says, at the same price.
    """

    trip: RoundTrip
    opened: str
    closed: str
    fees0: float
    fees1: float
    collected: float
    computed: float

    @property
    def error(self) -> float:
        """Relative error of the formula; NaN where nothing was collected."""
        return self.computed / self.collected - 1.0 if self.collected else float("nan")


def trip_fees(log: EventLog, pool: Pool) -> tuple[TripFees, ...]:
    """Return the fees of every position a log sees opened, closed and collected, by the time they were closed.

    A position whose first swap begins at a price the log does not know yet is left out.
    """
    return tuple(
        _fees(log, pool, trip)
        for trip in round_trips(log)
        if log.rows(trip.opened, trip.closed).start_sqrt_x96
    )


def _fees(log: EventLog, pool: Pool, trip: RoundTrip) -> TripFees:
    lived = log.rows(trip.opened + 1, trip.closed)
    swaps = lived.to_pool_log(pool).swaps
    lower, upper = (np.array([sqrt_at_tick(tick) / Q96]) for tick in (trip.tick_lower, trip.tick_upper))
    fees0, fees1 = (float(each) * trip.liquidity for each in fee_growth(swaps, lower, upper, pool.rates)[0])
    root = float(swaps.sqrt_after[-1]) if len(swaps) else (lived.start_sqrt_x96 or 0) / Q96
    return TripFees(
        trip=trip,
        opened=log.events[trip.opened].where,
        closed=log.events[trip.closed].where,
        fees0=fees0,
        fees1=fees1,
        collected=pool.value(trip.fees0, trip.fees1, root),
        computed=pool.value(fees0, fees1, root),
    )
