"""Bad input: one line that names the value and what is allowed, the right exit code, and nothing half-written."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from backtest.yaml12 import dump_yaml
from service.cli import main

GOOD: dict[str, Any] = {
    "name": "small",
    "data": {"kind": "synthetic", "process": "gbm", "count": 2, "bars": 260, "seed": 3},
    "forecaster": {"kind": "bootstrap", "context": 20, "horizon": 3},
    "folds": {"kind": "rolling", "train": 120, "test": 60},
    "policy": {"kind": "kelly"},
    "costs": "us_equities",
}


def bars(**columns: Any) -> pd.DataFrame:
    """300 weekdays of one series, clean unless a column is given."""
    days = pd.bdate_range("2020-01-01", periods=300)
    close = 100 * np.exp(np.cumsum(np.random.default_rng(0).normal(0, 0.01, 300)))
    clean = {
        "date": days,
        "open": close,
        "high": close * 1.01,
        "low": close * 0.99,
        "close": close,
        "volume": 1e6,
    }
    return pd.DataFrame({**clean, **columns})


def csv(path: Path, frame: pd.DataFrame) -> dict[str, Any]:
    frame.to_csv(path / "A.csv", index=False)
    return {"kind": "csv", "files": str(path / "A.csv"), "calendar": "weekdays"}


def repeated(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([frame.iloc[:10], frame.iloc[9:]])


def with_value(column: str, value: float) -> pd.DataFrame:
    frame = bars()
    frame.loc[50, column] = value
    return frame


SETTINGS: list[tuple[str, str, Any, int, str]] = [
    ("unknown key", "folds.trian", 100, 2, "unknown key 'folds.trian'; did you mean 'train'?"),
    ("unknown section", "polcy", {"kind": "cash"}, 2, "unknown key 'polcy'; did you mean 'policy'?"),
    ("wrong type", "forecaster.horizon", "five", 2, "forecaster.horizon was 'five': input should be a valid integer"),
    ("number as text", "folds.train", "120", 2, "folds.train was '120': input should be a valid integer"),
    ("out of range", "forecaster.horizon", 0, 2, "forecaster.horizon was 0: input should be greater than or equal to 1"),
    ("unknown model", "forecaster.kind", "ridgee", 2, "unknown forecaster kind 'ridgee'; did you mean 'ridge'?"),
    ("unknown policy", "policy.kind", "martingale", 2, "unknown policy kind 'martingale'; allowed: buy_and_hold"),
    ("unknown costs", "costs", "free", 2, "unknown costs kind 'free'; allowed:"),
    ("unknown calendar", "data.calendar", "XNYSE", 2, "calendar 'XNYSE' is unknown; did you mean 'XNYS'?"),
    ("level outside", "forecaster.levels", [0.5, 1.5], 2, "levels must be increasing numbers between 0 and 1"),
    ("no median", "forecaster.levels", [0.1, 0.9], 2, "forecaster.levels was [0.1, 0.9]; 0.5"),
    ("unknown field", "forecaster.field", "adj", 3, "field 'adj' is not in the panel; allowed: close, high, low, open, volume"),
    ("limit outside", "limits", {"max_gross": -1}, 2, "limits.max_gross was -1"),
    ("free trading unasked", "costs", {"kind": "custom"}, 2, "must be asked for with kind 'none'"),
    ("date that is none", "folds.first", "soon", 2, "folds.first was 'soon'; an ISO date"),
    ("seed as text", "seed", "lucky", 2, "seed was 'lucky'; a whole number is needed"),
    ("no model", "forecaster", [], 2, "forecaster is empty; at least one model is needed"),
    ("horizon too long", "forecaster.horizon", 400, 2, "forecaster.horizon was 400, but the first fit reads 120 bars; allowed: 1 to 119"),
    ("gap too short", "folds.labels", "open_to_open", 2, "folds.gap was 0; open_to_open labels of horizon 3 need a gap of at least 4"),
    ("train too long", "folds.train", 5000, 2, "folds need 5000 bars of history before the first test"),
    ("test after the end", "folds.first", "2035-01-01", 2, "folds.first was 2035-01-01, after the data ends"),
    ("fold without rows", "folds.last", "2000-01-01", 2, "no test rows are left"),
    ("missing file", "data", {"kind": "csv", "files": "nowhere/*.csv", "calendar": "XNYS"}, 3, "nowhere/*.csv"),
    ("unknown series", "data.series", ["Z9"], 2, "series 'Z9' is not made; allowed: S1 to S2"),
    ("period without bars", "data.start", "2090-01-01", 3, "2090-01-01"),
    ("not in the lake", "data", {"kind": "lake", "name": "prices"}, 3, "dataset 'prices' is not in the lake"),
    ("not fetched", "data", {"kind": "yahoo", "series": ["SPY"]}, 3, "fetch it first with: wayfold data fetch CONFIG"),
]  # fmt: skip

FILES: list[tuple[str, Callable[[], pd.DataFrame], str]] = [
    ("empty file", lambda: bars().iloc[:0], "has no rows"),
    ("one-row series", lambda: bars().iloc[:1], "has 1 row; at least 2 are needed"),
    ("text among prices", lambda: bars(close="high"), "high"),
    ("no stamps", lambda: bars().drop(columns="date"), "time"),
    ("duplicate stamps", lambda: repeated(bars()), "duplicates: keep_first"),
    ("unsorted stamps", lambda: bars().iloc[::-1], "out of order"),
    ("all-NaN column", lambda: bars(close=np.nan), "close"),
    ("negative price", lambda: with_value("low", -3.0), "-3"),
]


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Return a function that runs the command line in an empty home and returns exit code, output and error text."""
    monkeypatch.setenv("WAYFOLD_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> tuple[int, str, str]:
        code = main(arguments)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def changed(path: str, value: Any) -> dict[str, Any]:
    config = copy.deepcopy(GOOD)
    node = config
    *parents, last = path.split(".")
    for key in parents:
        node = node[key]
    node[last] = value
    return config


def nothing_half_written(home: Path) -> bool:
    runs = home / "runs"
    return not runs.exists() or not list(runs.iterdir())


@pytest.mark.parametrize(
    ("name", "path", "value", "code", "message"), SETTINGS, ids=[row[0] for row in SETTINGS]
)
def test_a_wrong_setting_is_one_line(
    run: Any, tmp_path: Path, name: str, path: str, value: Any, code: int, message: str
) -> None:
    (tmp_path / "bad.yaml").write_text(dump_yaml(changed(path, value)))
    got, _, error = run("backtest", "bad.yaml")
    assert got == code, error
    assert message in error
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert "Traceback" not in error
    assert nothing_half_written(tmp_path / "home")


@pytest.mark.parametrize(("name", "make", "message"), FILES, ids=[row[0] for row in FILES])
def test_a_broken_file_is_one_line(
    run: Any, tmp_path: Path, name: str, make: Callable[[], pd.DataFrame], message: str
) -> None:
    (tmp_path / "bad.yaml").write_text(dump_yaml(changed("data", csv(tmp_path, make()))))
    got, _, error = run("backtest", "bad.yaml")
    assert got == 3, error
    assert message in error
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert nothing_half_written(tmp_path / "home")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1", "is not YAML"),
        ("data: 1\ndata: 2", "key 'data' stands twice, in lines 1 and 2"),
        ("- 1\n- 2", "a mapping is needed"),
        ("", "a mapping is needed"),
    ],
)
def test_a_broken_document_is_one_line(run: Any, tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "bad.yaml").write_text(text)
    code, _, error = run("config", "validate", "bad.yaml")
    assert (code, error.count("\n")) == (2, 1)
    assert message in error


