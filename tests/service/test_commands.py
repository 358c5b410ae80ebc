"""Every command in-process: text in a pipe, tables on a terminal, one JSON document with --json, and exit codes."""

import json
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import backtest.experiment
from backtest import cross_check
from backtest.audit.outcome import save_audit
from backtest.run import load_run
from backtest.yaml12 import dump_yaml, load_yaml
from service.cli import main
from service.commands import backtest as backtest_commands
from service.experiments import report_again
from service.settings import Settings

SMALL: dict[str, Any] = {
    "name": "small",
    "data": {"kind": "synthetic", "process": "gbm", "count": 2, "bars": 300, "seed": 3},
    "forecaster": {"kind": "bootstrap", "context": 20, "horizon": 5},
    "folds": {"kind": "rolling", "train": 120, "test": 60},
    "policy": {"kind": "long_flat"},
    "costs": "us_equities",
}
ANSI = re.compile("\x1b\\[")


@dataclass(frozen=True)
class Answer:
    """What a command printed and its exit code."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one strict JSON document on standard output."""
        return json.loads(self.out, parse_constant=refuse)


def refuse(token: str) -> None:
    raise AssertionError(f"{token} is not JSON")


Command = Callable[..., Answer]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home with two finished runs of the small experiment, the config and a bar file beside it."""
    folder = tmp_path_factory.mktemp("commands")
    (folder / "small.yaml").write_text(dump_yaml(SMALL))
    bars(folder / "AAA.csv")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WAYFOLD_HOME", str(folder / "home"))
        assert main(["backtest", str(folder / "small.yaml"), "--quiet"]) == 0
        assert main(["backtest", str(folder / "small.yaml"), "--quiet", "--set", "policy=long_short"]) == 0
    yield folder


@pytest.fixture
def command(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Return a function that runs the command line beside the module's finished runs."""
    monkeypatch.setenv("WAYFOLD_HOME", str(home / "home"))
    monkeypatch.chdir(home)
    capsys.readouterr()

    def call(*arguments: str) -> Answer:
        code = main(arguments)
        captured = capsys.readouterr()
        return Answer(code, captured.out, captured.err)

    return call


