"""Runs on disk: whole or not at all, and found by the beginning of their id."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from backtest import run as run_module
from backtest.errors import RunError
from backtest.run import Run, find_run, list_runs, load_run, require_space, run_id, save_run


def example(name: str, recorded_at: str = "2026-01-01") -> Run:
    table = pd.DataFrame({"time": pd.date_range("2020-01-01", periods=3), "value": [1.0, np.nan, 3.0]})
    return Run({"id": name, "recorded_at": recorded_at, "score": np.float64(1.5)}, {"equity": table})


def test_a_saved_run_comes_back_equal(tmp_path: Path) -> None:
    folder = save_run(example("abc"), tmp_path)
    loaded = load_run(folder)
    assert loaded.manifest["score"] == 1.5
    assert loaded.tables["equity"]["time"].dtype == "datetime64[ns]"
    pd.testing.assert_frame_equal(loaded.tables["equity"], example("abc").tables["equity"], check_dtype=False)


def test_the_id_depends_on_spec_data_code_and_seed() -> None:
    ids = {
        run_id(*parts)
        for parts in (
            ("s", "d", "c", 0),
            ("t", "d", "c", 0),
            ("s", "e", "c", 0),
            ("s", "d", "k", 0),
            ("s", "d", "c", 1),
        )
    }
    assert len(ids) == 5
    assert run_id("s", "d", "c", 0) in ids


def test_a_run_that_cannot_be_written_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(run_module, "write_table", full)
    with pytest.raises(RunError, match="cannot be written to .*No space left on device"):
        save_run(example("abc"), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_too_little_free_space_is_said_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="MiB free; a run needs"):
        require_space(tmp_path / "runs", needed=2**62)


def test_runs_are_found_by_prefix_and_latest(tmp_path: Path) -> None:
    for name, day in (("abc1", "2026-01-01"), ("abd2", "2026-01-03"), ("xyz3", "2026-01-02")):
        save_run(example(name, day), tmp_path)
    assert find_run(tmp_path, "x").name == "xyz3"
    assert find_run(tmp_path, "latest").name == "abd2"
    assert [m["id"] for m in list_runs(tmp_path)] == ["abd2", "xyz3", "abc1"]
    with pytest.raises(RunError, match="matches 2 runs"):
        find_run(tmp_path, "ab")
    with pytest.raises(RunError, match="was not found"):
        find_run(tmp_path, "nope")


def test_a_damaged_run_is_named(tmp_path: Path) -> None:
    folder = save_run(example("abc"), tmp_path)
    (folder / "equity.parquet").write_bytes(b"not parquet")
    with pytest.raises(RunError, match="cannot be read"):
        load_run(folder)
