"""A sweep is counted before it is shown, stored whole, and says how much of its best is luck."""

import importlib.util
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from backtest.errors import RunError
from backtest.experiment import Places, run_spec
from backtest.spec import build_spec
from backtest.sweep import record as record_module
from backtest.sweep.grid import grid_points
from backtest.sweep.kernel import COLUMNS
from backtest.sweep.record import MANIFEST, SweepOptions, SweepPlaces, load_sweep, run_sweep
from backtest.trials import read_trials, trials_summary
from data.errors import SpecError

_PATH = Path(__file__).resolve().parents[1] / "oracles" / "small_walk.py"
_SPEC = importlib.util.spec_from_file_location("small_walk", _PATH)
small_walk = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(small_walk)

RIDGE = {"kind": "ridge", "context": 8, "horizon": 3, "levels": small_walk.LEVELS}
GRID = {
    "policy": ["long_flat", "long_short", "cash", {"kind": "top_k", "k": 1}],
    "limits.max_gross": [1, 0.5],
}


@pytest.fixture(scope="module")
def history():
    return small_walk.small_history()


def sweep(folder, history, grid=GRID, **options):
    config = small_walk.small_config(forecaster=RIDGE, grid=grid)
    places = SweepPlaces(folder / "sweeps", folder / "trials.jsonl")
    return run_sweep(
        build_spec(config),
        grid_points(config),
        history,
        places,
        small_walk.quiet,
        SweepOptions(**options),
        "2026-01-01",
    )


def test_what_is_stored_is_what_was_made(history, tmp_path):
    made = sweep(tmp_path, history, top=2)
    folder = tmp_path / "sweeps" / made.manifest["id"]
    assert sorted(path.name for path in folder.iterdir()) == ["equity.parquet", "points.parquet", MANIFEST]
    read = load_sweep(folder)
    assert read.manifest == json.loads(json.dumps(made.manifest))
    pd.testing.assert_frame_equal(read.points, made.points, check_dtype=False)
    pd.testing.assert_frame_equal(read.equity, made.equity, check_dtype=False)
    assert list(made.points.columns) == ["policy", "limits.max_gross", *COLUMNS, "trial"]
    assert made.points["policy"].iloc[-1] == '{"k": 1, "kind": "top_k"}'
    assert set(made.equity["point"]) == {best["point"] for best in made.manifest["best"]}
    assert read.manifest["spec"]["grid"] == GRID


def test_every_point_is_a_trial_once_and_a_run_of_it_is_no_other(history, tmp_path):
    first = sweep(tmp_path, history)
    assert first.manifest["trials"]["count"] == first.manifest["trials"]["new"] == 8
    again = sweep(tmp_path, history, keep_equity=True, threads=2)
    assert (again.manifest["trials"]["count"], again.manifest["trials"]["new"]) == (8, 0)
    assert "This sweep tried 8; 8 of them had been tried before." in again.manifest["sentences"]
    assert again.equity["point"].nunique() == 8
    point = grid_points(small_walk.small_config(forecaster=RIDGE, grid=GRID))[0]
    places = Places(tmp_path / "runs", tmp_path / "trials.jsonl")
    run = run_spec(point.spec, history, places, small_walk.quiet)
    assert run.manifest["trials"]["count"] == 8
    shutil.rmtree(tmp_path / "sweeps")
    shutil.rmtree(tmp_path / "runs")
    wider = sweep(tmp_path, history, {**GRID, "limits.max_gross": [1, 0.5, 0.25]})
    assert (wider.manifest["trials"]["count"], wider.manifest["trials"]["new"]) == (12, 4)
    counts = trials_summary(tmp_path / "trials.jsonl", read_trials(tmp_path / "trials.jsonl")[0].key)
    # 6 of the first 8 points vary, and 3 of the 4 new ones: cash has no correlation, and the sums of each sweep merge.
    assert counts.pairs == 9 * 8 // 2


def test_the_best_are_ranked_with_intervals_and_what_luck_is_is_said(history, tmp_path):
    made = sweep(tmp_path, history, top=3)
    ratios = made.points["sharpe"].to_numpy()
    order = [best["point"] for best in made.manifest["best"]]
    assert order == sorted(range(8), key=lambda row: (-np.nan_to_num(ratios[row], nan=-np.inf), row))[:3]
    assert all(
        best["low"] is None or best["low"] <= best["sharpe"] <= best["high"] for best in made.manifest["best"]
    )
    text = " ".join(made.manifest["sentences"])
    assert "8 strategies have been tried on these data so far" in text
    assert "the best of 8 strategies without any skill would show" in text
    assert "a sensitivity, too lenient to decide by" in text
    assert 0 <= made.manifest["deflated_sharpe"] <= made.manifest["deflated_sharpe_effective"] <= 1


def test_nothing_half_written_is_left_and_the_points_count_all_the_same(history, tmp_path, monkeypatch):
    def failing(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(record_module, "write_table", failing)
    with pytest.raises(RunError, match="cannot be written to .*No space left on device"):
        sweep(tmp_path, history)
    assert list((tmp_path / "sweeps").iterdir()) == []
    assert len(read_trials(tmp_path / "trials.jsonl")) == 8


def test_a_folder_without_a_sweep_is_named(tmp_path):
    with pytest.raises(RunError, match="holds no readable sweep"):
        load_sweep(tmp_path)


@pytest.mark.parametrize("wrong", [{"threads": 0}, {"top": 0}])
def test_nothing_side_by_side_and_nothing_shown_are_refused(wrong):
    with pytest.raises(SpecError, match="at least 1 is needed of each"):
        SweepOptions(**wrong)
