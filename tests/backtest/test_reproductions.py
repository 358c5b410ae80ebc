"""NIFTY persistence: the published window gives the figures measured before."""

from pathlib import Path

import numpy as np
import pytest

from backtest.configuration import read_config
from backtest.reproductions.base import REPRODUCTIONS, Reproduction
from backtest.reproductions.nifty_persistence import bootstrap_interval, chunks, rmse_over_mean
from data.errors import DataError

CONFIG = Path(__file__).resolve().parents[2] / "configs" / "reproduce" / "nifty_persistence.yaml"


def reproduced(folder: Path) -> Reproduction:
    return REPRODUCTIONS.build(read_config(CONFIG)).run(folder)


@pytest.mark.shared_data
def test_persistence_meets_the_known_figures(shared_data: Path) -> None:
    rows = {row.name: row for row in reproduced(shared_data).rows}
    assert len(rows) == 4
    for row in rows.values():
        assert row.value == pytest.approx(row.published, abs=5e-6)
        assert row.low < row.value < row.high


def test_missing_data_names_the_file_and_the_option(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nifty50_daily_merged_2007_2023.csv' was not found .* --data"):
        reproduced(tmp_path)


def test_a_chunk_knows_only_what_came_before_it() -> None:
    import pandas as pd

    days = pd.bdate_range("2020-01-01", periods=30)
    bars = pd.DataFrame({"open": np.arange(30.0), "close": np.arange(30.0) + 0.5}, index=days)
    part = chunks(bars, str(days[10].date()), str(days[27].date()))
    assert part.opens.shape == (3, 5)
    assert (part.last_open == part.opens[:, 0] - 1).all()
    assert (part.last_close == part.opens[:, 0] - 0.5).all()


def test_a_perfect_forecast_scores_zero_with_a_zero_interval() -> None:
    truth = np.full((8, 5), 3.0)
    assert rmse_over_mean(truth, np.full(8, 3.0)) == 0.0
    assert bootstrap_interval(truth, np.full(8, 3.0), np.random.default_rng(0)) == (0.0, 0.0)
