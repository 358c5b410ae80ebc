"""The audit finds twelve leaks and passes two clean columns, in whole experiments whose model is trained on them."""

import importlib.util
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backtest.audit import leakage as leakage_module
from backtest.audit.cuts import Cut, choose_cuts
from backtest.audit.leakage import Leakage, audit_leakage
from backtest.audit.null_test import searched
from backtest.audit.recording import ARTEFACTS, recorded
from backtest.audit.span import Span, make_span
from backtest.book import Book
from backtest.policies.base import POLICIES, AbstractPolicy, Decision, Market
from backtest.spec import build_spec
from data.errors import SourceError
from data.history import History
from data.registry import spec
from forecast.distribution import QuantileForecast
from forecast.lookahead import PERTURBATIONS
from forecast.randomness import RandomStreams

_PATH = Path(__file__).resolve().parents[1] / "oracles" / "leaks.py"
_SPEC = importlib.util.spec_from_file_location("wayfold_leaks", _PATH)
leaks = importlib.util.module_from_spec(_SPEC)
sys.modules[_SPEC.name] = leaks
_SPEC.loader.exec_module(leaks)

LATEST: dict[str, History] = {}
"""What a careless source left where a policy can reach it."""


@pytest.fixture(autouse=True, scope="module")
def known() -> Iterator[None]:
    """The sources, the model and the policy of this file are registered while it runs, and few bars are scanned."""
    with pytest.MonkeyPatch.context() as patch:
        leaks.register(patch.setitem)
        patch.setitem(POLICIES.kinds, "prophet", f"{__name__}:Prophet")
        patch.setattr(leakage_module, "MOST_SCANNED", 40)
        yield


@spec
class Prophet(AbstractPolicy):
    """Long what the latest bars that any source derived from say will rise."""

    def decide(self, forecast: QuantileForecast, book: Book, market: Market, rng: RandomStreams) -> Decision:
        closes, times = LATEST["history"].panel.field("close"), LATEST["history"].times
        row = int(np.searchsorted(times, forecast.cutoff))
        rises = closes[min(row + 1, len(closes) - 1)] > closes[row]
        return Decision(forecast.cutoff, book.series, np.where(rises, 0.4, 0.0))


def span_of(column: str, kind: str = "planted", **sections: Any) -> Span:
    sections.setdefault("folds", {"kind": "rolling", "train": 100, "test": 20})
    return make_span(build_spec(leaks.config(column, kind, **sections)), Path(), 3)


def audited(span: Span) -> Leakage:
    return audit_leakage(span, choose_cuts(span, 8, np.random.default_rng(0)), lambda *_: None)


@pytest.mark.parametrize("column", leaks.LEAKS)
def test_every_leak_into_a_column_is_found_and_the_column_named_first(column: str) -> None:
    found = audited(span_of(column))
    assert found.leaks
    movement, shown = found.first
    assert (movement.artefact, movement.place[2:]) == ("features", " planted")
    assert movement.time <= shown.cut.time
    assert "LEAK: features of S" in found.sentences()[0]
    assert all(count > 0 for count in found.scan.moved.values())


@pytest.mark.parametrize("ahead", [1, 2, 3])
def test_an_entry_one_two_or_three_bars_early_is_found(ahead: int) -> None:
    """What freqtrade's look-ahead analysis of 2024 called unbiased for one and two bars, over 20 trades."""
    span = span_of(f"shift(-{ahead})")
    cut = Cut(np.datetime64(span.folds[1].cutoffs[1]), "at a decision")
    found = audit_leakage(replace(span, derives=False), [cut], lambda *_: None)
    assert [each.how for each in found.comparisons if each.moved] == list(PERTURBATIONS)
    for artefact in ("features", "forecasts"):
        assert {found.count(artefact, how) for how in PERTURBATIONS} == {(1, 1)}


@pytest.mark.parametrize("column", leaks.CLEAN)
def test_a_clean_column_moves_nothing_at_any_cut(column: str) -> None:
    found = audited(span_of(column))
    assert not found.leaks
    assert len(found.comparisons) == 8 * len(PERTURBATIONS)
    assert [each.failure for each in found.comparisons] == [""] * len(found.comparisons)
    assert found.scan.moved == dict.fromkeys(PERTURBATIONS, 0)
    assert found.scan.refused == 0
    assert set(found.compared) == set(ARTEFACTS)
    assert min(found.compared.values()) > 0
    assert found.sentences()[0].startswith("No leak found")


