"""Tick table: ticks come and go with the liquidity on them, and the way to the next one is that of a plain walk."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.amm.tick_math import max_liquidity_per_tick
from data.amm.tick_table import MASK_256, Crossing, TickState, TickTable
from data.errors import PoolError, TickError

places = st.integers(-600, 600)
spacings = st.sampled_from([1, 10, 60, 200])


def walked(table, tick, is_down):
    """One usable tick after the other, to the first initialized one or the end of its word."""
    place = tick // table.spacing + (0 if is_down else 1)
    while place * table.spacing not in table.ticks and place % 256 != (0 if is_down else 255):
        place += -1 if is_down else 1
    return place * table.spacing, place * table.spacing in table.ticks


@settings(derandomize=True, deadline=None)
@given(st.sets(places, max_size=12), spacings, places, st.integers(0, 199), st.booleans())
def test_next_tick_is_that_of_a_walk(used, spacing, place, rest, is_down):
    table = TickTable.of_nets(spacing, {each * spacing: 1 for each in used})
    tick = place * spacing + rest % spacing
    assert table.next_tick(tick, is_down=is_down) == walked(table, tick, is_down)


@pytest.mark.parametrize(("tick", "is_down", "end"), [(-887_272, True, -887_272), (887_000, False, 887_272)])
def test_next_tick_stays_within_the_pool(tick, is_down, end):
    assert TickTable(200).next_tick(tick, is_down=is_down) == (end, False)


ranges = st.lists(
    st.tuples(places, st.integers(1, 300), st.integers(1, 10**20)).map(
        lambda r: (r[0] * 10, (r[0] + r[1]) * 10, r[2])
    ),
    max_size=8,
)


@settings(derandomize=True, deadline=None)
@given(ranges)
def test_net_liquidities_add_up_to_nothing(made):
    table = TickTable.of_ranges(10, made)
    assert sum(state.net for state in table.ticks.values()) == 0


@settings(derandomize=True, deadline=None)
@given(ranges, places)
def test_nets_up_to_a_tick_are_the_ranges_that_hold_it(made, tick):
    held = sum(liquidity for low, high, liquidity in made if low <= tick < high)
    below = [state.net for place, state in TickTable.of_ranges(10, made).ticks.items() if place <= tick]
    assert sum(below) == held


@settings(derandomize=True, deadline=None)
@given(ranges)
def test_what_is_taken_again_leaves_nothing(made):
    table = TickTable.of_ranges(10, made + [(low, high, -liquidity) for low, high, liquidity in made])
    assert table == TickTable(10)


def test_tick_with_liquidity_both_ways_stays_initialized():
    table = TickTable.of_ranges(10, [(0, 10, 5), (10, 20, 5)])
    assert table.ticks[10] == TickState(10, 0)
    assert table.next_tick(3, is_down=False) == (10, True)


def test_crossing_turns_growth_outside_around_and_wraps():
    table = TickTable.of_nets(1, {7: 1}).crossed([Crossing(7, 3, 5)])
    assert table.ticks[7][2:] == (3, 5)
    assert table.crossed([Crossing(7, 2, 9)]).ticks[7][2:] == (MASK_256, 4)


def test_growth_outside_is_set_when_a_tick_begins_and_kept_after():
    table = TickTable(10).changed(0, 5, 5, (8, 9)).changed(0, 1, -1, (70, 70))
    assert table.ticks[0] == TickState(6, 4, 8, 9)


def test_a_change_leaves_the_table_before_it_alone():
    before = TickTable.of_nets(10, {0: 5})
    before.changed(0, -5, -5)
    before.crossed([Crossing(0, 1, 1)])
    assert before == TickTable.of_nets(10, {0: 5})


def test_a_tick_holds_no_more_than_it_may():
    most = max_liquidity_per_tick(60)
    full = TickTable(60).changed(60, most, most)
    with pytest.raises(PoolError, match=f"tick 60 would be {most + 1}; allowed: 0 to {most}"):
        full.changed(60, 1, 1)
    with pytest.raises(PoolError, match="would be -1"):
        full.changed(0, -1, -1)


@pytest.mark.parametrize("tick", [5, 887_280])
def test_tick_that_no_range_can_have_is_refused(tick):
    with pytest.raises(TickError, match=f"tick {tick} is"):
        TickTable(10).changed(tick, 1, 1)
