"""Decimation: what thinning must never lose."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.report.decimation import MAX_POINTS, kept_rows


def walks(seed, rows, columns):
    return np.cumsum(np.random.default_rng(seed).normal(size=(rows, columns)), axis=0)


def test_short_curves_are_kept_whole():
    assert kept_rows(walks(0, MAX_POINTS, 3)).tolist() == list(range(MAX_POINTS))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(101, 3000), st.integers(1, 6))
def test_ends_and_extremes_of_every_curve_are_kept(seed, rows, columns):
    curves = walks(seed, rows, columns)
    kept = kept_rows(curves, 100)
    assert len(kept) <= 100
    assert (np.diff(kept) > 0).all()
    assert kept[0] == 0 and kept[-1] == rows - 1
    np.testing.assert_array_equal(curves[kept].min(axis=0), curves.min(axis=0))
    np.testing.assert_array_equal(curves[kept].max(axis=0), curves.max(axis=0))


def test_a_crash_of_one_bar_survives():
    curve = np.ones((100_000, 1))
    curve[77_777] = 0.2
    assert 77_777 in kept_rows(curve)


def test_the_deepest_drawdown_is_the_same_after_thinning():
    equity = np.exp(0.01 * walks(3, 50_000, 1))
    drawdown = equity / np.maximum.accumulate(equity, axis=0) - 1
    both = np.hstack([equity, drawdown])
    assert both[kept_rows(both)].min(axis=0)[1] == drawdown.min()


def test_nothing_observed_is_no_extreme():
    curves = walks(5, 5000, 2)
    curves[:2500, 1] = np.nan
    kept = kept_rows(curves)
    assert np.nanmin(curves[kept, 1]) == np.nanmin(curves[:, 1])
    assert np.nanmax(curves[kept, 1]) == np.nanmax(curves[:, 1])


def test_the_budget_is_used():
    assert len(kept_rows(walks(6, 20_000, 2))) > 0.8 * MAX_POINTS
