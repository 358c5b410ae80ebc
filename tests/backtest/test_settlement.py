"""Settlement: the compiled rules equal the obvious ones, and sums over series are exact."""

import importlib.util
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.book import Book
from backtest.errors import EngineError
from backtest.limits import Limits
from backtest.policies.base import POLICIES, Decision, Market
from backtest.policies.outlook import Outlook
from backtest.policies.settlement import MOST_PARTIALS, add_exactly, rounded
from forecast.distribution import DEFAULT_LEVELS, QuantileForecast
from forecast.errors import ForecastError
from forecast.randomness import RandomStreams

_PATH = Path(__file__).resolve().parents[1] / "oracles" / "settlement_oracle.py"
_SPEC = importlib.util.spec_from_file_location("settlement_oracle", _PATH)
oracle = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(oracle)

CUTOFF = np.datetime64("2024-03-01", "ns")
TIMES = CUTOFF + np.arange(1, 3) * np.timedelta64(1, "D")
RNG = RandomStreams(0, CUTOFF)
NUMBERS = st.lists(
    st.floats(allow_nan=False, allow_infinity=False, min_value=-1e300, max_value=1e300), max_size=60
)
few = settings(max_examples=150, deadline=None, derandomize=True)


def bits(array):
    return np.ascontiguousarray(array, np.float64).view(np.int64).tolist()


def world(seed, cash=5_000.0):
    """A forecast of some series in another order, a book with longs and shorts, and a market with closed series."""
    rng = np.random.default_rng(seed)
    size = int(rng.integers(1, 9))
    names = tuple("ABCDEFGH"[:size])
    marks = np.exp(rng.normal(3, 1, size))
    known = rng.permutation(size)[: int(rng.integers(0, size + 1))]
    values = np.sort(rng.normal(0.002, 0.03, (len(known), 2, len(DEFAULT_LEVELS))), axis=2)
    flags = rng.random((len(known), 2, 2)) < 0.2
    forecast = QuantileForecast(
        CUTOFF, TIMES, tuple(names[s] for s in known), np.array(DEFAULT_LEVELS), values, "log_return", marks[known], flags
    )  # fmt: skip
    units = np.where(rng.random(size) < 0.5, 0.0, rng.normal(0, 60, size).round()) * 30 / marks
    marks = np.where((units == 0) & (rng.random(size) < 0.2), np.nan, marks)
    tradable = (rng.random(size) < 0.85) & ~np.isnan(marks)
    gross = float(rng.choice([0.5, 1.0, 1.5]))
    market = Market(tradable, rng.random(size) * 0.004, 252.0, gross, gross / rng.choice([1, 2, size]))
    return forecast, Book(names, cash, units, marks), market


@few
@given(NUMBERS)
def test_sums_are_those_of_fsum_to_the_bit(numbers):
    partials, count = np.empty(MOST_PARTIALS), 0
    for number in numbers:
        count = add_exactly(partials, count, number)
    assert bits([rounded(partials, count) + 0.0]) == bits([math.fsum(numbers) + 0.0])


@pytest.mark.parametrize(
    "numbers", [[1e16, 1.0, 1e-16], [1e16, 1.0, -1e-16], [1.0, 1e100, 1.0, -1e100], [2.0**53, 1.0, 1.0]]
)
def test_ties_of_a_sum_are_broken_by_what_is_below_them(numbers):
    partials, count = np.empty(MOST_PARTIALS), 0
    for number in numbers:
        count = add_exactly(partials, count, number)
    assert rounded(partials, count) == math.fsum(numbers)


@few
@given(st.integers(0, 10**6), st.booleans())
def test_sign_decisions_are_the_obvious_ones_to_the_bit(seed, long_only):
    forecast, book, market = world(seed)
    policy = POLICIES.build("long_flat" if long_only else "long_short")
    slow = oracle.sign_decision(forecast, book, market, long_only)
    assert bits(policy.decide(forecast, book, market, RNG).weights) == bits(slow)


