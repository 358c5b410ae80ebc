"""The account as a value: what it holds, its book, the textbook's amounts, and its stored form."""

import importlib.util
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.amm.account import PoolAccount, PoolPosition, from_arrays, to_arrays
from backtest.amm.advance import place, start, start_with_position
from backtest.amm.policies.base import RangeDecision, WantedRange
from backtest.book import book
from backtest.errors import EngineError
from data.amm.pool import Pool, sqrt_of

_PATH = Path(__file__).resolve().parents[1] / "oracles" / "pool_account_worlds.py"
_MODULE = importlib.util.spec_from_file_location("pool_account_worlds", _PATH)
worlds = importlib.util.module_from_spec(_MODULE)
_MODULE.loader.exec_module(worlds)

BEGIN = worlds.BEGIN
WBTC = Pool(token0="WBTC", token1="WETH", decimals0=8, decimals1=18)
USDC = Pool(token0="USDC", token1="WETH", decimals0=6, decimals1=18, fee_pips=500, quote="token0")


def account_in(pool, price, capital=30.0):
    return start(worlds.terms_of(pool), capital, pool.sqrt_price(price), BEGIN)


@pytest.mark.parametrize(("pool", "price"), [(WBTC, 15.0), (USDC, 2300.0)])
def test_an_account_begins_with_half_its_capital_in_each_token(pool, price):
    account = account_in(pool, price)
    assert account.cash == pytest.approx(15.0, rel=1e-12)
    assert account.units[0] * price == pytest.approx(15.0, rel=1e-12)
    assert account.equity == pytest.approx(30.0, rel=1e-12) == account.hold_value
    assert account.net == 0.0 and account.capital == 30.0 and not account.in_range


@pytest.mark.parametrize(("pool", "price"), [(WBTC, 15.0), (USDC, 2300.0)])
def test_the_book_is_that_of_the_account(pool, price):
    account = start_with_position(pool, pool.full_range, 1e15, pool.sqrt_price(price), BEGIN)
    held = book(account)
    assert held.series == account.series == (pool.base,)
    assert (held.cash, held.equity) == (account.cash, account.equity)
    assert held.marks[0] == pytest.approx(price, rel=1e-12)
    assert held.weights[0] == pytest.approx(0.5, rel=1e-9)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.integers(-6000, 6000), st.integers(1, 4000), st.floats(0.7, 1.4))
def test_a_position_is_worth_what_the_formulas_of_its_three_regions_say(lower, width, root):
    position = PoolPosition(lower, lower + width, 5.0, 0.0, 0.0, BEGIN)
    low, high = sqrt_of(lower), sqrt_of(lower + width)
    amount0, amount1 = position.amounts(root)
    worth = amount0 * root**2 + amount1
    if root < low:
        expected = 5.0 * root**2 * (1 / low - 1 / high)
    elif root > high:
        expected = 5.0 * (high - low)
    else:
        expected = 5.0 * (2 * root - root**2 / high - low)
    assert worth == pytest.approx(expected, rel=1e-9, abs=1e-12)
    assert position.holds(root) == (low <= root < high)


def test_amounts_are_idle_inside_and_uncollected():
    account = start_with_position(WBTC, (240_000, 300_000), 1e15, WBTC.sqrt_price(15.0), BEGIN)
    inside = account.positions[0].amounts(account.sqrt_price)
    paid = replace(
        account, idle0=3.0, idle1=5.0, positions=(replace(account.positions[0], fees0=7.0, fees1=11.0),)
    )
    assert paid.amounts() == pytest.approx((inside[0] + 10.0, inside[1] + 16.0), rel=1e-15)
    assert paid.principal() == pytest.approx((inside[0] + 3.0, inside[1] + 5.0), rel=1e-15)
    assert paid.uncollected() == (7.0, 11.0)
    assert account.hold0 == inside[0] and account.hold1 == inside[1]


def rich_account():
    account = start_with_position(WBTC, (240_000, 300_000), 1e15, WBTC.sqrt_price(15.0), BEGIN)
    wanted = (WantedRange(249_000, 252_000, 0.25), WantedRange(252_000, 255_000, 0.75))
    return place(account, RangeDecision(BEGIN, wanted, converts=False, reason="both sides", entropy=0.5))


@pytest.mark.parametrize("as_lists", [False, True])
def test_a_stored_account_comes_back_to_the_bit(as_lists):
    account = rich_account()
    arrays = to_arrays(account)
    if as_lists:
        arrays = json.loads(json.dumps({name: array.tolist() for name, array in arrays.items()}))
    back = from_arrays(arrays)
    assert repr(back) == repr(account) and back.pending == account.pending
    assert back.equity == account.equity


def test_a_stored_account_of_another_version_or_with_a_part_missing_is_refused():
    arrays = to_arrays(rich_account())
    with pytest.raises(EngineError, match="has version 7; this engine reads version 1"):
        from_arrays({**arrays, "version": np.asarray(7)})
    with pytest.raises(EngineError, match="has no 'pending'"):
        from_arrays({name: array for name, array in arrays.items() if name != "pending"})


def test_npz_keeps_an_account(tmp_path):
    account = rich_account()
    np.savez(tmp_path / "account.npz", **to_arrays(account))
    with np.load(tmp_path / "account.npz") as stored:
        assert repr(from_arrays(stored)) == repr(account)


@pytest.mark.parametrize("name", ["idle0", "idle1", "hold0", "hold1"])
@pytest.mark.parametrize("amount", [-1.0, np.nan, np.inf])
def test_an_account_never_holds_less_than_nothing(name, amount):
    account = account_in(WBTC, 15.0)
    with pytest.raises(EngineError, match=f"{name} was {amount}"):
        replace(account, **{name: amount})


@pytest.mark.parametrize("price", [0.0, -1.0, np.nan, np.inf])
def test_a_price_is_finite_and_above_nothing(price):
    with pytest.raises(EngineError, match="sqrt_price was"):
        replace(account_in(WBTC, 15.0), sqrt_price=price)


def test_an_account_of_another_version_is_refused():
    with pytest.raises(EngineError, match="account has version 2"):
        replace(account_in(WBTC, 15.0), version=2)
    assert PoolAccount.__dataclass_fields__["version"].default == 1
