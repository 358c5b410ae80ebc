"""Claims about actions and forward factors: read from printed prices, point in time, never rescaling the past."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from data.adjustment import forward_factor, implied_actions, read_factor_files, with_forward_factor
from data.errors import DataError, SourceError
from data.events import CorporateActions
from data.frames import canonical, to_panel
from data.panel import Panel
from data.sessions import BarClock
from data.sources.bundled import STOCKS

SAMPLES = Path(__file__).resolve().parents[2] / "data" / "samples"
CONVENTIONS = ("previous_close", "close")


def panel_of(close, adjusted):
    times = np.datetime64("2020-01-01", "ns") + np.arange(len(close)).astype("timedelta64[D]")
    return Panel(times, ("A",), ("close", "adj_close"), np.stack([close, adjusted], axis=1)[:, None, :])


def vendor(close, splits, dividends, reinvested):
    """Adjusted closes as a vendor prints them: the slow twin, walking back from the last day."""
    adjusted = np.array(close, dtype=float)
    scale = 1.0
    for t in range(len(close) - 1, 0, -1):
        adjusted[t] = close[t] * scale
        if reinvested == "close":
            scale /= splits[t] * (1 + dividends[t] / (close[t] * splits[t]))
        else:
            scale *= (1 - dividends[t] / close[t - 1]) / splits[t]
    adjusted[0] = close[0] * scale
    return adjusted


@pytest.mark.parametrize("reinvested", CONVENTIONS)
@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_actions_are_read_back_from_a_vendors_prices(reinvested, seed):
    rng = np.random.default_rng(seed)
    count = 60
    splits = np.where(rng.random(count) < 0.05, rng.choice([2.0, 3.0, 1.5, 7.0, 0.1, 0.05], count), 1.0)
    close = np.round(50 * np.exp(np.cumsum(0.02 * rng.normal(size=count))), 2) + 5
    close = np.round(close / np.cumprod(splits), 6)
    paid = (rng.random(count) < 0.1) & (splits == 1)
    dividends = np.where(paid, np.round(close * rng.uniform(0.002, 0.03, count), 4), 0.0)
    splits[0], dividends[0] = 1.0, 0.0
    panel = panel_of(close, np.round(vendor(close, splits, dividends, reinvested), 6))
    actions = implied_actions(panel, reinvested=reinvested)
    found_splits, found_dividends = np.ones(count), np.zeros(count)
    rows = np.searchsorted(panel.times, actions.times)
    found_splits[rows], found_dividends[rows] = actions.splits, actions.dividends
    np.testing.assert_allclose(found_splits, splits)
    np.testing.assert_allclose(found_dividends, dividends, atol=1e-4 * close.max())


@pytest.mark.parametrize("reinvested", CONVENTIONS)
@pytest.mark.parametrize("name", STOCKS)
def test_forward_prices_of_the_sample_have_the_returns_of_its_adjusted_closes(name, reinvested):
    frame = parquet.read_table(SAMPLES / f"{name}.parquet").to_pandas()
    panel = to_panel(canonical(frame, default_series=name))
    close, adjusted = panel.field("close"), panel.field("adj_close")[:, 0]
    actions = implied_actions(panel, reinvested=reinvested)
    forward = (close * forward_factor(panel.times, (name,), close, actions, reinvested=reinvested))[:, 0]
    np.testing.assert_allclose(np.diff(np.log(forward)), np.diff(np.log(adjusted)), atol=1e-9)


def test_the_sample_was_adjusted_at_the_ex_days_close():
    frame = parquet.read_table(SAMPLES / "IBM.parquet").to_pandas()
    panel = to_panel(canonical(frame, default_series="IBM"))
    whole = {r: implied_actions(panel, reinvested=r).dividends * 100 for r in CONVENTIONS}
    assert np.abs(whole["close"] - np.round(whole["close"])).max() < 1e-6
    assert np.abs(whole["previous_close"] - np.round(whole["previous_close"])).max() > 0.1


@pytest.mark.parametrize("reinvested", CONVENTIONS)
def test_later_actions_never_change_an_earlier_factor(reinvested):
    frame = parquet.read_table(SAMPLES / "MSFT.parquet").to_pandas()
    panel = to_panel(canonical(frame, default_series="MSFT"))
    whole = with_forward_factor(panel, implied_actions(panel, reinvested=reinvested), reinvested=reinvested)
    for cut in (500, 760, 1200, 3000):
        early = panel.rows(0, cut)
        known = with_forward_factor(
            early, implied_actions(early, reinvested=reinvested), reinvested=reinvested
        )
        assert known.fingerprint() == whole.rows(0, cut).fingerprint()


def test_the_close_convention_is_the_return_of_an_account_paid_in_cash():
    close = np.array([[100.0], [90.0]])
    times = np.array(["2020-01-01", "2020-01-02"], dtype="datetime64[ns]")
    action = CorporateActions(times[1:], np.array(["A"]), np.array([1.0]), np.array([5.0]))
    factor = forward_factor(times, ("A",), close, action, reinvested="close")
    assert np.isclose((close * factor)[1, 0] / 100, (90 + 5) / 100)


def test_a_crash_without_a_change_of_the_ratio_is_no_split():
    panel = panel_of(np.array([100.0, 48.0, 47.0]), np.array([10.0, 4.8, 4.7]))
    assert not len(implied_actions(panel))


def test_a_dividend_paid_with_a_split_is_a_remainder():
    close, splits, dividends = np.array([100.0, 102.0, 50.0]), np.array([1, 1, 2.0]), np.array([0, 0, 0.5])
    panel = panel_of(close, vendor(close, splits, dividends, "previous_close"))
    actions = implied_actions(panel)
    assert actions.splits.tolist() == [2.0]
    np.testing.assert_allclose(actions.dividends, [0.5])


def test_a_large_spin_off_is_a_dividend_in_kind():
    panel = panel_of(np.array([100.0, 68.0]), np.array([68.1, 68.0]))
    actions = implied_actions(panel)
    assert actions.splits.tolist() == [1.0]
    np.testing.assert_allclose(actions.dividends, [31.9])


def test_rounding_of_two_decimals_is_no_action():
    rng = np.random.default_rng(3)
    close = np.round(20 + np.cumsum(0.1 * rng.normal(size=400)), 2)
    assert not len(implied_actions(panel_of(close, np.round(close * 0.437, 2))))


def test_a_negative_dividend_is_refused():
    with pytest.raises(DataError, match=r"adj_close of A falls against close by 5.0000% at 2020-01-02"):
        implied_actions(panel_of(np.array([100.0, 100.0]), np.array([100.0, 95.0])))


def test_prices_of_zero_are_refused():
    with pytest.raises(DataError, match="close of A is 0; actions need prices above 0"):
        implied_actions(panel_of(np.array([100.0, 0.0]), np.array([100.0, 1.0])))


def test_actions_bridge_gaps_and_other_series_and_the_first_bar_change_nothing():
    close = np.array([[np.nan], [10.0], [np.nan], [5.0]])
    times = np.datetime64("2020-01-01", "ns") + np.arange(4).astype("timedelta64[D]")
    actions = CorporateActions(
        times[[0, 1, 2, 3]], np.array(["A", "A", "A", "B"]), np.array([3.0, 3.0, 2.0, 9.0]), np.zeros(4)
    )
    np.testing.assert_array_equal(forward_factor(times, ("A",), close, actions)[:, 0], [1, 1, 1, 2])
    huge = CorporateActions(times[3:], np.array(["A"]), np.array([1.0]), np.array([10.0]))
    with pytest.raises(
        DataError, match="dividend of A at 2020-01-04.* is 10, not below the close before it, 10"
    ):
        forward_factor(times, ("A",), close, huge)


def factor_file(tmp_path, rows):
    path = tmp_path / "factors.csv"
    columns = ["date", "price_factor", "split_factor", "ref_price", "symbol"]
    pd.DataFrame(rows, columns=columns).to_csv(path, index=False)
    return path


def test_factor_files_become_actions_dated_at_the_next_session(tmp_path):
    rows = [
        [20140604, 0.99, 0.142857, 650.0, "AAPL"],
        [20140606, 1.0, 0.142857, 645.57, "AAPL"],
        [20501231, 1.0, 1.0, 0.0, "AAPL"],
    ]
    actions = read_factor_files(factor_file(tmp_path, rows))
    assert [str(t)[:13] for t in actions.times] == ["2014-06-05T20", "2014-06-09T20"]
    assert actions.splits.tolist() == [1.0, 7.0]
    np.testing.assert_allclose(actions.dividends, [6.5, 0.0])


@pytest.mark.parametrize(
    ("rows", "error", "words"),
    [
        ([[20140604, 1.0, 1.0, 9.0, "A"], [20501231, 0.9, 1.0, 0.0, "A"]], DataError, "falls from 1 to 0.9"),
        ([[20140604, 0.0, 1.0, 9.0, "A"]], SourceError, "price_factor.* is 0.0 at row 0; allowed: above 0"),
    ],
)
def test_broken_factor_files_are_named(tmp_path, rows, error, words):
    with pytest.raises(error, match=words):
        read_factor_files(factor_file(tmp_path, rows))
    with pytest.raises(SourceError, match="cannot be read"):
        read_factor_files(tmp_path / "missing.csv")


@pytest.mark.shared_data
def test_real_factor_files_hold_apples_published_actions(shared_data):
    actions = read_factor_files(shared_data / "equities" / "factor_files.csv")
    apple = actions.where(actions.series == "AAPL")
    splits = {str(t)[:10]: s for t, s in zip(apple.times, apple.splits, strict=True) if s != 1}
    assert splits == {"2000-06-21": 2.0, "2005-02-28": 2.0, "2014-06-09": 7.0, "2020-08-31": 4.0}
    np.testing.assert_allclose(apple.dividends[apple.dividends > 0][:7], [2.65] * 3 + [3.05] * 4, atol=2e-4)


@pytest.mark.shared_data
def test_real_raw_prices_lose_their_split_jumps_and_keep_their_crash(shared_data):
    raw = pd.read_parquet(shared_data / "equities" / "us_equity_daily_raw.parquet")
    panel = to_panel(canonical(raw[raw["symbol"] == "AAPL"], clock=BarClock("XNYS")))
    close = panel.field("close")
    actions = read_factor_files(shared_data / "equities" / "factor_files.csv")
    adjusted = (close * forward_factor(panel.times, panel.series, close, actions))[:, 0]
    moves = adjusted[1:] / adjusted[:-1] - 1
    worst = int(np.argmin(moves))
    assert str(panel.times[worst + 1])[:10] == "2000-09-29"
    assert np.isclose(moves[worst], -0.516, atol=0.01)
    assert np.abs(np.delete(moves, worst)).max() < 0.25
