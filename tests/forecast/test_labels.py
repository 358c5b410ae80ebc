"""Move labels: both readings, when each is known, base rates, and the figures measured on 451 stocks."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecast.errors import ForecastError
from forecast.labels import MOVES, UNKNOWN, base_rates, move_labels, touched_share

READINGS = ("ahead", "first_touch")


def column(*values):
    return np.array(values, float)[:, None]


def slow_label(values, row, horizon, threshold, reading):
    """Return class and known row of one row, from the definition, or None."""
    later = values[row + 1 : row + 1 + horizon]
    if len(later) < horizon or np.isnan(values[row]):
        return None
    asked = list(range(horizon)) if reading == "first_touch" else [horizon - 1]
    for step in asked:
        if later[step] / values[row] - 1 > threshold:
            return "up", row + 1 + (step if reading == "first_touch" else horizon - 1)
        if later[step] / values[row] - 1 < -threshold:
            return "down", row + 1 + (step if reading == "first_touch" else horizon - 1)
    return None if np.isnan(later[-1]) else ("flat", row + horizon)


@pytest.mark.parametrize("reading", READINGS)
@settings(derandomize=True, deadline=None, max_examples=60)
@given(
    st.lists(st.sampled_from([97.0, 99.5, 100.0, 100.5, 103.0, float("nan")]), min_size=1, max_size=25),
    st.integers(1, 6),
)
def test_labels_are_those_of_the_definition(reading, values, horizon):
    made = move_labels(column(*values), horizon, 0.01, reading)
    for row in range(len(values)):
        expected = slow_label(np.array(values), row, horizon, 0.01, reading)
        found = (made.classes[row, 0], made.known[row, 0])
        if expected is None:
            assert found == (UNKNOWN, UNKNOWN)
        else:
            assert found == (MOVES.index(expected[0]), expected[1])


@pytest.mark.parametrize("reading", READINGS)
def test_a_label_does_not_move_with_what_comes_after_it_is_known(reading):
    values = 100 * np.exp(np.cumsum(np.random.default_rng(0).normal(0, 0.01, (80, 2)), axis=0))
    whole = move_labels(values, 10, 0.01, reading)
    for row in range(70):
        for s in range(2):
            changed = values.copy()
            changed[whole.known[row, s] + 1 :, s] *= 1.5
            assert move_labels(changed, 10, 0.01, reading).classes[row, s] == whole.classes[row, s]


def test_the_readings_differ_where_a_series_comes_back():
    values = column(100, 102, 100, 97, 100)
    assert MOVES[move_labels(values, 4, 0.01, "ahead").classes[0, 0]] == "flat"
    touched = move_labels(values, 4, 0.01, "first_touch")
    assert (MOVES[touched.classes[0, 0]], touched.known[0, 0]) == ("up", 1)


def test_the_last_rows_have_no_label_even_where_they_touched_early():
    made = move_labels(column(100, 110, 120, 130), 3, 0.01, "first_touch")
    assert made.classes[:, 0].tolist() == [2, UNKNOWN, UNKNOWN, UNKNOWN]


def test_a_move_of_exactly_the_threshold_is_flat():
    assert move_labels(column(1.0, 1.5), 1, 0.5).classes[0, 0] == MOVES.index("flat")


def test_base_rates_leave_out_what_is_unknown():
    assert base_rates(np.array([0, 2, 2, UNKNOWN, 1])).tolist() == [0.25, 0.25, 0.5]
    assert np.isnan(base_rates(np.array([UNKNOWN]))).all()


def test_touching_asks_for_one_direction_only():
    values = column(100, 98, 100, 102, 100)
    assert touched_share(values, 1, 0.015) == pytest.approx(2 / 4)
    assert touched_share(values, 1, -0.015) == pytest.approx(2 / 4)
    assert np.isnan(touched_share(np.where(values == 98, np.nan, values)[:3], 1, 0.01))


@pytest.mark.parametrize(
    ("values", "horizon", "threshold", "message"),
    [
        (column(1, 2), 0, 0.01, "horizon was 0"),
        (column(1, 2), 1, 0.0, "threshold 0"),
        (column(1, -2), 1, 0.01, "value of series 0 at row 1 is -2"),
    ],
)
def test_wrong_settings_and_values_are_named(values, horizon, threshold, message):
    with pytest.raises(ForecastError, match=message):
        move_labels(values, horizon, threshold)


@pytest.mark.shared_data
def test_base_rates_of_the_sp500_are_those_measured_before(shared_data):
    frame = pd.read_parquet(shared_data / "equities" / "sp500_daily_2015_2020.parquet")
    frame = frame.drop_duplicates(["Symbol", "Date"])
    wide = frame.pivot_table(index="Date", columns="Symbol", values="Adj Close", observed=True)
    closes = wide.dropna(axis=1).to_numpy(np.float64)
    assert closes.shape == (1259, 451)
    down, flat, up = base_rates(move_labels(closes, 10, 0.01).classes)
    assert (up, down, flat) == (
        pytest.approx(0.457, abs=5e-4),
        pytest.approx(0.344, abs=5e-4),
        pytest.approx(0.199, abs=5e-4),
    )
    assert touched_share(closes, 10, 0.01) == pytest.approx(0.702, abs=5e-4)
    few = wide[["AAPL", "AMZN", "FB", "GOOGL", "NFLX"]].to_numpy(np.float64)
    shares = base_rates(move_labels(few, 10, 0.01).classes)
    assert (shares[2], shares[0]) == (pytest.approx(0.522, abs=5e-4), pytest.approx(0.309, abs=5e-4))
    growth = few[-1] / few[0] - 1
    assert np.round(growth, 2).tolist() == [2.09, 5.46, 1.84, 1.87, 6.22]
