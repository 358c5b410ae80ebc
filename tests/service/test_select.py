"""``wayfold select``: text, JSON, a grid, the seal, and refusals that name the value."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from backtest.errors import RunError
from backtest.yaml12 import dump_yaml
from data.errors import SpecError
from service.commands.select import select

SMALL: dict[str, Any] = {
    "name": "small",
    "data": {"kind": "synthetic", "process": "gbm", "count": 2, "bars": 560, "seed": 3},
    "forecaster": {"kind": "ar", "context": 20, "horizon": 5},
    "folds": {"kind": "rolling", "train": 150, "test": 45},
    "policy": {"kind": "long_flat"},
    "costs": "us_equities",
}
QUICK = ("--estimators", "walk_forward,lower_bound,in_sample", "--warm-up", "2", "--quiet")
Select = Callable[..., str]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("select")
    (folder / "small.yaml").write_text(dump_yaml(SMALL))
    grid = {**SMALL, "grid": {"forecaster.context": [15, 25]}}
    (folder / "grid.yaml").write_text(dump_yaml(grid))
    return folder


@pytest.fixture
def run(home: Path, monkeypatch: pytest.MonkeyPatch) -> Select:
    monkeypatch.setenv("WAYFOLD_HOME", str(home / "home"))
    monkeypatch.chdir(home)
    app = typer.Typer()
    app.command()(select)

    def call(*arguments: str) -> str:
        result = CliRunner().invoke(app, [*QUICK, *arguments])
        if result.exception is not None:
            raise result.exception
        return result.stdout

    return call


def test_every_estimator_and_k_is_printed_beside_luck_and_the_verdict_is_said(run: Select) -> None:
    out = run("small.yaml", "--k", "1..3")
    assert "5 candidates on" in out
    assert "SharpeRatio@k against the benchmark at the same volatility target" in out
    assert "SharpeRatio@k against cash" in out
    for name in ("walk_forward", "lower_bound", "in_sample"):
        assert len(re.findall(rf"^{name} +[123] ", out, re.MULTILINE)) == 6
    assert re.search(r"^verdict  nothing is promoted: ", out, re.MULTILINE)
    assert "ranking now, by lower_bound: " in out
    assert "each candidate but the naive models is one" in out
    assert not re.search(r"\b(nan|NaN|None|inf)\b", out)


def test_every_candidate_is_a_trial_and_counts_once(run: Select) -> None:
    arguments = ("small.yaml", "--k", "1", "--set", "data.seed=8", "--json")
    assert json.loads(run(*arguments, "--no-references"))["tried"] == 1
    assert json.loads(run(*arguments))["tried"] == 2, "ridge is a candidate too, naive models are not counted"
    assert json.loads(run(*arguments, "--no-references", "--set", "policy=long_short"))["tried"] == 3


def test_the_document_is_strict_json_with_every_table(run: Select) -> None:
    found = json.loads(run("small.yaml", "--k", "2", "--json"))
    assert found["candidates"] == 5
    assert {row["k"] for row in found["table"]} == {2}
    assert found["promotion"]["k"] == 0
    assert (
        "k was fixed beforehand" in found["promotion"]["reason"]
        or "5 deployments" in found["promotion"]["reason"]
    )
    assert {row["candidate"] for row in found["rankings"]} == {
        "ar",
        "naive",
        "drift",
        "seasonal_naive",
        "ridge",
    }
    assert {"differences", "deployments", "ranking_now", "seal"} <= set(found)


def test_a_grid_makes_a_candidate_of_every_point(run: Select) -> None:
    found = json.loads(run("grid.yaml", "--k", "2", "--no-references", "--json", "--set", "data.bars=500"))
    names = {row["candidate"] for row in found["rankings"]}
    assert names == {"ar [forecaster.context=15]", "ar [forecaster.context=25]"}


def test_nothing_of_a_sealed_period_is_read_and_it_opens_once(run: Select, home: Path) -> None:
    sealed = ("small.yaml", "--k", "2", "--sealed", "2016-04-01", "--set", "seed=4")
    before = json.loads(run(*sealed, "--json"))
    assert before["last"] == "2016-03-31"
    assert before["seal"].startswith("sealed from 2016-04-01 to ")
    assert "never opened" in before["seal"]
    assert max(row["deployed_at"] for row in before["deployments"]) < "2016-04-01"
    opened = json.loads(run(*sealed, "--open-seal", "--json"))
    assert min(row["deployed_at"] for row in opened["deployments"]) >= "2016-04-01"
    assert "it cannot be opened again" in opened["seal"]
    with pytest.raises(RunError, match="was opened at .* with 5 candidates"):
        run(*sealed, "--open-seal", "--set", "policy=long_short")
    assert "spent, S1, S2 from 2016-04-01" in run(*sealed)
    assert len((home / "home" / "seals.jsonl").read_text().splitlines()) == 1


def test_a_refusal_before_the_verdict_leaves_the_seal_closed(run: Select, home: Path) -> None:
    before = (home / "home" / "seals.jsonl").exists() and (home / "home" / "seals.jsonl").read_text()
    with pytest.raises(SpecError, match="outcome window is 5 bars"):
        run("small.yaml", "--k", "2", "--sealed", "2016-07-01", "--open-seal", "--set", "data.seed=9")
    after = (home / "home" / "seals.jsonl").exists() and (home / "home" / "seals.jsonl").read_text()
    assert before == after


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--k", "6"), "k was 6; 5 candidates allow 1 to 5"),
        (("--k", "2-3"), "k was '2-3'; a number, a list or a range"),
        (("--open-seal",), "--open-seal was given without --sealed"),
        (("--sealed", "soon"), "time was 'soon'"),
        (("--by", "cpcv_mean"), "promote_by was 'cpcv_mean'; it must be one of the estimators"),
        (("--by", "lower_bnd"), "did you mean 'lower_bound'"),
        (("--against", "gold"), "select.baseline was 'gold'"),
        (("--alpha", "1.5"), "select.alpha was 1.5"),
        (("--convention", "paper"), "did you mean 'paper_text'"),
        (("--warm-up", "90"), "leave no deployment after a warm-up of 90"),
    ],
)
def test_arguments_that_cannot_be_are_named(run: Select, arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(SpecError, match=re.escape(message)):
        run("small.yaml", *arguments)
