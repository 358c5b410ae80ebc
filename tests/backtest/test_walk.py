"""The walk: one pure step, replayed to the same bits, that learns nothing before it is known."""

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from backtest.errors import RunError
from backtest.experiment import walk_history
from backtest.paths import lane_paths, traded_bars
from backtest.policies.base import Decision
from backtest.walk import Walked, finish, make_folds, make_plan, market_at, start, step
from data.errors import SpecError
from data.history import History

_PATH = Path(__file__).resolve().parents[1] / "oracles" / "small_walk.py"
_SPEC = importlib.util.spec_from_file_location("small_walk", _PATH)
small_walk = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(small_walk)
bits, small_spec = small_walk.bits, small_walk.small_spec

CALIBRATED = {"calibration": {"kind": "split_conformal", "window": 20, "pooled": True}}


@pytest.fixture(scope="module")
def history() -> History:
    return small_walk.small_history()


@pytest.fixture(scope="module")
def walked(history: History) -> Walked:
    return walk_history(small_spec(**CALIBRATED), history, small_walk.quiet)


def test_a_step_is_pure(history: History) -> None:
    plan = make_plan(small_spec(**CALIBRATED), history)
    state = start(plan)
    for fold in make_folds(plan, history)[:2]:
        for cutoff in fold.cutoffs:
            before = bits(state)
            once = step(plan, state, history.until(cutoff), fold.number)
            again = step(plan, state, history.until(cutoff), fold.number)
            assert bits(state) == before
            assert bits(once) == bits(again)
            state = once[0]


def test_the_walk_is_a_loop_of_steps(history: History, walked: Walked) -> None:
    plan, reported = walked.plan, []
    state, records = start(plan), []
    for fold in walked.folds:
        for cutoff in fold.cutoffs:
            state, record = step(plan, state, history.until(cutoff), fold.number)
            records.append(record)
    state = finish(plan, state, history)
    assert bits(tuple(records)) == bits(walked.records)
    assert bits(state) == bits(walked.state)
    walk_history(plan.spec, history, lambda done, total, words: reported.append((done, total, words)))
    assert [done for done, _, _ in reported] == list(range(1, len(records) + 1))
    assert {total for _, total, _ in reported} == {len(records)}
    assert reported[-1][2].startswith("fold 4 of 4, bootstrap net ")


def test_a_finished_walk_goes_on_as_if_it_had_not_ended(history: History, walked: Walked) -> None:
    first, second = (np.datetime64(t) for t in walked.folds[2].cutoffs[1:3])
    short = walk_history(walked.plan.spec, history.until(second), small_walk.quiet)
    state, record = step(walked.plan, short.state, history.until(second), 2)
    assert short.records[-1].cutoff == first
    assert bits(record) == bits(next(each for each in walked.records if each.cutoff == second))
    assert state.through == second


def test_the_walk_equals_its_replay_and_a_tampered_one_is_refused(walked: Walked) -> None:
    bars = traded_bars(walked)
    paths = lane_paths(walked, bars)
    assert [path.lane.label for path in paths] == [lane.label for lane in walked.plan.lanes]
    assert bars.times[0] == walked.folds[0].test_start
    assert bars.times[-1] == walked.folds[-1].test_end
    record, lane = walked.records[3], walked.records[3].lanes[0]
    traded = np.flatnonzero(np.nan_to_num(lane.decision.weights))[0]
    weights = lane.decision.weights.copy()
    weights[traded] *= 0.9
    other = replace(lane, decision=Decision(record.cutoff, lane.decision.series, weights))
    changed = replace(record, lanes=(other, *record.lanes[1:]))
    records = (*walked.records[:3], changed, *walked.records[4:])
    with pytest.raises(RunError, match="account 'bootstrap' differs between the walk and its replay in cash"):
        lane_paths(replace(walked, records=records), bars)
    richer = replace(walked.state.lanes[1], engine=replace(walked.state.lanes[1].engine, cash=1.0))
    state = replace(walked.state, lanes=(walked.state.lanes[0], richer, *walked.state.lanes[2:]))
    with pytest.raises(RunError, match="account 'naive' differs between the walk and its replay in cash"):
        lane_paths(replace(walked, state=state), bars)


def test_calibration_learns_a_forecast_only_when_its_last_truth_is_known(history: History) -> None:
    plan = make_plan(
        small_spec(**CALIBRATED, folds={"kind": "rolling", "train": 120, "test": 14, "decide_every": 1}),
        history,
    )
    state = start(plan)
    for made, cutoff in enumerate(make_folds(plan, history)[0].cutoffs, start=1):
        before = state.lanes[0]
        state, _ = step(plan, state, history.until(cutoff), 0)
        after = state.lanes[0]
        assert all(raw.times[-1] > cutoff for raw, _ in after.awaiting)
        assert len(after.awaiting) == min(plan.spec.horizon, made)
        has_learnt = len(before.awaiting) + 1 > len(after.awaiting)
        assert has_learnt == (bits(after.calibration) != bits(before.calibration))


