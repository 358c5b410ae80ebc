"""Book: what an account is worth."""

import numpy as np
import pytest

from backtest.book import Book


def test_equity_is_cash_plus_positions_and_ignores_the_missing_mark_of_what_is_not_held():
    book = Book(("a", "b", "c"), 10.0, np.array([2.0, -1.0, 0.0]), np.array([5.0, 3.0, np.nan]))
    assert book.equity == 17.0
    assert book.weights == pytest.approx([10 / 17, -3 / 17, 0])


def test_equity_is_added_in_the_order_of_the_series():
    units, marks = np.array([1e16, 1.0, -1e16]), np.ones(3)
    assert Book(("a", "b", "c"), 1.0, units, marks).equity == ((1.0 + 1e16) + 1.0) - 1e16


def test_an_empty_book_is_worth_its_cash():
    assert Book((), 7.0, np.empty(0), np.empty(0)).equity == 7.0


def test_arrays_are_read_only():
    book = Book(("a",), 1.0, np.ones(1), np.ones(1))
    with pytest.raises(ValueError, match="read-only"):
        book.units[0] = 2.0
