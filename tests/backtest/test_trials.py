"""The trial ledger: nothing is forgotten, nothing is counted twice."""

import json
import multiprocessing
from pathlib import Path

import numpy as np
import pytest

from backtest.errors import RunError
from backtest.trials import Trial, add_trials, read_trials, sharpe_dispersion, trial_key

RETURNS = np.random.default_rng(0).normal(size=50)


def trial(name: str, key: str = "data", sharpe: float = 0.1) -> Trial:
    return Trial(name, key, "run", "lane", sharpe, RETURNS)


def _count(ledger: Path, worker: int) -> None:
    for i in range(20):
        add_trials(ledger, [trial(f"{worker}-{i}"), trial(f"shared-{i}")])


def test_an_identical_rerun_counts_once(tmp_path: Path) -> None:
    ledger = tmp_path / "home" / "trials.jsonl"
    assert add_trials(ledger, [trial("a"), trial("b")]) == 2
    assert add_trials(ledger, [trial("b"), trial("c"), trial("c")]) == 1
    assert [each.id for each in read_trials(ledger)] == ["a", "b", "c"]


def test_returns_come_back_to_the_last_bit(tmp_path: Path) -> None:
    add_trials(tmp_path / "t.jsonl", [trial("a", sharpe=float("nan"))])
    [read] = read_trials(tmp_path / "t.jsonl")
    assert read.returns.tobytes() == RETURNS.tobytes()
    assert np.isnan(read.sharpe)


def test_trials_are_kept_apart_by_data_identity(tmp_path: Path) -> None:
    one, other = trial_key({"source": "a", "series": ["x"]}), trial_key({"source": "b", "series": ["x"]})
    add_trials(tmp_path / "t.jsonl", [trial("a", one), trial("b", other)])
    assert [each.id for each in read_trials(tmp_path / "t.jsonl", one)] == ["a"]
    assert trial_key({"b": 1, "a": 2}) == trial_key({"a": 2, "b": 1})


def test_processes_count_together_without_loss(tmp_path: Path) -> None:
    ledger = tmp_path / "t.jsonl"
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_count, args=(ledger, i)) for i in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(read_trials(ledger)) == 3 * 20 + 20


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    ledger = tmp_path / "t.jsonl"
    add_trials(ledger, [trial("a")])
    with ledger.open("a") as file:
        file.write(json.dumps({"id": "b"}) + "\n")
    with pytest.raises(RunError, match="line 2 of the trial ledger"):
        read_trials(ledger)


def test_dispersion_needs_two_trials() -> None:
    assert sharpe_dispersion([trial("a")]) == 0.0
    assert sharpe_dispersion([trial("a", sharpe=0.1), trial("b", sharpe=0.3)]) == pytest.approx(np.sqrt(0.02))
