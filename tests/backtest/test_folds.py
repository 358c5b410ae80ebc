"""Folds: what a fit may read ends before the test begins."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.errors import FoldError
from backtest.folds import CalendarFolds, ExpandingFolds, Fold, RollingFolds, required_gap, walk_forward
from data.errors import SpecError
from data.history import History
from data.panel import Panel
from data.sessions import BarClock

TIMES = np.arange("2020-01-01", "2021-12-31", dtype="datetime64[D]").astype("datetime64[ns]")


def history(times: np.ndarray = TIMES) -> History:
    values = np.arange(1.0, len(times) + 1)[:, None, None]
    return History(Panel(times, ("A",), ("close",), values), BarClock("24/7"))


@settings(max_examples=40, deadline=None)
@given(
    train=st.integers(2, 200), test=st.integers(1, 90), gap=st.integers(0, 10), horizon=st.integers(1, 12),
    rolling=st.booleans(),
)  # fmt: skip
def test_every_fit_ends_gap_bars_before_its_test(
    train: int, test: int, gap: int, horizon: int, rolling: bool
) -> None:
    kind = RollingFolds if rolling else ExpandingFolds
    folds = kind(train=train, test=test, gap=gap)
    for fold in walk_forward(TIMES, folds, horizon):
        first = int(np.searchsorted(TIMES, fold.cutoffs[0]))
        assert fold.train_end == TIMES[first - gap]
        known = folds.training(history().until(fold.cutoffs[0]))
        assert known.cutoff == fold.train_end
        assert known.times[0] == fold.train_start
        assert len(known.panel) == train if rolling else len(known.panel) >= train


def test_decisions_stand_on_one_grid_through_all_folds() -> None:
    walked = list(walk_forward(TIMES, RollingFolds(train=100, test=33), horizon=5))
    rows = np.searchsorted(TIMES, np.concatenate([fold.cutoffs for fold in walked]))
    assert set(np.diff(rows)) == {5}
    assert rows[0] == 99
    assert rows[-1] <= len(TIMES) - 2


@pytest.mark.parametrize(("test", "every"), [(30, 1), (33, 5), (3, 7), (63, 10)])
def test_every_test_bar_belongs_to_exactly_one_fold(test: int, every: int) -> None:
    walked = list(walk_forward(TIMES, RollingFolds(train=100, test=test, decide_every=every), horizon=5))
    for before, after in itertools.pairwise(walked):
        assert before.test_end == after.test_start
    assert walked[-1].test_end == TIMES[-1]


def test_calendar_folds_break_at_the_turn_of_the_month() -> None:
    walked = list(walk_forward(TIMES, CalendarFolds(every="month", train=60), horizon=1))
    starts = [fold.test_start.astype("datetime64[D]") for fold in walked[1:]]
    assert all(str(start).endswith("-01") for start in starts)
    assert len(walked) == 23


def test_ready_made_labels_need_the_gap_of_their_definition() -> None:
    assert [required_gap(kind, 5) for kind in ("inside", "close_to_close", "open_to_open")] == [0, 5, 6]
    with pytest.raises(
        SpecError, match=r"gap was 5; open_to_open labels of horizon 5 need a gap of at least 6"
    ):
        next(walk_forward(TIMES, RollingFolds(train=50, test=20, gap=5, labels="open_to_open"), 5))
    next(walk_forward(TIMES, RollingFolds(train=50, test=20, gap=5, labels="close_to_close"), 5))


def test_gap_is_cut_from_train_not_from_test() -> None:
    free = next(walk_forward(TIMES, RollingFolds(train=50, test=20, first="2020-06-01"), 5))
    gapped = next(walk_forward(TIMES, RollingFolds(train=50, test=20, gap=7, first="2020-06-01"), 5))
    assert (free.cutoffs == gapped.cutoffs).all()
    assert free.train_end - gapped.train_end == np.timedelta64(7, "D")


@pytest.mark.parametrize(
    ("folds", "message"),
    [
        (RollingFolds(train=5000, test=10), "folds need 5000 bars of history before the first test"),
        (RollingFolds(train=50, test=10, first="2030-01-01"), "after the data ends"),
        (RollingFolds(train=50, test=10, first="2020-01-10"), "50 bars of history are only there from"),
        (RollingFolds(train=50, test=10, last="2020-01-10"), "no test rows are left"),
        (RollingFolds(train=50, test=10, first="soon"), "an ISO date"),
    ],
)
def test_folds_that_do_not_fit_the_data_say_why(folds: RollingFolds, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        list(walk_forward(TIMES, folds, 5))


def test_a_fold_refuses_overlap_and_emptiness() -> None:
    with pytest.raises(FoldError, match="must end at or before"):
        Fold(0, TIMES[0], TIMES[9], 0, TIMES[8], TIMES[20], TIMES[8:20])
    with pytest.raises(FoldError, match="no test rows"):
        Fold(0, TIMES[0], TIMES[9], 0, TIMES[10], TIMES[20], TIMES[:0])


def test_more_data_never_changes_earlier_folds() -> None:
    whole = list(walk_forward(TIMES, RollingFolds(train=100, test=30), 5))
    short = list(walk_forward(TIMES[:400], RollingFolds(train=100, test=30), 5))
    for a, b in zip(short[:-1], whole, strict=False):
        assert (a.cutoffs == b.cutoffs).all()
        assert a.train_start == b.train_start


def test_a_bare_last_date_includes_the_session_of_that_day() -> None:
    closes = np.arange("2020-01-01", "2020-03-01", dtype="datetime64[D]") + np.timedelta64(21, "h")
    asked = RollingFolds(train=10, test=5, last="2020-02-10")
    folds = list(walk_forward(closes.astype("datetime64[ns]"), asked, 1))
    assert folds[-1].cutoffs[-1] == np.datetime64("2020-02-10T21:00", "ns")