@pytest.fixture
def on_terminal(command: Command, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Return the same function with standard output a terminal of 100 columns."""
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)

    def call(*arguments: str) -> Answer:
        with monkeypatch.context() as patch:
            patch.setattr(sys.stdout, "isatty", lambda: True)
            return command(*arguments)

    return call


def bars(path: Path, **columns: Any) -> None:
    days = pd.bdate_range("2020-01-01", periods=200)
    close = 100 * np.exp(np.cumsum(np.random.default_rng(0).normal(0, 0.01, 200)))
    clean = {"open": close, "high": close * 1.01, "low": close * 0.99, "close": close, "volume": 1e6}
    pd.DataFrame({"date": days, **clean, **columns}).to_csv(path, index=False)


def ids(command: Command) -> list[str]:
    return [manifest["id"] for manifest in command("runs", "ls", "--json").document]


JSON_COMMANDS = [
    ("backtest", "small.yaml"),
    ("runs", "ls"),
    ("runs", "show", "latest"),
    ("runs", "trials"),
    ("runs", "metrics", "latest"),
    ("runs", "metrics", "latest", "--as", "all"),
    ("report", "latest"),
    ("models", "ls"),
    ("data", "ls"),
    ("data", "check", "AAA.csv", "--calendar", "weekdays"),
    ("data", "add", "prices", "AAA.csv", "--calendar", "weekdays"),
    ("config", "show", "small.yaml"),
    ("config", "validate", "small.yaml"),
    ("config", "schema"),
    ("doctor",),
]


@pytest.mark.parametrize("arguments", JSON_COMMANDS, ids=" ".join)
def test_json_is_one_strict_document_and_nothing_else(command: Command, arguments: tuple[str, ...]) -> None:
    answer = command(*arguments, "--json")
    assert (answer.code, answer.err) == (0, "")
    assert answer.document


@pytest.mark.parametrize("arguments", JSON_COMMANDS, ids=" ".join)
def test_text_in_a_pipe_is_plain(command: Command, arguments: tuple[str, ...]) -> None:
    answer = command(*arguments)
    assert answer.code == 0
    assert answer.out.endswith("\n")
    assert not ANSI.search(answer.out)
    assert not re.search("[─│┃━]", answer.out)
    assert "schema" in arguments or not re.search(r"\b(nan|NaN|NaT|None|inf)\b", answer.out)


def test_json_of_an_undefined_number_is_null(command: Command) -> None:
    metrics = command("runs", "show", "latest", "--json").document["metrics"]
    assert any(row["value"] is None for row in metrics)


def test_the_naive_rows_stand_beside_the_model_and_the_verdict_is_said(command: Command) -> None:
    text = command("runs", "show", "latest").out
    forecasts = text[text.index("forecasts, all steps") :]
    for name in ("bootstrap", "naive", "drift", "seasonal_naive", "ridge"):
        assert re.search(rf"^{name} ", forecasts, re.MULTILINE)
    assert "no skill shown" in forecasts or "too few forecasts to tell" in forecasts
    assert "best naive" in forecasts
    assert "strategies have been tried on these data" in text


def test_columns_of_plain_tables_are_aligned(command: Command) -> None:
    lines = command("runs", "show", "latest").out.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("accounts"))
    ends = {len(line) for line in lines[start + 1 : start + 7]}
    assert len(ends) == 1


def test_text_fits_a_hundred_columns(command: Command) -> None:
    tables = command("runs", "show", "latest").out.split("verdict on the forecasts")[0]
    assert max(len(line) for line in tables.splitlines()) <= 100


def test_tables_on_a_terminal_are_drawn_and_sentences_wrapped(on_terminal: Command) -> None:
    answer = on_terminal("runs", "show", "latest")
    plain = re.sub("\x1b\\[[0-9;]*m", "", answer.out)
    assert ANSI.search(answer.out)
    assert "───" in plain
    assert max(len(line) for line in plain.splitlines()) <= 100
    assert "..." not in plain
    assert "…" not in plain


@pytest.mark.parametrize(
    "arguments", [("models", "ls"), ("data", "ls"), ("runs", "ls"), ("doctor",)], ids=" ".join
)
def test_lists_on_a_terminal_are_drawn(on_terminal: Command, arguments: tuple[str, ...]) -> None:
    answer = on_terminal(*arguments)
    assert answer.code == 0
    assert "───" in answer.out


def test_an_identical_run_is_shown_at_once(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.experiments.run_spec", refuse)
    answer = command("backtest", "small.yaml")
    assert answer.code == 0
    assert answer.err == "this very run was stored already; --fresh runs it again\n"
    assert Path(answer.out.splitlines()[-1].removeprefix("report  ")).is_file()


def test_cross_check_says_that_backtrader_makes_the_same_of_the_decisions(command: Command) -> None:
    answer = command("backtest", "small.yaml", "--quiet", "--cross-check")
    assert answer.code == 0
    [line] = [each for each in answer.out.splitlines() if each.startswith("cross-check")]
    assert line.startswith("cross-check  bootstrap: identical to backtrader 1.9.78.123: ")


def test_without_backtrader_a_cross_check_stops_before_anything_runs(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "backtrader", None)
    monkeypatch.setattr("service.experiments.run_experiment", None)
    answer = command("backtest", "small.yaml", "--cross-check")
    assert answer.code == 1
    assert "pip install 'wayfold[backtrader]'" in answer.err


def test_a_difference_from_backtrader_is_named_and_exits_1(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = cross_check.run_package

    def one_bit_off(*arguments: Any) -> Any:
        found = honest(*arguments)
        return replace(found, cash=np.nextafter(found.cash, 0))

    monkeypatch.setattr(cross_check, "run_package", one_bit_off)
    answer = command("backtest", "small.yaml", "--quiet", "--cross-check", "--json")
    assert answer.code == 1
    assert re.match(r"different: cash at \S+ is 1000000.0 here", answer.document["cross_check"]["bootstrap"])


def test_a_report_shows_the_audit_that_was_made_of_its_run(command: Command, home: Path) -> None:
    settings = Settings(home / "home")
    run = command("runs", "show", "latest", "--json").document["id"]
    report = settings.runs / run / "report.html"
    assert "was not audited" in report.read_text()
    document = {
        "leaks": False,
        "sentences": ["Nothing moved."],
        "table": [{"artefact": "fits", "raised": "0 of 8"}],
    }
    save_audit(document, settings.audits / f"{run}.json")
    report_again(settings, run)
    assert "was not audited" not in report.read_text()
    assert "Nothing moved." in report.read_text() and "0 of 8" in report.read_text()


def test_quiet_says_nothing_beside_the_result(command: Command) -> None:
    assert command("backtest", "small.yaml", "--quiet").err == ""


def measured(document: Any) -> list[Any]:
    """Return the metrics but those that depend on how many strategies were tried by then."""
    return [row for row in document["metrics"] if not row["metric"].startswith("deflated_sharpe")]


def test_fresh_runs_again_to_the_same_numbers_and_counts_no_new_trial(command: Command) -> None:
    before = command("backtest", "small.yaml", "--json").document
    after = command("backtest", "small.yaml", "--json", "--fresh").document
    assert measured(after) == measured(before)
    assert after["scores"] == before["scores"]
    assert command("runs", "trials", "--json").document[0]["trials"] == 2


def test_progress_goes_to_the_terminal_only_and_names_the_score(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    states: list[tuple[int, int, str]] = []
    shown = backtest_commands.progress_line
    monkeypatch.setattr(shown, "_update", lambda self, *state: states.append(state))
    answer = command("backtest", "small.yaml", "--fresh")
    assert answer.err == ""
    assert [state for _, _, state in (states[0], states[-1])] == [
        "reading data",
        "scoring forecasts and accounts",
    ]
    walk = states[1:-1]
    assert [done for done, _, _ in walk] == list(range(1, walk[-1][1] + 1))
    assert re.fullmatch(r"fold 3 of 3, bootstrap net [+-]\d+\.\d% out of sample", walk[-1][2])


def interrupt_after(count: int, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Press Ctrl-C at decision ``count``; return the decisions made."""
    made: list[Any] = []
    step = backtest.experiment.step

    def stepped(*arguments: Any) -> Any:
        if len(made) == count:
            raise KeyboardInterrupt
        made.append(arguments)
        return step(*arguments)

    monkeypatch.setattr(backtest.experiment, "step", stepped)
    return made


def test_an_interrupted_run_is_told_and_goes_on_from_its_finished_folds(
    command: Command, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = command("backtest", "small.yaml", "--set", "seed=9", "--json").document
    shutil.rmtree(whole["folder"])
    with monkeypatch.context() as patch:
        interrupt_after(15, patch)
        answer = command("backtest", "small.yaml", "--set", "seed=9")
    assert answer.code == 130
    assert answer.err == "interrupted; finished folds are kept, the same command goes on from there\n"
    assert not Path(whole["folder"]).exists()
    with monkeypatch.context() as patch:
        made = interrupt_after(10_000, patch)
        resumed = command("backtest", "small.yaml", "--set", "seed=9", "--json").document
    assert len(made) == 36 - 12
    assert resumed["metrics"] == whole["metrics"]
    assert resumed["scores"] == whole["scores"]
    assert not [path for path in (home / "home" / "runs").iterdir() if path.name.startswith(".")]
    shutil.rmtree(whole["folder"])


def test_an_interrupt_before_the_first_fold_leaves_nothing(
    command: Command, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt_after(3, monkeypatch)
    assert command("backtest", "small.yaml", "--set", "seed=10").code == 130
    assert not [path for path in (home / "home" / "runs").iterdir() if path.name.startswith(".")]


def test_an_interrupt_anywhere_else_is_one_line(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def pressed(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("backtest.run.list_runs", pressed)
    assert command("runs", "ls").code == 130


def test_a_full_disk_in_the_middle_is_one_line(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device", "report.html")

    monkeypatch.setattr("service.experiments.write_report", full)
    answer = command("backtest", "small.yaml", "--fresh")
    assert (answer.code, answer.err) == (1, "error: report.html: No space left on device\n")


def test_runs_are_listed_newest_first_and_found_by_the_beginning_of_their_id(command: Command) -> None:
    manifests = command("runs", "ls", "--json").document
    stamps = [manifest["recorded_at"] for manifest in manifests]
    assert stamps == sorted(stamps, reverse=True)
    assert command("runs", "show", manifests[-1]["id"][:8], "--json").document["id"] == manifests[-1]["id"]


def test_compare_names_the_settings_that_differ(command: Command) -> None:
    first, second = ids(command)
    found = command("runs", "compare", first, second, "--json").document
    assert [row["setting"] for row in found["settings"]] == ["policy.kind"]
    assert {row["run"] for row in found["accounts"]} == {first[:8], second[:8]}
    text = command("runs", "compare", first[:8], second[:8]).out
    assert re.search(r"policy\.kind +long_(flat|short) +long_(flat|short)", text)


def test_every_strategy_on_the_same_data_is_counted_and_deleting_a_run_changes_nothing(
    command: Command, home: Path
) -> None:
    [row] = command("runs", "trials", "--json").document
    folder = home / "home" / "runs" / ids(command)[0]
    shutil.move(folder, home / "aside")
    assert command("runs", "trials", "--json").document == [row]
    shutil.move(home / "aside", folder)


def test_a_report_can_be_written_elsewhere(command: Command, home: Path) -> None:
    answer = command("report", "latest", "--out", "elsewhere.html")
    assert answer.out == "elsewhere.html\n"
    assert (home / "elsewhere.html").read_text().startswith("<!doctype html>")


def test_models_are_listed_with_role_and_settings(command: Command) -> None:
    models = {row["kind"]: row for row in command("models", "ls", "--json").document}
    assert models["naive"]["role"] == "naive"
    assert models["ridge"]["role"] == "always run"
    assert "horizon" in models["xgboost"]["settings"]
    assert all(row["about"] for row in models.values())


def test_check_exits_1_for_an_error_and_0_for_less(command: Command, home: Path) -> None:
    assert command("data", "check", "AAA.csv", "--calendar", "weekdays").code == 0
    bars(home / "BAD.csv", high=1.0)
    answer = command("data", "check", "BAD.csv", "--calendar", "weekdays", "--json")
    assert answer.code == 1
    kinds = {row["kind"]: row for row in answer.document["BAD.csv"]}
    assert kinds["inconsistent_bar"]["severity"] == "error"
    assert isinstance(kinds["inconsistent_bar"]["count"], int)


def test_findings_on_a_terminal_are_sentences(on_terminal: Command, home: Path) -> None:
    bars(home / "BAD.csv", high=1.0)
    lines = on_terminal("data", "check", "BAD.csv", "--calendar", "weekdays").out.splitlines()
    assert any(line.startswith("error  inconsistent_bar  BAD high") for line in lines)
    assert max(map(len, lines)) <= 100


def test_bars_are_added_once_listed_and_backtested_from_the_lake(command: Command, home: Path) -> None:
    arguments = (
        "data",
        "add",
        "lake_bars",
        "AAA.csv",
        "--calendar",
        "weekdays",
        "--licence",
        "CC0",
        "--json",
    )
    first, again = command(*arguments).document, command(*arguments).document
    assert first == again
    assert (first["revision"], first["licence"]) == (1, "CC0")
    [entry] = [e for e in command("data", "ls", "--json").document["lake"] if e["name"] == "lake_bars"]
    assert entry["sha256"] == first["sha256"]
    (home / "lake.yaml").write_text(dump_yaml({**SMALL, "data": {"kind": "lake", "name": "lake_bars"}}))
    assert command("config", "validate", "lake.yaml").code == 0


def test_fetch_stores_what_a_source_brings_and_says_so(
    command: Command, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from data.lake import entries
    from data.sources.yahoo import YahooSource

    command("data", "add", "fetched", "AAA.csv", "--calendar", "weekdays")
    asked: list[str] = []

    def fetch(self: YahooSource, lake: Path, fetched_at: str, transport: Any) -> Any:
        asked.append(fetched_at)
        return next(entry for entry in entries(lake) if entry.name == "fetched")

    monkeypatch.setattr(YahooSource, "fetch", fetch)
    monkeypatch.setattr(YahooSource, "transport", lambda self, machine: None)
    (home / "yahoo.yaml").write_text(dump_yaml({**SMALL, "data": {"kind": "yahoo", "series": ["AAA"]}}))
    assert command("data", "fetch", "yahoo.yaml").out.startswith(
        "fetched revision 1: 200 rows, 2020-01-02 to "
    )
    assert command("data", "fetch", "yahoo.yaml", "--json").document["name"] == "fetched"
    assert all(stamp.endswith("+00:00") for stamp in asked)


def test_a_damaged_lake_file_is_told_and_exits_1(command: Command, home: Path) -> None:
    command("data", "add", "damaged", "AAA.csv", "--calendar", "weekdays")
    [entry] = [e for e in command("data", "ls", "--json").document["lake"] if e["name"] == "damaged"]
    [path] = [p for p in (home / "home" / "lake").rglob("*.parquet") if entry["sha256"][:12] in str(p)]
    kept = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(kept[:-1])
    answer = command("data", "ls")
    path.write_bytes(kept)
    assert answer.code == 1
    assert "fault" in answer.out


def test_a_shown_configuration_is_the_same_configuration(command: Command, home: Path) -> None:
    text = command("config", "show", "small.yaml").out
    (home / "resolved.yaml").write_text(text)
    assert command("config", "show", "resolved.yaml").out == text
    assert load_yaml(text, where="shown")["folds"]["train"] == 120
    changed = command("config", "show", "small.yaml", "--set", "folds.test=30", "--json").document
    assert changed["spec"]["folds"]["test"] == 30
    assert changed["digest"] not in text


@pytest.mark.parametrize("name", ["quickstart", "us_equities", "index_volatility", "crypto_hourly"])
def test_shipped_configurations_are_valid(command: Command, name: str) -> None:
    assert command("config", "validate", name).code == 0


def test_the_demo_is_the_quick_start_and_says_that_nothing_is_downloaded(
    command: Command, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    asked: list[str] = []

    def small(name: str) -> Path:
        asked.append(name)
        return home / "small.yaml"

    monkeypatch.setattr("service.configs.config_path", small)
    answer = command("demo")
    assert (answer.code, asked) == (0, ["quickstart"])
    assert "nothing is downloaded" in answer.err
    assert command("demo", "--quiet").err == ""


def test_the_report_of_a_run_says_what_the_terminal_says(command: Command, home: Path) -> None:
    document = command("backtest", "small.yaml", "--json").document
    html = Path(document["report"]).read_text()
    assert document["verdict"]["status"] in html
    assert load_run(Path(document["folder"])).id == document["id"]


@pytest.mark.shared_data
def test_reproduce_prints_claim_naive_row_and_verdict(command: Command, shared_data: Path) -> None:
    text = command("reproduce", "nifty_persistence", "--data", str(shared_data))
    assert text.code == 0
    assert "0.02391" in text.out
    found = command("reproduce", "nifty_persistence", "--data", str(shared_data), "--json").document
    assert found["verdict"]
    assert any(row["is_naive"] for row in found["rows"])


def test_help_names_every_command(command: Command) -> None:
    text = command("--help").out
    for name in ("demo", "backtest", "report", "runs", "models", "data", "config", "doctor", "reproduce"):
        assert name in text
