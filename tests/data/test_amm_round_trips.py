"""Round trips: fees really collected on chain are those that the exact pool counts, to the last unit."""

import importlib.util
from pathlib import Path

import pytest

from data.amm.exact_replay import replay_steps
from data.amm.exact_tick_map import inferred_ticks
from data.amm.round_trips import round_trips

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


WIDE, NARROW = logs.WIDE, logs.NARROW
TRADES = (("swap", 10**17, True, None), ("swap", 3 * 10**17, False, None))


def test_fees_collected_are_those_the_exact_pool_counts():
    opened = ("mint", WIDE, 10**21), ("mint", NARROW, 10**21)
    log = logs.collected_at_once((*opened, *TRADES, ("burn", NARROW, 10**21), ("collect", NARROW)))
    (trip,) = round_trips(log)
    assert (trip.opened, trip.closed, trip.liquidity) == (1, 4, 10**21)
    assert exact_fees(trip, list(replay_steps(log, logs.POOL)), 0) == (trip.fees0, trip.fees1)
    assert trip.fees0 > 0 < trip.fees1


@pytest.mark.parametrize("end", [(), (("burn", WIDE, 10**21),), (("burn", WIDE, 10**20), ("collect", WIDE))])
def test_a_position_still_open_or_not_collected_is_no_round_trip(end):
    assert round_trips(logs.collected_at_once((("mint", WIDE, 10**21), *TRADES, *end))) == ()


def test_a_burn_belongs_to_the_latest_mint_of_the_same_liquidity():
    opened = ("mint", WIDE, 10**21), ("mint", NARROW, 5), ("mint", NARROW, 10**20)
    log = logs.collected_at_once((*opened, *TRADES, ("burn", NARROW, 10**20), ("collect", NARROW)))
    assert [trip.opened for trip in round_trips(log)] == [2]


def test_a_collect_in_another_block_is_not_taken_for_the_burns():
    log = logs.told((("mint", WIDE, 10**21), *TRADES, ("burn", WIDE, 10**21), ("collect", WIDE)))
    assert round_trips(log) == ()


@pytest.mark.shared_data
def test_fees_of_a_real_day_are_those_collected_on_chain(real_day, usdc_weth):
    trips = round_trips(real_day)
    assert len(trips) == 36
    steps = list(replay_steps(real_day, usdc_weth, inferred_ticks(real_day, usdc_weth).table))
    first = len(real_day) - len(steps)
    for trip in trips:
        assert exact_fees(trip, steps, first) == (trip.fees0, trip.fees1), "to the wei"
    assert sum(trip.fees0 + trip.fees1 > 0 for trip in trips) == 35
