"""Claims about the bars of a pool: the plain loop gives the same, the future changes nothing, a bar is complete or absent."""

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.amm.bars import FIELDS, pool_bars
from data.amm.pool import Pool
from data.amm.pool_log import PoolLog, RangeChanges, SwapPath
from data.errors import PoolError
from data.sessions import BarClock

_PATH = Path(__file__).parents[1] / "oracles" / "bars_oracle.py"
_SPEC = importlib.util.spec_from_file_location("bars_oracle", _PATH)
oracle = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(oracle)

HOURLY = BarClock("24/7", "1h")
START = np.datetime64("2024-01-05T00:10", "ns")
MINUTE = np.timedelta64(1, "m")
PICKY = settings(max_examples=40, derandomize=True, deadline=None)


def made_log(seed=0, count=60, quote="token1", minutes=400, changes=20, root=40.0):
    """A log of random swaps and range changes around one root price."""
    rng = np.random.default_rng(seed)
    times = START + np.sort(rng.integers(0, minutes * 60, count)) * np.timedelta64(1, "s")
    path = root * np.exp(np.cumsum(rng.normal(0, 0.004, count + 1)))
    input0, input1 = rng.uniform(1e6, 1e9, (2, count))
    is_up = np.diff(path) > 0
    swaps = SwapPath(
        times=times,
        blocks=np.arange(count) // 2,
        log_indices=np.arange(count),
        sqrt_before=path[:-1],
        sqrt_after=path[1:],
        amount0=np.where(is_up, -input0, input0),
        amount1=np.where(is_up, input1, -input1),
        liquidity=rng.uniform(1e9, 1e12, count),
    )
    pool = Pool(token0="A", token1="B", decimals0=6, decimals1=4, quote=quote)
    return PoolLog(pool, swaps, made_changes(rng, changes, minutes, root) if changes else None)


def made_changes(rng, count, minutes, root):
    middle = int(2 * np.log(root) / np.log(1.0001))
    lower = middle + rng.integers(-400, 300, count)
    return RangeChanges(
        times=START + np.sort(rng.integers(0, minutes * 60, count)) * np.timedelta64(1, "s"),
        blocks=np.arange(count),
        log_indices=np.zeros(count, np.int64),
        tick_lower=lower,
        tick_upper=lower + rng.integers(1, 400, count),
        liquidity=rng.integers(1, 2**40, count).astype(float),
    )


def column(panel, name):
    return panel.field(name)[:, 0]


@PICKY
@given(
    seed=st.integers(0, 1000),
    count=st.integers(1, 80),
    quote=st.sampled_from(["token0", "token1"]),
    bar=st.sampled_from(["1h", "7min", "1D"]),
    changes=st.sampled_from([0, 15]),
)
def test_every_field_is_that_of_the_plain_loop(seed, count, quote, bar, changes):
    log = made_log(seed, count, quote, changes=changes)
    end = START + 500 * MINUTE
    panel = pool_bars(log, BarClock("24/7", bar), end=end)
    began = None
    for row, stamp in enumerate(panel.times.astype(np.int64)):
        expected = oracle.bar(log, began, int(stamp))
        found = dict(zip(panel.fields, panel.values[row, 0], strict=True))
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-15)
        began = int(stamp)


@PICKY
@given(seed=st.integers(0, 1000), cut=st.integers(1, 59))
def test_later_swaps_change_no_earlier_bar(seed, cut):
    log = made_log(seed)
    swaps = log.swaps
    scale = np.where(np.arange(60) < cut, 1.0, 1.7)
    after = swaps.sqrt_after * scale
    altered = replace(
        swaps,
        sqrt_before=np.concatenate([swaps.sqrt_before[:1], after[:-1]]),
        sqrt_after=after,
        amount1=swaps.amount1 * scale,
        liquidity=swaps.liquidity * scale,
    )
    known = swaps.times[cut - 1]
    first = pool_bars(log, HOURLY).until(known)
    again = pool_bars(replace(log, swaps=altered), HOURLY).until(known)
    assert first.fingerprint() == again.fingerprint()
    assert first.fingerprint() == pool_bars(log.until(known), HOURLY, end=known).fingerprint()


def test_where_the_log_was_cut_makes_no_bit_of_difference():
    log = made_log(3, count=400, minutes=3000, changes=100)
    whole = pool_bars(log, HOURLY)
    start = whole.times[17]
    assert pool_bars(log, HOURLY, start=start).fingerprint() == whole.rows(17, len(whole)).fingerprint()


def test_a_bar_exists_only_when_it_is_complete():
    log = made_log(1)
    last = max(log.swaps.times[-1], log.changes.times[-1])
    panel = pool_bars(log, HOURLY)
    assert panel.times[-1] <= last < panel.times[-1] + np.timedelta64(1, "h")
    longer = pool_bars(log, HOURLY, end=panel.times[-1] + np.timedelta64(1, "h"))
    assert len(longer) == len(panel) + 1


def test_a_swap_at_the_very_end_of_a_bar_belongs_to_it():
    log = made_log(2, count=3, changes=0)
    times = np.array(["2024-01-05T00:30", "2024-01-05T01:00", "2024-01-05T02:00"], "datetime64[ns]")
    panel = pool_bars(replace(log, swaps=replace(log.swaps, times=times)), HOURLY)
    assert column(panel, "swaps").tolist() == [2, 1]


def test_before_the_first_swap_nothing_is_known():
    panel = pool_bars(made_log(4), HOURLY, start=START - 200 * MINUTE)
    assert np.isnan(panel.values[0]).all()
    assert np.isfinite(panel.values[panel.times > START]).all()


def test_a_quiet_bar_carries_the_price_and_has_no_path():
    log = made_log(5, count=4, changes=0)
    panel = pool_bars(log, HOURLY, end=log.swaps.times[-1] + np.timedelta64(3, "h"))
    assert column(panel, "close")[-1] == log.pool.price(log.swaps.sqrt_after[-1])
    assert column(panel, "liquidity")[-1] == log.swaps.liquidity[-1]
    for name in ("path_up", "path_down", "fee_growth", "variance", "volume", "flow", "swaps"):
        assert column(panel, name)[-1] == 0.0


def test_paths_add_up_to_the_change_of_the_root_price():
    panel = pool_bars(made_log(6, count=300), HOURLY)
    moved = np.diff(np.log(column(panel, "sqrt_price")))
    np.testing.assert_allclose((column(panel, "path_up") - column(panel, "path_down"))[1:], moved, atol=1e-12)


def test_the_first_move_is_part_of_the_variance():
    log = made_log(7, count=1, changes=0)
    panel = pool_bars(log, HOURLY, end=START + 60 * MINUTE * 8)
    expected = (2 * np.log(log.swaps.sqrt_after[0] / log.swaps.sqrt_before[0])) ** 2
    assert column(panel, "variance").sum() == pytest.approx(expected)


def test_counted_in_the_other_token_a_purchase_is_a_sale():
    one, other = (
        column(pool_bars(made_log(8, quote=quote), HOURLY), "flow") for quote in ("token1", "token0")
    )
    assert (np.sign(one) != np.sign(other)).mean() > 0.5


def test_the_panel_has_one_series_named_after_the_pool():
    panel = pool_bars(made_log(9), HOURLY)
    assert panel.series == ("A/B 0.3%",)
    assert panel.fields == FIELDS


def test_a_log_without_a_swap_has_no_bars():
    log = made_log(10)
    with pytest.raises(PoolError, match="holds no swap"):
        pool_bars(replace(log, swaps=log.swaps.rows(0, 0)), HOURLY)
