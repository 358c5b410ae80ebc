"""NIFTY regressors: the leaky regression meets its known figures, the lint refuses it, and made-up prices show both sides."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from backtest.configuration import read_config
from backtest.reproductions.base import Reproduction
from backtest.reproductions.nifty_ml import (
    NiftyMl,
    overnight_table,
    read_sessions,
    same_day_table,
    skill,
    truth_and_last,
)
from data.errors import DataError, SpecError
from data.registry import validated

CONFIG = Path(__file__).resolve().parents[2] / "configs" / "reproduce" / "nifty_ml.yaml"


def asked(**changes: Any) -> NiftyMl:
    settings = {name: value for name, value in read_config(CONFIG).items() if name != "kind"}
    return validated(NiftyMl, {**settings, **changes}, "nifty_ml")


def quick(folder: Path, **changes: Any) -> Reproduction:
    few = {"refit_days": 200, "regressors": ["linear_regression", "decision_tree"], **changes}
    return asked(**few).run(folder)


def made_up(folder: Path) -> Path:
    """Write daily bars from 2008 to 2020 whose next open is the last close and a little noise."""
    days = pd.bdate_range("2008-12-29", "2020-07-31")
    rng = np.random.default_rng(0)
    close = 5000 * np.exp(np.cumsum(rng.normal(2e-4, 0.01, len(days))))
    opened = np.append(5000.0, close[:-1]) * np.exp(rng.normal(0, 1e-3, len(days)))
    high = np.maximum(opened, close) * np.exp(np.abs(rng.normal(0, 3e-3, len(days))))
    low = np.minimum(opened, close) * np.exp(-np.abs(rng.normal(0, 3e-3, len(days))))
    path = folder / "equities" / "nifty50_daily_merged_2007_2023.csv"
    path.parent.mkdir()
    pd.DataFrame({"Date": days, "Open": opened, "High": high, "Low": low, "Close": close}).to_csv(
        path, index=False
    )
    return path


@pytest.mark.shared_data
@pytest.mark.slow
def test_the_known_figures_are_met_and_no_regressor_of_the_past_beats_the_last_close(
    shared_data: Path,
) -> None:
    done = quick(shared_data)
    rows = {row.name: row for row in done.rows}
    known = [row for row in done.rows if row.published is not None]
    assert len(known) == 6
    for row in known:
        digits = len(str(row.published).partition(".")[2])
        assert row.value == pytest.approx(row.published, abs=0.5 * 10.0**-digits)
        assert row.low < row.value < row.high
    assert rows["linear_regression: skill against the last close"].value < 0.05
    assert rows["linear_regression: skill against the last open"].p_value < 0.01
    assert done.verdict.startswith("No skill shown against the last close")
    assert "feature 'high' of the row decided at" in done.verdict
    assert "model 'decision tree on levels'" in done.verdict


def test_on_made_up_prices_the_last_close_wins_and_the_leak_is_refused(tmp_path: Path) -> None:
    made_up(tmp_path)
    done = quick(tmp_path, test_start="2019-06-03")
    rows = {row.name: row for row in done.rows}
    last_close = rows["close of the day before: RMSE over mean"]
    assert last_close.is_naive and last_close.value == pytest.approx(1e-3, rel=0.2)
    assert rows["decision_tree: RMSE over mean"].value > last_close.value
    assert rows["linear_regression, overnight: skill against the last close"].value < 0.1
    assert done.verdict.count("Refused by the lint") == 2


def test_the_past_is_all_that_a_walk_sees(tmp_path: Path) -> None:
    history = read_sessions(made_up(tmp_path), "2020-07-31")
    settings = asked(regressors=["linear_regression"], refit_days=100)
    test = len(history.times) - 150
    points = {
        name: getattr(settings, name)("linear_regression", history, test) for name in ("_walk", "_overnight")
    }
    for name, whole in points.items():
        cut = history.until(history.times[-40])
        np.testing.assert_array_equal(getattr(settings, name)("linear_regression", cut, test), whole[:-39])


def test_an_overnight_row_holds_the_move_from_its_close_to_the_next_open(tmp_path: Path) -> None:
    history = read_sessions(made_up(tmp_path), "2009-12-31")
    features, moves, scale = overnight_table(history, 30, 5)
    prices = history.panel.values[:, 0]
    assert len(features) == len(moves) == len(prices) - 30
    wanted = np.log(prices[30:, 0] / prices[29:-1, 3])
    np.testing.assert_allclose(moves * scale, wanted, rtol=1e-9)
    np.testing.assert_allclose(
        features[:, -1] * scale, np.log(prices[29:-1, 2] / prices[29:-1, 3]), rtol=1e-9
    )


def test_truth_last_prices_and_the_same_days_table_are_one_row_apart(tmp_path: Path) -> None:
    history = read_sessions(made_up(tmp_path), "2009-12-31")
    truth, last = truth_and_last(history, 100)
    opens, closes = history.panel.field("open")[:, 0], history.panel.field("close")[:, 0]
    np.testing.assert_array_equal(truth, opens[100:])
    np.testing.assert_array_equal(last["close"], closes[99:-1])
    table = same_day_table(history)
    np.testing.assert_array_equal(table.targets, opens[1:])
    np.testing.assert_array_equal(table.features[:, 2], closes[1:])
    assert (table.decided < table.known).all()


def test_skill_is_one_for_the_truth_zero_for_the_naive_and_below_for_worse() -> None:
    truth, naive = np.array([1.0, 2.0, 3.0]), np.array([2.0, 3.0, 4.0])
    assert skill(truth, truth, naive) == 1.0
    assert skill(truth, naive, naive) == 0.0
    assert skill(truth, naive + 1, naive) == pytest.approx(-3.0)


def test_missing_data_and_kinds_that_are_no_regression_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nifty50_daily_merged_2007_2023.csv' was not found"):
        quick(tmp_path)
    history = read_sessions(made_up(tmp_path), "2020-07-31")
    plain = asked(forecasters={"context": 64, "horizon": 1, "field": "open"})
    with pytest.raises(SpecError, match="'naive' is no regression"):
        plain._overnight("naive", history, len(history.times) - 50)
