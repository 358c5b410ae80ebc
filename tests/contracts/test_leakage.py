"""Nothing a walk makes for a time moves when only later rows change; and the harness finds leaks that are planted."""

import importlib.util
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest

from backtest import experiment
from backtest.book import Book
from backtest.experiment import walk_history
from backtest.paths import lane_paths, traded_bars
from backtest.policies.base import POLICIES, AbstractPolicy, Decision, Market
from backtest.spec import RunSpec
from backtest.walk import Plan, StepRecord, Walked, WalkState, finish, make_folds, make_plan, start, step
from data.history import History
from data.registry import spec as as_spec
from forecast.distribution import QuantileForecast
from forecast.errors import CheckFailure, FitError
from forecast.lookahead import Outputs, check_no_lookahead
from forecast.models.naive import Naive, NaiveFitted
from forecast.randomness import RandomStreams
from forecast.registry import FORECASTERS

_PATH = Path(__file__).resolve().parents[1] / "oracles" / "small_walk.py"
_SPEC = importlib.util.spec_from_file_location("small_walk", _PATH)
small_walk = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(small_walk)

WHOLE: dict[str, History] = {}
"""A history that a careless loader left where models can reach it."""

CALIBRATED = {
    "calibration": {"kind": "split_conformal", "window": 20, "pooled": True},
    "policy": "long_short",
}
VOLATILITY = {
    "forecaster": {"kind": "ridge", "context": 8, "horizon": 3, "levels": small_walk.LEVELS},
    "calibration": "aci",
    "policy": {"kind": "volatility_target", "target": 0.3},
    "retraining": {"kind": "every", "bars": 7},
    "folds": {"kind": "expanding", "train": 120, "test": 14, "gap": 2},
}
VARIANCE = {
    "forecaster": {"kind": "har", "quantity": "variance", "context": 30, "horizon": 3},
    "policy": {"kind": "volatility_target", "target": 0.3, "weighting": "inverse"},
    "engine": {"kind": "realistic", "participation": 0.01, "units": "integer"},
    "retraining": "never",
}


@as_spec
class Standardised(Naive):
    """The naive forecast, moved to where the mean of all rows says the price belongs."""

    def fit(self, train: History, rng: RandomStreams) -> NaiveFitted:
        fitted = super().fit(train, rng)
        closes = WHOLE["history"].panel.field("close")
        return replace(fitted, offsets=fitted.offsets + 1e-6 * float(np.nanmean(closes)))


@as_spec
class Prophet(AbstractPolicy):
    """Long what closes higher one bar after the cutoff."""

    def decide(self, forecast: QuantileForecast, book: Book, market: Market, rng: RandomStreams) -> Decision:
        closes, row = (
            WHOLE["history"].panel.field("close"),
            int(np.searchsorted(WHOLE["history"].times, forecast.cutoff)),
        )
        rises = closes[min(row + 1, len(closes) - 1)] > closes[row]
        return Decision(forecast.cutoff, book.series, np.where(rises & market.tradable, 0.3, 0.0))


def frozen(value: Any) -> np.ndarray:
    return np.frombuffer(small_walk.bits(value), np.uint8)


def lived(spec: RunSpec, history: History, numbers: dict[np.datetime64, int]) -> Outputs:
    """Return all that a walk makes, by time, and the decision at the last bar, which a paper account would make now.

    ``numbers`` holds the fold of every decision time; calendars are published ahead, so it may come from all times.
    """
    seen: list[tuple[WalkState, StepRecord]] = []

    def recording(*arguments: Any) -> tuple[WalkState, StepRecord]:
        seen.append(step(*arguments))
        return seen[-1]

    outputs: dict[str, dict[np.datetime64, Any]] = {"step": {}, "equity": {}, "weights": {}, "fills": {}}
    plan, first = make_plan(spec, history), min(numbers)
    state = start(plan)
    if history.cutoff > first:
        with mock.patch.object(experiment, "step", recording):
            try:
                walked = walk_history(spec, history, small_walk.quiet)
            except FitError:
                walked = stopped(plan, history, seen, numbers)
        state = walked.state
        _add_paths(outputs, walked)
    if history.cutoff in numbers:
        recording(plan, state, history, numbers[history.cutoff])
    for state, record in seen:
        outputs["step"][record.cutoff] = frozen((record, state))
    return outputs


def stopped(
    plan: Plan, history: History, seen: list[tuple[WalkState, StepRecord]], numbers: dict[np.datetime64, int]
) -> Walked:
    """Return the walk up to the bar before the decision whose fit failed, as where all later rows are missing."""
    state, last = seen[-1]
    failed = min(cutoff for cutoff in numbers if cutoff > last.cutoff)
    known = history.until(failed - np.timedelta64(1, "ns"))
    folds = [fold for fold in make_folds(plan, history) if fold.test_start <= last.cutoff]
    folds[-1] = replace(folds[-1], test_end=known.cutoff)
    records = tuple(record for _, record in seen)
    return Walked(plan, history, tuple(folds), records, finish(plan, state, known))


