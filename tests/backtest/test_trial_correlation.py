"""The streamed mean correlation against the correlation matrix, and what a stream may bring."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.errors import MetricError
from backtest.metrics.trial_correlation import TrialCorrelation, trial_family


def streamed(rows: np.ndarray) -> TrialCorrelation:
    found = TrialCorrelation.start(rows.shape[1])
    for row in rows:
        found = found.add(row)
    return found


def trials(count: int, shared: float, seed: int = 0, periods: int = 120) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return 0.01 * (shared * rng.normal(size=periods) + rng.normal(size=(count, periods)))


@settings(max_examples=40, deadline=None, derandomize=True)
@given(count=st.integers(2, 30), shared=st.floats(0, 5), seed=st.integers(0, 1000))
def test_mean_correlation_is_the_mean_of_the_matrix(count: int, shared: float, seed: int) -> None:
    rows = trials(count, shared, seed)
    matrix = np.corrcoef(rows)
    expected = matrix[np.triu_indices(count, 1)].mean()
    assert streamed(rows).mean_correlation == pytest.approx(expected, abs=1e-12)


@settings(max_examples=20, deadline=None, derandomize=True)
@given(cut=st.integers(0, 20), seed=st.integers(0, 1000))
def test_merged_parts_equal_the_whole(cut: int, seed: int) -> None:
    rows = trials(20, 0.7, seed)
    parts = (
        streamed(part) if len(part) else TrialCorrelation.start(120) for part in (rows[:cut], rows[cut:])
    )
    whole, merged = streamed(rows), next(parts).merge(next(parts))
    assert merged.count == whole.count
    assert merged.mean_correlation == pytest.approx(whole.mean_correlation, abs=1e-12)


def test_scale_and_mean_of_a_trial_do_not_matter() -> None:
    rows = trials(6, 0.5)
    moved = rows * np.array([[1e-6], [3.0], [0.2], [1.0], [7.0], [100.0]]) + 0.3
    assert streamed(moved).mean_correlation == pytest.approx(streamed(rows).mean_correlation, abs=1e-9)


def test_one_trial_and_none_have_no_pair() -> None:
    assert TrialCorrelation.start(10).mean_correlation == 0.0
    assert streamed(trials(1, 0)).mean_correlation == 0.0
    assert streamed(trials(1, 0)).effective_count == 1.0


def test_clones_count_for_one_and_opposites_for_no_more_than_their_number() -> None:
    row = trials(1, 0)[0]
    assert streamed(np.tile(row, (7, 1))).effective_count == pytest.approx(1.0)
    opposed = streamed(np.stack([row, -row]))
    assert opposed.mean_correlation == pytest.approx(-1.0)
    assert opposed.effective_count == 2.0


def test_a_trial_that_never_trades_is_counted_but_not_correlated() -> None:
    rows = trials(5, 1.0)
    found = streamed(np.vstack([rows, np.zeros(120), np.full(120, 1e-4)]))
    assert (found.count, found.constant) == (5, 2)
    assert found.mean_correlation == streamed(rows).mean_correlation
    assert found.effective_count > streamed(rows).effective_count


def test_adding_leaves_the_accumulator_and_the_returns_alone() -> None:
    row = trials(1, 0)[0]
    before, start = row.copy(), TrialCorrelation.start(120)
    start.add(row)
    assert np.array_equal(row, before)
    assert start.count == 0
    assert not start.total.any()
    assert not start.add(row).total.flags.writeable


def test_a_family_counts_all_and_measures_those_that_vary() -> None:
    rows = trials(5, 1.0)
    found = trial_family(np.vstack([rows, np.zeros(120)]).T)
    assert found.count == 6
    assert found.sharpe_sd == pytest.approx((rows.mean(axis=1) / rows.std(axis=1, ddof=1)).std(ddof=1))
    assert found.mean_correlation == streamed(rows).mean_correlation
    assert trial_family(rows[:1].T).sharpe_sd == 0.0


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: trial_family(np.zeros(5)), "one column a trial"),
        (lambda: trial_family(np.zeros((5, 0))), "one column a trial"),
        (lambda: TrialCorrelation.start(1), "at least 2"),
        (lambda: TrialCorrelation.start(9).add(np.zeros(8)), r"shape \(8,\); \(9,\)"),
        (lambda: TrialCorrelation.start(9).add(np.zeros((9, 2))), "shape"),
        (lambda: TrialCorrelation.start(3).add(np.array([0.1, np.nan, 0])), "row 1 was nan"),
        (lambda: TrialCorrelation.start(3).merge(TrialCorrelation.start(4)), "3 and 4"),
        (lambda: TrialCorrelation.start(3).effective_count, "count 0"),
    ],
)
def test_misuse_is_an_error(call: object, words: str) -> None:
    with pytest.raises(MetricError, match=words):
        call()
