"""Formats: what a reader sees of numbers, times and names."""

import numpy as np
import pandas as pd
import pytest

from backtest.report import formats


@pytest.mark.parametrize("value", [None, float("nan"), np.float32("nan"), pd.NaT, pd.NA])
@pytest.mark.parametrize(
    "shown", [formats.number, formats.percent, formats.count, formats.day, formats.moment, formats.significant, formats.text]
)  # fmt: skip
def test_what_is_missing_is_shown_as_not_available(shown, value):
    assert shown(value) == "n/a"


@pytest.mark.parametrize(
    ("value", "expected"),
    [(1234.5, "1,234.50"), (-0.5, "−0.50"), (-0.001, "0.00"), (np.inf, "∞"), (-np.inf, "−∞")],
)
def test_numbers_carry_a_typographic_minus_and_no_negative_zero(value, expected):
    assert formats.number(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0.123456, "0.1235"), (252.0, "252"), (12345.6, "12,346"), (-3e-7, "−3.00e−07"), (0.0, "0")],
)
def test_significant_keeps_four_digits(value, expected):
    assert formats.significant(value) == expected


def test_small_p_values_are_bounds():
    assert [formats.p_value(p) for p in (0.04, 1e-9, float("nan"))] == ["0.040", "< 0.001", "n/a"]


def test_a_time_at_midnight_is_a_date():
    assert formats.moment(np.datetime64("2020-01-02")) == "2020-01-02"
    assert formats.moment(pd.Timestamp("2020-01-02 21:00", tz="UTC")) == "2020-01-02 21:00"


def test_names_are_shown_in_words():
    assert formats.title("max_drawdown") == "Max drawdown"
    assert formats.title("cagr") == "CAGR"
    assert formats.text(np.bool_(True)) == "yes"


def test_chart_text_starts_no_formula():
    for name in ("$$x$$", r"\(x\)", r"\[x\]", "$$$$"):
        shown = formats.chart_text(name)
        assert not any(mark in shown for mark in ("$$", r"\(", r"\[", r"\)", r"\]"))
        assert shown.replace("\u200b", "") == name
