"""``wayfold compare-models``: text, JSON, a file of tables, and refusals that name the value."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from backtest.yaml12 import dump_yaml
from data.errors import SpecError
from service.commands.compare_models import compare_models

SMALL: dict[str, Any] = {
    "name": "small",
    "data": {"kind": "synthetic", "process": "gbm", "count": 1, "bars": 260, "seed": 3},
    "forecaster": [
        {"kind": "bootstrap", "paths": 100, "context": 10, "horizon": 3},
        {"kind": "ar", "context": 10, "horizon": 3},
    ],
    "folds": {"kind": "rolling", "train": 120, "test": 70},
    "policy": "long_flat",
    "costs": "us_equities",
}
Compare = Callable[..., str]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Compare:
    (tmp_path / "small.yaml").write_text(dump_yaml(SMALL))
    monkeypatch.setenv("WAYFOLD_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    app = typer.Typer()
    app.command()(compare_models)

    def call(*arguments: str) -> str:
        result = CliRunner().invoke(app, ["small.yaml", "--quiet", *arguments])
        if result.exception is not None:
            raise result.exception
        return result.stdout

    return call


def test_every_table_is_printed_and_the_verdict_is_said(run: Compare, tmp_path: Path) -> None:
    text = run("--windows", "4", "--out", "found.json")
    for title in (
        "loss: CRPS",
        "errors, mean and spread over seeds",
        "learning curve",
        "compute of one seed",
    ):
        assert title in text
    assert "verdict on the models  no skill shown" in text
    assert "Windows without a loss" in text
    for model in ("bootstrap", "ar", "naive", "drift", "seasonal_naive", "ridge"):
        assert f"\n{model} " in text
    assert not list((tmp_path / "home").glob("**/trials.jsonl"))
    assert {row["model"] for row in json.loads((tmp_path / "found.json").read_text())["curve"]} == {
        "bootstrap",
        "ar",
        "ridge",
    }


def test_one_json_document_holds_every_table(run: Compare) -> None:
    document = json.loads(run("--windows", "0", "--json", "--set", "forecaster.1.context=12"))
    assert document["status"] == "no skill shown"
    assert document["curve"] == []
    assert [row["seed"] for row in document["walks"] if row["model"] == "bootstrap"] == [0, 1, 2]
    assert {"models", "walks", "curve", "laws", "sentences", "direction_ambiguity", "left_out"} <= set(
        document
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--seeds", "1"), "seeds was 1; at least 3"),
        (("--windows", "2"), "windows was 2; allowed: 0, or at least 4"),
        (("--set", "folds.train=9000"), "9000 bars of history"),
    ],
)
def test_what_is_not_allowed_is_refused_with_its_value(
    run: Compare, arguments: tuple[str, ...], said: str
) -> None:
    with pytest.raises(SpecError, match=said):
        run(*arguments)