@few
@given(st.integers(0, 10**6), st.booleans(), st.sampled_from([0.25, 1.0]))
def test_kelly_decisions_are_the_obvious_ones(seed, long_only, fraction):
    forecast, book, market = world(seed)
    policy = POLICIES.build({"kind": "kelly", "fraction": fraction, "long_only": long_only})
    slow = oracle.kelly_decision(forecast, book, market, fraction, long_only)
    fast = policy.decide(forecast, book, market, RNG).weights
    assert fast == pytest.approx(slow, abs=1e-9, nan_ok=True)


@few
@given(
    st.integers(0, 10**6),
    st.lists(st.one_of(st.floats(-3, 3), st.just(float("nan"))), min_size=8, max_size=8),
    st.booleans(),
    st.sampled_from([0.0, 0.01, 0.3]),
)
def test_limits_are_the_obvious_ones_to_the_bit(seed, weights, long_only, min_trade):
    _, book, market = world(seed)
    asked = np.array(weights[: len(book.series)])
    limits = Limits(min_trade=min_trade, long_only=long_only)
    fast = limits.apply(Decision(CUTOFF, book.series, asked), book, market).weights
    slow = oracle.limited(asked, book, market, min_trade, long_only)
    # A limit of 0 is the same whatever its sign.
    assert bits(fast + 0.0) == bits(slow + 0.0)


@few
@given(st.integers(0, 10**6))
def test_limits_do_not_depend_on_the_order_of_the_series(seed):
    _, book, market = world(seed)
    order = np.random.default_rng(seed).permutation(len(book.series))
    asked = np.random.default_rng(seed + 1).normal(size=len(order))
    names = tuple(book.series[i] for i in order)
    shuffled = Book(names, book.cash, book.units[order], book.marks[order])
    terms = (market.periods_per_year, market.max_gross, market.max_weight)
    there = Market(market.tradable[order], market.round_trip_cost[order], *terms)
    straight = Limits().apply(Decision(CUTOFF, book.series, asked), book, market).weights
    other = Limits().apply(Decision(CUTOFF, names, asked[order]), shuffled, there).weights
    assert bits(other) == bits(straight[order])


def test_an_account_that_owes_more_than_it_has_asks_for_nothing():
    forecast, book, market = world(2, cash=-1e9)
    weights = POLICIES.build("long_short").decide(forecast, book, market, RNG).weights
    assert set(weights[market.tradable]) <= {0.0} and np.isnan(weights[~market.tradable]).all()


def test_an_outlook_refuses_what_does_not_belong_together():
    forecast, book, market = world(7)
    with pytest.raises(EngineError, match="market covers 2 series at 1 decisions; the book has"):
        Outlook((forecast,), book.series, np.ones((1, 2), bool), (RNG,))
    other = QuantileForecast(
        CUTOFF, TIMES, (), np.array([0.5]), np.empty((0, 2, 1)), "log_return", np.empty(0)
    )
    tradable = np.array([market.tradable, market.tradable])
    with pytest.raises(ForecastError, match="differ in levels, quantity or horizon"):
        Outlook((forecast, other), book.series, tradable, (RNG, RNG))


def test_returns_need_a_last_value_above_zero_only_of_series_that_can_be_traded():
    values = np.array([[[1.0], [1.0]], [[-1.0], [-1.0]]])
    last = np.array([1.0, -1.0])
    forecast = QuantileForecast(CUTOFF, TIMES, ("a", "b"), np.array([0.5]), values, "level", last)
    closed = Outlook((forecast,), ("a", "b"), np.array([[True, False]]), (RNG,))
    assert closed.returns[0, 0, 0] == 0.0 and np.isnan(closed.returns[0, 1, 0])
    with pytest.raises(ForecastError, match="last value of b was -1.0"):
        _ = Outlook((forecast,), ("a", "b"), np.array([[True, True]]), (RNG,)).returns
