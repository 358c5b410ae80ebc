"""``wayfold amm`` in-process: what a replay, a quote and a position say, as text and as one JSON document."""

import importlib.util
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from backtest.yaml12 import dump_yaml
from service.cli import main
from service.settings import HOME_VARIABLE

_ORACLES = Path(__file__).parents[1] / "oracles"
_SPEC = importlib.util.spec_from_file_location("pool_tables", _ORACLES / "pool_tables.py")
made = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(made)

WBTC = {"token0": "WBTC", "token1": "WETH", "decimals0": 8, "decimals1": 18, "fee_pips": 3000}


POSITION = ("positions", "swaps.yaml", "--lower", "13", "--upper", "17", "--opened", "block:12400500")


@dataclass(frozen=True)
class Answer:
    """What a command printed and its exit code."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)


Command = Callable[..., Answer]


def swaps_config(folder):
    return {
        "experiment": "liquidity",
        "data": {
            "kind": "pool_swaps",
            "folder": str(folder),
            "swaps": "s.parquet",
            "ranges": "r.parquet",
            "pool": WBTC,
        },
        "policies": [{"kind": "recentre"}, {"kind": "static"}],
        "capital": 50,
        "costs": {"mint_gas": 0.01, "burn_gas": 0.01, "swap_gas": 0.01},
    }


def events_config(folder, name, **more):
    return {"data": {"kind": "pool_events", "folder": str(folder), "events": name, "pool": WBTC, **more}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of pool files and the configurations that read them."""
    home = tmp_path_factory.mktemp("amm")
    made.swap_table(count=4000).to_parquet(home / "s.parquet")
    made.range_table().to_parquet(home / "r.parquet")
    made.event_table(count=400, is_whole=True).to_csv(home / "whole.csv", index=False)
    made.event_table(count=1000).to_csv(home / "part.csv", index=False)
    wrong = made.event_table(count=400, is_whole=True)
    wrong.loc[40, "amount1"] = str(int(wrong["amount1"][40]) + 1)
    wrong.to_csv(home / "wrong.csv", index=False)
    (home / "swaps.yaml").write_text(dump_yaml(swaps_config(home)))
    for name in ("whole", "part", "wrong"):
        (home / f"{name}.yaml").write_text(dump_yaml(events_config(home, f"{name}.csv")))
    return home


