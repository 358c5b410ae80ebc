"""Claims about quotes: what a trade would have cost against the pool at an instant."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from data.amm.pool import Pool, sqrt_of
from data.amm.pool_log import PoolLog, RangeChanges, SwapPath
from data.amm.quote import Trade, quote, quote_at
from data.amm.tick_map import TickMap
from data.errors import EventGapError

POOL = Pool(token0="WBTC", token1="WETH", decimals0=8, fee_pips=3000)
START = sqrt_of(258_003)
INNER, OUTER = 2e18, 1e18
MAP = TickMap.of_ranges(np.array([252_000, 257_940]), np.array([264_000, 258_060]), np.array([OUTER, INNER]))
quick = settings(derandomize=True, deadline=None, max_examples=60)
SIDES, TOKENS = st.sampled_from(["buy", "sell"]), st.sampled_from(["base", "quote"])


def mirrored(pool):
    """The same pool with its tokens in the other order; its quote token stays."""
    return Pool(
        token0=pool.token1, token1=pool.token0, decimals0=pool.decimals1, decimals1=pool.decimals0,
        fee_pips=pool.fee_pips, quote="token0",
    )  # fmt: skip


def test_slippage_within_one_liquidity_is_the_published_form():
    bought = quote(POOL, MAP, START, Trade(side="buy", size=1.0, unit="quote"))
    after = START + 1e18 * (1.0 - POOL.fee) / (INNER + OUTER)
    assert bought.slippage == pytest.approx(after / START - 1.0, rel=1e-9)
    assert bought.price_after == pytest.approx(POOL.price(after), rel=1e-14)
    assert bought.price_impact == pytest.approx((after / START) ** 2 - 1.0, rel=1e-9)
    assert bought.average_price == pytest.approx(POOL.price(np.sqrt(START * after)), rel=1e-12)
    sold = quote(POOL, MAP, START, Trade(side="sell", size=0.01))
    lower = POOL.sqrt_price(sold.price_after)
    assert sold.slippage == pytest.approx(START / lower - 1.0, rel=1e-9)
    assert sold.slippage_bps == 1e4 * sold.slippage


@given(SIDES, TOKENS, st.floats(0.001, 1.0))
@quick
def test_amounts_prices_and_fee_belong_together(side, token, size):
    found = quote(POOL, MAP, START, Trade(side=side, size=size, unit=token))
    assert found.fee == pytest.approx(POOL.fee * found.paid, rel=1e-12)
    base, money = (found.received, found.paid) if side == "buy" else (found.paid, found.received)
    assert size == pytest.approx(base if token == "base" else money, rel=1e-12)
    assert found.effective_price == pytest.approx(money / base, rel=1e-12)
    worse = found.average_price / found.price_before
    assert found.slippage == pytest.approx(worse - 1.0 if side == "buy" else 1.0 / worse - 1.0, abs=1e-12)
    assert (found.slippage >= 0.0) and ((found.price_impact > 0) == (side == "buy"))


@given(SIDES, st.floats(0.001, 1.0))
@quick
def test_asking_for_what_an_input_gave_costs_that_input(side, size):
    given_in = quote(
        POOL, MAP, START, Trade(side=side, size=size, unit="base" if side == "sell" else "quote")
    )
    out = Trade(side=side, size=given_in.received, unit="quote" if side == "sell" else "base")
    back = quote(POOL, MAP, START, out)
    assert (given_in.paid, back.received) == pytest.approx((back.paid, given_in.received), rel=1e-9)
    assert back.price_after == pytest.approx(given_in.price_after, rel=1e-9)


@given(SIDES, TOKENS, st.floats(0.001, 3.0))
@quick
def test_the_order_of_the_tokens_changes_no_quote(side, token, size):
    ticks = TickMap(-MAP.ticks[::-1], -MAP.net[::-1], MAP.gross[::-1])
    trade = Trade(side=side, size=size, unit=token)
    plain, other = quote(POOL, MAP, START, trade), quote(mirrored(POOL), ticks, 1.0 / START, trade)
    for name in (
        "paid",
        "received",
        "fee",
        "price_before",
        "price_after",
        "average_price",
        "effective_price",
    ):
        assert getattr(other, name) == pytest.approx(getattr(plain, name), rel=1e-9), name
    assert other.slippage == pytest.approx(plain.slippage, abs=1e-9)
    assert other.crossings == plain.crossings


@given(SIDES, TOKENS, st.floats(0.01, 3.0))
@quick
def test_a_larger_trade_slips_further(side, token, size):
    small, large = (quote(POOL, MAP, START, Trade(side=side, size=k * size, unit=token)) for k in (1.0, 2.0))
    assert large.slippage > small.slippage


def test_a_trade_that_crosses_a_tick_pays_for_the_thinner_liquidity():
    found = quote(POOL, MAP, START, Trade(side="buy", size=4_000.0, unit="quote"))
    edge = sqrt_of(258_060)
    first = (INNER + OUTER) * (edge - START)
    after = edge + (4_000e18 * (1.0 - POOL.fee) - first) / OUTER
    assert found.crossings == 1
    assert found.price_after == pytest.approx(POOL.price(after), rel=1e-12)


def test_a_trade_that_no_liquidity_fills_is_refused():
    with pytest.raises(EventGapError, match="liquidity ran out"):
        quote(POOL, MAP, START, Trade(side="buy", size=1e6, unit="quote"))


@pytest.mark.parametrize("size", [0.0, -1.0])
def test_a_trade_has_a_size(size):
    with pytest.raises(ValidationError, match="greater than 0"):
        Trade(side="buy", size=size)


def made_log(changes=True):
    """Two swaps a minute apart; between them the inner range is minted."""
    blocks = np.array([10, 15])
    times = np.datetime64("2024-01-05", "ns") + (12 * blocks).astype("timedelta64[s]")
    roots, zero = np.array([START, START * 1.0001, START * 1.0002]), np.zeros(2)
    swaps = SwapPath(times, blocks, zero, roots[:-1], roots[1:], zero, zero, zero + OUTER)
    minted = np.array([5, 12])
    times = np.datetime64("2024-01-05", "ns") + (12 * minted).astype("timedelta64[s]")
    lower, upper = np.array([252_000, 257_940]), np.array([264_000, 258_060])
    made = RangeChanges(times, minted, np.zeros(2), lower, upper, np.array([OUTER, INNER]))
    return PoolLog(POOL, swaps, made if changes else None)


def test_a_quote_at_an_instant_uses_nothing_later():
    log, trade = made_log(), Trade(side="sell", size=0.01)
    early, late = (quote_at(log, trade, time) for time in log.swaps.times)
    assert early.price_before == pytest.approx(POOL.price(START * 1.0001))
    assert late.slippage == pytest.approx(early.slippage / 3.0, rel=1e-2)
    assert quote_at(log.until(log.swaps.times[0]), trade, log.swaps.times[0]) == early


def test_a_quote_needs_a_price_and_the_mints():
    trade = Trade(side="sell", size=0.01)
    with pytest.raises(EventGapError, match="no swap was known at 2024-01-05T00:00:00"):
        quote_at(made_log(), trade, np.datetime64("2024-01-05T00:00:00"))
    with pytest.raises(EventGapError, match="has no liquidity changes"):
        quote_at(made_log(changes=False), trade, np.datetime64("2024-01-06"))


@pytest.mark.shared_data
def test_quotes_of_real_swaps_are_what_the_chain_charged(shared_data, usdc_weth):
    rows = pd.read_csv(shared_data / "amm" / "usdc_weth_005_exact_swaps_500.csv", dtype=str)
    rows = rows[(rows["mode"] == "exactIn") & (rows["zeroForOne"] == "0")].head(50)
    for row in rows.itertuples():
        tick, held = int(row.tickBefore) // 10 * 10, float(row.liquidity)
        ticks = TickMap.of_ranges(np.array([tick - 10_000]), np.array([tick + 10_000]), np.array([held]))
        size = float(row.amount1) * 1e-18
        found = quote(usdc_weth, ticks, int(row.sqrtBeforeX96) / 2**96, Trade(side="sell", size=size))
        assert found.received == pytest.approx(-float(row.amount0) * 1e-6, rel=1e-9, abs=2e-6)
