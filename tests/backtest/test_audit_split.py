"""The audit of a split: overlap by its definition, a random split exposed, a purged one left in peace."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.audit.split import audit_split, overlapping
from backtest.classification import Parts, load_classification
from backtest.cross_validation import LabelledSamples
from service.cli import main

CONFIG = Path(__file__).resolve().parents[2] / "configs" / "classification" / "index_direction.yaml"
QUICK = ["classifier.trees=30", "data.start=2008-01-01"]
START = np.datetime64("2020-01-01", "ns")


def slow_overlap(decided, known, groups, parts):
    found = []
    for test in parts.test:
        meets = [
            groups[train] == groups[test] and decided[train] < known[test] and known[train] > decided[test]
            for train in parts.train
        ]
        found.append(any(meets))
    return found


@settings(derandomize=True, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 30), st.integers(1, 12), st.integers(0, 2), st.booleans()),
        min_size=2,
        max_size=40,
    )
)
def test_overlap_is_that_of_every_pair_for_labels_of_any_length(rows):
    rows = sorted(rows)
    decided, length = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    groups, is_test = np.array([row[2] for row in rows]), np.array([row[3] for row in rows])
    parts = Parts(np.flatnonzero(~is_test), np.flatnonzero(is_test))
    day = np.timedelta64(1, "D")
    samples = LabelledSamples(START + decided * day, START + (decided + length) * day)
    found = overlapping(samples, groups, parts)
    assert found.tolist() == slow_overlap(decided, decided + length, groups, parts)


@pytest.fixture(scope="module")
def exposed():
    return audit_split(load_classification(CONFIG, ["split.kind=random", *QUICK]), Path("unused"))


def test_a_random_split_is_exposed_with_what_it_was_worth(exposed):
    assert exposed.leaks
    assert exposed.asked.overlap > 0.99
    assert exposed.purged.overlap == 0.0
    assert exposed.asked.judged.accuracy > exposed.purged.judged.accuracy + 0.2
    assert not exposed.purged.judged.has_skill
    words = " ".join(exposed.sentences())
    assert words.startswith("LEAK: 100% of the test samples share label bars")
    assert "no skill shown" in words


def test_the_random_split_ranks_slow_features_first_and_the_purged_one_does_not(exposed):
    fast = {name for name in exposed.asked.ranking.names if name.endswith((" ago", " 3 bars", " 5 bars"))}
    fast |= {"last return"}
    assert not set(exposed.asked.ranking.order[:5]) & fast
    assert set(exposed.purged.ranking.order[:5]) & fast

    def lost(outcome):
        values = dict(zip(outcome.ranking.names, outcome.ranking.importance, strict=True))
        return np.mean([values[name] for name in values if name not in fast])

    assert lost(exposed.asked) > 0.015
    assert lost(exposed.purged) < 0.5 * lost(exposed.asked)


def test_a_purged_split_is_left_in_peace():
    done = audit_split(load_classification(CONFIG, QUICK), Path("unused"))
    assert not done.leaks
    assert done.asked is done.purged
    assert len(done.document()["splits"]) == 1
    assert done.sentences()[0].startswith("No test sample shares label bars")


def test_the_document_is_strict_json(exposed):
    document = json.loads(json.dumps(exposed.document(), allow_nan=False))
    assert [row["split"] for row in document["splits"]] == ["random", "purged"]


def test_the_command_exits_with_1_on_a_leak_and_0_without(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("WAYFOLD_HOME", str(tmp_path))
    settings = [word for each in QUICK for word in ("--set", each)]
    assert main(["audit", str(CONFIG), *settings, "--set", "split.kind=random"]) == 1
    out = capsys.readouterr().out
    assert "verdict  LEAK" in out
    assert "commonest class" in out
    assert main(["audit", str(CONFIG), *settings, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["leaks"] is False
    assert Path(document["file"]).is_file()
    assert not (tmp_path / "trials.jsonl").exists()


def test_a_wrong_key_is_one_line_and_exit_code_2(capsys):
    assert main(["audit", str(CONFIG), "--set", "split.kidn=random"]) == 2
    assert "unknown key 'split.kidn'" in capsys.readouterr().err
