"""Exact replay: a log the pool itself told comes out to the last unit, and whatever is missing is told by place."""

import importlib.util
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.amm.event_log import EventLog, LiquidityEvent, SwapEvent
from data.amm.exact_replay import replay, replay_steps
from data.amm.exact_tick_map import inferred_ticks
from data.amm.tick_table import TickTable
from data.errors import PoolError, TickError

ORACLES = Path(__file__).resolve().parents[1] / "oracles"


def loaded(name):
    spec = importlib.util.spec_from_file_location(name, ORACLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


logs = loaded("exact_logs")
LOG = logs.told()
EVERY = list(range(len(LOG)))


def altered(row, **changed):
    events = (*LOG.events[:row], replace(LOG.events[row], **changed), *LOG.events[row + 1 :])
    return EventLog(LOG.times, events, LOG.start_sqrt_x96, LOG.is_whole)


def places(found):
    return [(finding.kind, finding.block) for finding in found.findings]


def test_a_whole_log_is_reproduced_to_the_last_unit():
    found = replay(LOG, logs.POOL)
    assert (found.swaps, found.reproduced, found.findings) == (8, 8, ())
    assert found.modes == {"exact_in": 5, "exact_out": 2, "price_limit": 1}


amounts = st.integers(10**10, 10**19)
swaps = st.tuples(st.just("swap"), amounts | amounts.map(lambda a: -a), st.booleans(), st.just(None))
mints = st.tuples(
    st.just("mint"),
    st.tuples(st.sampled_from("pq"), st.integers(-9, 8), st.integers(1, 9)).map(
        lambda r: logs.PositionKey(r[0], r[1] * 60, (r[1] + r[2]) * 60)
    ),
    st.integers(1, 10**22),
)


@settings(derandomize=True, deadline=None, max_examples=40)
@given(st.lists(swaps | mints, max_size=12))
def test_whatever_a_pool_did_is_reproduced(actions):
    begun = (("mint", logs.PositionKey("base", -887_220, 887_220), 10**21), *actions)
    burns = tuple(("burn", action[1], action[2]) for action in actions if action[0] == "mint")
    collects = tuple(("collect", action[1]) for action in burns)
    found = replay(logs.told((*begun, *burns, *collects)), logs.POOL)
    assert found.findings == ()
    assert found.reproduced == found.swaps
    assert len(found.pool.table.ticks) == 2, "only the base range is left"


def test_a_log_from_the_middle_needs_its_ticks():
    cut = logs.rewritten(LOG, EVERY[2:], start_sqrt_x96=None, is_whole=False)
    with pytest.raises(PoolError, match="the mint history before block 102, log 3 is missing"):
        replay(cut, logs.POOL)
    known = TickTable.of_ranges(60, [(-6000, 6000, 10**21)])
    found = replay(cut, logs.POOL, known)
    assert (found.swaps, found.reproduced, found.findings) == (6, 6, ())
    inferred = replay(cut, logs.POOL, inferred_ticks(cut, logs.POOL).table)
    assert inferred.findings == ()


def test_ticks_do_not_belong_to_a_whole_log():
    with pytest.raises(PoolError, match="ticks do not belong to it"):
        replay(LOG, logs.POOL, TickTable(60))


def test_a_whole_log_says_the_price_it_begins_at():
    with pytest.raises(PoolError, match="the log does not say it"):
        replay(logs.rewritten(LOG, EVERY, start_sqrt_x96=None), logs.POOL)


def test_log_without_swaps_cannot_be_begun_in_the_middle():
    cut = logs.rewritten(LOG, [0], start_sqrt_x96=None, is_whole=False)
    with pytest.raises(PoolError, match="the log has no swap"):
        replay(cut, logs.POOL, TickTable(60))


def test_empty_rest_leaves_the_pool_where_it_begins():
    cut = logs.rewritten(LOG, [1], start_sqrt_x96=None, is_whole=False)
    found = replay(cut, logs.POOL, TickTable(60))
    assert (found.swaps, found.pool.sqrt_x96) == (0, LOG.events[1].sqrt_x96)


@pytest.mark.parametrize(("row", "kind"), [(1, "swap"), (3, "mint"), (8, "burn")])
def test_one_unit_off_is_told_with_its_place(row, kind):
    found = replay(altered(row, amount1=LOG.events[row].amount1 + 1), logs.POOL)
    assert places(found) == [(kind, 100 + row)]
    assert found.findings[0].message.startswith(f"the {kind} at block {100 + row}, log 3 has amounts")


def test_one_unit_too_much_collected_is_told():
    found = replay(altered(9, amount0=LOG.events[9].amount0 + 1), logs.POOL)
    assert places(found) == [("collect", 109)]
    assert "the pool owes" in found.findings[0].message


def test_less_collected_is_the_owners_wish():
    assert replay(altered(9, amount0=1), logs.POOL).findings == ()


def test_a_missing_mint_is_told_at_the_first_swap_it_touches():
    gap = logs.rewritten(LOG, [row for row in EVERY if row != 3])
    found = replay(gap, logs.POOL)
    assert places(found)[0] == ("swap", 104)
    assert ("burn", 108) in places(found)
    assert "takes 10000000000000000000000 from a position that holds 0" in "".join(
        f.message for f in found.findings
    )


def test_after_a_missing_swap_the_replay_finds_its_way_back():
    gap = logs.rewritten(LOG, [row for row in EVERY if row != 2])
    found = replay(gap, logs.POOL)
    assert places(found)[0] in [("mint", 103), ("swap", 104)]
    assert all(block < 106 for kind, block in places(found) if kind == "swap")


def test_a_price_that_stays_with_amounts_that_flow_is_told():
    before = LOG.events[1]
    found = replay(altered(2, sqrt_x96=before.sqrt_x96, tick=before.tick), logs.POOL)
    assert "leaves the price at" in found.findings[0].message


def test_ticks_that_do_not_fit_are_told_and_the_replay_goes_on():
    cut = logs.rewritten(LOG, EVERY[2:], start_sqrt_x96=None, is_whole=False)
    found = replay(cut, logs.POOL, TickTable.of_nets(60, {60: -(10**25)}))
    assert "cannot be reached: crossing tick 60" in found.findings[0].message


def test_a_mint_the_pool_refuses_is_told():
    row = LOG.events[3]
    found = replay(altered(3, liquidity=1 << 120), logs.POOL)
    assert found.findings[0].message.startswith(
        f"the mint at {row.where} is refused: liquidity of the ranges at tick"
    )


def test_range_off_the_spacing_is_refused_before_anything_is_replayed():
    with pytest.raises(TickError, match="block 103, log 3 does not fit"):
        replay(altered(3, tick_lower=-61), logs.POOL)


@pytest.mark.shared_data
def test_a_real_day_is_reproduced_but_where_ticks_were_never_seen(real_day, usdc_weth):
    ticks = inferred_ticks(real_day, usdc_weth)
    found = replay(real_day, usdc_weth, ticks.table)
    assert (found.swaps, found.reproduced) == (6045, 6035)
    assert found.modes == {"exact_in": 5230, "exact_out": 614, "price_limit": 191}
    assert Counter(finding.kind for finding in found.findings) == {"swap": 10}, "no mint, burn or collect"
    changes = [event for event in real_day.events if isinstance(event, LiquidityEvent)]
    assert len(changes) == 123
    for step in replay_steps(real_day, usdc_weth, ticks.table):
        if step.finding is not None:
            low, high = sorted((step.before.tick, step.after.tick))
            assert isinstance(step.event, SwapEvent)
            assert any(low < stretch.last and stretch.first <= high for stretch in ticks.unseen)
