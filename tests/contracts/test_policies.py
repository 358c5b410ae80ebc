"""What every registered policy must do, whatever it decides."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.book import Book
from backtest.policies.base import POLICIES, AbstractBookFreePolicy, Market
from backtest.policies.outlook import Outlook
from backtest.policies.settlement import settled
from forecast.distribution import DEFAULT_LEVELS, QuantileForecast
from forecast.randomness import RandomStreams

CUTOFF = np.datetime64("2024-03-01", "ns")
TIMES = CUTOFF + np.arange(1, 4) * np.timedelta64(1, "D")
RNG = RandomStreams(7, CUTOFF)
ONE_SERIES_SET = tuple("ABCDEF")
BOOK_FREE = [kind for kind in POLICIES.names() if issubclass(POLICIES.load(kind), AbstractBookFreePolicy)]
READ_NO_FORECAST = {"equal_weight", "buy_and_hold", "cash"}

every_policy = pytest.mark.parametrize("kind", POLICIES.names())
worlds = given(seed=st.integers(0, 100_000), quantity=st.sampled_from(["level", "log_return"]))
few = settings(max_examples=25, deadline=None, derandomize=True)


def world(seed, quantity="level", unbounded=0.0, size=6):
    """Return a forecast of five of six series, a book with longs and shorts, and a market with an untradable one."""
    rng = np.random.default_rng(seed)
    names = tuple(rng.permutation(list("ABCDEFGH"))[:size])
    marks = np.exp(rng.normal(3, 1, size))
    spread = np.sort(rng.normal(0.002, 0.03, (size, len(TIMES), len(DEFAULT_LEVELS))), axis=2)
    values = spread if quantity == "log_return" else marks[:, None, None] * np.exp(spread)
    if quantity == "variance":
        values = np.sort(rng.random(spread.shape), axis=2) * 1e-3
    forecast = QuantileForecast(
        CUTOFF,
        TIMES,
        names,
        np.array(DEFAULT_LEVELS),
        values,
        quantity,
        marks,
        rng.random((size, len(TIMES), 2)) < unbounded,
    )
    units = np.where(rng.random(size) < 0.5, 0.0, rng.normal(0, 60, size).round()) * 30 / marks
    book = Book(names, 5_000.0 + np.abs(units * marks).sum(), units, marks)
    tradable = rng.random(size) < 0.85
    gross = float(rng.choice([0.5, 1.0, 1.5]))
    market = Market(tradable, rng.random(size) * 0.004, 252.0, gross, gross / rng.choice([2, size]))
    return (forecast if seed % 2 else keep(forecast, range(size - 1))), book, market


def keep(forecast, rows):
    rows = list(rows)
    names = tuple(forecast.series[row] for row in rows)
    parts = (forecast.values[rows], forecast.quantity, forecast.last[rows], forecast.unbounded[rows])
    return QuantileForecast(forecast.cutoff, forecast.times, names, forecast.levels, *parts)


def permuted(forecast, book, market, order):
    shuffled = Book(tuple(book.series[i] for i in order), book.cash, book.units[order], book.marks[order])
    limits = (market.periods_per_year, market.max_gross, market.max_weight)
    place = {name: row for row, name in enumerate(forecast.series)}
    rows = [place[name] for name in reversed(shuffled.series) if name in place]
    return (
        keep(forecast, rows),
        shuffled,
        Market(market.tradable[order], market.round_trip_cost[order], *limits),
    )


def decide(kind, world):
    return POLICIES.build(kind).decide(*world, RNG)


def bits(array):
    return np.ascontiguousarray(array).view(np.int64).tolist()


@every_policy
@few
@worlds
def test_reordering_the_series_reorders_the_weights_to_the_bit(kind, seed, quantity):
    one = world(seed, quantity, unbounded=0.1)
    order = np.random.default_rng(seed + 1).permutation(len(one[1].series))
    straight, shuffled = decide(kind, one), decide(kind, permuted(*one, order))
    assert shuffled.series == tuple(straight.series[i] for i in order)
    assert bits(shuffled.weights) == bits(straight.weights[order])


@every_policy
@few
@worlds
def test_limits_hold_with_what_is_left_alone_counted(kind, seed, quantity):
    forecast, book, market = world(seed, quantity)
    weights = decide(kind, (forecast, book, market)).weights
    asked = weights[~np.isnan(weights)]
    assert np.isfinite(asked).all()
    assert (np.abs(asked) <= market.max_weight).all()
    assert (np.isnan(weights) | market.tradable).all()
    if kind != "buy_and_hold":
        after = np.where(np.isnan(weights), book.weights, weights)
        untouched = np.abs(book.weights[~market.tradable]).sum()
        assert np.abs(after).sum() <= max(market.max_gross, untouched) * (1 + 1e-12)


@every_policy
@few
@worlds
def test_an_unbounded_forecast_opens_and_enlarges_nothing(kind, seed, quantity):
    forecast, book, market = world(seed, quantity, unbounded=1.0)
    weights = decide(kind, (forecast, book, market)).weights
    held = book.weights
    after = np.where(np.isnan(weights), held, weights)
    if kind in READ_NO_FORECAST:
        plain = decide(kind, (world(seed, quantity)[0], book, market)).weights
        assert bits(plain) == bits(weights)
    else:
        assert (np.abs(after) <= np.abs(held) * (1 + 1e-12)).all()
        assert (after * held >= 0).all()


@every_policy
@few
@worlds
def test_a_decision_is_repeatable_and_changes_no_input(kind, seed, quantity):
    given_world, twin = world(seed, quantity), world(seed, quantity)
    assert bits(decide(kind, given_world).weights) == bits(decide(kind, given_world).weights)
    assert bits(given_world[0].values) == bits(twin[0].values)
    assert bits(given_world[1].units) == bits(twin[1].units)
    assert bits(given_world[2].round_trip_cost) == bits(twin[2].round_trip_cost)


@every_policy
def test_the_decision_carries_the_forecast_cutoff_and_the_book_order(kind):
    one = world(3)
    decided = decide(kind, one)
    assert decided.cutoff == CUTOFF and decided.series == one[1].series


@every_policy
def test_a_tradable_series_without_forecast_is_not_held_by_a_policy_that_reads_one(kind):
    forecast, book, market = world(4)
    everything = Market(np.ones(6, bool), market.round_trip_cost, 252.0, 1.0, 0.5)
    if kind not in READ_NO_FORECAST:
        assert decide(kind, (forecast, book, everything)).weights[5] == 0


@every_policy
def test_nothing_tradable_and_nothing_forecast_are_no_error(kind):
    forecast, book, market = world(5)
    closed = Market(np.zeros(6, bool), market.round_trip_cost, 252.0, 1.0, 0.5)
    assert np.isnan(decide(kind, (forecast, book, closed)).weights).all()
    held = decide(kind, (keep(forecast, []), book, market)).weights
    assert np.isfinite(held[market.tradable]).all() or kind == "buy_and_hold"


@every_policy
def test_an_account_without_equity_asks_for_nothing(kind):
    forecast, book, market = world(6)
    broke = Book(book.series, -10.0, np.zeros(6), book.marks)
    assert set(decide(kind, (forecast, broke, market)).weights[market.tradable]) <= {0.0}


@every_policy
def test_the_spec_round_trips(kind):
    spec = POLICIES.build(kind)
    assert POLICIES.build(POLICIES.describe(spec)) == spec and hash(spec) == hash(POLICIES.build(kind))


@pytest.mark.parametrize("kind", BOOK_FREE)
@few
@worlds
def test_deciding_at_once_gives_the_bits_of_deciding_one_by_one(kind, seed, quantity):
    policy, many = POLICIES.build(kind), [world(seed + i, quantity, unbounded=0.1) for i in range(5)]
    terms = many[0][2]
    forecasts, books, markets = [], [], []
    for forecast, book, market in many:
        names = dict(zip(book.series, ONE_SERIES_SET, strict=True))
        named = tuple(names[name] for name in forecast.series)
        forecasts.append(replace(forecast, series=named))
        books.append(replace(book, series=ONE_SERIES_SET))
        markets.append(replace(terms, tradable=market.tradable))
    tradable = np.array([market.tradable for market in markets])
    wishes = policy.decide_many(Outlook(tuple(forecasts), ONE_SERIES_SET, tradable, (RNG,) * 5), terms.terms)
    for k, (forecast, book, market) in enumerate(zip(forecasts, books, markets, strict=True)):
        one = policy.decide(forecast, book, market, RNG).weights
        assert bits(settled(wishes, k, book, market)) == bits(one)
