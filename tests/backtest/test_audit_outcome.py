"""The whole audit: its parts, its sentences, and one JSON document that a report can show."""

import importlib.util
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from backtest.audit import leakage as leakage_module
from backtest.audit.outcome import LIMITS, Audit, audit, save_audit
from backtest.audit.recording import ARTEFACTS
from backtest.audit.span import make_span
from backtest.spec import build_spec
from forecast.lookahead import PERTURBATIONS

_PATH = Path(__file__).resolve().parents[1] / "oracles" / "leaks.py"
_SPEC = importlib.util.spec_from_file_location("wayfold_leaks", _PATH)
leaks = importlib.util.module_from_spec(_SPEC)
sys.modules[_SPEC.name] = leaks
_SPEC.loader.exec_module(leaks)


@pytest.fixture(autouse=True, scope="module")
def known() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        leaks.register(patch.setitem)
        patch.setattr(leakage_module, "MOST_SCANNED", 20)
        yield


def audited(column: str, worlds: int, told: list[Any] | None = None) -> Audit:
    config = leaks.config(column, folds={"kind": "rolling", "train": 100, "test": 20})
    told = [] if told is None else told
    return audit(make_span(build_spec(config), Path(), 2), 8, worlds, lambda *words: told.append(words))


@pytest.fixture(scope="module")
def clean(known: None) -> Audit:
    return audited("SMA", 1)


def test_a_clean_experiment_has_all_three_parts_in_words_and_says_what_is_not_proved(clean: Audit) -> None:
    sentences = clean.sentences()
    assert not clean.leaks
    assert [text.split(":")[0].split(" ")[0] for text in sentences[:4]] == [
        "Audited",
        "No",
        "Warm-up",
        "Null",
    ]
    assert sentences[-2:] == list(LIMITS)


def test_the_document_is_strict_json_with_the_tables_a_report_draws(clean: Audit) -> None:
    document = json.loads(json.dumps(clean.document(), allow_nan=False))
    assert document["leaks"] is False
    assert document["first"] is None
    assert [row["artefact"] for row in document["table"]] == list(ARTEFACTS)
    assert {row[how] for row in document["table"] for how in PERTURBATIONS} == {"0 of 8"}
    assert len({cut["cut"] for cut in document["cuts"]}) == 8
    assert document["scan"]["cuts"] == 20
    assert {shift["artefact"] for shift in document["warm_up"]} == {"features", "forecasts", "targets"}
    assert document["null"]["p_value"] >= document["null"]["least_p_value"] == 1 / 5
    assert sum(map(len, document["null"]["worlds"].values())) == 4


def test_a_leak_is_named_and_no_null_world_is_run() -> None:
    told: list[Any] = []
    found = audited("global max", 5, told)
    document = found.document()
    assert found.leaks
    assert document["null"] is None
    assert not any("null world" in words for _, _, words in told)
    assert document["first"]["artefact"] == "features"
    assert document["first"]["place"].endswith("planted")
    assert document["first"]["how"] in PERTURBATIONS
    features = document["table"][0]
    assert features["raised"] == "8 of 8"
    assert features["first"]
    assert json.dumps(document, allow_nan=False)


def test_a_saved_audit_is_the_document_and_nothing_else_is_left(tmp_path: Path, clean: Audit) -> None:
    path = tmp_path / "audits" / "run.json"
    save_audit(clean.document(), path)
    save_audit(clean.document(), path)
    assert json.loads(path.read_text()) == json.loads(json.dumps(clean.document()))
    assert [each.name for each in path.parent.iterdir()] == ["run.json"]
