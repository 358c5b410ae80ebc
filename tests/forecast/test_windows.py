"""Windows: which series can be forecast, what a gap becomes, and where targets end."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import SpecError
from data.history import History
from data.panel import Panel
from data.sessions import BarClock
from forecast.windows import carried, context_window, require_positive, target_values

NAN = np.nan


def history_of(columns, **others):
    values = np.column_stack([np.asarray(column, float) for column in columns])
    clock = BarClock()
    times = clock.next(np.datetime64("2019-12-31", "ns"), len(values))
    names = tuple(f"S{i}" for i in range(values.shape[1]))
    cube = np.stack([values, *(np.asarray(field, float) for field in others.values())], axis=2)
    return History(Panel(times, names, ("close", *others), cube), clock)


def kept(column, context=10):
    return context_window(history_of([column]), "close", context).series == ("S0",)


def test_prices_are_adjusted_forward_and_other_fields_are_not():
    factor = np.array([[1.0], [1.0], [2.0]])
    history = history_of([[10, 10, 5]], factor=factor, volume=np.full((3, 1), 7.0))
    np.testing.assert_array_equal(target_values(history, "close")[:, 0], [10, 10, 10])
    np.testing.assert_array_equal(target_values(history, "volume")[:, 0], [7, 7, 7])


@given(st.lists(st.one_of(st.just(NAN), st.floats(-10, 10)), min_size=1, max_size=30))
def test_gaps_take_the_last_observation_and_leading_gaps_stay(column):
    expected, last = [], NAN
    for value in column:
        last = last if np.isnan(value) else value
        expected.append(last)
    np.testing.assert_array_equal(carried(np.array(column)[:, None])[:, 0], expected)


def test_eighty_percent_of_the_context_must_be_observed():
    assert kept([1, NAN, 3, NAN, 5, 6, 7, 8, 9, 10])
    assert not kept([1, NAN, 3, NAN, 5, NAN, 7, 8, 9, 10])


def test_a_last_value_may_be_five_bars_old_but_not_six():
    whole = [float(i) for i in range(1, 41)]
    assert kept([*whole[:36], *[NAN] * 4], context=40)
    assert not kept([*whole[:35], *[NAN] * 5], context=40)


def test_rows_before_the_context_do_not_count():
    assert kept([NAN] * 30 + list(range(1, 11)))
    assert not kept(list(range(1, 31)) + [NAN] * 6 + [1, 2, 3, 4])


def test_a_history_shorter_than_the_context_forecasts_nothing():
    assert context_window(history_of([[1, 2, 3]]), "close", 4).series == ()


def test_a_gap_at_the_start_of_the_window_takes_the_first_value_inside_it():
    found = context_window(history_of([[99, NAN, 2, 3, 4, 5]]), "close", 5)
    np.testing.assert_array_equal(found.values[:, 0], [2, 2, 3, 4, 5])
    np.testing.assert_array_equal(found.observed[:, 0], [False, True, True, True, True])
    assert found.last[0] == 5


def test_series_keep_the_order_of_the_panel():
    late = [NAN] * 5 + [1] * 5
    window = context_window(history_of([range(10), late, range(10, 20)]), "close", 10)
    assert window.series == ("S0", "S2")
    np.testing.assert_array_equal(window.last, [9, 19])


def test_a_value_without_logarithm_is_named():
    require_positive(np.array([[1.0, NAN]]), ("A", "B"), "close")
    with pytest.raises(SpecError, match="close of B is 0 at row 1; log returns need values above 0"):
        require_positive(np.array([[1.0, 2.0], [3.0, 0.0]]), ("A", "B"), "close")
