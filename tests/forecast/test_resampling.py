"""Resampling: blocks go on by one, have the length asked for, and grow with dependence."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecast.resampling import optimal_block, stationary_rows


@given(st.integers(2, 60), st.integers(1, 90), st.floats(1, 20), st.integers(0, 99))
@settings(derandomize=True, deadline=None, max_examples=40)
def test_rows_go_on_by_one_inside_a_block_and_wrap(count, length, block, seed):
    rows = stationary_rows(count, length, block, 5, np.random.default_rng(seed))
    assert rows.shape == (5, length)
    assert ((rows >= 0) & (rows < count)).all()
    if block == 1:
        return
    goes_on = (np.diff(rows, axis=1) % count == 1).mean() if length > 1 else 1.0
    assert goes_on >= max(0.0, 1 - 1 / block - 4 / math.sqrt(5 * length))


@pytest.mark.parametrize("block", [1.0, 5.0, 25.0])
def test_blocks_have_the_mean_length_asked_for(block):
    rows = stationary_rows(10_000, 20_000, block, 10, np.random.default_rng(1))
    breaks = (np.diff(rows, axis=1) % 10_000 != 1).mean()
    assert 1 / breaks == pytest.approx(block, rel=0.03)


def test_the_block_length_grows_with_dependence():
    noise = np.random.default_rng(2).standard_normal(405)
    assert 1 <= optimal_block(noise) < 4 < optimal_block(np.convolve(noise, np.ones(6), "valid"))
