"""Seal: a final period that no choice may read, opened once; the opening is recorded in an append-only file."""

import fcntl
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from backtest.errors import RunError
from data.errors import SpecError
from data.history import History
from data.panel import as_time

PERIOD_KEYS = ("start", "end", "first", "last", "bars")
"""Parts of a data identity that say which period was asked for, not which data."""


@dataclass(frozen=True)
class Opening:
    """One sealed period that was looked at.

    Attributes:
        source: what names the data but its series and period, as canonical JSON.
        series: the series read.
        start: first instant of the sealed period, ISO.
        end: last bar seen, ISO.
        opened_at: when, as the caller's clock says, ISO.
        candidates: ids of the candidates that were judged on it.
        settings: digest of the settings of the selection.
    """

    source: str
    series: tuple[str, ...]
    start: str
    end: str
    opened_at: str
    candidates: tuple[str, ...]
    settings: str

    def overlaps(self, other: "Opening") -> bool:
        """Return whether both looked at bars of one series in one stretch of time."""
        shares = self.source == other.source and bool(set(self.series) & set(other.series))
        return shares and self.start <= other.end and other.start <= self.end

    def words(self) -> str:
        """Return what was opened, when, and with how many candidates."""
        return (
            f"{', '.join(self.series)} from {self.start[:10]} to {self.end[:10]} was opened at {self.opened_at} "
            f"with {len(self.candidates)} candidates"
        )


def before_seal(history: History, sealed: np.datetime64) -> History:
    """Return the history without the sealed period: bars that end before ``sealed``.

    Raises:
        SpecError: when the sealed period holds no bar or leaves none.
    """
    last = history.times[history.times < sealed][-1:]
    if not len(last) or last[0] == history.times[-1]:
        raise SpecError(
            f"the sealed period from {sealed} on must hold bars and leave some; the data runs from {history.times[0]} "
            f"to {history.times[-1]}"
        )
    return history.until(last[0])


def opening_of(
    identity: Mapping[str, Any],
    history: History,
    sealed: np.datetime64,
    *,
    opened_at: str,
    candidates: Sequence[str],
    settings: str,
) -> Opening:
    """Return the opening of the bars of ``history`` from ``sealed`` on.

    Args:
        identity: of the data (``spec.data.identity()``); asking for another period or fewer series does not make it other data.
        history: the whole history.
        sealed: first instant of the sealed period.
        opened_at: when, ISO, from the caller's clock.
        candidates: ids of what is judged.
        settings: digest of the settings.
    """
    kept = {key: value for key, value in identity.items() if key not in (*PERIOD_KEYS, "series", "fields")}
    return Opening(
        json.dumps(kept, sort_keys=True),
        tuple(history.panel.series),
        str(as_time(sealed)),
        str(history.times[-1]),
        opened_at,
        tuple(candidates),
        settings,
    )


def record_opening(ledger: Path, opening: Opening) -> None:
    """Append an opening, before anything of the period is shown; the file is locked, so only one of many processes wins.

    Raises:
        RunError: when any part of the period was opened before on any of the same series, or a line cannot be read.
    """
    ledger.parent.mkdir(parents=True, exist_ok=True)
    with ledger.open("a+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        _refuse(_parse(file.read(), ledger), opening)
        file.write(json.dumps(asdict(opening)) + "\n")
        file.flush()


def refuse_spent(ledger: Path, opening: Opening) -> None:
    """Raise when an opening could not be recorded, before the work of making it.

    Raises:
        RunError: when any part of the period was opened before on any of the same series.
    """
    _refuse(read_openings(ledger), opening)


def read_openings(ledger: Path) -> list[Opening]:
    """Return every opening, oldest first.

    Raises:
        RunError: when a line cannot be read.
    """
    if not ledger.exists():
        return []
    with ledger.open(encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        return _parse(file.read(), ledger)


def _refuse(known: Sequence[Opening], opening: Opening) -> None:
    spent = [each for each in known if each.overlaps(opening)]
    if spent:
        raise RunError(f"the sealed period cannot be opened again: {spent[0].words()}")


def _parse(text: str, ledger: Path) -> list[Opening]:
    openings = []
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            row = json.loads(line)
            lists = {name: tuple(row[name]) for name in ("series", "candidates")}
            openings.append(Opening(**{**row, **lists}))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise RunError(f"line {number} of the seal ledger {ledger} cannot be read: {error}") from error
    return openings
