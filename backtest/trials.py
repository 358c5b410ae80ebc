"""Trial ledger: every strategy ever tried on some data, counted once; append-only.

A trial is one lane the user asked for (model x policy x settings) on one set of data. Its key names the data (source,
series, fields, period), never its bytes, which change daily. Reference models, benchmarks and audits count zero.
"""

import base64
import fcntl
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from backtest.errors import RunError
from data.panel import Floats


@dataclass(frozen=True, eq=False)
class Trial:
    """One strategy tried.

    Attributes:
        id: names the strategy: data, model, policy and settings; identical reruns have the same id.
        key: data identity as canonical JSON.
        run: id of the run.
        lane: label of the lane.
        sharpe: Sharpe ratio per period of the net returns, NaN when undefined.
        returns: (T,) net returns per period.
    """

    id: str
    key: str
    run: str
    lane: str
    sharpe: float
    returns: Floats


def trial_key(identity: Mapping[str, Any]) -> str:
    """Return the canonical text of a data identity."""
    return json.dumps(identity, sort_keys=True)


def add_trials(ledger: Path, trials: Sequence[Trial]) -> int:
    """Append the trials that are not in the ledger yet and return how many were new.

    The file is locked while it is read and appended, so any number of processes may count at once.

    Raises:
        RunError: when a line already there cannot be read.
    """
    ledger.parent.mkdir(parents=True, exist_ok=True)
    with ledger.open("a+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        known = {trial.id for trial in _parse(file.read(), ledger)}
        new = {trial.id: trial for trial in trials if trial.id not in known}
        file.writelines(json.dumps(_to_row(trial)) + "\n" for trial in new.values())
        file.flush()
    return len(new)


def read_trials(ledger: Path, key: str | None = None) -> list[Trial]:
    """Return the trials of the ledger, or those on one set of data, oldest first.

    Raises:
        RunError: when a line cannot be read.
    """
    if not ledger.exists():
        return []
    with ledger.open(encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        trials = _parse(file.read(), ledger)
    return [trial for trial in trials if key is None or trial.key == key]


def sharpe_dispersion(trials: Sequence[Trial]) -> float:
    """Return the standard deviation (ddof 1) of the trials' per-period Sharpe ratios; 0 for fewer than two."""
    ratios = np.array([trial.sharpe for trial in trials if np.isfinite(trial.sharpe)])
    return float(ratios.std(ddof=1)) if len(ratios) > 1 else 0.0


def _to_row(trial: Trial) -> dict[str, Any]:
    packed = zlib.compress(np.asarray(trial.returns, np.float64).tobytes())
    row = {name: getattr(trial, name) for name in ("id", "key", "run", "lane")}
    sharpe = trial.sharpe if np.isfinite(trial.sharpe) else None
    return {**row, "sharpe": sharpe, "returns": base64.b64encode(packed).decode("ascii")}


def _parse(text: str, ledger: Path) -> list[Trial]:
    trials = []
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            row = json.loads(line)
            packed = zlib.decompress(base64.b64decode(row["returns"]))
            sharpe = np.nan if row["sharpe"] is None else float(row["sharpe"])
            trials.append(
                Trial(
                    row["id"], row["key"], row["run"], row["lane"], sharpe, np.frombuffer(packed, np.float64)
                )
            )
        except (ValueError, KeyError, TypeError, zlib.error) as error:
            raise RunError(f"line {number} of the trial ledger {ledger} cannot be read: {error}") from error
    return trials
