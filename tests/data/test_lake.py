"""The lake: files never change, revisions never vanish, and a read knows its time."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.errors import LakeError, SpecError
from data.lake import Origin, add_revision, entries, find_entry, read_entry, verify
from data.sources.base import SOURCES


def bars(scale: float = 1.0, rows: int = 6) -> pd.DataFrame:
    ds = pd.date_range("2020-01-01", periods=rows, freq="D").as_unit("ns")
    close = scale * np.arange(1.0, rows + 1)
    return pd.DataFrame(
        {"unique_id": "A", "ds": ds, "open": close, "high": close, "low": close, "close": close}
    )


def origin(fetched_at: str) -> Origin:
    return Origin("a test", "CC0", fetched_at, "24/7", "1D")


def test_the_same_content_is_one_revision(tmp_path: Path) -> None:
    first = add_revision(tmp_path, "a", bars(), origin("2020-02-01T00:00:00"))
    again = add_revision(tmp_path, "a", bars(), origin("2020-03-01T00:00:00"))
    assert first == again
    assert len(entries(tmp_path)) == 1


def test_as_of_reads_give_what_was_known_then(tmp_path: Path) -> None:
    add_revision(tmp_path, "a", bars(1.0), origin("2020-02-01T00:00:00"))
    add_revision(tmp_path, "a", bars(2.0), origin("2020-03-01T00:00:00"))
    assert find_entry(tmp_path, "a").revision == 2
    source = SOURCES.build({"kind": "lake", "name": "a"})
    then = source.load(tmp_path, np.datetime64("2020-02-15"))
    now = source.load(tmp_path)
    assert now.panel.field("close")[0, 0] == 2 * then.panel.field("close")[0, 0]
    with pytest.raises(LakeError, match=r"first fetched at 2020-02-01.*nothing was known"):
        source.load(tmp_path, np.datetime64("2020-01-15"))


def test_a_configuration_names_the_day_whose_knowledge_it_reads(tmp_path: Path) -> None:
    add_revision(tmp_path, "a", bars(1.0), origin("2020-02-01T12:00:00"))
    add_revision(tmp_path, "a", bars(2.0), origin("2020-03-01T12:00:00"))
    first = [
        SOURCES.build({"kind": "lake", "name": "a", "known_at": day})
        .load(tmp_path)
        .panel.field("close")[0, 0]
        for day in ("2020-02-01", "2020-03-01T11:59", "2020-03-01")
    ]
    assert first == [1.0, 1.0, 2.0]
    later = SOURCES.build({"kind": "lake", "name": "a", "known_at": "2020-04-01"})
    assert later.load(tmp_path, np.datetime64("2020-02-15")).panel.field("close")[0, 0] == 1.0
    with pytest.raises(SpecError, match="allowed: an ISO date"):
        SOURCES.build({"kind": "lake", "name": "a", "known_at": "yesterday"})


def test_a_zone_aware_fetch_time_is_read_as_its_instant(tmp_path: Path) -> None:
    add_revision(tmp_path, "a", bars(), origin("2020-02-01T12:00:00+02:00"))
    assert find_entry(tmp_path, "a", np.datetime64("2020-02-01T10:00")).revision == 1
    with pytest.raises(LakeError, match="nothing was known"):
        find_entry(tmp_path, "a", np.datetime64("2020-02-01T09:59"))


def test_an_altered_file_is_refused_and_found(tmp_path: Path) -> None:
    entry = add_revision(tmp_path, "a", bars(), origin("2020-02-01T00:00:00"))
    assert verify(tmp_path) == []
    path = tmp_path / "files" / f"{entry.sha256}.parquet"
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(LakeError, match="was altered"):
        read_entry(tmp_path, entry)
    assert len(verify(tmp_path)) == 1
    path.unlink()
    assert "missing" in verify(tmp_path)[0]


def test_an_unknown_dataset_names_the_nearest(tmp_path: Path) -> None:
    add_revision(tmp_path, "prices", bars(), origin("2020-02-01T00:00:00"))
    with pytest.raises(LakeError, match="did you mean 'prices'"):
        find_entry(tmp_path, "price")


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden"])
def test_names_cannot_leave_the_lake(tmp_path: Path, name: str) -> None:
    with pytest.raises(LakeError, match="dataset name was"):
        add_revision(tmp_path, name, bars(), origin("2020-02-01T00:00:00"))


def test_nothing_is_left_when_the_frame_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pd.DataFrame, "to_parquet", full)
    with pytest.raises(LakeError, match="No space left"):
        add_revision(tmp_path, "a", bars(), origin("2020-02-01T00:00:00"))
    assert list((tmp_path / "files").iterdir()) == []
    assert entries(tmp_path) == []


def test_the_history_of_a_stored_dataset_says_where_it_came_from(tmp_path: Path) -> None:
    add_revision(tmp_path, "a", bars(), origin("2020-02-01T00:00:00"))
    history = SOURCES.build({"kind": "lake", "name": "a", "untradable": ["A"]}).load(tmp_path)
    assert history.untradable == {"A"}
    assert "CC0" in history.notes[0]
    assert history.clock.calendar == "24/7"
