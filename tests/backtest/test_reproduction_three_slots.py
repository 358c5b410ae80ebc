"""Three slots: columns against a slow twin, what the lint says of them, and honest against leaking rows on made-up bars."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from backtest.configuration import read_config
from backtest.errors import FeatureLeakError
from backtest.lint import require_known_features
from backtest.reproductions.slot_features import INDEX, read_bars, slot_features, slot_history
from backtest.reproductions.three_slots import (
    ThreeSlots,
    class_samples_of,
    commonest,
    sign_classes,
    split,
    summed,
)
from data.errors import DataError, SpecError
from data.history import History
from data.registry import validated
from data.slots import NSE_SLOTS, slot_table

CONFIG = Path(__file__).resolve().parents[2] / "configs" / "reproduce" / "three_slots.yaml"
STOCKS = ("ULTRA", "YES")


def asked(**changes: Any) -> ThreeSlots:
    settings = {name: value for name, value in read_config(CONFIG).items() if name != "kind"}
    return validated(ThreeSlots, {**settings, **changes}, "three_slots")


def random_bars(days: int, seed: int) -> pd.DataFrame:
    """Return five-minute bars of a random walk, indexed by their ends in Indian time."""
    stamps = [
        stamp
        for day in pd.bdate_range("2015-01-01", periods=days)
        for stamp in pd.date_range(day + pd.Timedelta("9h20min"), periods=75, freq="5min")
    ]
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 2e-3, len(stamps))))
    opened = np.append(100.0, close[:-1])
    top, bottom = np.maximum(opened, close), np.minimum(opened, close)
    table = {"open": opened, "high": top * 1.001, "low": bottom * 0.999, "close": close}
    return pd.DataFrame(table, index=pd.DatetimeIndex(stamps, name="ts"))


def made_up(folder: Path, days: int = 90) -> Path:
    """Write bars of two stocks and the index where the configuration looks for them."""
    (folder / "intraday").mkdir()
    random_bars(days, 0).to_parquet(folder / "intraday" / "nifty50_5min_2013_2016.parquet")
    stocks = [random_bars(days, i + 1).reset_index().assign(symbol=name) for i, name in enumerate(STOCKS)]
    pd.concat(stocks).to_parquet(folder / "intraday" / "nse_stocks_5min_2014_2015.parquet")
    return folder


def made_history(folder: Path, **days: str) -> History:
    files = ("nse_stocks_5min_2014_2015.parquet", "nifty50_5min_2013_2016.parquet")
    bars, index = (read_bars(folder / "intraday" / name, "2015-01-01", "2015-12-31") for name in files)
    return slot_history(bars, index, days)


def test_columns_are_what_one_slot_at_a_time_gives(tmp_path: Path) -> None:
    history = made_history(made_up(tmp_path, 6))
    slots = slot_table(history.panel, NSE_SLOTS)
    honest, leaking = (slot_features(history, is_leaking=each) for each in (False, True))
    assert honest.names == (
        *("open_perc", "high_perc", "low_perc", "close_perc", "range_diff", "nifty_perc"),
        *("month", "day_month", "day_week", "slot"),
    )
    assert leaking.names == tuple(name for name in honest.names if name != "close_perc")
    for table, shift in ((honest, 1), (leaking, 0)):
        for row in range(len(table.targets)):
            t, s = int(np.searchsorted(slots.panel.times, table.known[row])), row % len(STOCKS)
            now, before = slots.panel.values[t - shift, s], slots.panel.values[t - shift - 1, s]
            nifty = slots.panel.values[[t - shift - 1, t - shift], -1, 3]
            day = pd.Timestamp(slots.days[t])
            wanted = {
                **{
                    f"{name}_perc": 100 * (now[f] / before[f] - 1)
                    for f, name in enumerate(("open", "high", "low", "close"))
                },
                "range_diff": 100 * (now[1] - now[2]) / before[3],
                "nifty_perc": 100 * (nifty[1] / nifty[0] - 1),
                "month": day.month,
                "day_month": day.day,
                "day_week": day.day_of_week,
                "slot": slots.slots[t],
            }
            np.testing.assert_allclose(table.features[row], [wanted[name] for name in table.names], rtol=1e-9)
            closes = slots.panel.values[[t - 1, t], s, 3]
            assert table.targets[row] == pytest.approx(100 * (closes[1] / closes[0] - 1))
            assert table.decided[row] == slots.panel.times[t - 1]


def test_the_lint_takes_the_slot_before_and_refuses_the_slots_own_prices(tmp_path: Path) -> None:
    history = made_history(made_up(tmp_path, 12))
    require_known_features(lambda now: slot_features(now, is_leaking=False), history)
    with pytest.raises(FeatureLeakError, match="feature 'open_perc' of the row decided at"):
        require_known_features(lambda now: slot_features(now, is_leaking=True), history)


def test_an_index_alone_makes_rows_of_its_own_without_itself_as_a_feature(tmp_path: Path) -> None:
    index = read_bars(
        made_up(tmp_path, 5) / "intraday" / "nifty50_5min_2013_2016.parquet", "2015-01-01", "2015-12-31"
    )
    assert index.series == (INDEX,)
    table = slot_features(slot_history(index, index, {}), is_leaking=False)
    assert "nifty_perc" not in table.names
    assert len(table.targets) == 5 * 3 - 2


def test_a_bonus_moves_no_percentage(tmp_path: Path) -> None:
    folder = made_up(tmp_path, 8)
    path = folder / "intraday" / "nse_stocks_5min_2014_2015.parquet"
    honest = slot_features(made_history(folder), is_leaking=False)
    raw = pd.read_parquet(path)
    halved = (raw["symbol"] == "YES") & (raw["ts"] >= "2015-01-06")
    raw.loc[halved, ["open", "high", "low", "close"]] /= 2
    raw.to_parquet(path)
    again = slot_features(made_history(folder, YES="2015-01-06"), is_leaking=False)
    np.testing.assert_allclose(again.features, honest.features, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(again.targets, honest.targets, rtol=1e-9, atol=1e-9)


def test_a_split_parts_at_the_day_and_numbers_slots(tmp_path: Path) -> None:
    table = slot_features(made_history(made_up(tmp_path, 10)), is_leaking=False)
    parts = split(table, "2015-01-08")
    assert parts.train.known.max() < np.datetime64("2015-01-08") <= parts.test.known.min()
    assert len(parts.train.targets) + len(parts.test.targets) == len(table.targets)
    assert parts.slots.tolist() == np.repeat(np.arange(len(parts.slots) // 2), 2).tolist()
    assert summed(parts.slots, np.ones(len(parts.slots))).tolist() == [2.0] * (len(parts.slots) // 2)
    samples = class_samples_of(parts.train)
    assert (samples.known == samples.decided + 1).all()


def test_signs_are_down_flat_and_up(tmp_path: Path) -> None:
    assert sign_classes(np.array([-0.2, 0.0, 3.0])).tolist() == [0, 1, 2]
    table = slot_features(made_history(made_up(tmp_path, 5)), is_leaking=False)
    shares = np.bincount(sign_classes(table.targets), minlength=3)
    assert shares[commonest(table)] == shares.max()


def test_on_random_walks_only_the_slots_own_prices_look_skilful(tmp_path: Path) -> None:
    case = {"name": "made up", "file": "intraday/nse_stocks_5min_2014_2015.parquet"}
    days = {"train_start": "2015-01-01", "test_start": "2015-04-01", "test_end": "2015-12-31"}
    few = {
        "regressors": ["linear_regression"],
        "classifiers": ["logistic"],
        "leaking": ["linear_regression", "logistic"],
    }
    done = asked(cases=[{**case, **days}], bonuses={}, **few).run(made_up(tmp_path))
    rows = {row.name: row for row in done.rows}
    assert rows["made up: linear_regression, skill"].value < 0.05
    assert rows["made up: logistic, accuracy"].value < 0.6
    own = "made up, slot's own prices (leaks)"
    assert rows[f"{own}: linear_regression, skill"].low > 0.4
    assert rows[f"{own}: logistic, accuracy"].low > 0.7
    assert "made up: no skill shown" in done.verdict
    assert "Refused by the lint: feature 'open_perc'" in done.verdict


@pytest.mark.shared_data
@pytest.mark.slow
def test_on_real_bars_no_learner_has_skill_and_the_leak_looks_like_the_papers_accuracy(
    shared_data: Path,
) -> None:
    few = {"regressors": ["linear_regression"], "classifiers": ["logistic"]}
    done = asked(**few).run(shared_data)
    for row in done.rows:
        if "leaks" in row.name:
            assert row.p_value is not None and row.p_value < 1e-9
        elif not row.is_naive:
            assert row.p_value is not None and row.p_value > 0.05
    assert done.verdict.count("no skill shown") == 2


def test_what_is_missing_or_cannot_learn_from_a_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nifty50_5min_2013_2016.parquet' was not found"):
        asked().run(tmp_path)
    folder = made_up(tmp_path, 12)
    with pytest.raises(DataError, match="has no bar from 2013-01-01 to 2013-01-31"):
        read_bars(folder / "intraday" / "nifty50_5min_2013_2016.parquet", "2013-01-01", "2013-01-31")
    parts = split(slot_features(made_history(folder), is_leaking=False), "2015-01-10")
    with pytest.raises(SpecError, match="'naive' is no regression"):
        asked()._answers("naive", parts)
