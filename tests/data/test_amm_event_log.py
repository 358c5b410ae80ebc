"""Event log: cut by rows, told in floats, and refused by block and log index where no pool could have said it."""

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data.amm.event_log import CollectEvent, EventLog, LiquidityEvent, SwapEvent
from data.amm.pool import Pool
from data.amm.tick_math import Q96, sqrt_at_tick
from data.errors import EventGapError, EventOrderError, PoolError, TickError

ORACLES = Path(__file__).resolve().parents[1] / "oracles"


def loaded(name):
    spec = importlib.util.spec_from_file_location(name, ORACLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


logs = loaded("exact_logs")
LOG = logs.told()
SWAP = SwapEvent(100, 3, 10, -9, Q96, 5, 0)
RANGE = LiquidityEvent(100, 3, -60, 60, 1, 1, "", 5)


def one(event):
    return EventLog(np.array(["2024-01-01"], "datetime64[ns]"), (event,))


def test_a_cut_knows_the_price_it_begins_at():
    first, second = LOG.rows(0, 5), LOG.rows(5, len(LOG))
    assert first.events + second.events == LOG.events
    assert (first.start_sqrt_x96, first.is_whole) == (LOG.start_sqrt_x96, True)
    assert (second.start_sqrt_x96, second.is_whole) == (LOG.events[4].sqrt_x96, False)
    assert len(LOG.rows(5, 5)) == 0


def test_floats_are_those_of_the_integers():
    floats = LOG.to_pool_log(logs.POOL)
    assert len(floats.swaps) == len(LOG.swaps) == 8
    prices = [LOG.start_sqrt_x96, *(swap.sqrt_x96 for swap in LOG.swaps)]
    np.testing.assert_array_equal(floats.swaps.sqrt_before, [price / Q96 for price in prices[:-1]])
    np.testing.assert_array_equal(floats.swaps.sqrt_after, [price / Q96 for price in prices[1:]])
    np.testing.assert_array_equal(floats.swaps.amount0, [float(swap.amount0) for swap in LOG.swaps])
    np.testing.assert_array_equal(floats.swaps.blocks, [swap.block for swap in LOG.swaps])
    np.testing.assert_array_equal(floats.changes.liquidity, [1e21, 1e22, -1e22, -1e20])
    np.testing.assert_array_equal(floats.changes.tick_lower, [-6000, -60, -60, -6000])


def test_without_a_start_the_first_swap_only_tells_the_price():
    floats = logs.rewritten(LOG, range(1, len(LOG)), start_sqrt_x96=None, is_whole=False).to_pool_log(
        logs.POOL
    )
    assert len(floats.swaps) == 7
    assert floats.swaps.sqrt_before[0] == LOG.swaps[0].sqrt_x96 / Q96
    assert floats.changes is None, "mints before the log are not known"


def test_log_without_swaps_has_an_empty_path():
    floats = logs.rewritten(LOG, [0]).to_pool_log(logs.POOL)
    assert (len(floats.swaps), len(floats.changes)) == (0, 1)


@pytest.mark.parametrize("rows", [[0, 2, 1], [0, 1, 1]])
def test_unsorted_and_repeated_events_are_refused(rows):
    with pytest.raises(
        EventOrderError,
        match=r"the event at block 101, log 3 stands after block 10[12], log 3; events are ordered",
    ):
        logs.rewritten(LOG, rows)


def test_time_that_falls_is_refused():
    with pytest.raises(
        EventOrderError, match="the event at block 101, log 3 is earlier than the one before it"
    ):
        EventLog(LOG.times[[1, 0]], LOG.events[:2])


def test_every_event_needs_a_time():
    with pytest.raises(PoolError, match=r"times have shape \(1,\); 2 events need one each"):
        EventLog(LOG.times[:1], LOG.events[:2])


@pytest.mark.parametrize(
    ("changed", "pattern"),
    [
        ({"sqrt_x96": 5}, "has root price 5; allowed: 4295128739 to"),
        ({"tick": 9}, "has tick 9, which does not hold its root price"),
        ({"tick": 900_000}, "has tick 900000; allowed: -887272 to 887271"),
        ({"amount1": 9}, "has amounts 10 and 9; one flows in, the other out"),
        ({"liquidity": -1}, "has liquidity -1; allowed: 0 or more"),
    ],
)
def test_swap_that_no_pool_makes_is_refused(changed, pattern):
    with pytest.raises(PoolError, match=f"the swap at block 100, log 3 {pattern}"):
        one(replace(SWAP, **changed))


def test_price_on_a_tick_may_belong_to_the_tick_below():
    assert one(replace(SWAP, tick=-1)).events[0].tick == -1


@pytest.mark.parametrize(("low", "high"), [(60, -60), (60, 60), (-900_000, 60), (0, 887_273)])
def test_range_that_is_inverted_or_outside_is_refused(low, high):
    with pytest.raises(
        TickError, match=f"the event at block 100, log 3 has the range {low} to {high}; the lower tick"
    ):
        one(replace(RANGE, tick_lower=low, tick_upper=high))


def test_amount_below_nothing_is_refused():
    with pytest.raises(PoolError, match="the event at block 7, log 1 has amounts 0 and -4"):
        one(CollectEvent(7, 1, -60, 60, 0, -4, ""))


def test_start_price_outside_the_pool_is_refused():
    with pytest.raises(PoolError, match="root price before the first event was 3"):
        EventLog(LOG.times, LOG.events, 3)


def test_range_off_the_spacing_is_named_by_its_event():
    with pytest.raises(
        TickError, match=r"block 100, log 3 does not fit A/B 0.3%: tick -50 is off the spacing of 60"
    ):
        one(replace(RANGE, tick_lower=-50)).to_pool_log(logs.POOL)


def test_swapped_tokens_are_refused():
    far = Pool(token0="A", token1="B", decimals0=6, fee_pips=3000)
    log = logs.told(
        [("mint", logs.PositionKey("w", 60_000, 90_000), 10**20), ("swap", 10**17, True, None)],
        far,
        sqrt_at_tick(70_000),
    )
    swap = log.events[1]
    turned = replace(swap, amount0=-swap.amount1, amount1=-swap.amount0)
    with pytest.raises(PoolError, match="the swap at block 101, log 3"):
        EventLog(log.times, (log.events[0], turned), log.start_sqrt_x96, log.is_whole).to_pool_log(far)
    scaled = replace(swap, amount0=swap.amount0 * 10**12)
    with pytest.raises(PoolError, match="the token order or the decimals are swapped"):
        EventLog(log.times, (log.events[0], scaled), log.start_sqrt_x96, log.is_whole).to_pool_log(far)


def test_a_missing_swap_is_told_by_the_next_one():
    with pytest.raises(EventGapError, match="the swap at block 105, log 3"):
        logs.rewritten(LOG, [0, 1, 2, 3, *range(5, len(LOG))]).to_pool_log(logs.POOL)


def test_a_swap_without_liquidity_is_refused_in_floats():
    log = logs.told([("mint", logs.NARROW, 10**18), ("swap", 10**25, True, None)])
    assert log.events[1].liquidity == 0
    with pytest.raises(PoolError, match="the swap at block 101, log 3 has liquidity 0"):
        log.to_pool_log(logs.POOL)
