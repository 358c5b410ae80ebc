"""What a walk makes is recorded at its own times, frozen, and is what the experiment's own walk makes."""

import importlib.util
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backtest.audit.recording import ARTEFACTS, recorded, walked_until
from backtest.experiment import walk_history
from backtest.paths import lane_paths, traded_bars
from backtest.policies.base import Decision
from backtest.walk import make_folds, make_plan
from data.history import History
from forecast.errors import FitError
from forecast.lookahead import movements

_PATH = Path(__file__).resolve().parents[1] / "oracles" / "small_walk.py"
_SPEC = importlib.util.spec_from_file_location("small_walk", _PATH)
small_walk = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(small_walk)

SPEC = small_walk.small_spec(
    forecaster={"kind": "ridge", "context": 8, "horizon": 3, "levels": small_walk.LEVELS}, policy="long_short"
)


@pytest.fixture(scope="module")
def history() -> History:
    return small_walk.small_history()


def test_the_audited_walk_is_the_experiments_own(history: History) -> None:
    plan = make_plan(SPEC, history)
    folds = make_folds(plan, history)
    walked, failure = walked_until(plan, folds, history, history.cutoff, lambda *_: None)
    own = walk_history(SPEC, history, small_walk.quiet)
    assert failure is None
    assert small_walk.bits(walked.records) == small_walk.bits(own.records)
    ours, theirs = (lane_paths(each, traded_bars(each)) for each in (walked, own))
    for a, b in zip(ours, theirs, strict=True):
        assert a.net.equity.tobytes() == b.net.equity.tobytes()


@pytest.mark.parametrize("engine", ["realistic", "backtrader_exact"])
def test_a_recording_until_a_cut_is_the_first_part_of_the_whole_one(history: History, engine: str) -> None:
    costs = {"kind": "custom", "commission_bps": 5.0}
    made = small_walk.small_spec(engine=engine, costs=costs, policy="long_flat")
    plan = make_plan(made, history)
    plan = replace(plan, lanes=(plan.lanes[0], plan.lanes[-1]))
    folds = make_folds(plan, history)
    whole = recorded(plan, folds, history, history.cutoff)
    for cut in (folds[0].cutoffs[0], folds[1].cutoffs[2], folds[-1].cutoffs[-1]):
        part = recorded(plan, folds, history, cut)
        assert movements(whole.outputs, part.outputs, cut) == ()
        assert max(part.outputs["targets"]) == cut
        assert max(part.outputs["equity"]) == history.cutoff
        at_the_end = recorded(plan, folds, history.until(cut), cut)
        assert movements(whole.outputs, at_the_end.outputs, cut) == ()


def test_every_artefact_is_recorded_by_account_and_series(history: History) -> None:
    plan = make_plan(SPEC, history)
    made = recorded(plan, make_folds(plan, history), history, history.cutoff).outputs
    assert tuple(made) == ARTEFACTS[1:]
    first = min(made["targets"])
    assert set(made["targets"][first]) == {f"{lane.label} {s}" for lane in plan.lanes for s in plan.series}
    assert {"ridge S1", "ridge calibrated S1"} <= set(made["forecasts"][first])
    assert any("state.npz" in text for text in made["fits"][first]["ridge"])
    fills = next(iter(made["fills"].values()))
    assert all(place.split()[-1] in plan.series for place in fills)


def test_what_is_recorded_cannot_be_changed_afterwards(
    history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A policy that hands out one array again and again does not rewrite what it decided before."""
    shared = np.zeros(3)

    def decide(self: Any, forecast: Any, book: Any, market: Any, rng: Any) -> Decision:
        shared[0] += 0.01
        return Decision(forecast.cutoff, book.series, shared)

    monkeypatch.setattr(type(SPEC.policy), "decide", decide)
    plan = make_plan(SPEC, history)
    plan = replace(plan, lanes=plan.lanes[:1])
    made = recorded(plan, make_folds(plan, history)[:1], history, history.cutoff).outputs["targets"]
    assert len({float(cells["ridge S1"]) for cells in made.values()}) == len(made)


def test_a_fit_that_fails_ends_the_recording_and_is_kept(history: History) -> None:
    plan = make_plan(SPEC, history)
    folds = make_folds(plan, history)
    values = history.panel.values.copy()
    values[: np.searchsorted(history.times, folds[1].cutoffs[0])] = np.nan
    broken = replace(history, panel=replace(history.panel, values=values))
    done = recorded(plan, folds, broken, history.cutoff)
    assert isinstance(done.failure, FitError)
    assert not done.outputs["targets"]