@pytest.fixture
def command(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run one ``wayfold amm`` command in that folder."""
    monkeypatch.setenv(HOME_VARIABLE, str(folder / "home"))
    monkeypatch.chdir(folder)

    def run(*arguments: str) -> Answer:
        code = main(["amm", *arguments])
        return Answer(code, *capsys.readouterr())

    return run


def test_a_whole_log_is_reproduced_to_the_last_unit(command: Command) -> None:
    answer = command("replay", "whole.yaml", "--json")
    assert answer.code == 0
    found = answer.document
    assert (found["swaps_reproduced"], found["swaps_replayed"]) == (400, 400)
    assert (found["is_whole"], found["findings"], found["ranges_wrong"]) == (True, [], 0)


def test_a_log_without_its_mints_is_replayed_from_inferred_ticks(command: Command) -> None:
    found = command("replay", "part.yaml", "--json").document
    assert (found["swaps_reproduced"], found["swaps_replayed"]) == (999, 999)
    assert (found["is_whole"], found["conflicts"]) == (False, [])
    assert "inferred from the swaps" in command("replay", "part.yaml").out


def test_one_unit_too_many_in_a_whole_log_is_named_and_exits_1(command: Command) -> None:
    answer = command("replay", "wrong.yaml")
    assert answer.code == 1
    assert "swaps   399 of 400 reproduced to the last unit" in answer.out
    assert "the swap at block 120, log 3 has amounts" in answer.out


def test_a_replay_needs_exact_events(command: Command) -> None:
    answer = command("replay", "swaps.yaml")
    assert (answer.code, answer.out) == (2, "")
    assert "data of kind 'pool_swaps' has no exact events; allowed: pool_events or pool_rpc" in answer.err


def test_a_quote_at_one_liquidity_is_the_closed_form(command: Command) -> None:
    found = command("quote", "swaps.yaml", "7", "--side", "buy", "--unit", "quote", "--json").document
    assert (found["pool"], found["base"], found["quote"], found["unit"]) == (
        "WBTC/WETH 0.3%",
        "WBTC",
        "WETH",
        "WETH",
    )
    root = (found["price_before"] * 1e10) ** 0.5
    assert found["slippage"] == pytest.approx(7e18 * 0.997 / made.HELD / root, rel=1e-6)
    assert found["fee"] == pytest.approx(0.021)


def test_a_quote_knows_nothing_later_than_its_instant(command: Command, folder: Path) -> None:
    table = made.swap_table(count=4000)
    block = int(table["block_number"].iloc[1000])
    found = command("quote", "swaps.yaml", "1", "--at", f"block:{block}", "--json").document
    known = table[table["block_number"] <= block]["sqrt_price_est"].iloc[-1]
    assert found["block"] == block
    assert found["price_before"] == pytest.approx(known**2 / 1e10, rel=1e-9)


def test_a_quote_is_readable(command: Command) -> None:
    out = command("quote", "swaps.yaml", "2", "--side", "sell").out
    assert out.splitlines()[0].startswith("pool      WBTC/WETH 0.3% at 1975-")
    assert "trade     sell 2 WBTC" in out
    assert "slippage  " in out
    assert "block numbers on an even scale" in out


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("quote", "swaps.yaml", "0"), 2, "trade.size was 0"),
        (("quote", "swaps.yaml", "1", "--at", "block:5"), 2, "time was 'block:5'; allowed: block:124"),
        (("quote", "swaps.yaml", "1", "--at", "soon"), 2, "time was 'soon'"),
        (("quote", "swaps.yaml", "1", "--at", "2999-01-01"), 2, "time was '2999-01-01'"),
        (("quote", "part.yaml", "1"), 3, "every mint and burn since the pool was made"),
        (("quote", "quickstart", "1"), 2, "the data section is no pool with a log of its swaps"),
        (("positions", "swaps.yaml", "--lower", "16", "--upper", "13", "--opened", "block:12400500"), 1, "range was 16 to 13"),
        (("positions", "swaps.yaml", "--lower", "13", "--upper", "inf", "--opened", "block:12400500"), 1, "range was 13 to inf"),
        ((*POSITION, "--capital", "0"), 1, "capital was 0; it must be finite and above 0"),
        ((*POSITION, "--capital", "nan"), 1, "capital was nan; it must be finite and above 0"),
        (("positions", "whole.yaml", "--lower", "13", "--upper", "16", "--opened", "2024-01-05"), 2, "experiment was None; a liquidity experiment is needed"),
        (("positions", "swaps.yaml", "--lower", "13", "--upper", "16", "--opened", "2040-01-01"), 1, "no bar ends after"),
    ],
)  # fmt: skip
def test_what_cannot_be_answered_is_one_line(command: Command, arguments: Any, code: int, words: str) -> None:
    answer = command(*arguments)
    assert (answer.code, answer.out) == (code, "")
    assert words in answer.err
    assert answer.err.count("\n") == 1


def test_a_position_is_told_from_its_mint_to_now(command: Command) -> None:
    found = command(*POSITION, "--json").document
    made_here = found["statement"]
    parts = made_here["fees"] - made_here["divergence"] - made_here["gas"] - made_here["conversion"]
    assert parts == pytest.approx(made_here["net"], rel=1e-9)
    assert made_here["fees"] > 0
    assert found["opened_at"]["block"] == 12_400_500
    assert found["now_at"]["block"] > 12_400_500
    assert found["range"] == pytest.approx([13, 17], rel=0.004)
    assert found["policy"] == "recentre"
    assert found["suggestion"]["act_below"] < found["price_now"] < found["suggestion"]["act_above"]
    assert found["usd"] is None


def test_a_position_is_readable(command: Command) -> None:
    out = command(*POSITION, "--capital", "20", "--policy", "static").out
    assert "position  WBTC/WETH 0.3%, 1" in out
    assert "net against holding" in out
    assert "policy    static would" in out
    assert "next      regular decision at 1975-" in out


def test_an_unknown_policy_names_those_there_are(command: Command) -> None:
    answer = command(*POSITION, "--policy", "tau_reset")
    assert (answer.code, answer.out) == (1, "")
    assert "policy 'tau_reset' cannot suggest anything here; allowed: recentre, static" in answer.err


@pytest.mark.shared_data
def test_a_real_day_is_replayed_and_its_fees_are_those_collected(
    command: Command, folder: Path, shared_data: Path
) -> None:
    pool = {"token0": "USDC", "token1": "WETH", "decimals0": 6, "fee_pips": 500, "quote": "token0"}
    config = events_config(shared_data / "amm", "eth_usdc_weth_005_2024-01-05_events.csv.gz")
    (folder / "day.yaml").write_text(dump_yaml({"data": {**config["data"], "pool": pool}}))
    answer = command("replay", "day.yaml", "--json")
    assert answer.code == 0
    found = answer.document
    assert (found["swaps_reproduced"], found["swaps_replayed"]) == (6035, 6045)
    assert found["ranges_wrong"] == 0
    assert len(found["positions"]) == 36
    assert found["largest_error"] < 5e-6
