"""Every command that meets a liquidity experiment or its run: it works, or says in one line why it does not."""

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from backtest.yaml12 import dump_yaml
from service.cli import main
from service.settings import HOME_VARIABLE

ORACLES = Path(__file__).parents[1] / "oracles"
Command = Callable[..., tuple[int, str, str]]


def _oracle(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, ORACLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


small, example = _oracle("small_contest"), _oracle("example_run")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with two liquidity runs that differ in their capital, and one trading run."""
    from backtest.run import Run, save_run

    folder = tmp_path_factory.mktemp("liquidity")
    (folder / "small.yaml").write_text(dump_yaml(small.small_spec().resolved()))
    save_run(Run(*example.example_run(days=300)), folder / "home" / "runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(HOME_VARIABLE, str(folder / "home"))
        for capital in (10_000, 500):
            asked = ["backtest", str(folder / "small.yaml"), "--quiet", "--set", f"capital={capital}"]
            assert main(asked) == 0
    return folder


@pytest.fixture
def command(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    monkeypatch.setenv(HOME_VARIABLE, str(home / "home"))
    monkeypatch.chdir(home)
    capsys.readouterr()

    def run(*arguments: str) -> tuple[int, str, str]:
        return main(arguments), *capsys.readouterr()

    return run


def ids(command: Command, experiment: str | None) -> list[str]:
    listed = json.loads(command("runs", "ls", "--json")[1])
    return [each["id"] for each in listed if each.get("experiment") == experiment]


@pytest.mark.parametrize("arguments", [
    ("config", "show", "small.yaml"), ("config", "validate", "small.yaml"), ("runs", "show", "RUN"), ("report", "RUN"),
    ("backtest", "small.yaml", "--quiet"), ("amm", "quote", "small.yaml", "1"), ("runs", "ls"), ("runs", "trials"),
    ("amm", "positions", "small.yaml", "--lower", "1900", "--upper", "2100", "--opened", "2015-01-02"),
], ids=" ".join)  # fmt: skip
def test_a_command_answers_as_text_and_as_one_document(command: Command, arguments: tuple[str, ...]) -> None:
    run = ids(command, "liquidity")[0]
    asked = tuple(run if word == "RUN" else word for word in arguments)
    code, out, err = command(*asked)
    assert (code, err) == (0, "") and out.strip()
    code, out, err = command(*asked, "--json")
    assert (code, err) == (0, "") and json.loads(out)


@pytest.mark.parametrize("arguments", [
    ("audit", "small.yaml"), ("sweep", "small.yaml"), ("select", "small.yaml"), ("compare-models", "small.yaml"),
    ("backtest", "small.yaml", "--cross-check"), ("amm", "replay", "small.yaml"), ("runs", "metrics", "RUN"),
    ("runs", "metrics", "RUN", "--as", "all"), ("amm", "positions", "quickstart", "--lower", "1", "--upper", "2", "--opened", "2015-01-02"),
    ("runs", "compare", "RUN", "TRADED"), ("backtest", "small.yaml", "--set", "grid.x=[1]"),
], ids=" ".join)  # fmt: skip
def test_what_is_not_for_liquidity_says_so_in_one_line(command: Command, arguments: tuple[str, ...]) -> None:
    names = {"RUN": ids(command, "liquidity")[0], "TRADED": ids(command, None)[0]}
    code, out, err = command(*(names.get(word, word) for word in arguments))
    assert (code, out) == (2, "")
    assert err.startswith("error: ") and err.count("\n") == 1


def test_runs_compared_show_net_of_holding_and_the_setting_that_differs(command: Command) -> None:
    runs = ids(command, "liquidity")
    code, out, err = command("runs", "compare", *runs)
    assert (code, err) == (0, "")
    assert "net bp" in out and "error and compute" not in out
    document = json.loads(command("runs", "compare", *runs, "--json")[1])
    assert [each["setting"] for each in document["settings"]] == ["capital"]
    shown = json.loads(command("runs", "show", runs[0], "--json")[1])
    judged = next(each for each in shown["policies"] if each["lane"] == shown["primary"])
    assert document["accounts"][0]["net bp"] == judged["net_bps"]
    assert document["compute"] == []
