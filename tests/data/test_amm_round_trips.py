"""Round trips: fees really collected on chain, and what the exact pool and the path formula say they are."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from data.amm.event_file import event_log
from data.amm.exact_replay import replay_steps
from data.amm.exact_tick_map import inferred_ticks
from data.amm.path import fee_growth
from data.amm.pool import Pool
from data.amm.round_trips import RoundTrip, round_trips
from data.amm.tables import read_table
from data.amm.tick_math import Q96, sqrt_at_tick

ORACLES = Path(__file__).resolve().parents[1] / "oracles"


def loaded(name):
    spec = importlib.util.spec_from_file_location(name, ORACLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


logs = loaded("exact_logs")


def exact_fees(trip, steps, first):
    """Fees between the mint and the burn by the growth the exact pool counts inside the range."""
    begun = steps[trip.opened - first].after.growth_inside(trip.tick_lower, trip.tick_upper)
    ended = steps[trip.closed - first].before.growth_inside(trip.tick_lower, trip.tick_upper)
    return tuple(
        (end - begin) % (1 << 256) * trip.liquidity >> 128 for begin, end in zip(begun, ended, strict=True)
    )


def path_fees(trip, log, pool):
    """The same by the path formula, in floats."""
    swaps = log.rows(trip.opened + 1, trip.closed).to_pool_log(pool).swaps
    ends = (np.array([sqrt_at_tick(tick) / Q96]) for tick in (trip.tick_lower, trip.tick_upper))
    return fee_growth(swaps, *ends, pool.rates)[0] * trip.liquidity


def same_block(*actions):
    """A log in which each burn and its collect share a block."""
    log = logs.told(actions)
    events = list(log.events)
    for row, event in enumerate(events):
        if type(event).__name__ == "CollectEvent":
            events[row] = type(event)(
                events[row - 1].block, 4, *(getattr(event, n) for n in list(event.__dataclass_fields__)[2:])
            )
    times = log.times.copy()
    for row in range(1, len(events)):
        if events[row].block == events[row - 1].block:
            times[row] = times[row - 1]
    return type(log)(times, tuple(events), log.start_sqrt_x96, log.is_whole)


WIDE, NARROW = logs.WIDE, logs.NARROW
TRADES = (("swap", 10**17, True, None), ("swap", 3 * 10**17, False, None))


def test_fees_collected_are_those_the_exact_pool_counts():
    log = same_block(
        ("mint", WIDE, 10**21),
        ("mint", NARROW, 10**21),
        *TRADES,
        ("burn", NARROW, 10**21),
        ("collect", NARROW),
    )
    (trip,) = round_trips(log)
    assert (trip.opened, trip.closed, trip.liquidity) == (1, 4, 10**21)
    assert exact_fees(trip, list(replay_steps(log, logs.POOL)), 0) == (trip.fees0, trip.fees1)
    np.testing.assert_allclose(path_fees(trip, log, logs.POOL), (trip.fees0, trip.fees1), rtol=1e-9)


def test_a_position_still_open_or_not_collected_is_no_round_trip():
    assert round_trips(same_block(("mint", WIDE, 10**21), *TRADES)) == ()
    assert round_trips(same_block(("mint", WIDE, 10**21), *TRADES, ("burn", WIDE, 10**21))) == ()
    assert (
        round_trips(same_block(("mint", WIDE, 10**21), *TRADES, ("burn", WIDE, 10**20), ("collect", WIDE)))
        == ()
    )


def test_a_burn_belongs_to_the_latest_mint_of_the_same_liquidity():
    log = same_block(
        ("mint", WIDE, 10**21), ("mint", NARROW, 5), ("mint", NARROW, 10**20), *TRADES, ("burn", NARROW, 10**20), ("collect", NARROW)
    )  # fmt: skip
    assert [trip.opened for trip in round_trips(log)] == [2]


def test_a_collect_in_another_block_is_not_taken_for_the_burns():
    log = logs.told((("mint", WIDE, 10**21), *TRADES, ("burn", WIDE, 10**21), ("collect", WIDE)))
    assert round_trips(log) == ()
    assert RoundTrip(0, 1, -60, 60, 5, 0, 0).liquidity == 5


@pytest.mark.shared_data
def test_fees_of_a_real_day_are_those_collected_on_chain(shared_data):
    pool = Pool(token0="USDC", token1="WETH", decimals0=6, decimals1=18, fee_pips=500, quote="token0")
    log = event_log(read_table(shared_data / "amm" / "eth_usdc_weth_005_2024-01-05_events.csv.gz"))
    trips = round_trips(log)
    assert len(trips) == 36
    steps = list(replay_steps(log, pool, inferred_ticks(log, pool).table))
    first = len(log) - len(steps)
    errors = []
    for trip in trips:
        assert exact_fees(trip, steps, first) == (trip.fees0, trip.fees1), "to the wei"
        price = (steps[trip.opened - first].after.sqrt_x96 / Q96) ** 2
        collected = trip.fees0 * price + trip.fees1
        fees0, fees1 = path_fees(trip, log, pool)
        if collected:
            errors.append(abs((fees0 * price + fees1) / collected - 1.0))
        else:
            assert (fees0, fees1) == (0.0, 0.0)
    assert len(errors) == 35
    assert max(errors) < 5e-6
    assert np.median(errors) < 2.5e-10
