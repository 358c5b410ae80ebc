"""The lake: immutable Parquet files under a manifest; a read names what was known at a time.

``files/<sha256>.parquet`` is never changed. ``manifest.jsonl`` only grows: one line a revision of a dataset, with where it
came from, under which licence, and when it was fetched. Reading as of an instant takes the newest revision fetched by then.
"""

import fcntl
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from data.errors import LakeError, nearest
from data.panel import as_time

MANIFEST, FILES = "manifest.jsonl", "files"


@dataclass(frozen=True)
class Entry:
    """One revision of a dataset.

    Attributes:
        name: the dataset.
        sha256: of the stored file, which is named by it.
        source: where it came from (a path, or a service and its request).
        licence: as stated by the source, or ``not stated``.
        fetched_at: when it was read from the source, ISO, UTC.
        revision: 1 for the first, one more each time the content changed.
        calendar: calendar of its bars.
        bar: length of its bars.
        series: names in it.
        rows: rows in it.
        first: end of its first bar, ISO.
        last: end of its last bar, ISO.
    """

    name: str
    sha256: str
    source: str
    licence: str
    fetched_at: str
    revision: int
    calendar: str
    bar: str
    series: tuple[str, ...]
    rows: int
    first: str
    last: str


@dataclass(frozen=True)
class Origin:
    """What is known of new data before it is stored: its source, licence, time of fetching, calendar and bar."""

    source: str
    licence: str
    fetched_at: str
    calendar: str
    bar: str


def add_revision(lake: Path, name: str, long: pd.DataFrame, origin: Origin) -> Entry:
    """Store a long frame as the newest revision of a dataset and return its entry.

    Content equal to the newest revision is not stored again; its entry is returned. The file is complete on disk before
    the manifest names it, and writers take turns.

    Raises:
        LakeError: when the name is not allowed, or the disk does not take the file.
    """
    if not name or not all(part.isalnum() or part in "-_." for part in name) or name.startswith("."):
        raise LakeError(f"dataset name was '{name}'; letters, digits, '-', '_' and '.' are allowed")
    try:
        (lake / FILES).mkdir(parents=True, exist_ok=True)
        with (lake / MANIFEST).open("a+", encoding="utf-8") as manifest:
            fcntl.flock(manifest, fcntl.LOCK_EX)
            known = [entry for entry in entries(lake) if entry.name == name]
            sha256 = _store(lake, long)
            if known and known[-1].sha256 == sha256:
                return known[-1]
            entry = _entry(name, sha256, len(known) + 1, long, origin)
            manifest.write(json.dumps(asdict(entry)) + "\n")
            manifest.flush()
            os.fsync(manifest.fileno())
    except OSError as error:
        raise LakeError(f"dataset '{name}' cannot be written to {lake}: {error.strerror or error}") from error
    return entry


def entries(lake: Path) -> list[Entry]:
    """Return every revision of every dataset, oldest first.

    Raises:
        LakeError: when a line of the manifest cannot be read.
    """
    path = lake / MANIFEST
    if not path.exists():
        return []
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            row: Mapping[str, Any] = json.loads(line)
            found.append(Entry(**{**row, "series": tuple(row["series"])}))
        except (ValueError, TypeError, KeyError) as error:
            raise LakeError(f"line {number} of {path} cannot be read: {error}") from error
    return found


def find_entry(lake: Path, name: str, as_of: Any | None = None) -> Entry:
    """Return the newest revision of a dataset, or the newest that was fetched at or before ``as_of``.

    Raises:
        LakeError: when there is none.
    """
    revisions = [entry for entry in entries(lake) if entry.name == name]
    if not revisions:
        known = {entry.name for entry in entries(lake)}
        raise LakeError(f"dataset '{name}' is not in the lake{nearest(name, known)}")
    if as_of is None:
        return revisions[-1]
    instant = as_time(as_of)
    seen = [entry for entry in revisions if as_time(pd.Timestamp(entry.fetched_at)) <= instant]
    if not seen:
        raise LakeError(
            f"dataset '{name}' was first fetched at {revisions[0].fetched_at}; nothing was known at {instant}"
        )
    return seen[-1]


def read_entry(lake: Path, entry: Entry) -> pd.DataFrame:
    """Return the long frame of a revision, after checking that its file is unaltered.

    Raises:
        LakeError: when the file is missing or its hash differs.
    """
    path = lake / FILES / f"{entry.sha256}.parquet"
    try:
        content = path.read_bytes()
    except OSError as error:
        raise LakeError(
            f"file {entry.sha256[:12]} of '{entry.name}' is missing from the lake; fetch or add it again"
        ) from error
    found = hashlib.sha256(content).hexdigest()
    if found != entry.sha256:
        raise LakeError(
            f"file {entry.sha256[:12]} of '{entry.name}' was altered: its hash is {found[:12]}; add it again"
        )
    return pd.read_parquet(path)


def verify(lake: Path) -> list[str]:
    """Return one sentence for each stored revision whose file is missing or altered."""
    faults = []
    for entry in entries(lake):
        try:
            read_entry(lake, entry)
        except LakeError as error:
            faults.append(str(error))
    return faults


def _store(lake: Path, long: pd.DataFrame) -> str:
    draft = lake / FILES / f".draft-{os.getpid()}"
    try:
        plain = long.reset_index(drop=True)
        plain.attrs = {}
        plain.to_parquet(draft, index=False)
        with draft.open("rb+") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            os.fsync(file.fileno())
        draft.replace(lake / FILES / f"{sha256}.parquet")
    finally:
        draft.unlink(missing_ok=True)
    return sha256


def _entry(name: str, sha256: str, revision: int, long: pd.DataFrame, origin: Origin) -> Entry:
    stamps = long["ds"]
    return Entry(
        name=name,
        sha256=sha256,
        revision=revision,
        series=tuple(str(series) for series in dict.fromkeys(long["unique_id"])),
        rows=len(long),
        first=str(np.datetime64(stamps.min(), "s")),
        last=str(np.datetime64(stamps.max(), "s")),
        **asdict(origin),
    )
