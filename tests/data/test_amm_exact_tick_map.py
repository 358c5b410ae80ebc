"""Exact tick map: what the swaps of a log give away of the ticks, and what they cannot."""

import importlib.util
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.amm.event_log import EventLog, SwapEvent
from data.amm.exact_replay import replay_steps
from data.amm.exact_tick_map import UnseenStretch, inferred_ticks
from data.errors import PoolError

ORACLES = Path(__file__).resolve().parents[1] / "oracles"


def loaded(name):
    spec = importlib.util.spec_from_file_location(name, ORACLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


logs = loaded("exact_logs")
key = logs.PositionKey


def walk(*ticks):
    """Swaps that end within the usable stretch each tick is in."""
    places = [logs.sqrt_at_tick(tick) + 10**15 for tick in ticks]
    starts = [logs.START, *places]
    return tuple(("swap", 10**30, to < before, to) for before, to in zip(starts, places, strict=False))


def later(log, row):
    """The log from a row on, its past forgotten."""
    return logs.rewritten(log, range(row, len(log)), start_sqrt_x96=None, is_whole=False)


MINTS = (
    ("mint", key("w", -6000, 6000), 10**21),
    ("mint", key("n", -60, 60), 10**20),
    ("mint", key("m", 60, 180), 7 * 10**19),
)


def test_ticks_between_stretches_seen_are_known():
    log = later(logs.told((*MINTS, *walk(30, 90, 150, 210, -30, -90))), 3)
    found = inferred_ticks(log, logs.POOL)
    assert found.solved == (-60, 0, 60, 120, 180)
    assert {tick: state.net for tick, state in found.table.ticks.items()} == {
        -60: 10**20,
        60: -3 * 10**19,
        180: -7 * 10**19,
    }
    assert (found.unseen, found.conflicts) == ((), ())


def test_of_a_stretch_never_seen_only_the_sum_is_known():
    log = later(logs.told((*MINTS, *walk(30, 210))), 3)
    found = inferred_ticks(log, logs.POOL)
    assert found.solved == ()
    assert found.unseen == (UnseenStretch(60, 180, -(10**20)),)
    assert {tick: state.net for tick, state in found.table.ticks.items()} == {60: -(10**20)}


def test_mints_and_burns_within_the_log_are_not_taken_for_its_past():
    told = logs.told(
        (
            *MINTS,
            *walk(30),
            ("mint", key("j", 60, 120), 10**22),
            *walk(90, 30),
            ("burn", key("j", 60, 120), 10**22),
            *walk(90),
        )
    )
    found = inferred_ticks(later(told, 3), logs.POOL)
    assert found.conflicts == ()
    assert found.table.ticks[60].net == -3 * 10**19


@settings(derandomize=True, deadline=None, max_examples=40)
@given(st.lists(st.integers(-20, 20), min_size=2, max_size=12))
def test_what_is_inferred_is_what_the_pool_holds(places):
    ticks = [60 * place + 30 for place in places]
    told = logs.told((*MINTS, *walk(*[t for n, t in enumerate(ticks) if n == 0 or t != ticks[n - 1]])))
    log = later(told, 3)
    if not any(isinstance(event, SwapEvent) for event in log.events):
        return
    *_, last = replay_steps(told, logs.POOL)
    found = inferred_ticks(log, logs.POOL)
    for tick in found.solved:
        true = last.after.table.ticks.get(tick)
        inferred = found.table.ticks.get(tick)
        assert (0 if true is None else true.net) == (0 if inferred is None else inferred.net)


def test_a_missing_mint_is_a_conflict_that_names_the_swap():
    told = logs.told((*MINTS, *walk(30), ("mint", key("j", -60, 120), 10**22), *walk(40)))
    log = later(logs.rewritten(told, [0, 1, 2, 3, 5]), 3)
    (conflict,) = inferred_ticks(log, logs.POOL).conflicts
    assert (conflict.block, conflict.log_index) == (105, 3)
    assert conflict.found - conflict.expected == 10**22
    assert conflict.message.startswith("the swap at block 105, log 3 ends on tick 40 with liquidity")


def test_log_without_swaps_gives_nothing_away():
    with pytest.raises(PoolError, match="the log has no swap"):
        inferred_ticks(EventLog(logs.told().times[:0], ()), logs.POOL)


def test_events_before_the_first_swap_are_part_of_the_past():
    told = logs.told((*MINTS, *walk(30, 90)))
    assert inferred_ticks(told, logs.POOL).table == inferred_ticks(later(told, 3), logs.POOL).table


@pytest.mark.shared_data
def test_a_real_day_gives_away_its_ticks_without_a_conflict(real_day, usdc_weth):
    found = inferred_ticks(real_day, usdc_weth)
    assert found.conflicts == ()
    assert len(found.solved) == 36
    assert [(each.first, each.last) for each in found.unseen] == [(198_980, 198_990), (199_320, 199_340)]
    rows = [row for row, event in enumerate(real_day.events) if isinstance(event, SwapEvent)]
    broken = replace(real_day.events[rows[3000]], liquidity=real_day.events[rows[3000]].liquidity + 1)
    events = (*real_day.events[: rows[3000]], broken, *real_day.events[rows[3000] + 1 :])
    (conflict,) = inferred_ticks(EventLog(real_day.times, events), usdc_weth).conflicts
    assert conflict.message.count(broken.where) == 1
