"""The trial ledger: nothing is forgotten, nothing is counted twice."""

import base64
import json
import multiprocessing
import zlib
from pathlib import Path

import numpy as np
import pytest

from backtest.errors import RunError
from backtest.metrics.trial_correlation import TrialCorrelation, trial_family
from backtest.spec import RunSpec, build_spec
from backtest.trials import (
    Trial,
    TrialBatch,
    account_trial,
    add_batch,
    add_trials,
    every_summary,
    known_trials,
    read_trials,
    sharpe_dispersion,
    sharpe_of,
    span_of,
    trial_id,
    trial_key,
    trials_summary,
)
from forecast.registry import FORECASTERS

RETURNS = np.random.default_rng(0).normal(size=50)
MANY = np.random.default_rng(1).normal(size=(12, 50)) + RETURNS
SPAN = "2020-01-01T00:00:00/2020-02-19T00:00:00"
CONFIG = {
    "data": {"kind": "synthetic", "bars": 100},
    "forecaster": {"kind": "bootstrap", "context": 20, "horizon": 3},
    "folds": {"kind": "rolling", "train": 50, "test": 20},
    "policy": "long_flat",
    "costs": "us_equities",
}


def trial(name: str, key: str = "data", sharpe: float = 0.1) -> Trial:
    return Trial(name, key, "run", "lane", sharpe, RETURNS)


def batch(names: list[str], returns: np.ndarray = MANY, key: str = "data", span: str = SPAN) -> TrialBatch:
    rows = returns[: len(names)]
    correlation = TrialCorrelation.start(rows.shape[1])
    for row in rows:
        correlation = correlation.add(row)
    return TrialBatch(
        key, "sweep", tuple(names), np.array([sharpe_of(row) for row in rows]), span, correlation
    )


def spec(**sections: object) -> RunSpec:
    return build_spec({**CONFIG, **sections})


def _count(ledger: Path, worker: int) -> None:
    for i in range(20):
        add_trials(ledger, [trial(f"{worker}-{i}"), trial(f"shared-{i}")])
        add_batch(ledger, batch([f"batch-{worker}-{i}", f"shared-batch-{i}"]))


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
    assert len(read_trials(ledger)) == 2 * (3 * 20 + 20)
    assert len(known_trials(ledger)) == len(read_trials(ledger))


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


def test_a_sweep_is_one_line_and_each_point_counts_once(tmp_path: Path) -> None:
    ledger = tmp_path / "home" / "t.jsonl"
    add_trials(ledger, [trial("b")])
    assert add_batch(ledger, batch(["a", "b", "c", "a"])) == 2
    assert add_batch(ledger, batch(["a", "c"])) == 0
    assert len(ledger.read_text().splitlines()) == 2
    trials = read_trials(ledger)
    assert [each.id for each in trials] == ["b", "a", "c"]
    assert [each.sharpe for each in trials[1:]] == [sharpe_of(MANY[0]), sharpe_of(MANY[2])]
    assert trials[1].returns is None


def test_undefined_ratios_of_a_batch_come_back_undefined(tmp_path: Path) -> None:
    flat = np.vstack([np.zeros(50), MANY[:1]])
    add_batch(tmp_path / "t.jsonl", batch(["flat", "other"], flat))
    assert [np.isnan(each.sharpe) for each in read_trials(tmp_path / "t.jsonl")] == [True, False]
    assert trials_summary(tmp_path / "t.jsonl", "data").count == 2


def test_the_summary_is_that_of_all_returns_at_once_however_they_were_counted(tmp_path: Path) -> None:
    ledger = tmp_path / "t.jsonl"
    add_batch(ledger, batch([f"p{i}" for i in range(7)]))
    add_trials(
        ledger,
        [Trial(f"r{i}", "data", "run", "lane", sharpe_of(row), row, SPAN) for i, row in enumerate(MANY[7:])],
    )
    add_batch(ledger, batch(["elsewhere"], key="other data"))
    found, known = trials_summary(ledger, "data"), trial_family(MANY.T)
    assert found.count == known.count == 12
    assert found.pairs == 12 * 11 // 2
    assert found.dispersion == pytest.approx(known.sharpe_sd, rel=1e-12)
    assert found.mean_correlation == pytest.approx(known.mean_correlation, rel=1e-12)
    assert found.family.effective_count == pytest.approx(known.effective_count, rel=1e-12)


def test_returns_of_other_spans_count_but_are_not_correlated(tmp_path: Path) -> None:
    ledger = tmp_path / "t.jsonl"
    add_batch(ledger, batch(["a", "b"], MANY))
    add_batch(ledger, batch(["c", "d"], MANY[2:], span="another/span"))
    add_trials(ledger, [Trial("e", "data", "run", "lane", 0.1, RETURNS[:30], SPAN), trial("f"), trial("g")])
    found = trials_summary(ledger, "data")
    pairs = [np.corrcoef(MANY[0], MANY[1])[0, 1], np.corrcoef(MANY[2], MANY[3])[0, 1], 1.0]
    assert (found.count, found.pairs) == (7, 3)
    assert found.mean_correlation == pytest.approx(np.mean(pairs), rel=1e-12)


