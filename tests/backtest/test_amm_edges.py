"""Whole experiments at their edges: nothing traded, nothing affordable, nothing known of liquidity."""

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from backtest.amm.experiment import run_liquidity
from backtest.experiment import Places
from backtest.report.html import render_report
from backtest.trials import read_trials
from data.amm.bars import pool_bars

_SPEC = importlib.util.spec_from_file_location(
    "small_contest", Path(__file__).parents[1] / "oracles" / "small_contest.py"
)
small = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(small)


@pytest.fixture(scope="module")
def history():
    return small.small_spec().data.load(Path("unused"))


@pytest.fixture(scope="module")
def ordinary(history, tmp_path_factory):
    """A run with nothing special, and where it is counted."""
    folder = tmp_path_factory.mktemp("ordinary")
    return run_of(small.small_spec(), history, folder), folder


def places(folder):
    return Places(folder / "runs", folder / "trials.jsonl")


def run_of(spec, history, folder):
    """Return a finished run, its report rendered as well."""
    run = run_liquidity(spec, history, places(folder), lambda done, total, state: None)
    assert render_report(run.manifest, run.tables)
    return run


def quiet_after(history, bar):
    """Return a history in which nobody trades after a bar."""
    log = replace(history.pool, swaps=history.pool.swaps.until(history.times[bar]))
    return replace(
        history, panel=pool_bars(log, history.clock, history.times[0], history.times[-1]), pool=log
    )


def said(run):
    return " ".join(run.manifest["verdict"]["sentences"])


def test_in_windows_without_a_swap_nothing_is_earned_lost_or_carried_out(history, tmp_path) -> None:
    quiet = quiet_after(history, 24 * 4 + 12)
    run = run_of(small.small_spec(placebos=1), quiet, tmp_path)
    told = run.tables["statements"]
    silent = told[told["start"] > history.times[24 * 4 + 12]]
    assert set(silent["lane"]) == {"static", "recentre", "oracle_width", "hold", "full_range"}
    assert silent["fold"].nunique() == 3
    money = ["fees", "divergence", "gas", "conversion", "net", "lvr", "in_range_share", "rebalances"]
    assert (silent[money] == 0).all().all()
    assert silent["capital_efficiency"].isna().all() and silent["fees_over_lvr"].isna().all()
    assert run.tables["actions"]["fold"].max() == 0
    assert np.isfinite(run.tables["policies"][["net_bps", "low", "high"]]).all().all()


def test_an_account_too_small_for_its_gas_is_left_as_it_was_and_the_verdict_says_so(
    history, tmp_path
) -> None:
    run = run_of(small.small_spec(capital=1), history, tmp_path)
    told, actions = run.tables["statements"], run.tables["actions"]
    assert (told[["fees", "divergence", "gas", "conversion", "net"]] == 0).all().all()
    assert set(actions["kind"]) == {"refused"} and (actions[["gas", "conversion"]] == 0).all().all()
    assert run.tables["ranges"].empty
    own = (actions["lane"] == "static").sum()
    assert f"{own} of its {own} decisions to move could not be carried out; the first: gas of" in said(run)


def test_an_account_that_can_pay_is_not_said_to_have_been_refused(ordinary) -> None:
    assert "could not be carried out" not in said(ordinary[0])


def test_a_pool_without_liquidity_changes_earns_the_same_and_has_no_heat_or_slippage(
    history, ordinary, tmp_path
) -> None:
    bare = replace(history, pool=replace(history.pool, changes=None))
    run, whole = run_of(small.small_spec(), bare, tmp_path), ordinary[0]
    assert run.tables["statements"].equals(whole.tables["statements"])
    assert run.tables["heat"].empty and run.tables["slippage"].empty
    assert len(whole.tables["heat"]) and len(whole.tables["slippage"])


def test_a_handful_of_windows_is_never_said_to_differ_from_the_passive_policy(ordinary) -> None:
    assert "which shows nothing in fewer than 8 windows" in said(ordinary[0])


def test_placebos_and_other_frontiers_are_no_new_trials(history, ordinary) -> None:
    def counted():
        return len({trial.id for trial in read_trials(places(ordinary[1]).trials)})

    assert counted() == 2
    run_of(small.small_spec(placebos=1, frontier={}, name="other"), history, ordinary[1])
    assert counted() == 2
    run_of(small.small_spec(capital=20_000), history, ordinary[1])
    assert counted() == 4
