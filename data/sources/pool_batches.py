"""Pool batches: finished stretches of a pool's logs, kept as files that never change, each under its last block's hash.

A file is named ``first-last-hash-digest.parquet``: the blocks it covers, the hash of the last one, and the beginning of the
sha256 of its content. So an interrupted reading goes on where it ended, and a chain that was reorganised is noticed.
"""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from data.errors import LakeError

PARTS = "parts"
_DIGITS = 16


@dataclass(frozen=True)
class Batch:
    """A finished stretch: blocks ``first`` to ``last``, the hash of the last, and its file."""

    first: int
    last: int
    hash: str
    path: Path

    def read(self) -> pd.DataFrame:
        """Return its rows.

        Raises:
            LakeError: when the file is missing or its content is not what its name says.
        """
        try:
            content = self.path.read_bytes()
        except OSError as error:
            raise LakeError(f"batch {self.path.name} is missing from the lake; fetch again") from error
        if hashlib.sha256(content).hexdigest()[:_DIGITS] != self.path.stem.rsplit("-", 1)[1]:
            raise LakeError(f"batch {self.path} was altered; delete it and fetch again")
        return pd.read_parquet(self.path)


def folder_of(lake: Path, address: str) -> Path:
    """Return where the batches of a contract are kept."""
    return lake / PARTS / address.lower()


def finished(folder: Path, first: int, last: int) -> list[Batch]:
    """Return stored batches that cover blocks from ``first`` on without a hole, none beyond ``last``, in order."""
    known = [_parsed(path) for path in sorted(folder.glob("*.parquet"))]
    found: list[Batch] = []
    cursor = first
    while True:
        fitting = [batch for batch in known if batch.first == cursor and batch.last <= last]
        if not fitting:
            return found
        found.append(max(fitting, key=lambda batch: batch.last))
        cursor = found[-1].last + 1


def store(folder: Path, first: int, last: int, block_hash: str, rows: pd.DataFrame) -> Batch:
    """Keep a finished stretch and return it; it is complete on disk before it has its name.

    Raises:
        LakeError: when the disk does not take it.
    """
    draft = folder / f".draft-{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        rows.to_parquet(draft, index=False)
        digest = hashlib.sha256(draft.read_bytes()).hexdigest()[:_DIGITS]
        path = folder / f"{first:010d}-{last:010d}-{block_hash.removeprefix('0x')}-{digest}.parquet"
        draft.replace(path)
    except OSError as error:
        raise LakeError(
            f"blocks {first} to {last} cannot be written to {folder}: {error.strerror or error}"
        ) from error
    finally:
        draft.unlink(missing_ok=True)
    return Batch(first, last, block_hash, path)


def drop(batches: list[Batch]) -> None:
    """Forget batches of blocks that are no longer part of the chain."""
    for batch in batches:
        batch.path.unlink(missing_ok=True)


def _parsed(path: Path) -> Batch:
    try:
        first, last, block_hash, _ = path.stem.split("-")
        return Batch(int(first), int(last), f"0x{block_hash}", path)
    except ValueError as error:
        raise LakeError(f"{path} is no batch by its name; move it out of the lake") from error
