"""Refits: in-sample, cross-validated and retrained replays of a real lane, none of which sees what it must not."""

import importlib.util
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backtest.experiment import walk_history
from backtest.folds import CalendarFolds, ExpandingFolds, RollingFolds
from backtest.selection.candidates import Entry, candidate_count, make_pool, walk_candidates
from backtest.selection.estimators.base import ANCHORED, CROSS_VALIDATED, IN_SAMPLE, ROLLING
from backtest.selection.refits import (
    CV_FOLDS,
    LaneRefits,
    cross_validation_rows,
    held_out,
    trained_as,
)
from backtest.selection.regime import market_regime
from backtest.selection.replay import account_returns, lane_returns, scheduled_walk, walk_plan
from backtest.selection.utility import utilities
from backtest.walk import make_folds, make_plan
from data.errors import SpecError
from data.history import History
from forecast.randomness import RandomStreams

_PATH = Path(__file__).resolve().parents[1] / "oracles" / "small_walk.py"
_SPEC = importlib.util.spec_from_file_location("small_walk", _PATH)
small_walk = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(small_walk)

CONFIG: dict[str, Any] = {
    "forecaster": {"kind": "ar", "context": 8, "horizon": 3, "levels": small_walk.LEVELS},
    "folds": {"kind": "rolling", "train": 120, "test": 21},
    "policy": "long_short",
}


@pytest.fixture(scope="module")
def history() -> History:
    return small_walk.small_history(260)


@pytest.fixture(scope="module")
def refits(history: History) -> LaneRefits:
    plan = make_plan(small_walk.small_spec(**CONFIG), history)
    return LaneRefits(plan, plan.lanes[0], history)


def poisoned(history: History, row: int) -> History:
    values = history.panel.values.copy()
    values[row + 1 :] *= 1.7
    return replace(history, panel=replace(history.panel, values=values))


@pytest.mark.parametrize("need", [IN_SAMPLE, CROSS_VALIDATED, ANCHORED, ROLLING])
def test_no_replay_reads_anything_after_its_date(refits: LaneRefits, history: History, need: str) -> None:
    row = 180
    at = history.times[row]
    before = refits.replay(need, at)
    after = LaneRefits(refits.plan, refits.lane, poisoned(history, row)).replay(need, at)
    assert not before.flag
    assert before.utilities.tobytes() == after.utilities.tobytes()
    assert before.utilities.shape[1] > 20


def test_cross_validation_gives_five_paths_that_differ(refits: LaneRefits, history: History) -> None:
    paths = refits.replay(CROSS_VALIDATED, history.times[180]).utilities
    assert len(paths) == 5
    assert len({path.tobytes() for path in paths}) > 1


def test_the_given_fit_is_the_one_that_decides(refits: LaneRefits, history: History) -> None:
    """Replaying a walk with its own fits gives the walk itself."""
    plan, lane = refits.plan, refits.lane
    folds = make_folds(plan, history)
    walked = walk_plan(replace(plan, lanes=(lane,)), history, folds)
    fits = [
        lane.forecaster.fit(
            plan.spec.folds.training(history.until(fold.test_start)),
            RandomStreams(plan.spec.seed, fold.test_start),
        )
        for fold in folds
    ]
    replayed = scheduled_walk(plan, lane, history, folds, fits)
    assert lane_returns(replayed)[1][0].tobytes() == lane_returns(walked)[1][0].tobytes()
    assert np.abs(lane_returns(walked)[1][0]).max() > 0


def test_its_own_kind_of_training_is_its_own_walk(refits: LaneRefits, history: History) -> None:
    at = history.times[220]
    own = lane_returns(
        walk_plan(replace(refits.plan, lanes=(refits.lane,)), history, make_folds(refits.plan, history))
    )
    worth = utilities(own[1][0], refits.plan.periods_per_year)[own[0] <= at]
    rolling = refits.replay(ROLLING, at).utilities[0]
    assert rolling.tobytes() == worth[np.isfinite(worth)].tobytes()
    assert refits.replay(ANCHORED, at).utilities[0].tobytes() != rolling.tobytes()


def test_a_model_that_refuses_is_flagged(refits: LaneRefits, history: History) -> None:
    found = refits.replay(CROSS_VALIDATED, history.times[20])
    assert found.flag.startswith("n/a (cross_validated: ")
    assert not found.utilities.size
    found = refits.replay(IN_SAMPLE, history.times[6])
    assert found.flag.startswith("n/a (in_sample: ")


def test_training_changes_its_window_and_never_its_tests() -> None:
    rolling = RollingFolds(train=90, test=21, gap=2)
    anchored = trained_as(rolling, anchored=True)
    assert isinstance(anchored, ExpandingFolds)
    assert trained_as(anchored, anchored=False) == rolling
    calendar = CalendarFolds(every="month", train=100)
    assert trained_as(calendar, anchored=True).train_rows is None
    assert trained_as(calendar, anchored=True).least_rows == calendar.least_rows
    assert trained_as(CalendarFolds(least=100), anchored=False).train_rows == 100


