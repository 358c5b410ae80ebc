"""``wayfold audit``: tables, sentences, one JSON document, a stored outcome, exit codes, and no trial."""

import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from backtest.audit import leakage as leakage_module
from backtest.yaml12 import dump_yaml
from service.cli import main

_PATH = Path(__file__).resolve().parents[1] / "oracles" / "leaks.py"
_SPEC = importlib.util.spec_from_file_location("wayfold_leaks", _PATH)
leaks = importlib.util.module_from_spec(_SPEC)
sys.modules[_SPEC.name] = leaks
_SPEC.loader.exec_module(leaks)

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Return a function that audits a column in an empty home."""
    leaks.register(monkeypatch.setitem)
    monkeypatch.setenv("WAYFOLD_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(leakage_module, "MOST_SCANNED", 10)

    def call(column: str, *arguments: str) -> tuple[int, str, str]:
        config = leaks.config(column, folds={"kind": "rolling", "train": 100, "test": 20})
        (tmp_path / "own.yaml").write_text(dump_yaml(config))
        code = main(["audit", str(tmp_path / "own.yaml"), "--quiet", "--folds", "2", *arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def stored(home: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted((home / "home" / "audits").glob("*.json"))]


def test_a_clean_experiment_is_told_to_be_clean_and_stored_and_is_no_trial(
    command: Command, tmp_path: Path
) -> None:
    code, out, err = command("SMA", "--worlds", "1")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "cuts at which the past moved when only the future was changed"
    assert lines[1].split() == [
        "artefact",
        "compared",
        "raised",
        "lowered",
        "mirrored",
        "missing",
        "truncated",
    ]
    assert "verdict  no leak found" in lines
    assert "null worlds that did as well or better" in lines
    assert any(line.startswith("warm-up") for line in lines)
    (document,) = stored(tmp_path)
    assert document["leaks"] is False
    assert lines[-1].endswith(f"{document['run']}.json")
    assert not (tmp_path / "home" / "trials.jsonl").exists()


def test_a_leak_exits_with_1_and_names_the_first_thing_that_moved(command: Command, tmp_path: Path) -> None:
    code, out, err = command("centred window", "--worlds", "0")
    assert (code, err) == (1, "")
    assert "verdict  LEAK" in out
    assert "LEAK: features of S1 planted at 20" in out
    assert "it saw the future" in out
    assert stored(tmp_path)[0]["leaks"] is True


def test_json_is_one_strict_document_with_the_file_it_is_stored_in(command: Command, tmp_path: Path) -> None:
    code, out, _ = command("EWM", "--worlds", "0", "--json")
    document = json.loads(out)
    assert code == 0
    assert document["null"] is None
    assert json.loads(Path(document["file"]).read_text())["run"] == document["run"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--cuts", "7"), "cuts was 7; at least 8 are needed"),
        (("--folds", "0"), "folds was 0; at least 1 is needed"),
        (("--worlds", "-1"), "worlds was -1; allowed: 0 or more"),
        (("--set", "polcy=x"), "unknown key 'polcy'"),
    ],
)
def test_a_wrong_number_or_key_is_one_line_and_exit_code_2(
    command: Command, arguments: tuple[str, ...], message: str
) -> None:
    code, out, err = command("SMA", *arguments)
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert message in err
