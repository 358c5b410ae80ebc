"""The audited part of an experiment: its last folds, and the bars they need, read again as the source would."""

import importlib.util
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backtest.audit.cuts import choose_cuts
from backtest.audit.span import MARGIN, MOST_DECISIONS, Span, make_span
from backtest.walk import make_folds, make_plan
from data.errors import SpecError
from data.events import CorporateActions
from data.sources.synthetic import SyntheticSource

_PATH = Path(__file__).resolve().parents[1] / "oracles" / "small_walk.py"
_SPEC = importlib.util.spec_from_file_location("small_walk", _PATH)
small_walk = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(small_walk)


def span(last: int = 3, **sections: Any) -> Span:
    defaults = {"data": {"kind": "synthetic", "count": 2, "bars": 900, "calendar": "XNYS"}}
    return make_span(small_walk.small_spec(**{**defaults, **sections}), Path(), last)


def rng() -> np.random.Generator:
    return np.random.default_rng(3)


def test_the_last_folds_are_kept_with_the_bars_their_first_fit_needs_and_a_margin() -> None:
    made = span(2)
    whole = made.spec.data.load(Path())
    folds = make_folds(make_plan(made.spec, whole), whole)
    assert [fold.number for fold in made.folds] == [fold.number for fold in folds[-2:]]
    before = made.raw.times < made.folds[0].test_start
    assert int(before.sum()) + 1 == made.spec.folds.least_rows + MARGIN
    assert made.raw.cutoff == made.folds[-1].test_end
    assert made.sentence().startswith("Audited: the last 2 folds of the experiment, 20")


def test_all_folds_are_kept_when_there_are_fewer_and_bars_begin_where_the_data_does() -> None:
    made = span(99)
    whole = made.spec.data.load(Path())
    assert len(made.folds) == len(make_folds(make_plan(made.spec, whole), whole))
    assert made.raw.times[0] == whole.times[0]


def test_many_decisions_are_shared_out_to_the_folds_from_their_beginning() -> None:
    made = span(2, folds={"kind": "rolling", "train": 120, "test": 200, "decide_every": 1})
    assert [len(fold.cutoffs) for fold in made.folds] == [MOST_DECISIONS // 2, MOST_DECISIONS // 2]
    assert made.folds[0].cutoffs[0] == made.folds[0].test_start


def test_what_the_user_asked_for_and_the_benchmark_run_and_no_reference() -> None:
    made = span(1)
    assert [lane.label for lane in made.plan(made.raw).lanes] == ["bootstrap", "buy_and_hold"]


def test_a_source_is_read_again_with_an_earlier_end() -> None:
    made = span(1)
    cut = made.raw.times[-20]
    again = made.reread(np.datetime64(cut))
    assert again.fingerprint() == made.raw.until(cut).fingerprint()


def test_a_source_whose_load_is_not_its_derived_bars_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def derive(self: Any, history: Any) -> Any:
        return replace(history, panel=history.panel.with_field("more", history.panel.field("close")))

    monkeypatch.setattr(SyntheticSource, "derive", derive)
    with pytest.raises(SpecError, match="SyntheticSource.load does not return derive"):
        span(1)


def test_no_fold_is_refused() -> None:
    with pytest.raises(SpecError, match="folds was 0; at least 1"):
        span(0)


def test_cuts_lie_where_leaks_are_found() -> None:
    made = span(3)
    acted = made.raw.times[-30]
    actions = CorporateActions(np.array([acted]), np.array(["S1"]), np.array([2.0]), np.zeros(1))
    cuts = choose_cuts(replace(made, raw=replace(made.raw, actions=actions)), 8, rng())
    kinds = {cut.kind: cut.time for cut in cuts}
    assert len(kinds) == len(cuts) == 8
    assert kinds["first decision of a fold"] == made.folds[0].cutoffs[0]
    assert kinds["at a corporate action"] == acted
    assert kinds["before a corporate action"] == made.raw.times[-31]
    assert kinds["before a fold"] < made.folds[1].cutoffs[0] <= np.datetime64(made.raw.times[-1])
    assert kinds["before the last bar"] == made.raw.times[-2]
    assert kinds["last bar of a session"].astype("datetime64[D]").item().weekday() in (3, 4)
    assert kinds["at a decision"] in {time for fold in made.folds for time in fold.cutoffs}


def test_cuts_are_distinct_ordered_and_the_same_for_the_same_stream() -> None:
    made = span(3)
    cuts = choose_cuts(made, 30, rng())
    times = [cut.time for cut in cuts]
    assert len(set(times)) == 30
    assert times == sorted(times)
    assert min(times) >= made.folds[0].cutoffs[0]
    assert max(times) < made.raw.cutoff
    assert cuts == choose_cuts(made, 30, rng())


def test_hourly_bars_are_cut_at_the_ends_of_days() -> None:
    made = span(2, data={"kind": "synthetic", "count": 1, "bars": 900, "bar": "1h"})
    ends = [cut.time for cut in choose_cuts(made, 16, rng()) if cut.kind == "last bar of a session"]
    assert ends
    days = {time: made.raw.times[np.searchsorted(made.raw.times, time) + 1] for time in ends}
    assert all(a.astype("datetime64[D]") != b.astype("datetime64[D]") for a, b in days.items())


@pytest.mark.parametrize(
    ("count", "message"), [(7, "cuts was 7; at least 8"), (500, "cuts was 500; the audited")]
)
def test_a_number_of_cuts_that_cannot_be_is_refused(count: int, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        choose_cuts(span(2), count, rng())


def test_a_shipped_configuration_can_be_audited() -> None:
    from backtest.spec import load_spec

    for name in ("quickstart", "us_equities", "index_volatility", "crypto_hourly"):
        spec = load_spec(Path(__file__).resolve().parents[2] / "configs" / f"{name}.yaml")
        made = make_span(spec, Path(), 3)
        assert len(choose_cuts(made, 8, rng())) == 8, name
