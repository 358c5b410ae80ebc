"""Run: the record of one experiment, saved as JSON and Parquet, never pickle."""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd

from backtest.errors import RunError
from data.errors import nearest

MANIFEST = "run.json"
FREE_BYTES_NEEDED = 64 * 2**20
PACKAGES = ("data", "forecast", "backtest")
"""The packages whose code can change a result."""


@dataclass(frozen=True, eq=False)
class Run:
    """A finished experiment.

    Attributes:
        manifest: what it is and what it concluded (see docs/architecture.md).
        tables: the tables a report shows, by name.
    """

    manifest: Mapping[str, Any]
    tables: Mapping[str, pd.DataFrame]

    @property
    def id(self) -> str:
        """The sha256 that names the run."""
        return str(self.manifest["id"])


def run_id(spec_digest: str, fingerprint: str, code: str, seed: int) -> str:
    """Return the sha256 of (resolved spec, data fingerprint, code version, seed)."""
    return hashlib.sha256(json.dumps([spec_digest, fingerprint, code, seed]).encode()).hexdigest()


@lru_cache(maxsize=1)
def code_version() -> str:
    """Return the sha256 of every source file of the packages that can change a result."""
    root = Path(__file__).resolve().parent.parent
    digest = hashlib.sha256()
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            digest.update(path.relative_to(root).as_posix().encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def save_run(run: Run, runs: Path) -> Path:
    """Write a run into ``runs/<id>`` and return that folder; it appears whole or not at all.

    Raises:
        RunError: when the folder cannot be written (no space, no permission).
    """
    final = runs / run.id
    draft = runs / f".{run.id}.draft"
    try:
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        for name, table in run.tables.items():
            write_table(table, draft / f"{name}.parquet")
        (draft / MANIFEST).write_text(
            json.dumps(run.manifest, indent=1, default=_json_value, allow_nan=False)
        )
        shutil.rmtree(final, ignore_errors=True)
        draft.rename(final)
    except BaseException as error:
        shutil.rmtree(draft, ignore_errors=True)
        if not isinstance(error, OSError):
            raise
        raise RunError(f"run {run.id[:12]} cannot be written to {runs}: {error.strerror or error}") from error
    return final


def load_run(folder: Path) -> Run:
    """Return the run stored in a folder.

    Raises:
        RunError: when it is not there or damaged.
    """
    manifest = read_manifest(folder)
    try:
        tables = {path.stem: pd.read_parquet(path) for path in sorted(folder.glob("*.parquet"))}
    except (OSError, ValueError) as error:
        raise RunError(f"a table of the run in {folder} cannot be read: {error}") from error
    return Run(manifest, tables)


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return the manifest of the run stored in a folder, without its tables.

    Raises:
        RunError: when it is not there or damaged.
    """
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text())
    except (OSError, ValueError) as error:
        raise RunError(f"{folder} holds no readable run: {error}") from error
    return manifest


def list_runs(runs: Path) -> list[dict[str, Any]]:
    """Return the manifests of all finished runs, newest first.

    Raises:
        RunError: when one is damaged.
    """
    folders = [path.parent for path in runs.glob(f"*/{MANIFEST}")]
    return sorted(map(read_manifest, folders), key=lambda m: str(m.get("recorded_at")), reverse=True)


def find_run(runs: Path, name: str) -> Path:
    """Return the folder of the run whose id begins with ``name``; ``latest`` is the newest, a folder is itself.

    Raises:
        RunError: when none or several match.
    """
    if (Path(name) / MANIFEST).is_file():
        return Path(name)
    manifests = list_runs(runs)
    if name == "latest" and manifests:
        return runs / str(manifests[0]["id"])
    found = [m["id"] for m in manifests if name and str(m["id"]).startswith(name)]
    if len(found) == 1:
        return runs / str(found[0])
    known = [str(m["id"])[:12] for m in manifests]
    if len(found) > 1:
        raise RunError(
            f"run '{name}' matches {len(found)} runs ({', '.join(f[:12] for f in found)}); write more of the id"
        )
    hint = nearest(name, ["latest", *known]) if known else "; no run is stored there yet"
    raise RunError(f"run '{name}' was not found in {runs}{hint}")


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a table to Parquet with nanosecond UTC stamps."""
    plain = table.copy()
    for column in plain.columns:
        if pd.api.types.is_datetime64_any_dtype(plain[column]):
            plain[column] = plain[column].astype("datetime64[ns]")
    plain.to_parquet(path, index=False)


def require_space(folder: Path, needed: int = FREE_BYTES_NEEDED) -> None:
    """Raise unless the disk that holds ``folder`` has ``needed`` bytes free.

    Raises:
        RunError: when it has not, or the folder cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"{folder} cannot be made: {error.strerror or error}") from error
    if not os.access(folder, os.W_OK):
        raise RunError(f"{folder} cannot be written to; choose another WAYFOLD_HOME")
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise RunError(
            f"{folder} has {free / 2**20:.0f} MiB free; a run needs {needed / 2**20:.0f} MiB; free some or move WAYFOLD_HOME"
        )


def _json_value(value: Any) -> Any:
    if hasattr(value, "item"):
        return value.item()
    return str(value)
