"""Limits hold whatever a policy asks for."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.book import Book
from backtest.book import book as account
from backtest.costs import NoCosts
from backtest.engine.advance import advance, place
from backtest.engine.bars import Bars
from backtest.engine.rules import EngineSpec
from backtest.engine.state import start_state
from backtest.limits import Limits
from backtest.policies.base import Decision, Market

CUTOFF = np.datetime64("2020-01-31", "ns")
SERIES = ("A", "B", "C")
WEIGHTS = st.lists(st.one_of(st.floats(-3, 3), st.just(float("nan"))), min_size=3, max_size=3)


def market(
    tradable: tuple[bool, ...] = (True, True, True), gross: float = 1.0, weight: float = 0.5
) -> Market:
    return Market(np.array(tradable), np.full(3, 0.001), 252.0, gross, weight)


def book(held: tuple[float, ...] = (0.0, 0.0, 0.0)) -> Book:
    units = np.array(held) * 100.0
    return Book(SERIES, 100.0 - units.sum(), units, np.ones(3))


@settings(max_examples=100, deadline=None)
@given(WEIGHTS, st.lists(st.booleans(), min_size=3, max_size=3), st.booleans())
def test_gross_and_single_weights_stay_inside(
    weights: list[float], tradable: list[bool], long_only: bool
) -> None:
    held, here = book((0.2, 0.0, -0.1)), market(tuple(tradable))
    decided = (
        Limits(long_only=long_only).apply(Decision(CUTOFF, SERIES, np.array(weights)), held, here).weights
    )
    after = np.where(np.isnan(decided), held.weights, decided)
    assert np.abs(after).sum() <= 1.0 + 1e-12
    assert (np.abs(decided[~np.isnan(decided)]) <= 0.5).all()
    assert np.isnan(decided[~here.tradable]).all()
    assert not long_only or (decided[~np.isnan(decided)] >= 0).all()


def test_small_changes_are_left_alone_but_a_close_is_not() -> None:
    held = book((0.2, 0.005, 0.0))
    decided = Limits().apply(Decision(CUTOFF, SERIES, np.array([0.205, 0.0, 0.009])), held, market()).weights
    assert np.isnan(decided[0])
    assert decided[1] == 0.0
    assert np.isnan(decided[2])


def test_asking_for_nothing_ends_an_order_that_never_filled() -> None:
    spec, days = EngineSpec(capital=1000.0), np.arange("2020-01-01", "2020-01-05", dtype="datetime64[D]")
    price, none = np.full((4, 1), 10.0), np.zeros((4, 1))
    volume = np.array([[1e6], [0.0], [1e6], [1e6]])
    bars = Bars(days, ("A",), price, price, price, price, volume, none + 1, none, np.array([True]))
    here = Market(np.array([True]), np.zeros(1), 252.0, 1.0, 1.0)
    state = start_state(("A",), spec)
    for row, weight in enumerate([1.0, 0.0, 0.0, 0.0]):
        state = advance(state, bars.rows(row, row + 1), spec, NoCosts(), 252.0).state
        wanted = Decision(bars.times[row], ("A",), np.array([weight]))
        state = place(state, Limits().apply(wanted, account(state), here), spec, here.tradable)
        assert state.units[0] == 0.0


def test_an_equal_share_of_gross_is_the_default_cap() -> None:
    assert Limits().weight_cap(5) == 0.2
    assert Limits(max_weight=0.7).weight_cap(5) == 0.7