def test_a_correlation_sum_of_other_points_than_the_new_ones_is_not_kept(tmp_path: Path) -> None:
    ledger = tmp_path / "t.jsonl"
    add_batch(ledger, batch(["a"]))
    assert add_batch(ledger, batch(["a", "b", "c"])) == 2
    assert (trials_summary(ledger, "data").count, trials_summary(ledger, "data").pairs) == (3, 0)


def test_no_trials_are_no_error(tmp_path: Path) -> None:
    found = trials_summary(tmp_path / "none.jsonl", "data")
    assert (found.count, found.dispersion, found.mean_correlation) == (0, 0.0, 0.0)
    assert found.family.effective_count == 1.0


def test_rows_of_older_ledgers_are_still_read(tmp_path: Path) -> None:
    row = {"id": "a", "key": "data", "run": "r", "lane": "l", "sharpe": 0.1}
    packed = base64.b64encode(zlib.compress(RETURNS.tobytes())).decode()
    (tmp_path / "t.jsonl").write_text(json.dumps({**row, "returns": packed}) + "\n")
    [read] = read_trials(tmp_path / "t.jsonl")
    assert read.span == "" and read.returns.tobytes() == RETURNS.tobytes()
    assert add_trials(tmp_path / "t.jsonl", [trial("a"), trial("b")]) == 1


@pytest.mark.parametrize(
    "damage",
    [
        {"sharpes": [0.1]},
        {"correlation": {"count": 1}},
        {"correlation": {"count": 1, "constant": 0, "total": "?"}},
        {"span": None, "key": 1, "sharpes": "x"},
    ],
)
def test_a_damaged_batch_is_named(tmp_path: Path, damage: dict[str, object]) -> None:
    ledger = tmp_path / "t.jsonl"
    add_batch(ledger, batch(["a", "b"]))
    ledger.write_text(json.dumps({**json.loads(ledger.read_text()), **damage}) + "\n")
    for reading in (read_trials, lambda path: add_trials(path, [trial("c")])):
        with pytest.raises(RunError, match="line 1 of the trial ledger .* cannot be read"):
            reading(ledger)
    with pytest.raises(RunError, match="batch has 2 points and 1 Sharpe ratios"):
        add_batch(ledger, TrialBatch("data", "s", ("a", "b"), np.ones(1), SPAN, None))


def test_ten_thousand_points_stay_small(tmp_path: Path) -> None:
    ledger = tmp_path / "t.jsonl"
    ids = tuple(f"{i:064x}" for i in range(10_000))
    correlation = TrialCorrelation(10_000, 0, RETURNS)
    add_batch(ledger, TrialBatch("data", "sweep", ids, np.linspace(0, 1, 10_000), SPAN, correlation))
    assert ledger.stat().st_size < 1_000_000
    assert len(read_trials(ledger)) == 10_000


def test_a_strategy_is_named_by_its_settings_and_not_by_its_company() -> None:
    forecaster = FORECASTERS.build(CONFIG["forecaster"])
    ridge = {"kind": "ridge", "context": 20, "horizon": 3}
    alone = trial_id(spec(), forecaster)
    assert trial_id(spec(name="other", forecaster=[CONFIG["forecaster"], ridge]), forecaster) == alone
    assert trial_id(spec(grid={"limits.max_gross": [1.0, 0.5]}), forecaster) == alone
    others = [
        spec(policy="long_short"),
        spec(seed=1),
        spec(limits={"max_gross": 0.5}),
        spec(data={"kind": "synthetic", "bars": 101}),
    ]
    assert len({alone, *(trial_id(other, forecaster) for other in others)}) == 5


def test_the_trial_of_an_account_ends_with_its_ruin() -> None:
    times = np.datetime64("2020-01-01", "ns") + np.arange(5) * np.timedelta64(1, "D")
    forecaster = FORECASTERS.build(CONFIG["forecaster"])
    found = account_trial(
        spec(), forecaster, "run", "lane", times, np.array([100.0, 110.0, 55.0, -5.0, -5.0])
    )
    assert found.returns.tolist() == pytest.approx([0.1, -0.5, -1.0])
    assert found.span == "2020-01-01T00:00:00/2020-01-04T00:00:00"
    assert found.sharpe == pytest.approx(np.mean(found.returns) / np.std(found.returns, ddof=1))
    assert found.id == trial_id(spec(), forecaster) and found.key == trial_key(spec().data.identity())
    assert span_of(times[:0]) == ""


def test_returns_that_do_not_vary_have_no_ratio() -> None:
    assert np.isnan(sharpe_of(np.array([0.01])))
    assert np.isnan(sharpe_of(np.full(100, 0.1) + np.linspace(0, 1e-15, 100)))


def test_every_summary_is_the_summary_of_each_set_of_data(tmp_path: Path) -> None:
    ledger, keys = tmp_path / "t.jsonl", [trial_key({"source": name}) for name in ("one", "other")]
    add_trials(ledger, [trial("a", keys[0], 0.1), trial("b", keys[1], 0.2), trial("c", keys[0], 0.4)])
    found = every_summary(ledger)
    assert list(found) == keys
    assert found == {key: trials_summary(ledger, key) for key in keys}
    assert every_summary(tmp_path / "none.jsonl") == {}
