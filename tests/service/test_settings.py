"""The environment reaches the program as settings, and a node's address no further than the fetch that asks it."""

from pathlib import Path
from typing import Any

import pytest

from backtest.yaml12 import dump_yaml
from data.sources.ethereum_rpc import URL_VARIABLE, PoolRpcSource
from data.sources.fetched import Machine
from service.cli import main
from service.settings import ETHEREUM_URL_VARIABLE, HOME_VARIABLE, Settings, read_settings

URL = "https://node.example/v3/0123abcd"
POOL = {
    "kind": "pool_rpc",
    "address": "0x" + "c" * 40,
    "pool": {"token0": "WBTC", "token1": "WETH", "decimals0": 8, "decimals1": 18, "fee_pips": 3000},
    "from_block": 100,
}
LIQUIDITY = {
    "experiment": "liquidity",
    "data": POOL,
    "policies": ["static"],
    "capital": 50,
    "costs": {"mint_gas": 0.01, "burn_gas": 0.01, "swap_gas": 0.01},
}


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A configuration of a pool on a machine that names a home and a node."""
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "home"))
    monkeypatch.setenv(ETHEREUM_URL_VARIABLE, URL)
    path = tmp_path / "pool.yaml"
    path.write_text(dump_yaml(LIQUIDITY))
    return str(path)


def test_settings_are_what_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path))
    monkeypatch.setenv(ETHEREUM_URL_VARIABLE, f" {URL}\n")
    assert read_settings() == Settings(tmp_path, URL)


@pytest.mark.parametrize("value", ["", "  ", None])
def test_an_empty_variable_is_none(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    for name in (HOME_VARIABLE, ETHEREUM_URL_VARIABLE):
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    settings = read_settings()
    assert settings.ethereum_url is None
    assert settings.home.name == "wayfold"


def test_settings_do_not_show_the_node() -> None:
    assert "node.example" not in repr(Settings(Path("home"), URL))


def test_the_variable_that_messages_name_is_the_one_that_is_read() -> None:
    assert URL_VARIABLE == ETHEREUM_URL_VARIABLE


def test_fetch_gives_the_source_the_node_of_the_machine(config: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Any] = []

    def transport(self: PoolRpcSource, machine: Machine) -> None:
        given.append(machine.ethereum_url)
        raise KeyboardInterrupt

    monkeypatch.setattr(PoolRpcSource, "transport", transport)
    assert main(["data", "fetch", config]) == 130
    assert given == [URL]


@pytest.mark.parametrize(
    ("value", "words"),
    [(None, "no Ethereum node is named; set "), ("0123abcd", " is no address of a node")],
)
def test_fetch_without_a_node_is_a_usage_error_of_one_line(
    config: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    value: str | None,
    words: str,
) -> None:
    monkeypatch.setenv(ETHEREUM_URL_VARIABLE, value or "")
    assert main(["data", "fetch", config]) == 2
    captured = capsys.readouterr()
    assert words in captured.err
    assert ETHEREUM_URL_VARIABLE in captured.err
    assert captured.err.count("\n") == 1
    assert "0123abcd" not in captured.err + captured.out


def test_a_resolved_configuration_does_not_hold_the_node(
    config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["config", "show", config]) == 0
    shown = capsys.readouterr()
    assert "kind: pool_rpc" in shown.out
    assert "url" not in shown.out
    assert "node.example" not in shown.out + shown.err


def test_a_node_in_a_configuration_is_refused_unseen(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "fetch", config, "--set", f"data.url={URL}"]) == 2
    captured = capsys.readouterr()
    assert "unknown key 'data.url'" in captured.err
    assert "node.example" not in captured.err + captured.out
