"""The reproduction of SharpeRatio@k: every known figure, the naive rows, and a verdict that says what was shown."""

import math
from pathlib import Path
from typing import Any

import pytest

from backtest.configuration import read_config
from backtest.reproductions.base import REPRODUCTIONS, Reproduction
from service.cli import main

CONFIG = Path(__file__).resolve().parents[2] / "configs" / "reproduce" / "sharpe_ratio_at_k.yaml"


@pytest.fixture(scope="module")
def done() -> Reproduction:
    return REPRODUCTIONS.build(read_config(CONFIG)).run(Path("no/such/folder"))


def test_every_known_figure_is_met(done: Reproduction) -> None:
    told = [row for row in done.rows if row.published is not None]
    assert len(told) == 23
    for row in told:
        assert row.value == pytest.approx(row.published, abs=5e-5), row.name
    assert "23 of 23 known figures are met" in done.verdict


def test_p_values_stand_beside_the_curves(done: Reproduction) -> None:
    rows = {row.name: row for row in done.rows}
    for name, wanted in {"X": [0.133, 0.058, 0.043], "Y": [0.289, 0.292, 0.300]}.items():
        found = [rows[f"{name}, k={k}, code"].p_value for k in (2, 3, 4)]
        assert found == pytest.approx(wanted, abs=5e-4)


def test_random_rankings_are_the_naive_rows(done: Reproduction) -> None:
    naive = [row for row in done.rows if row.is_naive]
    assert [row.name for row in naive] == [f"random ranking, k={k}, code" for k in range(2, 11)]
    assert all(row.low <= row.value <= row.high for row in naive)
    assert "No ranking is told from a random one" in done.verdict


def test_no_number_is_infinite(done: Reproduction) -> None:
    assert all(math.isfinite(row.value) for row in done.rows)


def test_the_command_prints_both_curves_beside_the_published_ones(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["reproduce", "sharpe_ratio_at_k"]) == 0
    out = capsys.readouterr().out
    assert "SharpeRatio@k; naive" in out
    assert "known figure      p\n" in out
    line = next(row for row in out.splitlines() if row.startswith("X, k=4, code"))
    assert line.split()[-4:] == ["no", "1.5209", "1.5209", "0.043"]


def test_the_document_holds_null_where_there_is_no_interval(capsys: pytest.CaptureFixture[str]) -> None:
    import json

    assert main(["reproduce", "sharpe_ratio_at_k", "--json"]) == 0
    rows: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["rows"]
    assert rows[0]["low"] is None
    assert rows[0]["p_value"] == pytest.approx(0.1333, abs=1e-4)
