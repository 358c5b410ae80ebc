"""Output: strict JSON, short numbers, and tables a person can read."""

import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from service.output import cell, finite, fixed, p_value, percent, print_json, print_sentences, print_table


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (float("nan"), None),
        (float("-inf"), None),
        (np.float32(1.5), 1.5),
        (np.int64(3), 3),
        (np.bool_(True), True),
        (np.array([1.0, np.nan]), [1.0, None]),
        (pd.NaT, None),
        (pd.Timestamp("2020-01-02 03:04"), "2020-01-02T03:04:00"),
        (datetime(2020, 1, 2, tzinfo=UTC), "2020-01-02T00:00:00+00:00"),
        (Path("a/b"), "a/b"),
        ({1: (2, float("nan"))}, {"1": [2, None]}),
        ("nan", "nan"),
        (None, None),
    ],
)
def test_json_values(value, expected):
    assert finite(value) == expected


def test_json_is_strict(capsys):
    print_json({"a": [float("nan"), np.float64("inf")]})
    assert json.loads(capsys.readouterr().out) == {"a": [None, None]}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (percent(0.0981), "9.8%"),
        (percent(12.3308, signed=True), "+1,233.1%"),
        (percent(-0.00001, signed=True), "0.0%"),
        (percent(float("nan")), "n/a"),
        (fixed(-0.276), "-0.28"),
        (fixed(float("nan")), "n/a"),
        (p_value(0.0000021), "<0.001"),
        (p_value(0.0421), "0.042"),
        (p_value(float("nan")), "n/a"),
        (cell(None), "n/a"),
        (cell(True), "yes"),
        (cell(12693), "12,693"),
        (cell(0.016814), "0.01681"),
        (cell(1234567.8), "1,234,568"),
    ],
)
def test_numbers_read_well(text, expected):
    assert text == expected


def test_numbers_stand_right_and_words_left(capsys):
    print_table("t", ("name", "share", "p"), [("a", "9.8%", "<0.001"), ("bcdefg", "-10.0%", "n/a")])
    assert capsys.readouterr().out.splitlines() == [
        "t",
        "name     share       p",
        "a         9.8%  <0.001",
        "bcdefg  -10.0%     n/a",
    ]


def test_a_table_without_rows_says_none(capsys):
    print_table("runs", ("id",), [])
    assert capsys.readouterr().out == "runs: none\n"


def test_a_sentence_is_one_line_in_a_pipe(capsys):
    print_sentences(["word " * 60])
    assert capsys.readouterr().out.count("\n") == 1