def test_a_column_that_knows_everything_moves_training_and_all_that_follows() -> None:
    span = span_of("global z-score")
    cuts = [Cut(np.datetime64(span.raw.times[-row]), "near the end") for row in (2, 15)]
    found = audit_leakage(replace(span, derives=False), cuts, lambda *_: None)
    for artefact in ("features", "fits", "forecasts", "targets", "accounts", "fills", "equity"):
        assert found.count(artefact, "raised")[0] > 0, artefact


def test_a_column_computed_inside_load_is_found_by_reading_again() -> None:
    span = span_of("centred window", "hidden")
    cut = Cut(np.datetime64(span.folds[1].cutoffs[1]), "at a decision")
    found = audit_leakage(span, [cut], lambda *_: None)
    assert found.scan is None
    assert found.first[1].how == "truncated"
    assert {each.how for each in found.comparisons if each.moved} == {"truncated"}
    assert not audit_leakage(span_of("SMA", "hidden"), [cut], lambda *_: None).leaks


def test_a_policy_that_reads_what_a_source_left_behind_is_found_in_the_targets() -> None:
    clean = span_of("SMA", policy="prophet")

    def careless(history: History) -> History:
        LATEST["history"] = history
        return clean.derive(history)

    found = audited(replace(clean, derive=careless))
    movement, _ = found.first
    assert movement.artefact == "targets"
    assert movement.place.startswith("column_trees S")
    assert found.count("features", "raised") == (0, 8)
    assert found.count("fits", "raised") == (0, 8)
    assert found.count("targets", "raised")[0] > 0


def test_a_future_that_the_source_refuses_is_told_and_is_no_leak() -> None:
    clean = span_of("SMA")

    def strict(history: History) -> History:
        if np.isnan(history.panel.field("close")).any():
            raise SourceError("close holds NaN")
        return clean.derive(history)

    found = audited(replace(clean, derive=strict))
    assert not found.leaks
    assert found.sentences()[1].startswith("8 of 40 futures could not be compared")
    assert "missing after" in found.sentences()[1]
    assert found.scan.refused == found.scan.cuts


def test_a_model_that_a_leak_stops_is_a_leak_with_the_error_told() -> None:
    clean = span_of("SMA")

    def spoilt(history: History) -> History:
        values = history.panel.values.copy()
        if np.isnan(values[-1]).any():
            values[: len(values) // 2] = np.nan
        return clean.derive(replace(history, panel=replace(history.panel, values=values)))

    cut = Cut(np.datetime64(clean.folds[0].cutoffs[0]), "first decision of a fold")
    found = audit_leakage(replace(clean, derive=spoilt, derives=False), [cut], lambda *_: None)
    assert found.first[1].how == "missing"
    assert "That rerun stopped with: " in found.sentences()[1]


def test_the_other_order_of_the_next_bars_high_and_low_changes_no_order() -> None:
    """T6: what is decided at t cannot depend on the path inside bar t + 1, only its fill can."""
    span = span_of("SMA", policy="long_short")
    history = span.derive(span.raw)
    cutoff = span.folds[0].cutoffs[2]
    row, panel = int(np.searchsorted(history.times, cutoff)) + 1, history.panel
    values = panel.values.copy()
    order = [panel.field_index(name) for name in ("open", "high", "low", "close")]
    opened, high, low, closed = values[row, :, order]
    values[row][:, order] = np.stack([closed, opened + closed - low, opened + closed - high, opened], axis=1)
    turned = replace(history, panel=replace(panel, values=values))
    before, after = (recorded(span.plan(h), span.folds, h, cutoff).outputs for h in (history, turned))
    for artefact in ("targets", "accounts"):
        assert repr(before[artefact]) == repr(after[artefact])
    times = [time for time in before["equity"] if time <= cutoff]
    assert all(repr(before["equity"][time]) == repr(after["equity"][time]) for time in times)


def test_the_canary_sings_and_would_be_rich_if_nobody_listened() -> None:
    """T7: a model that is given the next return is found; unchecked, it has a Sharpe ratio no honest model has."""
    sections = {
        "folds": {"kind": "rolling", "train": 120, "test": 30, "decide_every": 1},
        "policy": "long_short",
    }
    ratios = {}
    for column in ("shift(-1)", "SMA"):
        config = leaks.config(column, **sections)
        config["forecaster"]["horizon"] = 1
        span = make_span(build_spec(config), Path(), 3)
        returns = searched(span, span.raw)[0].returns
        ratios[column] = float(returns.mean() / returns.std(ddof=1)) * np.sqrt(252)
    assert ratios["shift(-1)"] > 8
    assert ratios["SMA"] < 3