def test_networks_fitted_ahead_forecast_as_those_fitted_at_their_decisions(history: History) -> None:
    network = {
        "kind": "lstm",
        "context": 8,
        "horizon": 3,
        "levels": small_walk.LEVELS,
        "units": 4,
        "epochs": 3,
    }
    spec = small_spec(forecaster=network, folds={"kind": "rolling", "train": 130, "test": 14})
    walked = walk_history(spec, history, small_walk.quiet)
    plan, state = walked.plan, start(walked.plan)
    for fold in walked.folds:
        for cutoff in fold.cutoffs:
            state, record = step(plan, state, history.until(cutoff), fold.number)
            ahead = next(each for each in walked.records if each.cutoff == cutoff)
            own, other = record.lanes[0].forecast.values, ahead.lanes[0].forecast.values
            np.testing.assert_allclose(own, other, rtol=1e-5)
            assert bits(record.lanes[1:]) == bits(ahead.lanes[1:])


def test_no_truth_is_used_before_the_delay_of_its_publication(history: History) -> None:
    folds = {"kind": "rolling", "train": 120, "test": 14, "decide_every": 1}
    late = {"kind": "never", "truth_delay": 4}
    plan = make_plan(small_spec(**CALIBRATED, folds=folds, retraining=late), history)
    state = start(plan)
    for made, cutoff in enumerate(make_folds(plan, history)[0].cutoffs, start=1):
        state, _ = step(plan, state, history.until(cutoff), 0)
        usable = history.until(cutoff).times[-1 - 4]
        assert all(raw.times[-1] > usable for raw, _ in state.lanes[0].awaiting)
        assert len(state.lanes[0].awaiting) == min(plan.spec.horizon + 4, made)


@pytest.mark.parametrize(
    ("retraining", "reasons"),
    [
        ("every_fold", ["first fit", "new fold", "new fold", "new fold"]),
        ("never", ["first fit"]),
        (
            {"kind": "every", "bars": 10},
            ["first fit", "12 bars old", "12 bars old", "12 bars old", "12 bars old"],
        ),
    ],
)
def test_models_are_fitted_when_retraining_says_so(
    retraining: object, reasons: list[str], history: History
) -> None:
    spec = small_spec(
        forecaster={"kind": "naive", "context": 8, "horizon": 3},
        retraining=retraining,
        folds={"kind": "rolling", "train": 110, "test": 14, "gap": 4, "first": "2015-05-01"},
    )
    walked = walk_history(spec, history, small_walk.quiet)
    for i in range(len(walked.plan.lanes)):
        fits = [record.lanes[i].fit for record in walked.records if record.lanes[i].fit is not None]
        assert [fit.reason for fit in fits] == reasons
        assert {fit.rows for fit in fits} == {110}
        assert {fit.cost_proxy for fit in fits} == {330.0}


def test_lanes_are_what_was_asked_then_references_then_the_benchmark(history: History) -> None:
    spec = small_spec(
        forecaster=[{"kind": "drift", "context": 8}, {"kind": "ar", "context": 8}], benchmark="cash"
    )
    plan = make_plan(spec, history)
    assert [(lane.label, lane.role) for lane in plan.lanes] == [
        ("drift", "asked"), ("ar", "asked"), ("naive", "reference"), ("seasonal_naive", "reference"),
        ("ridge", "reference"), ("cash", "benchmark"),
    ]  # fmt: skip
    assert [lane.policy for lane in plan.lanes] == [spec.policy] * 5 + [spec.benchmark]


def test_what_is_not_observed_or_untradable_is_not_traded(history: History, walked: Walked) -> None:
    missing = history.times[small_walk.GAP_ROWS[1]]
    assert market_at(walked.plan, history.until(missing)).tradable.tolist() == [True, False, False]
    assert market_at(walked.plan, history).tradable.tolist() == [True, True, False]
    for record in walked.records:
        for lane in record.lanes:
            assert np.isnan(lane.decision.weights[2])
            assert "S3" in lane.forecast.series


def test_more_data_never_changes_the_plan(history: History) -> None:
    spec = small_spec()
    assert bits(make_plan(spec, history)) == bits(make_plan(spec, history.until(history.times[125])))


def test_a_horizon_longer_than_the_first_fit_is_refused(history: History) -> None:
    plan = make_plan(small_spec(forecaster={"kind": "naive", "context": 8, "horizon": 120}), history)
    with pytest.raises(SpecError, match="horizon was 120"):
        make_folds(plan, history)
