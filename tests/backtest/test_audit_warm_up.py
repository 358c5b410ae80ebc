"""Where history starts: nothing, within tolerance, or a dependence that is told apart from a leak."""

import importlib.util
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from backtest.audit.span import Span, make_span
from backtest.audit.warm_up import TOLERANCE, measure_warm_up
from data.history import History

_PATH = Path(__file__).resolve().parents[1] / "oracles" / "small_walk.py"
_SPEC = importlib.util.spec_from_file_location("small_walk", _PATH)
small_walk = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(small_walk)


def span_of(column: Any = None, **sections: Any) -> Span:
    defaults = {"data": {"kind": "synthetic", "count": 2, "bars": 500}, "policy": "long_flat"}
    made = make_span(small_walk.small_spec(**{**defaults, **sections}), Path(), 2)
    if column is None:
        return made

    def derive(history: History) -> History:
        close = pd.DataFrame(history.panel.field("close"))
        return replace(history, panel=history.panel.with_field("column", np.asarray(column(close))))

    return replace(made, derive=derive)


def test_a_rolling_fit_and_a_finite_window_do_not_care_where_history_starts() -> None:
    found = measure_warm_up(span_of(lambda close: close.rolling(20).mean()))
    assert len(found.shifts) == 9
    assert {shift.artefact for shift in found.shifts} == {"features", "forecasts", "targets"}
    assert all(shift.settled for shift in found.shifts)
    assert "changes nothing by more than 1e-06" in found.sentences()[0]


def test_a_sum_from_the_start_depends_on_it_and_is_named() -> None:
    found = measure_warm_up(span_of(lambda close: close.cumsum()))
    worst = [shift for shift in found.shifts if not shift.settled]
    assert {shift.artefact for shift in worst} == {"features"}
    assert worst[0].place in ("S1 column", "S2 column")
    assert not np.isnat(worst[0].time)
    assert 0 < worst[0].share < 1
    assert "features depend on where history starts. That is no leak" in found.sentences()[0]


def test_the_later_history_starts_the_more_an_exponential_average_differs_but_it_forgets() -> None:
    found = measure_warm_up(span_of(lambda close: close.ewm(span=10, adjust=False).mean()))
    differences = [shift.difference for shift in found.shifts if shift.artefact == "features"]
    assert 0 < differences[-1] < TOLERANCE
    assert differences == sorted(differences)


def test_a_value_that_is_there_from_one_start_only_is_infinitely_different() -> None:
    found = measure_warm_up(span_of(lambda close: close.rolling(376).mean()))
    features = [shift for shift in found.shifts if shift.artefact == "features"]
    assert features[-1].difference == np.inf
    assert not features[-1].settled


def test_an_expanding_fit_depends_on_where_history_starts() -> None:
    found = measure_warm_up(span_of(folds={"kind": "expanding", "train": 120, "test": 14}))
    assert any(shift.artefact == "forecasts" and not shift.settled for shift in found.shifts)


def test_a_fold_that_needs_every_bar_is_told_and_not_measured() -> None:
    made = span_of(data={"kind": "synthetic", "count": 2, "bars": 130})
    found = measure_warm_up(made)
    assert found.shifts == ()
    assert found.sentences() == [
        "Warm-up was not measured: the last fold needs all 130 bars, so history cannot start later."
    ]


def test_a_pipeline_that_does_not_run_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    made = span_of()

    def broken(history: History) -> History:
        return replace(history, panel=replace(history.panel, values=history.panel.values * np.nan))

    with pytest.raises(Exception, match="bootstrap"):
        measure_warm_up(replace(made, derive=broken))