COMMANDS: list[tuple[tuple[str, ...], int, str]] = [
    (("backtest", "quickstrat"), 2, "did you mean 'quickstart'?"),
    (("backtest", "quickstart", "--set", "folds.train"), 2, "override was 'folds.train'; 'section.key=value' is needed"),
    (("backtest", "quickstart", "--set", "folds.tset=3"), 2, "unknown key 'folds.tset'; did you mean 'test'?"),
    (("backtest", "quickstart", "--set", "forecaster.7.horizon=3"), 2, "'7' is no position in a list of 2"),
    (("backtest",), 2, "Missing argument 'CONFIG'"),
    (("backtest", "quickstart", "--frsh"), 2, "No such option: --frsh"),
    (("demo", "--set", "seed=x"), 2, "seed was 'x'; a whole number is needed"),
    (("runs", "show", "abc"), 1, "run 'abc' was not found"),
    (("runs", "show", "latest"), 1, "no run is stored there yet"),
    (("runs", "compare", "abc"), 2, "runs to compare were 1; name two or more"),
    (("report", "abc"), 1, "run 'abc' was not found"),
    (("reproduce", "nifty"), 2, "reproduction 'nifty' is unknown"),
    (("reproduce", "nifty_persistence", "--data", "nowhere"), 3, "was not found in nowhere; name the folder that holds it"),
    (("frobnicate",), 2, "No such command 'frobnicate'"),
    (("runs", "lss"), 2, "No such command 'lss'"),
    (("config", "show", "folder"), 2, "configuration 'folder' was not found"),
    (("config", "validate", "bytes.yaml"), 2, "is not UTF-8 text"),
    (("data", "check", "nowhere.csv"), 3, "file 'nowhere.csv' was not found"),
    (("data", "check", "run.yaml"), 2, "is no bar file by its name; allowed: .csv"),
    (("data", "check", "bytes.parquet"), 3, "bytes.parquet cannot be read as Parquet"),
    (("data", "check", "bytes.csv"), 3, "bytes.csv"),
    (("data", "check", "empty.csv"), 3, "empty.csv"),
    (("data", "check", "empty.csv", "--calendar", "XNYSE"), 2, "calendar 'XNYSE' is unknown; did you mean 'XNYS'?"),
    (("data", "check", "empty.csv", "--bar", "3q"), 2, "bar length was '3q'; allowed: 'session' or a length such as '1h'"),
    (("data", "check", "empty.csv", "--stamps", "middle"), 2, "middle"),
    (("data", "check", "a.csv", "--zone", "Mars/Base"), 3, "zone 'Mars/Base' is unknown"),
    (("data", "add", "prices", "nowhere.csv"), 3, "file 'nowhere.csv' was not found"),
    (("data", "add", "../up", "a.csv"), 3, "dataset name was '../up'"),
    (("data", "fetch", "quickstart"), 2, "data of kind 'bundled' needs no fetching"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "code", "message"), COMMANDS, ids=[" ".join(row[0]) for row in COMMANDS]
)
def test_a_wrong_command_is_one_line(
    run: Any, tmp_path: Path, arguments: tuple[str, ...], code: int, message: str
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "empty.csv").touch()
    bars().to_csv(tmp_path / "a.csv", index=False)
    for suffix in ("yaml", "csv", "parquet"):
        (tmp_path / f"bytes.{suffix}").write_bytes(bytes(range(256)))
    got, output, error = run(*arguments)
    assert got == code, error
    assert message in error
    assert error.startswith("error: ")
    assert (error.count("\n"), output) == (1, "")
    assert nothing_half_written(tmp_path / "home")


def test_bars_without_a_close_are_one_line(run: Any, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text(dump_yaml(changed("data", csv(tmp_path, bars()[["date", "volume"]]))))
    code, _, error = run("backtest", "bad.yaml")
    assert (code, error) == (1, "error: the panel has no field 'close' (it has volume)\n")
    assert nothing_half_written(tmp_path / "home")


def test_a_home_that_cannot_be_written_is_said_before_the_work(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("WAYFOLD_HOME", str(tmp_path / "file"))
    (tmp_path / "good.yaml").write_text(dump_yaml(GOOD))
    code, _, error = run("backtest", "good.yaml")
    assert code == 1
    assert "cannot be made" in error


def test_too_little_disk_space_is_said_before_the_work(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    (tmp_path / "good.yaml").write_text(dump_yaml(GOOD))
    code, _, error = run("backtest", "good.yaml")
    assert code == 1
    assert "MiB free; a run needs" in error
    assert nothing_half_written(tmp_path / "home")
