"""Nothing a walk makes for a time moves when only later rows change; and the harness finds leaks that are planted."""

import importlib.util
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backtest.audit.recording import ARTEFACTS, recorded
from backtest.book import Book
from backtest.policies.base import POLICIES, AbstractPolicy, Decision, Market
from backtest.spec import RunSpec
from backtest.walk import make_folds, make_plan
from data.history import History
from data.registry import spec as as_spec
from forecast.distribution import QuantileForecast
from forecast.errors import CheckFailure
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


def pipeline(
    spec: RunSpec, whole: History, source: Callable[[History], History] = lambda known: known
) -> Any:
    """Return the pipeline from a raw history to all outputs, through a source that may spoil it."""
    folds = make_folds(make_plan(spec, whole), whole)

    def run(history: History) -> Outputs:
        WHOLE["history"] = history
        derived = source(history)
        # Where all later rows are missing a fit after the cut may fail; what was made before it stands.
        return recorded(make_plan(spec, derived), folds, derived, derived.cutoff).outputs

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
    assert list(outputs) == list(ARTEFACTS[1:])
    assert sum(bool(made) for made in outputs["fits"].values()) == 4
    assert len(outputs["equity"]) == 51
    assert len(outputs["fills"]) > 10
    lanes = [lane.label for lane in make_plan(spec, history).lanes]
    for artefact in ("calibrations", "accounts"):
        assert len(outputs[artefact]) == 17
        assert all(list(made) == lanes for made in outputs[artefact].values())
    for artefact in ("forecasts", "targets"):
        assert len(outputs[artefact]) == 17
        assert all(len(made) >= 3 * len(lanes) for made in outputs[artefact].values())


@pytest.mark.parametrize(
    ("registry", "kind", "sections", "first"),
    [
        (
            FORECASTERS,
            "Standardised",
            {"forecaster": {"kind": "planted", "context": 8, "horizon": 3}},
            "fits of planted",
        ),
        (
            POLICIES,
            "Prophet",
            {"policy": "planted", "forecaster": {"kind": "naive", "context": 8, "horizon": 3}},
            "targets of naive S",
        ),
    ],
    ids=["a scaler fitted to all rows", "a policy that reads the next bar"],
)
def test_a_leak_through_something_reachable_is_found(
    registry: Any, kind: str, sections: dict[str, Any], first: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(registry.kinds, "planted", f"{__name__}:{kind}")
    spec, history = small_walk.small_spec(**sections), small_walk.small_history()
    with pytest.raises(
        CheckFailure, match=f"{first}.* at .* moved when rows after .* were (raised|lowered|mirrored|missing)"
    ):
        check_no_lookahead(pipeline(spec, history), history, cuts(spec, history)[1:6])


def test_a_source_that_rescales_the_past_by_the_latest_action_is_found() -> None:
    def adjusted_backward(history: History) -> History:
        factor = history.panel.field("factor")
        latest = factor[-1] if not np.isnan(factor[-1]).any() else 1.0
        return replace(history, panel=history.panel.with_field("factor", factor / latest))

    spec, history = small_walk.small_spec(), small_walk.small_history()
    where = [history.times[small_walk.SPLIT_ROW - 1]]
    with pytest.raises(CheckFailure, match="fits of bootstrap at 2015-05-01.* moved when rows after"):
        check_no_lookahead(pipeline(spec, history, adjusted_backward), history, where)
