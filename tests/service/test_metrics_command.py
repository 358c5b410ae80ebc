"""``wayfold runs metrics`` on a finished run: the stored metrics, other tools' figures, and wrong words."""

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from backtest.metrics.convert import TOOLS
from backtest.run import Run, save_run
from data.errors import SpecError
from service.commands.metrics import metrics

_PATH = Path(__file__).resolve().parents[1] / "oracles" / "example_run.py"
_MODULE = importlib.util.spec_from_file_location("example_run", _PATH)
example = importlib.util.module_from_spec(_MODULE)
_MODULE.loader.exec_module(example)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("metrics")
    manifest, tables = example.example_run(days=400)
    manifest["data"]["calendar"] = "weekdays"
    trades = tables["trades"]
    tables["trades"] = trades.assign(units=trades["units"].abs())
    save_run(Run(manifest, tables), folder / "runs")
    return folder


@pytest.fixture
def shown(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    monkeypatch.setenv("WAYFOLD_HOME", str(home))
    capsys.readouterr()

    def call(**options: Any) -> str:
        metrics("latest", **options)
        return capsys.readouterr().out

    return call


def test_the_stored_metrics_of_the_judged_account_are_shown(shown: Callable[..., str]) -> None:
    text = shown()
    assert text.startswith("metrics of ridge\n")
    assert "sharpe" in text
    rows = json.loads(shown(json_output=True))
    assert {row["lane"] for row in rows} == {"ridge"}


def test_another_account_can_be_named(shown: Callable[..., str]) -> None:
    assert shown(lane="naive").startswith("metrics of naive\n")


def test_every_tool_stands_beside_ours_with_its_formula(shown: Callable[..., str]) -> None:
    text = shown(tool="all")
    for tool in TOOLS:
        assert f"\n{tool}" in text
    assert "qlib sum: information ratio: mean(r)/sd(r, ddof 1) x sqrt(238)" in text
    rows = json.loads(shown(tool="all", json_output=True))
    assert len({row["value"] for row in rows}) > 6
    assert len({row["wayfold"] for row in rows}) == 1


def test_every_metric_of_one_tool_stands_beside_ours(shown: Callable[..., str]) -> None:
    rows = {row["metric"]: row for row in json.loads(shown(tool="quantstats", json_output=True))}
    assert rows["max_drawdown"]["value"] == pytest.approx(rows["max_drawdown"]["wayfold"])
    assert rows["value_at_risk"]["value"] != rows["value_at_risk"]["wayfold"]
    assert "the account as vectorbt defines it" in shown(tool="vectorbt")


def test_the_trades_of_the_run_reach_freqtrade(shown: Callable[..., str]) -> None:
    rows = json.loads(shown(tool="freqtrade", json_output=True))
    assert all(row["value"] is not None for row in rows if row["variant"] == "trades")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"tool": "vectorbtt"}, "tool was 'vectorbtt'; did you mean 'vectorbt'"),
        ({"tool": "all", "metric": "omega"}, "metric was 'omega'; allowed"),
        ({"lane": "naiv"}, "lane 'naiv' is not in the run; did you mean 'naive'"),
    ],
)
def test_wrong_words_are_answered_with_the_nearest(
    shown: Callable[..., str], options: dict[str, Any], words: str
) -> None:
    with pytest.raises(SpecError, match=words):
        shown(**options)
