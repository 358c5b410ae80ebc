import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.amm.spec import Windows
from backtest.amm.windows import judged_windows, span_times
from backtest.errors import FoldError
from data.history import History
from data.panel import Panel
from data.sessions import BarClock

HOUR = np.timedelta64(3_600_000_000_000, "ns")


def history(bars: int, empty: int = 0) -> History:
    times = np.datetime64("2022-01-01", "ns") + HOUR * np.arange(1, bars + 1)
    close = np.where(np.arange(bars) < empty, np.nan, 100.0)
    return History(Panel(times, ("pool",), ("close",), close[:, None, None]), BarClock("24/7", "1h"))


@given(st.integers(24, 60), st.integers(1, 5), st.integers(0, 200), st.integers(0, 30), st.integers(0, 400))
@settings(derandomize=True, deadline=None, max_examples=60)
def test_nothing_is_learnt_or_chosen_inside_a_test_block(
    bars: int, train: int, embargo: int, empty: int, more: int
) -> None:
    embargo = min(embargo, bars * train - 1)
    past = history(empty + bars * (train + 2) + 1 + more, empty)
    windows = judged_windows(past, Windows(bars=bars, train=train, embargo=embargo))
    assert len(windows) == 1 + more // bars
    for number, window in enumerate(windows):
        assert window.number == number
        assert empty <= window.first <= window.learn_until
        assert window.learn_until + embargo == window.validation.first
        assert window.refit_until + embargo == window.test.first == window.validation.last
        assert window.test.last - window.test.first == bars and window.test.last < len(past.times)
        assert len(span_times(past, window.test)) == bars + 1


def test_test_blocks_follow_one_another_without_a_gap() -> None:
    windows = judged_windows(history(24 * 10 + 1), Windows(bars=24, train=3, embargo=1))
    assert [w.test.first for w in windows[1:]] == [w.test.last for w in windows[:-1]]


def test_a_history_too_short_for_one_test_block_says_what_is_missing() -> None:
    with pytest.raises(FoldError, match="history has 3 blocks of 24 bars; 5 are needed: 3 to train"):
        judged_windows(history(24 * 3 + 1), Windows(bars=24, train=3))


def test_a_pool_nobody_ever_traded_in_has_no_windows() -> None:
    with pytest.raises(FoldError, match="no bar with a price"):
        judged_windows(history(50, empty=50), Windows(bars=24, train=2))
