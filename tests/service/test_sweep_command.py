"""``wayfold sweep``: the best points beside the number of trials, and words a reader understands."""

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from backtest.yaml12 import dump_yaml
from data.errors import SpecError
from service.commands.sweep import sweep

CONFIG = {
    "data": {"kind": "synthetic", "count": 2, "bars": 230},
    "forecaster": {"kind": "ridge", "context": 10, "horizon": 5},
    "folds": {"kind": "rolling", "train": 120, "test": 50},
    "policy": {"kind": "top_k", "k": 1},
    "costs": "us_equities",
    "grid": {"policy.k": [1, 2], "limits.max_gross": [1.0, 0.5]},
}


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WAYFOLD_HOME", str(tmp_path / "home"))
    path = tmp_path / "small.yaml"
    path.write_text(dump_yaml(CONFIG))
    return path


def run(*arguments: object) -> str:
    app = typer.Typer()
    app.command()(sweep)
    result = CliRunner().invoke(app, [str(each) for each in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0
    return result.stdout


def test_the_best_points_stand_beside_the_trials_and_luck(config: Path) -> None:
    text = run(config, "--top", 2, "--quiet")
    assert "best 2 of 4 points" in text
    assert "policy.k=" in text and "limits.max_gross=" in text
    assert "4 strategies have been tried on these data so far" in text
    assert "This sweep tried 4." in text
    assert "deflated Sharpe ratio" in text


def test_json_says_the_same_and_where_it_is(config: Path) -> None:
    shown = json.loads(run(config, "--json", "--keep-equity", "--threads", 2))
    assert shown["points"] == shown["trials"]["count"] == len(shown["best"]) == 4
    assert {"label", "sharpe", "low", "high", "final_equity", "max_drawdown"} <= set(shown["best"][0])
    folder = Path(shown["folder"])
    assert {path.name for path in folder.iterdir()} == {"sweep.json", "points.parquet", "equity.parquet"}


def test_an_override_may_give_or_take_the_grid(config: Path) -> None:
    assert json.loads(run(config, "--json", "--set", "grid={policy.k: [1]}"))["points"] == 1
    with pytest.raises(SpecError, match="has no grid; add 'grid:'"):
        run(config, "--set", "grid={}")
