"""A liquidity run from its spec to what is stored."""

import importlib.util
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from backtest.amm.contest import make_contest
from backtest.amm.experiment import liquidity_id, run_liquidity
from backtest.amm.placebo import placebo_table, rules_only
from backtest.amm.policies.static import StaticRange
from backtest.errors import EngineError
from backtest.experiment import Places
from backtest.report.html import render_report
from backtest.run import load_run
from backtest.trials import read_trials
from data.history import History
from forecast.errors import FitError

_SPEC = importlib.util.spec_from_file_location(
    "small_contest", Path(__file__).parents[1] / "oracles" / "small_contest.py"
)
small = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(small)

STORED = {"equity", "statements", "actions", "ranges", "fits", "frontier", "forecast_losses", "profiles", "policies", "paired", "blocks",
          "findings", "forecast_scores", "prices", "heat", "slippage", "placebo"}  # fmt: skip


def quiet(done: int, total: int, state: str) -> None:
    """Report nothing."""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    spec = small.small_spec()
    history = spec.data.load(home)
    places = Places(home / "runs", home / "trials.jsonl")
    return spec, history, places, run_liquidity(spec, history, places, quiet)


def same_tables(one, two) -> None:
    assert set(one) == set(two)
    for name in one:
        a, b = (table.drop(columns="cpu_seconds", errors="ignore") for table in (one[name], two[name]))
        pd.testing.assert_frame_equal(a, b, check_exact=True)


def test_a_stored_run_holds_every_table_and_reads_back_the_same(made) -> None:
    spec, history, places, run = made
    assert set(run.tables) == STORED
    assert run.id == liquidity_id(spec, history)
    same_tables(load_run(places.runs / run.id).tables, dict(run.tables))
    assert not list(places.runs.glob(".*"))


def test_the_tables_are_those_the_page_lists(made) -> None:
    page = (Path(__file__).parents[2] / "docs" / "liquidity.md").read_text()
    listed = dict(re.findall(r"^\| `(\w+)` \| (\w+, .+) \|$", page, re.MULTILINE))
    placebos = placebo_table(make_contest(made[0], made[1]), 1)
    tables = {**made[3].tables, "placebo": placebos}
    assert {name: ", ".join(tables[name].columns) for name in listed} == listed
    assert set(listed) == STORED


def test_the_same_spec_and_data_give_the_same_bits(made, tmp_path) -> None:
    spec, history, _, run = made
    again = run_liquidity(spec, history, Places(tmp_path / "runs", tmp_path / "trials"), quiet)
    same_tables(dict(run.tables), dict(again.tables))


def test_an_interrupted_run_goes_on_from_its_last_window(made, tmp_path, monkeypatch) -> None:
    spec, history, _, run = made
    places, seen = Places(tmp_path / "runs", tmp_path / "trials"), []
    with pytest.raises(KeyboardInterrupt):
        run_liquidity(spec, history, places, lambda done, total, state: _stop_at(2, done))
    again = run_liquidity(spec, history, places, lambda done, total, state: seen.append(done))
    assert seen[0] == 2
    same_tables(dict(run.tables), dict(again.tables))


def _stop_at(window: int, done: int) -> None:
    if done == window:
        raise KeyboardInterrupt


def test_only_what_the_user_asked_for_and_could_have_traded_is_a_trial(made) -> None:
    _, _, places, run = made
    trials = read_trials(places.trials)
    assert [trial.lane for trial in trials] == ["static", "recentre"]
    assert {trial.run for trial in trials} == {run.id}
    blocks = run.manifest["folds"]
    assert {len(trial.returns) for trial in trials} == {blocks * (small.BLOCK - 1)}


def test_the_verdict_is_told_in_sentences_with_what_could_not_be_seen(made) -> None:
    verdict = made[3].manifest["verdict"]
    assert verdict["status"] == "too few windows"
    assert any("an edge below" in sentence for sentence in verdict["sentences"])
    assert any("a window against full_range" in sentence for sentence in verdict["sentences"])


def test_every_forecast_of_a_window_is_made_and_known_within_the_data(made) -> None:
    _, history, _, run = made
    losses = run.tables["forecast_losses"]
    assert len(losses) and (losses["end"] <= history.times[-1]).all()
    assert run.tables["forecast_scores"]["n"].tolist() == [len(losses)]


def test_a_quoted_trade_pays_more_slippage_the_larger_it_is(made) -> None:
    slippage = made[3].tables["slippage"]
    wide = slippage.pivot_table(index=["time", "side"], columns="size", values="slippage_bps")
    assert (np.diff(wide.to_numpy(), axis=1) > 0).all()


def test_the_report_shows_every_policy_and_asks_the_network_for_nothing(made) -> None:
    page = render_report(made[3].manifest, made[3].tables)
    for words in ("static", "recentre", "oracle_width", "full_range", "hold"):
        assert words.replace("_", " ") in page or words in page
    assert "default-src &#39;none&#39;" in page


def test_data_without_a_pool_are_refused(made, tmp_path) -> None:
    spec, history, _, _ = made
    bare = History(history.panel, history.clock)
    with pytest.raises(EngineError, match="the data have no pool"):
        run_liquidity(spec, bare, Places(tmp_path / "runs", tmp_path / "trials"), quiet)


def test_a_fit_that_fails_is_an_error_of_the_run(made, tmp_path) -> None:
    spec = small.small_spec(forecasters=[{"kind": "har", "horizon": 6, "context": 720}])
    with pytest.raises(FitError):
        run_liquidity(spec, made[1], Places(tmp_path / "runs", tmp_path / "trials"), quiet)


def test_a_policy_is_a_frozen_value() -> None:
    with pytest.raises(AttributeError):
        StaticRange().width = 0.5


def test_placebos_are_judged_by_rules_alone_and_pooled_over_worlds(made, tmp_path) -> None:
    spec = small.small_spec(placebos=2)
    table = placebo_table(make_contest(spec, made[1]), 2)
    blocks = made[3].manifest["folds"]
    assert set(table["lane"]) == {"static", "recentre", "hold"}
    assert table.groupby("world", sort=False)["windows"].first().tolist() == [2 * blocks, blocks]
    assert (table["low"] <= table["difference_bps"]).all() and (
        table["difference_bps"] <= table["high"]
    ).all()
    again = placebo_table(make_contest(spec, made[1]), 2)
    pd.testing.assert_frame_equal(table, again, check_exact=True)


def test_a_run_without_placebos_says_so_by_an_empty_table(made) -> None:
    assert made[3].tables["placebo"].empty


def test_learners_and_upper_bounds_are_left_out_of_placebos() -> None:
    spec = small.small_spec(policies=[{"kind": "static"}, {"kind": "learned"}, {"kind": "oracle_width"}])
    assert [type(policy) for policy in rules_only(spec).policies] == [StaticRange]