@pytest.mark.parametrize("horizon", [1, 3, 7])
def test_no_fit_sees_a_row_inside_a_tested_label(horizon: int) -> None:
    times = np.arange(120).astype("datetime64[D]").astype("datetime64[ns]")
    tested, visible = cross_validation_rows(times, horizon)
    assert len(visible) == 15
    for number, (one, other) in enumerate((a, b) for a in range(CV_FOLDS) for b in range(a + 1, CV_FOLDS)):
        rows = np.flatnonzero(np.isin(tested, (one, other)) & (np.arange(120) < 120 - horizon))
        inside = {int(row) + ahead for row in rows for ahead in range(1, horizon + 1)}
        # A label may start where a tested one ends: the close there is what was known at its own decision.
        ends = {int(row) + horizon for row in rows}
        seen = set(np.flatnonzero(visible[number]).tolist())
        assert not seen & (inside - ends)
    with pytest.raises(SpecError, match="too few for 6 folds"):
        cross_validation_rows(times[: 7 * horizon], horizon)


def test_held_out_rows_are_blank_and_their_move_is_gone(history: History) -> None:
    train = history.until(history.times[119])
    visible = np.ones(120, bool)
    visible[:5] = visible[40:60] = visible[110:] = False
    hidden = held_out(train, visible)
    assert len(hidden.panel) == 105
    assert hidden.times[0] == train.times[5]
    assert np.isnan(hidden.panel.values[35:55]).all()
    factor, close = hidden.panel.field("factor"), hidden.panel.field("close")
    adjusted = (factor * close)[:, 0]
    assert adjusted[55] == pytest.approx(adjusted[34])
    wanted = (train.panel.field("factor") * train.panel.field("close"))[60:110, 0]
    assert adjusted[55:] / adjusted[55] == pytest.approx(wanted / wanted[0])


def test_ruin_ends_in_nothing() -> None:
    assert account_returns(np.array([100.0, 50.0, -3.0, -3.0])).tolist() == [-0.5, -1.0, 0.0]
    assert account_returns(np.array([100.0, 110.0])).tolist() == [pytest.approx(0.1)]


def test_the_regime_at_a_close_has_seen_closes_up_to_it(history: History) -> None:
    before, after = market_regime(history), market_regime(poisoned(history, 150))
    assert np.array_equal(before[:151], after[:151], equal_nan=True)
    assert not np.array_equal(before[151:], after[151:], equal_nan=True)
    assert np.isfinite(before[70:]).all()


def test_candidates_are_the_asked_models_and_the_references_once(history: History) -> None:
    spec = small_walk.small_spec(**CONFIG)
    other = small_walk.small_spec(**{**CONFIG, "policy": "long_flat"})
    entries = [Entry("one", spec), Entry("two", other), Entry("again", spec)]
    walks = walk_candidates(entries, history, small_walk.quiet)
    pool = make_pool(walks, history)
    assert pool.ids == (
        "ar [one]",
        "naive [one]",
        "drift [one]",
        "seasonal_naive [one]",
        "ridge [one]",
        "ar [two]",
    )
    assert candidate_count(entries) == 6
    assert candidate_count(entries, references=False) == 2
    assert pool.costs.tolist() == [1, 0, 0, 0, 1, 1]
    assert len(pool.dates) == len(walks[0].walked.folds)
    first = int(np.flatnonzero(np.isfinite(pool.benchmark))[0])
    assert pool.times[first - 1] == pool.dates[0]
    assert (pool.folds[:first] == -1).all()
    assert np.isfinite(pool.candidates[0].returns[first:]).all()


def test_a_candidate_earns_what_its_backtest_earns(history: History) -> None:
    spec = small_walk.small_spec(**CONFIG)
    walked = walk_history(spec, history, small_walk.quiet)
    times, returns = lane_returns(walked)
    pool = make_pool(walk_candidates([Entry("", spec)], history, small_walk.quiet), history)
    rows = np.searchsorted(history.times, times)
    found = [each.returns[rows] for each in pool.candidates] + [pool.benchmark[rows]]
    assert [each.tobytes() for each in found] == [each.tobytes() for each in returns]


def test_a_pool_ends_where_its_first_walk_ends(history: History) -> None:
    last = str(history.times[220].astype("datetime64[D]"))
    folds = {**CONFIG["folds"], "last": last}
    early = Entry("early", small_walk.small_spec(**{**CONFIG, "folds": folds}))
    late = Entry("late", small_walk.small_spec(**CONFIG))
    for entries in ([early], [late, early], [early, late]):
        walks = walk_candidates(entries, history, small_walk.quiet, references=False)
        pool = make_pool(walks, history)
        assert pool.times[-1] == min(walk.times[-1] for walk in walks) < history.times[-1]
        assert all(np.isfinite(each.returns[-50:]).all() for each in pool.candidates)
        assert (np.diff(pool.folds) >= 0).all()
        assert pool.dates[-1] < pool.times[-1]


def test_candidates_of_different_data_are_refused(history: History) -> None:
    one = small_walk.small_spec(**CONFIG)
    other = small_walk.small_spec(**{**CONFIG, "data": {"kind": "synthetic", "count": 2, "bars": 170}})
    with pytest.raises(SpecError, match="2 different data sections"):
        walk_candidates([Entry("a", one), Entry("b", other)], history, small_walk.quiet)
    with pytest.raises(SpecError, match="no configuration"):
        walk_candidates([], history, small_walk.quiet)