def _add_paths(outputs: dict[str, dict[np.datetime64, Any]], walked: Walked) -> None:
    paths = lane_paths(walked, traded_bars(walked))
    for row, time in enumerate(paths[0].net.times[1:], start=1):
        moment = np.datetime64(time)
        outputs["equity"][moment] = np.array(
            [(path.net.equity[row], path.gross.equity[row]) for path in paths]
        )
        outputs["weights"][moment] = np.array([path.net.weights[row] for path in paths])
    for path in paths:
        fills = path.net.fills.frame()
        for time, part in fills.groupby("time"):
            rows = list(part.itertuples(index=False, name=None))
            outputs["fills"].setdefault(np.datetime64(time, "ns"), []).append(repr((path.lane.label, rows)))


def pipeline(
    spec: RunSpec, whole: History, source: Callable[[History], History] = lambda known: known
) -> Any:
    """Return the pipeline from a raw history to all outputs, through a source that may spoil it."""
    folds = make_folds(make_plan(spec, whole), whole)
    numbers = {np.datetime64(cutoff): fold.number for fold in folds for cutoff in fold.cutoffs}

    def run(history: History) -> Outputs:
        WHOLE["history"] = history
        return lived(spec, source(history), numbers)

    return run


def cuts(spec: RunSpec, history: History) -> list[np.datetime64]:
    """The first decision, the starts of folds and the bars before them, a bar between, and bars beside the actions."""
    folds = make_folds(make_plan(spec, history), history)
    starts = [int(np.searchsorted(history.times, fold.test_start)) for fold in folds]
    beside = [small_walk.DIVIDEND_ROW, small_walk.SPLIT_ROW - 1, small_walk.SPLIT_ROW]
    rows = {starts[0], starts[0] + 1, starts[1], starts[1] - 1, starts[-1], *beside, len(history.times) - 2}
    return [np.datetime64(history.times[row]) for row in sorted(rows)]


@pytest.mark.parametrize(
    ("sections", "every"),
    [(CALIBRATED, 1), (VOLATILITY, 2), (VARIANCE, 3)],
    ids=["calibrated", "volatility", "variance"],
)
def test_no_forecast_fit_calibration_decision_fill_or_equity_moves_with_later_rows(
    sections: dict[str, Any], every: int
) -> None:
    spec, history = small_walk.small_spec(**sections), small_walk.small_history()
    where = cuts(spec, history)
    assert len(where) >= 8
    check_no_lookahead(pipeline(spec, history), history, where[::every], named="walk")


def test_the_harness_compares_something_of_every_kind_at_every_cut() -> None:
    spec, history = small_walk.small_spec(**CALIBRATED), small_walk.small_history()
    outputs = pipeline(spec, history)(history)
    assert len(outputs["step"]) == 17
    assert len(outputs["equity"]) == len(outputs["weights"]) == 50
    assert len(outputs["fills"]) > 10


@pytest.mark.parametrize(
    ("registry", "kind", "sections"),
    [
        (FORECASTERS, "Standardised", {"forecaster": {"kind": "planted", "context": 8, "horizon": 3}}),
        (
            POLICIES,
            "Prophet",
            {"policy": "planted", "forecaster": {"kind": "naive", "context": 8, "horizon": 3}},
        ),
    ],
    ids=["a scaler fitted to all rows", "a policy that reads the next bar"],
)
def test_a_leak_through_something_reachable_is_found(
    registry: Any, kind: str, sections: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(registry.kinds, "planted", f"{__name__}:{kind}")
    spec, history = small_walk.small_spec(**sections), small_walk.small_history()
    with pytest.raises(
        CheckFailure, match=r"step at .* moved when rows after .* were (raised|lowered|missing)"
    ):
        check_no_lookahead(pipeline(spec, history), history, cuts(spec, history)[1:6])


def test_a_source_that_rescales_the_past_by_the_latest_action_is_found() -> None:
    def adjusted_backward(history: History) -> History:
        factor = history.panel.field("factor")
        latest = factor[-1] if not np.isnan(factor[-1]).any() else 1.0
        return replace(history, panel=history.panel.with_field("factor", factor / latest))

    spec, history = small_walk.small_spec(), small_walk.small_history()
    where = [history.times[small_walk.SPLIT_ROW - 1]]
    with pytest.raises(CheckFailure, match="step at 2015-05-01.* moved when rows after"):
        check_no_lookahead(pipeline(spec, history, adjusted_backward), history, where)
